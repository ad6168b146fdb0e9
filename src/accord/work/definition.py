"""A process of the map as it is carried out: its steps, the ways between them, and the hash an instance is pinned to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

from accord.model.errors import NOWHERE, Place
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Calendar, Team
from accord.model.process import Gate, Process, Start, Step
from accord.model.values import Duration
from accord.model.ways import Way, beginnings, waits_for_all, ways_of
from accord.store.database import Rows

T = TypeVar("T")


@dataclass(frozen=True)
class Definition:
    """What an instance needs of the map, complete in itself: it reads the same after the map has changed.

    Args:
        process: the process.
        gates: those its steps name.
        teams: those its steps name, with their calendars.
        calendars: the working hours of those teams.
        schemas: JSON Schema of each step that names a file for it, by step.
    """

    process: Process
    gates: Mapping[str, Gate]
    teams: Mapping[str, Team]
    calendars: Mapping[str, Calendar]
    schemas: Mapping[str, Any]

    @property
    def steps(self) -> Mapping[str, Step]:
        """The steps by name."""
        return self.process.steps

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """Every way between steps, in the order of the map."""
        return ways_of(self.process)

    @cached_property
    def ways_in(self) -> Mapping[str, tuple[Way, ...]]:
        """The ways that lead to each step."""
        return {name: tuple(w for w in self.ways if w.target == name) for name in self.steps}

    @cached_property
    def ways_out(self) -> Mapping[str, tuple[Way, ...]]:
        """The plain ways that leave each step; those of a decision are its routes."""
        return {name: tuple(w for w in self.ways if w.source == name and not w.route) for name in self.steps}

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """Steps that begin with the instance: nothing leads to them, and no other step calls for them when its time is over."""
        return beginnings(self.process)

    def waits_for_all(self, step: str) -> bool:
        """Whether a step begins only when every way in was gone."""
        return waits_for_all(self.process, step, self.ways_in[step])

    @cached_property
    def body(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        order = _order(self)
        return {
            "process": _plain(self.process),
            "gates": _plain(self.gates),
            "teams": _plain(self.teams),
            "calendars": _plain(self.calendars),
            "schemas": _plain(self.schemas),
            **({"order": order} if order else {}),
        }

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content; equal definitions are one."""
        return _hash(self.body)

    @cached_property
    def hash_without_order(self) -> str:
        """What its hash was when the log did not keep in which order routes, steps and fields are written."""
        return _hash({name: value for name, value in self.body.items() if name != "order"})


class Definitions(Protocol):
    """Where definitions come from."""

    def get(self, rows: Rows, digest: str) -> Definition:
        """The definition of a hash, as the log holds it."""
        ...

    def current(self, process: str) -> Definition:
        """The definition the map gives now."""
        ...

    def known(self, rows: Rows, digest: str) -> bool:
        """Whether the log holds it."""
        ...

    def employs(self, person: str) -> bool:
        """Whether the map knows a person; one that names none takes everybody."""
        ...

    def expect(self, person: str) -> None:
        """Return when somebody of that name may have work.

        Raises:
            UnknownName: the map names people, and not this one.
        """
        ...

    def starts(self, message: str) -> list[tuple[str, list[Start]]]:
        """Processes that a message starts, with the starts that name it."""
        ...


def define(integration_map: IntegrationMap, process: str, schemas: Mapping[str, Any] | None = None) -> Definition:
    """The definition of a process of the map.

    Args:
        integration_map: the map.
        process: a name in it.
        schemas: the parsed JSON Schema of each step that names a file.
    """
    found = integration_map.processes[process]
    gates = {name for step in found.steps.values() for name in (step.gate, step.accept_gate)}
    teams = {step.team for step in found.steps.values()} | {found.owner}
    # An address is looked up in the map when it is needed: it makes no other version of the process, and stands in no log.
    known = {name: dataclasses.replace(team, email="") for name, team in integration_map.teams.items() if name in teams}
    calendars = {team.calendar for team in known.values()}
    return Definition(
        found,
        {name: gate for name, gate in integration_map.gates.items() if name in gates},
        known,
        {name: calendar for name, calendar in integration_map.calendars.items() if name in calendars},
        dict(schemas or {}),
    )


def definition_from(body: Mapping[str, Any]) -> Definition:
    """The definition that ``body`` was made from."""
    order: Mapping[str, Any] = body.get("order", {})
    process: Process = _built(Process, body["process"])
    steps = {
        name: dataclasses.replace(
            step,
            routes=_arranged(step.routes, order.get("routes", {}).get(name, ())),
            form=_arranged(step.form, order.get("form", {}).get(name, ())),
        )
        for name, step in _arranged(process.steps, order.get("steps", ())).items()
    }
    gates: dict[str, Gate] = {name: _built(Gate, value) for name, value in body["gates"].items()}
    checks = order.get("checks", {})
    return Definition(
        dataclasses.replace(process, steps=steps),
        {name: dataclasses.replace(gate, checks=_arranged(gate.checks, checks.get(name, ()))) for name, gate in gates.items()},
        {name: _built(Team, value) for name, value in body["teams"].items()},
        {name: _built(Calendar, value) for name, value in body["calendars"].items()},
        dict(body["schemas"]),
    )


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _order(definition: Definition) -> dict[str, Any]:
    """In which order names are written where that says something: JSON in the log has its keys in that of the alphabet.

    The first route that is open is taken; people see fields and missing points as they were written; steps side by side begin so.
    """
    steps, gates = definition.steps, definition.gates
    found: dict[str, Any] = {
        "routes": {name: list(step.routes) for name, step in steps.items() if _unsorted(step.routes)},
        "form": {name: list(step.form) for name, step in steps.items() if _unsorted(step.form)},
        "checks": {name: list(gate.checks) for name, gate in gates.items() if _unsorted(gate.checks)},
        "steps": list(steps) if _unsorted(steps) else [],
    }
    return {name: held for name, held in found.items() if held}


def _unsorted(names: Iterable[str]) -> bool:
    given = list(names)
    return given != sorted(given)


def _arranged(held: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    return {name: held[name] for name in [*names, *held] if name in held}


def _plain(value: Any) -> Any:
    """Dataclasses as JSON: what stands at its default is left out, so that a new key of the model changes no hash."""
    if isinstance(value, Duration):
        return value.seconds
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {}
        for item in dataclasses.fields(value):
            held = getattr(value, item.name)
            default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
            if isinstance(held, Place) or (item.name != "name" and held == default):
                continue
            given[item.name] = _plain(held)
        return given
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _built(kind: Any, value: Any) -> Any:
    """The value of a type of the model from its JSON."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kind = next(a for a in arguments if a is not type(None))
        return None if value is None else _built(kind, value)
    if kind is Duration:
        return Duration(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        given = {name: _built(hints[name], held) for name, held in value.items() if name in hints}
        return kind(**({"place": NOWHERE} if "place" in hints else {}), **given)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _built(arguments[1], held) for name, held in value.items()}
    if origin is tuple:
        return tuple(_built(arguments[0], held) for held in value)
    return value


__all__ = ["Definition", "Definitions", "Way", "define", "definition_from"]
