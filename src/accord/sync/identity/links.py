"""The link table: which own key of which resource is which canonical id, as segments named by events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from accord.connectors.types import literal
from accord.model.event import Event, ObjectRef
from accord.model.flow import Binding
from accord.store import Store
from accord.sync.cycle import Cycle, names

LINKS = {
    "resource": "VARCHAR",  # system/resource
    "own_key": "VARCHAR",
    "canonical": "VARCHAR",
    "before": "VARCHAR",  # what it was linked to before, where a person moved it
    "retired": "BOOLEAN",  # another row of the same resource stands for this canonical id
    "rule": "VARCHAR",
    "score": "DOUBLE",
    "by": "VARCHAR",
    "at": "TIMESTAMPTZ",
}
PROPOSALS = {
    "id": "VARCHAR",
    "left_resource": "VARCHAR",
    "left_key": "VARCHAR",
    "right_resource": "VARCHAR",  # empty: right_key is a canonical id
    "right_key": "VARCHAR",
    "rule": "VARCHAR",
    "score": "DOUBLE",
    "why": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "flow": "VARCHAR",  # whose run asks; null: somebody looked for duplicates
    "withdrawn": "BOOLEAN",  # it no longer holds
}
PROPOSAL_ENDS = ("left_resource", "left_key", "right_resource", "right_key")
_RECORDED = (
    ("links", "links_new", "identity.linked"),
    ("proposals", "proposals_new", "identity.proposed"),
    ("proposals", "proposals_gone", "identity.withdrawn"),
)
MOST_SEGMENTS = 24  # past it, the table is written as one segment again


def resource_of(binding: Binding) -> str:
    """Where a binding's own keys are unique: two flows that bind the same rows share their links."""
    return binding.linked_as or f"{binding.holder}/{binding.resource}"


def state_of(store: Store, entity: str, role: str) -> list[str]:
    """Segments of a role (links, proposals) of an entity, oldest first."""
    rows = store.table("identity_state").to_pylist()
    return [row["sha"] for row in rows if row["entity"] == entity and row["role"] == role]


def load_links(con: duckdb.DuckDBPyConnection, store: Store, entity: str) -> None:
    """Fill ``links`` (the current link table, ``n`` the age of each), ``dead`` (merged id → the id it is now) and ``links_new`` (none)."""
    con.execute(f"CREATE OR REPLACE TABLE links_new ({_declared(LINKS)})")
    fill_links(con, store, entity, "links")
    con.execute("CREATE OR REPLACE TABLE dead (loser VARCHAR, winner VARCHAR)")
    gone = merged_ids(store, entity)
    if gone:
        con.executemany("INSERT INTO dead VALUES (?, ?)", [(loser, final(gone, loser)) for loser in sorted(gone)])


def fill_links(con: duckdb.DuckDBPyConnection, store: Store, entity: str, table: str, *, resource: str = "") -> None:
    """Make ``table`` the current links of an entity, of one resource or of all; ``n`` is the age of each."""
    con.execute(f"CREATE OR REPLACE TABLE {table} ({_declared(LINKS)}, n INTEGER)")
    shas, where = state_of(store, entity, "links"), f" WHERE resource = {literal(resource)}" if resource else ""
    parts = [f"SELECT *, {n} AS n FROM read_parquet({literal(str(store.read_segment(sha)))}){where}" for n, sha in enumerate(shas)]
    if parts:
        last = " QUALIFY row_number() OVER (PARTITION BY resource, own_key ORDER BY n DESC) = 1" if len(parts) > 1 else ""
        found = f"SELECT * FROM ({' UNION ALL BY NAME '.join(parts)}){last}"
        con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM ({found}) WHERE canonical IS NOT NULL")  # a link to nothing was taken back


def merged_ids(store: Store, entity: str) -> dict[str, str]:
    """Merges that stand: the id that is gone → the id it was merged into."""
    rows = store.table("identity_merge").to_pylist()
    return {row["loser"]: row["winner"] for row in rows if row["entity"] == entity and row["undone_seq"] is None}


