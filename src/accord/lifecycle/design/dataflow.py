"""Who owns each field, how many hops its value travels, and where every canonical field stands in the systems."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True)
class Record:
    """The system of record of a field in a flow: declared by the map, or proposed with the reason."""

    flow: str
    entity: str
    field: str
    system: str
    declared: bool
    reason: str


@dataclass(frozen=True)
class Delivery:
    """A field's value carried into a system; ``hops`` from its system of record, ``None`` when it cannot come from there."""

    entity: str
    field: str
    owner: str
    reader: str
    hops: int | None


@dataclass(frozen=True)
class Lineage:
    """Where a canonical field comes from or goes to, and how it is converted on the way."""

    entity: str
    field: str
    system: str
    resource: str
    column: str
    direction: str
    conversion: str


def systems_of_record(integration_map: IntegrationMap) -> tuple[Record, ...]:
    """One for each field of each flow that some system provides."""
    return tuple(r for flow in integration_map.flows.values() for r in _records(flow))


def _records(flow: Flow) -> list[Record]:
    found = []
    fields = dict.fromkeys(f for b in flow.bindings.values() for f in b.fields)
    for field in fields:
        providers = [b for b in flow.bindings.values() if field in b.fields and (b.fields[field].direction or b.direction) != "write"]
        if not providers:
            continue
        rule = flow.authority.get(field) or flow.authority.get("*", "")
        named = next((b for b in providers if b.name == rule), None)
        if named is not None:
            found.append(Record(flow.name, flow.entity, field, named.holder, True, "the map names it"))
        elif len(providers) == 1:
            found.append(Record(flow.name, flow.entity, field, providers[0].holder, True, "no other system provides it"))
        elif rule in ("latest", "merge", "human"):
            found.append(
                Record(flow.name, flow.entity, field, providers[0].holder, True, f"shared: {rule} decides between {_names(providers)}")
            )
        else:
            reason = f"proposed: the first of {_names(providers)}; the map does not say"
            found.append(Record(flow.name, flow.entity, field, providers[0].holder, False, reason))
    return found


def _names(bindings: list[Binding]) -> str:
    return ", ".join(b.holder for b in bindings)


def deliveries(integration_map: IntegrationMap, records: tuple[Record, ...]) -> tuple[Delivery, ...]:
    """Every (field, reading system) pair with the hops from the field's owner, over all flows of the entity together."""
    found = []
    for entity in integration_map.entities:
        flows = [f for f in integration_map.flows.values() if f.entity == entity]
        for field in integration_map.entities[entity].fields:
            edges = [edge for flow in flows for edge in _edges(flow, field)]
            readers = dict.fromkeys(target for _, target in edges)
            owners = dict.fromkeys(r.system for r in records if r.entity == entity and r.field == field)
            # With several flows, the owner is the one that no other owner delivers to.
            first = [o for o in owners if not any((other, o) in edges for other in owners if other != o)] or list(owners)
            if not first:
                continue
            hops = _hops(first[0], edges)
            found += [Delivery(entity, field, first[0], r, hops.get(r)) for r in readers if r != first[0]]
    return tuple(found)


def _edges(flow: Flow, field: str) -> list[tuple[str, str]]:
    holders = [b for b in flow.bindings.values() if field in b.fields]
    sources = [b.holder for b in holders if (b.fields[field].direction or b.direction) != "write"]
    targets = [b.holder for b in holders if (b.fields[field].direction or b.direction) != "read" and not b.fields[field].value]
    return [(s, t) for s in sources for t in targets if s != t]


def _hops(source: str, edges: list[tuple[str, str]]) -> dict[str, int]:
    found, queue = {source: 0}, deque([source])
    while queue:
        node = queue.popleft()
        for a, b in edges:
            if a == node and b not in found:
                found[b] = found[node] + 1
                queue.append(b)
    return found


def lineage(integration_map: IntegrationMap) -> tuple[Lineage, ...]:
    """Every mapped column of every binding."""
    return tuple(
        Lineage(
            flow.entity,
            field,
            binding.holder,
            binding.resource,
            mapping.column or ("constant" if mapping.value else "computed" if mapping.read else field),
            mapping.direction or binding.direction,
            conversion(mapping),
        )
        for flow in integration_map.flows.values()
        for binding in flow.bindings.values()
        for field, mapping in binding.fields.items()
    )


def conversion(mapping: FieldMapping) -> str:
    """How a value is converted between system and canon, in words."""
    parts = []
    if mapping.value:
        parts.append(f"always «{mapping.value}»")
    if mapping.codes:
        parts.append(f"{len(mapping.codes)} codes")
    if mapping.unit:
        parts.append(f"unit {mapping.unit}")
    if mapping.timezone:
        parts.append(f"time in {mapping.timezone}")
    if mapping.format:
        parts.append(f"written {mapping.format}")
    if mapping.read:
        parts.append(mapping.read)
    return ", ".join(parts) or "as it is"
