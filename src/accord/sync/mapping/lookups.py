"""Tables of codes that mappings look values up in: an entity's agreed rows, its keys in one system, or a CSV file beside the map.

Each becomes two tables of one cycle: by code, for reading, and by value, for writing. A code that means two things is in neither direction
usable, and is left out: such a value is refused with the reason instead of being guessed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from accord.connectors.types import path_literal, quote
from accord.model.errors import MapError, UnknownName, alternatives
from accord.model.flow import Lookup
from accord.sync.cycle import Cycle, storage_type
from accord.sync.identity.links import fill_links, resource_of, state_of
from accord.sync.mapping.pieces import lookup_table
from accord.sync.state.base import load_golden


def lookups_of(cycle: Cycle) -> dict[str, Lookup]:
    """The tables the flow's mappings use, by name."""
    found = [m.lookup for s in cycle.sides for m in s.binding.fields.values() if m.lookup is not None]
    return {lookup_table(lookup): lookup for lookup in found}


def make_lookups(cycle: Cycle) -> None:
    """Make the tables of a cycle, before anything is read.

    Raises:
        MapError: a file that is not there or lies elsewhere, or a column it lacks.
        UnknownName: an entity or field the map does not hold.
    """
    for table, lookup in lookups_of(cycle).items():
        if lookup.own_key:
            _links(cycle, lookup, table)
            continue
        source = _rows_of_entity(cycle, lookup, table) if lookup.entity else _rows_of_file(cycle, lookup)
        code, value = (f"CAST({quote(c)} AS VARCHAR)" for c in (lookup.code, lookup.value))
        pairs = f"SELECT DISTINCT {code} AS accord_code, {value} AS accord_value FROM {source}"
        for direction, by in (("read", "accord_code"), ("write", "accord_value")):
            cycle.sql(
                f"CREATE OR REPLACE TABLE {table}_{direction} AS SELECT any_value(accord_code) AS accord_code, "
                f"any_value(accord_value) AS accord_value FROM ({pairs}) WHERE accord_code IS NOT NULL AND accord_value IS NOT NULL "
                f"GROUP BY {by} HAVING count(*) = 1"
            )


def _linked_as(cycle: Cycle, lookup: Lookup) -> str:
    """Under which name the keys of a lookup's resource are linked: another one, where the resource was renamed."""
    flows = [f for f in cycle.map.flows.values() if f.entity == lookup.entity]
    bindings = [b for f in flows for b in f.bindings.values() if b.own_key and f"{b.holder}/{b.resource}" == lookup.own_key]
    return resource_of(bindings[0]) if bindings else lookup.own_key


def _links(cycle: Cycle, lookup: Lookup, table: str) -> None:
    """The keys a resource has for the rows of an entity with identity.

    Several keys may mean one id, where two rows of a system were found to be the same: each is read, and the one that stands is written.
    """
    fill_links(cycle.con, cycle.store, lookup.entity, f"{table}_links", resource=_linked_as(cycle, lookup))
    pairs = f"SELECT own_key AS accord_code, canonical AS accord_value FROM {table}_links"
    cycle.sql(f"CREATE OR REPLACE TABLE {table}_read AS {pairs}")
    best = "QUALIFY row_number() OVER (PARTITION BY canonical ORDER BY n DESC, own_key) = 1"
    cycle.sql(f"CREATE OR REPLACE TABLE {table}_write AS {pairs} WHERE NOT coalesce(retired, false) {best}")


def _rows_of_entity(cycle: Cycle, lookup: Lookup, table: str) -> str:
    entity = cycle.map.entities.get(lookup.entity)
    if entity is None:
        raise UnknownName("entity", lookup.entity, cycle.map.entities, place=lookup.place, holder="lookup")
    for name in (lookup.code, lookup.value):
        if name not in entity.fields:
            raise UnknownName("field", name, entity.fields, place=lookup.place, holder=f"lookup in entity '{entity.name}'")
    load_golden(cycle, f"{table}_rows", entity, {n: storage_type(entity, n) for n in dict.fromkeys((lookup.code, lookup.value))})
    return f"{table}_rows"


def lookup_segments(cycle: Cycle, lookup: Lookup) -> tuple[str, ...]:
    """The segments with the agreed rows of the entity of a lookup, or with the links of its keys."""
    if lookup.own_key:
        return tuple(state_of(cycle.store, lookup.entity, "links"))
    flows = [flow.name for flow in cycle.map.flows.values() if flow.entity == lookup.entity]
    return tuple(sha for name in flows for sha in cycle.store.flow_state(name).get("golden", ()))


def lookup_path(lookup: Lookup) -> Path:
    """The file of a lookup, which lies in the folder of the map or below.

    Raises:
        MapError: it is not there, or lies elsewhere.
    """
    folder = Path(lookup.place.file).resolve().parent
    path = (folder / lookup.file).resolve()
    if not path.is_relative_to(folder):
        raise MapError(
            f"lookup file '{lookup.file}' lies outside of the map's folder.", place=lookup.place, expected=f"Expected it below {folder}."
        )
    if not path.is_file():
        raise MapError(f"lookup file '{lookup.file}' is not there.", place=lookup.place, expected=f"Expected a CSV file at {path}.")
    return path


def _rows_of_file(cycle: Cycle, lookup: Lookup) -> str:
    source = f"read_csv({path_literal(lookup_path(lookup))}, all_varchar = true, header = true)"
    columns = [str(row[0]) for row in cycle.sql(f"DESCRIBE SELECT * FROM {source}")]
    for name in (lookup.code, lookup.value):
        if name not in columns:
            raise MapError(f"lookup file '{lookup.file}' has no column '{name}'.", place=lookup.place, expected=alternatives(name, columns))
    return source


def lookup_state(cycle: Cycle) -> tuple[object, ...]:
    """What the cycle's lookups hold, told apart by content: a run that changed nothing before may have to change something after."""
    return tuple(
        (table, lookup_segments(cycle, lookup) if lookup.entity else hashlib.sha256(lookup_path(lookup).read_bytes()).hexdigest())
        for table, lookup in sorted(lookups_of(cycle).items())
    )
