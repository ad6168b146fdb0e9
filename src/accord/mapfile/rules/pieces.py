"""A mapping that is declared two-way has an inverse, and parts, joins, lookups and sets are complete and stand alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_write
from accord.model.entity import Entity
from accord.model.flow import Binding, FieldMapping, Flow, Lookup

_KINDS = ("split", "join", "lookup", "codes", "read")


def check(facts: Facts) -> Iterator[Problem]:
    """Mappings that cannot be written back as they are read."""
    for flow in facts.map.flows.values():
        entity = facts.entity_of(flow)
        for binding in flow.bindings.values():
            yield from _parts(facts, flow, binding)
            for mapping in binding.fields.values():
                yield from _mapping(facts, flow, binding, mapping, entity)


def _mapping(facts: Facts, flow: Flow, binding: Binding, mapping: FieldMapping, entity: Entity | None) -> Iterator[Problem]:
    path = ("flows", flow.name, "bindings", binding.name, "fields", mapping.name)
    holder = f"flow '{flow.name}', binding '{binding.name}', field '{mapping.name}'"
    conversion = mapping.codes or mapping.unit or mapping.format  # beside read: told by the rule about bindings
    if (mapping.direction or binding.direction) == "both" and mapping.read and not (mapping.write or conversion):
        where = (*path, "direction") if mapping.direction else path
        what = f"{holder}: 'read' has no inverse, so changes of other systems would never reach '{binding.name}'."
        yield facts.problem(where, what, "Give write:, or set direction: read.")
    given = [kind for kind in _KINDS if getattr(mapping, kind)]
    for one, other in pairwise(given):
        yield facts.problem((*path, other), f"{holder}: '{one}' and '{other}' both say how the value is read.", "Keep one of the two.")
    if mapping.value and mapping.default:
        yield facts.problem((*path, "default"), f"{holder}: a constant value cannot have default.", "Keep one of the two.")
    if (mapping.split or mapping.join) and entity is not None and mapping.name in entity.key:
        yield facts.problem(path, f"{holder}: a key cannot be made of pieces.", "Map the key to a column of its own.")
    if mapping.join is not None and len(mapping.join.columns) < 2:
        yield facts.problem((*path, "join", "columns"), f"{holder}: a join of one column joins nothing.", "Expected two columns or more.")
    if mapping.join is not None and mapping.column:
        yield facts.problem((*path, "column"), f"{holder}: 'join' names its columns itself.", "Keep one of the two.")
    yield from _lookup(facts, path, holder, mapping.lookup)
    field = entity.fields.get(mapping.name) if entity is not None else None
    if mapping.separator and field is not None and not field.separator and field.type != "json":
        yield facts.problem(
            (*path, "separator"), f"{holder}: the field is no set.", "Give the field of the entity a separator:, or type: json."
        )


def _lookup(facts: Facts, path: tuple[str, ...], holder: str, lookup: Lookup | None) -> Iterator[Problem]:
    if lookup is not None and bool(lookup.entity) == bool(lookup.file):
        yield facts.problem((*path, "lookup"), f"{holder}: a lookup needs one table.", "Expected entity: or file:, one of them.")
    elif lookup is not None and lookup.entity:
        table = facts.entity(lookup.entity)
        if lookup.entity not in facts.map.entities:
            yield facts.unknown((*path, "lookup", "entity"), f"{holder}: lookup", "entity", lookup.entity, facts.map.entities)
        if lookup.own_key:
            yield from _own_key(facts, path, holder, lookup)
            return
        for side in ("code", "value"):
            name = getattr(lookup, side)
            if not name:
                yield facts.problem((*path, "lookup"), f"{holder}: a lookup without '{side}'.", "Expected code: and value:, or own_key:.")
            elif table is not None and name not in table.fields:
                yield facts.unknown((*path, "lookup", side), f"{holder}: lookup", f"field of entity '{table.name}'", name, table.fields)
    elif lookup is not None and not (lookup.code and lookup.value):
        yield facts.problem((*path, "lookup"), f"{holder}: a lookup needs two columns of its file.", "Expected code: and value:.")


def _own_key(facts: Facts, path: tuple[str, ...], holder: str, lookup: Lookup) -> Iterator[Problem]:
    bound = {
        f"{b.holder}/{b.resource}" for f in facts.map.flows.values() if f.entity == lookup.entity for b in f.bindings.values() if b.own_key
    }
    if lookup.code or lookup.value:
        yield facts.problem((*path, "lookup", "own_key"), f"{holder}: own_key stands in place of code and value.", "Keep one of the two.")
    if lookup.own_key not in bound:
        what = f"system/resource with own keys of entity '{lookup.entity}'"
        yield facts.unknown((*path, "lookup", "own_key"), f"{holder}: lookup", what, lookup.own_key, bound)


def _parts(facts: Facts, flow: Flow, binding: Binding) -> Iterator[Problem]:
    columns: dict[str, list[FieldMapping]] = {}
    for mapping in binding.fields.values():
        if mapping.split is not None:
            columns.setdefault((mapping.column or mapping.name).casefold(), []).append(mapping)
    for column, mappings in columns.items():
        path = ("flows", flow.name, "bindings", binding.name, "fields", mappings[0].name, "split")
        holder = f"flow '{flow.name}', binding '{binding.name}'"
        numbers = sorted(m.split.part for m in mappings if m.split)
        written = any(can_write(binding, m) for m in mappings)
        if numbers[0] < 1 or len(set(numbers)) < len(numbers):
            yield facts.problem(path, f"{holder}: parts {numbers} of column '{column}'.", "Expected each part once, counted from 1.")
        elif written and numbers != list(range(1, len(numbers) + 1)):
            yield facts.problem(
                path,
                f"{holder}: column '{column}' cannot be written from parts {numbers}: one between them is mapped nowhere.",
                "Map every part from 1 on, or set direction: read.",
            )
        if len({m.split.separator for m in mappings if m.split}) > 1:
            yield facts.problem(
                path, f"{holder}: the parts of column '{column}' have different separators.", "Expected one for all of them."
            )
