"""What an instance is given of those it is part of: the variables its process may read, and none beside them.

A list of ten thousand items runs ten thousand instances. Were each given all its parent knows, the list among it, their beginnings alone
would hold the list ten thousand times. What a process may read stands in its definition: the variables it declares and those its
expressions, gates and forms name, and the same of the processes it runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from accord.model.errors import MapError, UnknownName
from accord.model.process import Step
from accord.store.database import Rows
from accord.work.definition import Definition, Definitions
from accord.work.expression import variables_of
from accord.work.state import Instance

_PARENT = "SELECT parent FROM work_instance WHERE instance = ?"
_NAMES = "SELECT name FROM work_variable WHERE instance = ?"


def needed(definitions: Definitions, definition: Definition) -> frozenset[str]:
    """Names, in lower case, of the variables that instances of a definition or of those they run may read."""
    found: set[str] = set()
    seen = {definition.process.name}
    left = [definition]
    while left:
        one = left.pop()
        found |= _read(one)
        for step in one.steps.values():
            if step.process and step.process not in seen:
                seen.add(step.process)
                with suppress(UnknownName, MapError):  # said when that step begins, should it ever
                    left.append(definitions.current(step.process))
    return frozenset(found)


def above(instance: str, wanted: Iterable[str], rows: Rows, held: Mapping[str, Instance]) -> dict[str, Any]:
    """Variables of these names, given in lower case, as the nearest knows them: ``instance`` or what it is part of."""
    found: dict[str, Any] = {}
    left = set(wanted)
    while instance and left:
        if instance in held:
            known = {name: value for name, value in held[instance].variables.items() if name.lower() in left}
            instance = held[instance].parent
        else:
            names = [str(name) for (name,) in rows.rows(_NAMES, instance) if str(name).lower() in left]
            known = {name: _value(rows, instance, name) for name in names}
            instance = next((str(parent) for (parent,) in rows.rows(_PARENT, instance)), "")
        found |= known
        left -= {name.lower() for name in known}
    return found


def anew(part: Instance, given: Mapping[str, Any], items: Any) -> dict[str, Any]:
    """What an instance was given and has not changed itself that is something else now, with its place in the list it was begun for.

    Args:
        part: the instance.
        given: what it would be given if it began now.
        items: the list as it is now, ``None`` where it was not begun for one.
    """
    fresh = {name: value for name, value in given.items() if name in part.inherited or name not in part.variables}
    position = part.variables.get("position")
    if isinstance(items, list) and isinstance(position, int) and position < len(items):
        fresh["item"] = items[position]
    return {name: value for name, value in fresh.items() if name not in part.variables or part.variables[name] != value}


def _value(rows: Rows, instance: str, name: str) -> Any:
    return json.loads(rows.rows("SELECT value FROM work_variable WHERE instance = ? AND name = ?", instance, name)[0][0])


def _read(definition: Definition) -> frozenset[str]:
    """Names of the variables that instances of a definition itself may read."""
    if definition.hash not in _known:
        if len(_known) > _MOST_KNOWN:  # definitions come and go; what is needed is looked up again
            _known.clear()
        process = definition.process
        names = {*process.variables, process.person}
        for step in process.steps.values():
            names |= {*step.form, *_properties(definition.schemas.get(step.name))}
            names.update(name for sql in _expressions(step) if sql for name in variables_of(sql))
        for gate in definition.gates.values():
            for check in gate.checks.values():
                names |= {check.evidence, *(variables_of(check.check) if check.check else (check.name,))}
        _known[definition.hash] = frozenset(name.lower() for name in names if name)
    return _known[definition.hash]


def _expressions(step: Step) -> tuple[str, ...]:
    routes = (route.when for route in step.routes.values())
    return (step.when, step.assignee, step.until, step.correlate, step.each, step.case, *step.arguments.values(), *routes)


def _properties(schema: Any) -> Iterable[str]:
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    return map(str, found) if isinstance(found, Mapping) else ()


_known: dict[str, frozenset[str]] = {}
_MOST_KNOWN = 1024
