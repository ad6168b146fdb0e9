"""Handoffs are read either from an entity, with its fields, or from the log between owners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.process import HandoffRule, Process

_FIELDS: Final = ("case", "step", "from_team", "to_team", "offered", "accepted", "started", "attempts", "sla_hours", "automatic")
_NEEDED: Final = ("case", "from_team", "to_team", "offered", "accepted")
_TYPES: Final = {
    "offered": ("timestamp", "date"),
    "accepted": ("timestamp", "date"),
    "started": ("timestamp", "date"),
    "attempts": ("integer", "number", "double"),
    "sla_hours": ("integer", "number", "double"),
    "automatic": ("boolean",),
}


def check(facts: Facts) -> Iterator[Problem]:
    """Handoff rules that say neither, both, or name fields the entity has not."""
    for process in facts.map.processes.values():
        if process.handoffs is not None:
            yield from _rule(facts, process, process.handoffs)


def _rule(facts: Facts, process: Process, rule: HandoffRule) -> Iterator[Problem]:
    path, holder = ("processes", process.name, "handoffs"), f"process '{process.name}', handoffs"
    if bool(rule.entity) == bool(rule.between):
        what = "both 'entity' and 'between' are given" if rule.entity else "neither 'entity' nor 'between' is given"
        yield facts.problem(path, f"{holder}: {what}.", "Expected one: the entity whose rows are handoffs, or between: resource or team.")
        return
    given = [key for key in _FIELDS if getattr(rule, key)]
    if rule.between and not rule.entity:
        for key in given:
            yield facts.problem((*path, key), f"{holder}: '{key}' goes with 'entity', not with 'between'.", "Remove it.")
    entity = facts.entity(rule.entity)
    if entity is None:
        return
    for key in _NEEDED:
        if key not in given:
            yield facts.problem(path, f"{holder}: '{key}' is missing.", f"Expected the field of entity '{entity.name}' that holds it.")
    for key in given:
        name = getattr(rule, key)
        if name not in entity.fields:
            yield facts.unknown((*path, key), holder, f"{key}: field of entity '{entity.name}'", name, entity.fields)
        elif key in _TYPES and entity.fields[name].type.partition("(")[0] not in _TYPES[key]:
            yield facts.problem(
                (*path, key),
                f"{holder}: {key} '{name}' is a {entity.fields[name].type}.",
                f"Expected a field of type {' or '.join(_TYPES[key])}.",
            )
