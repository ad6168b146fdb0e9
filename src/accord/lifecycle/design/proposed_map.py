"""The proposals as a changed map: what is certain enough to write, as a model, a diff in words and YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from accord.lifecycle.design.dataflow import Record
from accord.lifecycle.design.names import words
from accord.lifecycle.design.proposals import ContractProposal, NewEntity
from accord.mapfile import diff_maps, dump_map
from accord.model.entity import Entity
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True)
class ProposedMap:
    """The changed map, the difference to the one that stands, and the changed parts as YAML."""

    map: IntegrationMap
    words: tuple[str, ...]
    yaml: str

    @property
    def changed(self) -> bool:
        """Whether anything is proposed."""
        return bool(self.words)


def propose_map(
    current: IntegrationMap, contracts: Sequence[ContractProposal], entities: Sequence[NewEntity], records: Sequence[Record]
) -> ProposedMap:
    """Apply the proposals to the map in memory.

    Args:
        current: the map as written, variables unresolved, so that the YAML can be put beside it.
        contracts: checks the data passes.
        entities: resources no flow binds.
        records: systems of record; those the map does not name become its authority.
    """
    changed = dict(current.entities)
    for proposal in contracts:
        entity = changed[proposal.entity]
        field = replace(entity.fields[proposal.field], **{proposal.change: proposal.value})  # type: ignore[arg-type]
        changed[proposal.entity] = replace(entity, fields={**entity.fields, proposal.field: field})
    flows = dict(current.flows)
    for record in records:
        if not record.declared:
            flow = flows[record.flow]
            binding = next(b.name for b in flow.bindings.values() if b.holder == record.system)
            flows[record.flow] = replace(flow, authority={**flow.authority, record.field: binding})
    for new in entities:
        added, flow = _declared(new, current)
        if added is not None and added.name not in changed and flow.name not in flows:
            changed[added.name], flows[flow.name] = added, flow
    proposed = replace(current, entities=changed, flows=flows)
    parts = replace(
        proposed,
        entities={n: e for n, e in changed.items() if e != current.entities.get(n)},
        flows={n: f for n, f in flows.items() if f != current.flows.get(n)},
    )
    difference = tuple(diff_maps(current, proposed))
    return ProposedMap(proposed, difference, _sections(dump_map(parts), ("entities", "flows")) if difference else "")


def _declared(new: NewEntity, current: IntegrationMap) -> tuple[Entity | None, Flow]:
    """A resource without flow as an entity that one flow reads; nothing when it is a copy of another or has no key."""
    name = entity_name(new.resource)
    fields = {}
    for inferred in new.fields:
        own = identifier(inferred.field.name)
        target = dict(new.references).get(inferred.field.name, "")
        fields[own] = replace(inferred.field, name=own, references=target, values=() if target else inferred.field.values)
    mapped = {identifier(i.field.name): FieldMapping(identifier(i.field.name), column=i.field.name) for i in new.fields}
    owner = current.systems[new.system].owner
    binding = Binding(new.system, new.resource, mapped, direction="read")
    flow = Flow(f"{name}_in_{new.system}", name, {new.system: binding}, owner=owner)
    if new.like or not new.key or len(fields) != len(new.fields):
        return None, flow
    return Entity(name, tuple(identifier(k) for k in new.key), fields, owner=owner), flow


def entity_name(resource: str) -> str:
    """A resource's name as an entity: its words in the singular."""
    parts = list(words(resource.split(".")[-1])) or ["entity"]
    last = parts[-1]
    parts[-1] = last[:-3] + "y" if last.endswith("ies") else last[:-1] if last.endswith("s") and not last.endswith("ss") else last
    return "_".join(parts)


def identifier(column: str) -> str:
    """A column's name as a field of the map."""
    found = "_".join(words(column)) or "field"
    return found if re.match(r"[a-z]", found) else f"f_{found}"


def _sections(text: str, wanted: Sequence[str]) -> str:
    """The named top-level sections of a dumped map."""
    kept, inside = [], False
    for line in text.splitlines():
        if line[:1].strip() and not line.startswith("#"):
            inside = line.split(":")[0] in wanted
        if inside:
            kept.append(line)
    return "\n".join(kept) + "\n" if kept else ""
