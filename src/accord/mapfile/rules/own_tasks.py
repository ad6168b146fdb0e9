"""A flow over Accord's own tasks maps columns there are, sets only what people decide, and makes and deletes no task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from accord.mapfile.problems import Problem, known_names
from accord.mapfile.rules.facts import Facts, can_read, can_write
from accord.model.flow import Binding, Flow
from accord.model.task_rows import ANSWER, KIND, RESOURCES, answer_columns


def check(facts: Facts) -> Iterator[Problem]:
    """Bindings of a system ``connector: accord`` that the engine would refuse row by row."""
    for flow in facts.map.flows.values():
        for binding in flow.bindings.values():
            system = facts.map.systems.get(binding.holder)
            if system is not None and system.connector == KIND and binding.resource:
                yield from _binding(facts, flow, binding)


def _binding(facts: Facts, flow: Flow, binding: Binding) -> Iterator[Problem]:
    path: tuple[str, ...] = ("flows", flow.name, "bindings", binding.name)
    holder = f"flow '{flow.name}', binding '{binding.name}'"
    if binding.resource not in RESOURCES:
        yield facts.unknown((*path, "resource"), holder, "resource", binding.resource, RESOURCES)
        return
    key, columns, writable = RESOURCES[binding.resource]
    known: Mapping[str, str] = columns
    if binding.resource == "tasks":
        answers = answer_columns(facts.map.processes)
        known, writable = {**columns, **answers}, writable | set(answers)
    for mapping in binding.fields.values():
        where, column = (*path, "fields", mapping.name), mapping.column or mapping.name
        if mapping.read or mapping.write or mapping.join or (mapping.value and not mapping.column):
            continue
        if column not in known:
            forms = f" A field of a form is {ANSWER}<field>." if column.startswith(ANSWER) else ""
            yield facts.problem(where, f"{holder}: there is no column '{column}'.", known_names(column, known) + forms)
        elif can_write(binding, mapping) and column not in writable and column != key:
            what = f"{holder}: '{column}' follows from the process and cannot be set."
            yield facts.problem(where, what, "Expected direction: read for this field.")
    others = [b for b in flow.bindings.values() if b is not binding and can_read(b)]
    if others and flow.existence != (binding.name,):
        where = ("flows", flow.name, "existence") if flow.existence else path
        what = f"flow '{flow.name}': tasks come and go with their processes, not with rows of {', '.join(repr(b.name) for b in others)}."
        yield facts.problem(where, what, f"Expected existence: [{binding.name}].")
