"""A binding names a system and maps fields its entity has, each to a column of its own."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_read, can_write, direction
from accord.model.errors import alternatives
from accord.model.flow import Binding, FieldMapping, Flow


def check(facts: Facts) -> Iterator[Problem]:
    """Bindings that cannot be carried out as written."""
    for flow in facts.map.flows.values():
        path, holder = ("flows", flow.name, "bindings"), f"flow '{flow.name}'"
        if not flow.bindings and facts.written(*path):
            yield facts.problem(path, f"{holder}: it has no bindings.", "Expected the systems that hold the entity.")
        elif flow.bindings and not any(can_read(b) for b in flow.bindings.values()):
            yield facts.problem(path, f"{holder}: no binding is read from.", "Expected at least one with direction: both or read.")
        for binding in flow.bindings.values():
            yield from _binding(facts, flow, binding)
        yield from _one_place_once(facts, flow)


def _binding(facts: Facts, flow: Flow, binding: Binding) -> Iterator[Problem]:
    path, holder = ("flows", flow.name, "bindings", binding.name), f"flow '{flow.name}', binding '{binding.name}'"
    system = binding.system or binding.name
    if system not in facts.map.systems and "systems" not in facts.unread:
        own = "" if binding.system else " A binding with a name of its own says where it is: 'system: …'."
        where = (*path, "system") if binding.system else path
        yield facts.problem(where, f"{holder}: system '{system}' does not exist.", alternatives(system, facts.map.systems) + own)
    if not binding.resource and facts.written(*path, "resource"):
        yield facts.problem((*path, "resource"), f"{holder}: the resource is empty.", "Expected a table, file or sheet of the system.")
    if binding.capture == "cursor" and not binding.cursor:
        yield facts.problem(
            (*path, "capture"),
            f"{holder}: capture: cursor needs a cursor.",
            "Expected cursor: and the column that grows with every change.",
        )
    entity = facts.entity_of(flow)
    columns: dict[str, str] = {}
    for mapping in binding.fields.values():
        inner = (*path, "fields", mapping.name)
        if entity is not None and mapping.name not in entity.fields:
            yield facts.unknown(inner, holder, f"field of entity '{entity.name}'", mapping.name, entity.fields)
        yield from _mapping(facts, binding, mapping, inner, holder)
        column = (mapping.column or mapping.name).casefold()
        whole = can_write(binding, mapping) and not (mapping.value and not mapping.column) and not (mapping.read and not mapping.write)
        filled = [c.casefold() for c in mapping.join.columns] if mapping.join else [column]
        for own in filled if whole else []:
            other = columns.setdefault(own, mapping.name)
            if other != mapping.name and not _together(mapping, binding.fields[other]):
                yield facts.problem(
                    inner,
                    f"{holder}: '{other}' and '{mapping.name}' are both written to column '{own}'.",
                    "Make one of them direction: read, or give both the same write: over all fields that the column holds.",
                )


def _together(one: FieldMapping, other: FieldMapping) -> bool:
    """Whether what both write to a column is one text that holds the two of them."""
    return bool(one.split and other.split) or bool(one.write and one.write == other.write)


def _mapping(facts: Facts, binding: Binding, mapping: FieldMapping, path: tuple[str, ...], holder: str) -> Iterator[Problem]:
    inside = f"{holder}, field '{mapping.name}'"
    if not direction(binding, mapping):
        yield facts.problem(
            (*path, "direction"),
            f"{inside}: direction {mapping.direction} inside a binding with direction {binding.direction}.",
            f"Expected {binding.direction}.",
        )
    if mapping.value:
        for other in ("codes", "unit", "timezone", "format", "read", "write"):
            if getattr(mapping, other):
                yield facts.problem((*path, other), f"{inside}: a constant value cannot have {other}.", "Keep one of the two.")
    for one, also in (("read", "codes"), ("read", "unit"), ("read", "format")):
        if getattr(mapping, one) and getattr(mapping, also):
            yield facts.problem((*path, also), f"{inside}: '{one}' replaces the conversion that '{also}' asks for.", "Keep one of the two.")


def _one_place_once(facts: Facts, flow: Flow) -> Iterator[Problem]:
    """Two bindings to the same rows would take each other's writes for a user's."""
    seen: dict[tuple[str, str], Binding] = {}
    for binding in flow.bindings.values():
        other = seen.setdefault((binding.system or binding.name, binding.resource), binding)
        if other is not binding and binding.resource and other.where == binding.where:
            yield facts.problem(
                ("flows", flow.name, "bindings", binding.name),
                f"flow '{flow.name}': bindings '{other.name}' and '{binding.name}' are the same resource '{binding.resource}'.",
                "Keep one, or tell their rows apart with where:.",
            )
