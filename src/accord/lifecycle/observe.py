"""What the systems hold right now: every binding's rows, raw and canonical, read once and shared by the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb

from accord.connectors.protocol import Connector
from accord.connectors.types import quote
from accord.model.entity import Entity
from accord.model.errors import AccordError, UnknownName
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.read import capture
from accord.sync.cycle import Cycle, Side, storage_type
from accord.sync.identity.resolve import identify
from accord.sync.mapping.fields import raw_name
from accord.sync.mapping.lookups import make_lookups
from accord.sync.state.base import load_golden

RAW = "_raw_"
ROW = "_row"
BROKEN = "_broken_"


@dataclass(frozen=True)
class BoundRows:
    """One binding's rows.

    ``table`` has ``_row`` (1, 2, … in the order read), each mapped canonical field in its canonical type (null when the system holds
    null or something that cannot be read), ``_raw_<field>``, the system's own value as text, and ``_broken_<field>``: there is a value,
    and it cannot be read. ``side`` is the capture behind it.
    """

    flow: Flow
    binding: Binding
    entity: Entity
    table: str
    fields: tuple[str, ...]
    rows: int
    side: Side | None = None

    @property
    def system(self) -> str:
        """The system that holds the rows."""
        return self.binding.holder

    @property
    def label(self) -> str:
        """``system/resource``, as findings name it."""
        return f"{self.system}/{self.binding.resource}"

    @property
    def key_sql(self) -> str:
        """The key as one text: the value itself when the key is one field, a JSON list otherwise; null when any part is null."""
        return key_text([quote(k) for k in self.entity.key])

    @property
    def shown_key_sql(self) -> str:
        """The key for people: as ``key_sql``, with the raw text of what could not be read, or the row number when there is none."""
        parts = [f"coalesce({quote(k)}::VARCHAR, {quote(RAW + k)})" if k in self.fields else "NULL" for k in self.entity.key]
        return f"coalesce({key_text(parts)}, 'row ' || {ROW})"

    def column(self, name: str) -> str:
        """The system's own column behind a canonical field; the field's name where the mapping computes it."""
        mapping = self.binding.fields.get(name)
        return (mapping.column or name) if mapping else name


def key_text(parts: list[str]) -> str:
    """SQL for a key as one text."""
    if len(parts) == 1:
        return f"{parts[0]}::VARCHAR"
    listed = ", ".join(f"{p}::VARCHAR" for p in parts)
    whole = " AND ".join(f"{p} IS NOT NULL" for p in parts)
    return f"CASE WHEN {whole} THEN to_json([{listed}])::VARCHAR END"


@dataclass(frozen=True)
class Observation:
    """All bindings of the map as found; ``unread`` gives the reason for each (system, resource) that could not be read."""

    con: duckdb.DuckDBPyConnection
    bound: tuple[BoundRows, ...]
    unread: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of_entity(self, entity: str) -> tuple[BoundRows, ...]:
        """The bindings that hold an entity, in the order of the map."""
        return tuple(b for b in self.bound if b.entity.name == entity)

    def of_flow(self, flow: str) -> tuple[BoundRows, ...]:
        """The bindings of a flow, in the order of the map."""
        return tuple(b for b in self.bound if b.flow.name == flow)


def observe(
    integration_map: IntegrationMap,
    connectors: Mapping[str, Connector],
    con: duckdb.DuckDBPyConnection,
    store: Store,
    *,
    now: datetime,
    flows: Mapping[str, Flow] | None = None,
) -> Observation:
    """Read every binding and bring its rows into canonical form, rows that break their contract included.

    A system or resource that cannot be read is named in ``unread`` with the reason; the others go on. A mapped column that is gone
    leaves its field out. Rows with keys of their own are recognized as by a run, and what is found out is kept nowhere.

    Args:
        integration_map: which systems hold what.
        connectors: by system name.
        con: where the rows are put.
        store: knows who rows with own keys are, and the agreed rows that values are looked up in.
        now: the time.
        flows: of the map, perhaps with fewer bindings; ``None``: all of them as they are.
    """
    unread: dict[tuple[str, str], str] = {}
    bound: list[BoundRows] = []
    for flow in (integration_map.flows if flows is None else flows).values():
        entity = integration_map.entities[flow.entity]
        sides = [
            Side(len(bound) + n, binding, connectors[binding.holder], may_exist=True)
            for n, binding in enumerate(b for b in flow.bindings.values() if (b.holder, b.resource) not in unread)
        ]
        cycle = Cycle(con, store, integration_map, flow, entity, "", now, sides, lambda sentence: None)
        make_lookups(cycle)
        cycle.sides = [side for side in sides if _captured(cycle, side, unread)]
        if entity.identity is not None:
            load_golden(cycle, "golden0", entity, {name: storage_type(entity, name) for name in entity.fields})
            identify(cycle)
        bound += [_bound(con, flow, entity, side) for side in cycle.sides]
    return Observation(con, tuple(bound), unread)


def _captured(cycle: Cycle, side: Side, unread: dict[tuple[str, str], str]) -> bool:
    """Whether a binding could be read; else why not is noted."""
    binding = side.binding
    try:
        capture(cycle.con, cycle.entity, side, drift="evolve", may_create=False)
    except AccordError as error:
        if not (binding.create and isinstance(error, UnknownName)):  # a table the flow itself will make is not missed
            unread[binding.holder, binding.resource] = str(error)
        return False
    return True


def _bound(con: duckdb.DuckDBPyConnection, flow: Flow, entity: Entity, side: Side) -> BoundRows:
    """The captured rows as the steps read them; the view stands on the capture and costs nothing."""
    captured, table, binding = side.table("cap"), quote(f"rows of {side.index}"), side.binding
    if binding.own_key:  # for who looks at columns: the one that tells who a row is
        key = entity.key[0]
        binding = replace(binding, fields={key: FieldMapping(key, binding.own_key, place=binding.place), **binding.fields})
    selected = [f"rowid + 1 AS {ROW}"]
    for name, code in side.codes.items():
        mapping = binding.fields[name]
        # What an expression makes null may be meant to be null; only a plain column says what should have been there.
        plain = not mapping.read and not mapping.value
        held = f"CAST({quote(raw_name(code.column))} AS VARCHAR)" if plain else "NULL"
        broken = "false" if binding.own_key and name in entity.key else f"({code.broken})"  # who waits for a decision can be read
        selected += [quote(name), f"{held} AS {quote(RAW + name)}", f"{broken} AS {quote(BROKEN + name)}"]
    con.execute(f"CREATE VIEW {table} AS SELECT {', '.join(selected)} FROM {captured}")
    counted = con.execute(f"SELECT count(*) FROM {captured}").fetchone()
    assert counted is not None
    return BoundRows(flow, binding, entity, table, tuple(side.codes), int(counted[0]), side)
