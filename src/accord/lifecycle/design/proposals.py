"""Proposes mappings, fields, entities and contracts from what the systems hold, and holds the mapping proposals against the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accord.connectors.protocol import Connector
from accord.connectors.types import quote
from accord.connectors.unreadable import rows_alone
from accord.lifecycle.design.inference import InferredField, infer_field, infer_key, infer_references
from accord.lifecycle.design.matching import Match, MatchQuality, held_against, match_resource
from accord.lifecycle.design.profile import ColumnProfile, profile
from accord.lifecycle.observe import BoundRows, Observation
from accord.model.entity import Entity, Field
from accord.model.errors import AccordError
from accord.model.integration_map import IntegrationMap
from accord.model.system import SystemDescription

Profiles = Mapping[str, tuple[str, Mapping[str, ColumnProfile]]]  # entity: table with its rows, profile of its fields


@dataclass(frozen=True)
class CheckedMapping:
    """A declared mapping found again without looking at it: how many of its columns the proposal got right."""

    bound: BoundRows
    matches: tuple[Match, ...]
    known: Mapping[str, str]
    quality: MatchQuality


@dataclass(frozen=True)
class NewField:
    """A column of a bound resource that no mapping reads, as a field of the entity."""

    entity: str
    flow: str
    binding: str
    system: str
    resource: str
    inferred: InferredField
    fill: float


@dataclass(frozen=True)
class NewEntity:
    """A resource no flow binds, as an entity of its own, or as one more binding of an entity that looks the same."""

    system: str
    resource: str
    rows: int
    key: tuple[str, ...]
    fields: tuple[InferredField, ...]
    references: tuple[tuple[str, str], ...]
    like: str = ""
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True)
class ContractProposal:
    """A check the data suggests for a field that the map declares without it."""

    entity: str
    field: str
    change: str
    value: str | tuple[str, ...] | bool
    reason: str


def raw_profiles(observed: Observation, connectors: Mapping[str, Connector]) -> Profiles:
    """By ``system/resource``: a table with the rows as the system holds them, and what its columns look like."""
    found: dict[str, tuple[str, Mapping[str, ColumnProfile]]] = {}
    for bound in observed.bound:
        if bound.rows and bound.label not in found:
            table = f"raw_rows_{len(found)}"
            relation = connectors[bound.system].scan(observed.con, bound.binding.resource)
            observed.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {rows_alone(observed.con, relation)}")
            found[bound.label] = (table, profile(observed.con, table))
    return found


def check_mappings(observed: Observation, raw: Profiles) -> tuple[CheckedMapping, ...]:
    """Match every bound resource anew, from its own columns and the rows of the other systems, and compare with the map."""
    found = []
    keys = _entity_keys(observed)
    for bound in observed.bound:
        known = {f: m.column or f for f, m in bound.binding.fields.items() if not m.value and not m.read}
        if bound.label not in raw or not known:
            continue
        relation, columns = raw[bound.label]
        reference = _reference(observed, bound.entity, bound)
        others = {e: place for e, place in keys.items() if e != bound.entity.name}
        links = {} if reference else {i.column: i.target for i in infer_references(observed.con, relation, columns, others)}
        matches = match_resource(
            observed.con, bound.entity, bound.binding.resource, relation, reference=reference, columns=columns, links=links
        )
        found.append(CheckedMapping(bound, matches, known, held_against(matches, known)))
    return tuple(found)


def _reference(observed: Observation, entity: Entity, without: BoundRows | None) -> str:
    """The canonical rows of an entity in the other systems, as one relation; empty when there are none."""
    others = [b for b in observed.of_entity(entity.name) if b is not without and b.rows]
    if not others:
        return ""
    parts = (f"SELECT {', '.join(quote(f) for f in b.fields)} FROM {b.table}" for b in others)
    observed.con.execute(f"CREATE OR REPLACE TEMP TABLE reference_rows AS {' UNION ALL BY NAME '.join(parts)}")
    return "reference_rows"


def new_fields(observed: Observation, raw: Profiles) -> tuple[NewField, ...]:
    """Columns with values that no mapping of their resource reads, once for each resource."""
    read: dict[str, set[str]] = {}
    for bound in observed.bound:
        side = bound.side
        needed = {c for code in side.codes.values() for c in (*code.needs, code.column)} if side else set()
        read.setdefault(bound.label, set()).update(c.lower() for c in (*needed, bound.binding.cursor))
    found, seen = [], set()
    for bound in observed.bound:
        if bound.label in seen or bound.label not in raw:
            continue
        seen.add(bound.label)
        for name, column in raw[bound.label][1].items():
            if name.lower() not in read[bound.label] and column.filled:
                place = (bound.system, bound.binding.resource)
                found.append(NewField(bound.entity.name, bound.flow.name, bound.binding.name, *place, infer_field(column), column.fill))
    return tuple(found)


def new_entities(
    observed: Observation,
    integration_map: IntegrationMap,
    connectors: Mapping[str, Connector],
    described: Mapping[str, SystemDescription],
    fields: Profiles,
) -> tuple[NewEntity, ...]:
    """Resources that hold rows and are bound by no flow; one that two systems of the same place show is looked at once."""
    places = {name: (s.connector, s.at) for name, s in integration_map.systems.items()}
    seen = {(*places[b.holder], b.resource) for f in integration_map.flows.values() for b in f.bindings.values()}
    keys = _entity_keys(observed)
    found = []
    for system, description in described.items():
        for resource in description.resources:
            place = (*places[system], resource.name)
            if place in seen or not resource.row_count:
                continue
            seen.add(place)
            try:
                relation = connectors[system].scan(observed.con, resource.name)
                observed.con.execute(f"CREATE OR REPLACE TEMP TABLE unbound_rows AS {rows_alone(observed.con, relation)}")
            except AccordError:
                continue  # the assessment reports what cannot be read
            found.append(_new_entity(observed, integration_map, system, resource.name, resource.key, "unbound_rows", keys, fields))
    return tuple(found)


def entity_profiles(observed: Observation, integration_map: IntegrationMap) -> Profiles:
    """The canonical rows of each entity in all systems as a table, and what its fields look like."""
    found = {}
    for number, entity in enumerate(integration_map.entities.values()):
        reference = _reference(observed, entity, None)
        if reference:
            table = f"entity_rows_{number}"
            observed.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {reference}")
            found[entity.name] = (table, profile(observed.con, table, tuple(entity.fields)))
    return found


def _entity_keys(observed: Observation) -> dict[str, tuple[str, str]]:
    """Entity with a key of one field: a relation that holds it, and the field."""
    return {b.entity.name: (b.table, b.entity.key[0]) for b in reversed(observed.bound) if len(b.entity.key) == 1 and b.rows}


def _new_entity(
    observed: Observation,
    integration_map: IntegrationMap,
    system: str,
    resource: str,
    declared_key: tuple[str, ...],
    relation: str,
    keys: Mapping[str, tuple[str, str]],
    fields: Profiles,
) -> NewEntity:
    columns = profile(observed.con, relation)
    like, matches = _most_like(observed, integration_map, resource, relation, columns, fields)
    references = infer_references(observed.con, relation, columns, keys)
    rows = max((c.rows for c in columns.values()), default=0)
    key = tuple(k for k in declared_key if k in columns) or infer_key(columns, resource)
    linked = tuple((r.column, r.target) for r in references if (r.column,) != key)
    return NewEntity(system, resource, rows, key, tuple(infer_field(c) for c in columns.values()), linked, like, matches)


def _most_like(
    observed: Observation,
    integration_map: IntegrationMap,
    resource: str,
    relation: str,
    columns: Mapping[str, ColumnProfile],
    fields: Profiles,
) -> tuple[str, tuple[Match, ...]]:
    """The entity this resource is another copy of: its key and at least half of its columns must match by their rows."""
    best: tuple[float, str, tuple[Match, ...]] = (0.0, "", ())
    for entity in integration_map.entities.values():
        if entity.name not in fields:
            continue
        reference, known = fields[entity.name]
        matches = match_resource(
            observed.con, entity, resource, relation, reference=reference, columns=columns, fields=known, by_rows_only=True
        )
        by_rows = [m for m in matches if m.aligned is not None]
        share = len(by_rows) / max(min(len(columns), len(entity.fields)), 1)
        if share >= 0.5 and share > best[0] and {m.field for m in by_rows} >= set(entity.key):
            best = (share, entity.name, matches)
    return best[1], best[2]


def contract_proposals(observed: Observation, integration_map: IntegrationMap, profiles: Profiles) -> tuple[ContractProposal, ...]:
    """Checks the canonical rows of all systems pass and the contracts do not name."""
    found: list[ContractProposal] = []
    keys = _entity_keys(observed)
    for entity in integration_map.entities.values():
        if entity.name not in profiles:
            continue
        reference, columns = profiles[entity.name]
        for name, column in columns.items():
            found += _proposed_checks(entity, entity.fields[name], column, infer_field(column))
        free = {n: c for n, c in columns.items() if not entity.fields[n].references and n not in entity.key}
        others = {e: place for e, place in keys.items() if e != entity.name}
        for link in infer_references(observed.con, reference, free, others):
            reason = f"{link.share:.1%} of its values are keys of {link.target}"
            found.append(ContractProposal(entity.name, link.column, "references", link.target, reason))
    return tuple(found)


def _proposed_checks(entity: Entity, declared: Field, column: ColumnProfile, inferred: InferredField) -> list[ContractProposal]:
    found = []
    told = inferred.field
    filled = f"filled in all {column.rows:,} rows of all systems"
    if told.required and not declared.required and declared.name not in entity.key:
        found.append(ContractProposal(entity.name, declared.name, "required", True, filled))
    free = not declared.values and not declared.references and not declared.pattern and declared.name not in entity.key
    if told.values and free and declared.type == "text":
        reason = f"only {column.distinct} different values in {column.filled:,} rows"
        found.append(ContractProposal(entity.name, declared.name, "values", told.values, reason))
    if told.pattern and not declared.pattern and not declared.references and not declared.values and declared.type == "text":
        found.append(ContractProposal(entity.name, declared.name, "pattern", told.pattern, "all values have one shape"))
    if told.minimum and not declared.minimum and declared.type.split("(")[0] in ("integer", "number", "double"):
        found.append(ContractProposal(entity.name, declared.name, "minimum", told.minimum, f"never negative in {column.filled:,} rows"))
    if told.personal and not declared.personal:
        found.append(ContractProposal(entity.name, declared.name, "personal", True, "name or values look like personal data"))
    return found


def described_systems(connectors: Mapping[str, Connector]) -> dict[str, SystemDescription]:
    """What each reachable system says about itself."""
    found = {}
    for name in connectors:
        try:
            found[name] = connectors[name].describe()
        except AccordError:
            continue  # reported by the assessment, which comes first
    return found
