"""What starts a process by itself is one message or the rows of one entity, and there are steps to begin."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.expression import mistakes
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.process import Process, Start


def check(facts: Facts) -> Iterator[Problem]:
    """Starts that never come; the condition over an entity's rows is looked at with the other expressions of the map."""
    for process in facts.map.processes.values():
        for start in process.starts.values():
            yield from _start(facts, process, start)


def _start(facts: Facts, process: Process, start: Start) -> Iterator[Problem]:
    path: tuple[str, ...] = ("processes", process.name, "starts", start.name)
    holder = f"process '{process.name}', start '{start.name}'"
    if not process.steps:
        yield facts.problem(path, f"{holder}: it has no steps to begin.", "Expected steps: in the process.")
    if not (start.message or start.entity):
        yield facts.problem(path, f"{holder}: nothing starts it.", "Expected message: or entity:.")
    elif start.message and start.entity:
        yield facts.problem(path, f"{holder}: a message and an entity start it.", "Expected two starts, one for each.")
    elif start.entity in facts.map.entities and not any(flow.entity == start.entity for flow in facts.map.flows.values()):
        what = f"{holder}: no flow keeps the entity '{start.entity}', so its rows are never agreed on."
        yield facts.problem((*path, "entity"), what, "Expected a flow with this entity.")
    if start.message and facts.written(*path, "existing"):
        yield facts.problem((*path, "existing"), f"{holder}: existing is about rows of an entity.", "Remove it.")
    for message, expected in mistakes(start.when, None) if start.when and not start.entity else ():
        yield facts.problem((*path, "when"), f"{holder}, when: {message}", expected)