def final(gone: dict[str, str], id_: str) -> str:
    """The id that stands for this one after all merges."""
    while id_ in gone:
        id_ = gone[id_]
    return id_


def proposals_query(store: Store, entity: str) -> str:
    """SQL of every proposal of the entity that was not withdrawn, the last word on each; empty when there never was one."""
    paths = [literal(str(store.read_segment(sha))) for sha in state_of(store, entity, "proposals")]
    if not paths:
        return ""
    # Typed as an empty table, so that segments of before a column was added have it, too.
    rows = " UNION ALL BY NAME ".join(
        ("SELECT *, 0 AS n FROM proposals_new WHERE false", *(f"SELECT *, {n} AS n FROM read_parquet({p})" for n, p in enumerate(paths)))
    )
    last = f"SELECT * FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY id ORDER BY n DESC) = 1"
    return f"SELECT {names(PROPOSALS)} FROM ({last}) WHERE withdrawn IS NOT true"


def record_links(cycle: Cycle) -> None:
    """Put links made in this run into the log, before anything rests on them in a system or in the agreed state.

    A crash before this leaves nothing behind, and the next run finds the same ids again; a crash after it finds the links.
    """
    if cycle.entity.identity is None or not cycle.has("links_new"):
        return
    name = cycle.entity.name
    for role, table, type_ in _RECORDED:
        if cycle.has(table) and (count := cycle.count(f"SELECT count(*) FROM {table}")):
            sha = cycle.store.write_segment_from(cycle.con, f"SELECT * FROM {table} ORDER BY ALL").sha
            body = {"entity": name, "flow": cycle.flow.name, "run": cycle.run, "count": count, "state": {role: [sha]}}
            append(cycle.store, type_, name, body, run=cycle.run, now=cycle.clock())
            cycle.sql(f"DELETE FROM {table}")
    if len(state_of(cycle.store, name, "links")) > MOST_SEGMENTS:
        _compact(cycle, "links", f"SELECT {names(LINKS)} FROM links ORDER BY resource, own_key")
    if len(state_of(cycle.store, name, "proposals")) > MOST_SEGMENTS:
        _compact(cycle, "proposals", f"{proposals_query(cycle.store, name)} ORDER BY id")


def _compact(cycle: Cycle, role: str, query: str) -> None:
    sha = cycle.store.write_segment_from(cycle.con, query).sha
    body = {"entity": cycle.entity.name, "run": cycle.run, "state": {role: [sha]}}
    append(cycle.store, "identity.compacted", cycle.entity.name, body, run=cycle.run, now=cycle.clock())


def append(
    store: Store, type_: str, entity: str, body: dict[str, Any], *, run: str, now: datetime, about: Sequence[ObjectRef] = ()
) -> None:
    """Append one event about the identity of an entity's rows."""
    number = store.head().seq + 1
    refs = (ObjectRef("entity", entity), *([ObjectRef("run", run)] if run else []), *about)
    store.append([Event(f"{entity}:{type_}:{number}", type_, now, f"entity:{entity}", body, refs)])


def _declared(columns: dict[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())


def make_proposals_table(con: duckdb.DuckDBPyConnection) -> None:
    """An empty ``proposals_new``, and ``proposals_gone``."""
    for table in ("proposals_new", "proposals_gone"):
        con.execute(f"CREATE OR REPLACE TABLE {table} ({_declared(PROPOSALS)})")


def identity_print(cycle: Cycle) -> object:
    """All about identity that a run depends on, for the check whether anything can have changed since the last one."""
    if cycle.entity.identity is None:
        return None
    name = cycle.entity.name
    tables = [cycle.store.table(t).to_pylist() for t in ("identity_state", "identity_merge", "identity_decision")]
    others = [f.name for f in cycle.map.flows.values() if f.entity == name and f.name != cycle.flow.name]
    writing = [cycle.store.rows("SELECT seq FROM intent WHERE flow = ? AND closed_seq IS NULL ORDER BY seq", other) for other in others]
    return [[row["seq"] for row in rows if row["entity"] == name] for rows in tables], writing
