"""Whom personal values are about is a field or variable that is there."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """``person`` of an entity that is no field of it, and of a process that is no variable it may hold."""
    for entity in facts.map.entities.values():
        if entity.person and entity.fields and entity.person not in entity.fields:
            yield facts.unknown(("entities", entity.name, "person"), f"entity '{entity.name}'", "field", entity.person, entity.fields)
    for process in facts.map.processes.values():
        known = {*process.variables, *(name for step in process.steps.values() for name in step.form)}
        if process.person and process.person not in known:
            yield facts.unknown(("processes", process.name, "person"), f"process '{process.name}'", "variable", process.person, known)
