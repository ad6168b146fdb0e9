"""What people decide about identity: accept or reject a proposal, merge two ids, undo a merge. The next sync acts on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import literal
from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.cycle import names
from accord.sync.identity.links import LINKS, final, load_links, merged_ids
from accord.sync.identity.look import agreed_rows, entity_with_identity, load_proposals
from accord.sync.identity.own_key import canonical_id


def accept(map: IntegrationMap, entity: str, proposal: str, store: Store, *, by: str, now: datetime) -> str:  # noqa: A002
    """Decide that the two ends of a proposal are the same thing and return their canonical id.

    A second row of a system that already has one for this id is left aside from then on, not deleted.

    Raises:
        UnknownName: no such entity or proposal.
    """
    entity_with_identity(map, entity)
    with borrowed_duck() as con:
        load_links(con, store, entity)
        found = _proposal(con, store, entity, proposal)
        ends = [(str(found["left_resource"]), str(found["left_key"])), (str(found["right_resource"]), str(found["right_key"]))]
        gone = merged_ids(store, entity)
        ids = [_linked(con, gone, *end) for end in ends]
        accepted = _event(store, 2, "identity.accepted", entity, {"proposal": proposal, **_ends(found), "by": by}, now)
        if ids[0] is not None and ids[1] is not None:
            if ids[0] == ids[1]:
                store.append([accepted])
                return ids[0]
            winner, loser = sorted((ids[0], ids[1]))
            return _merge(con, map, entity, winner, loser, store, by=by, now=now, more=[accepted])
        founder = min(end for end, id_ in zip(ends, ids, strict=True) if id_ is None)
        id_ = ids[0] or ids[1] or _founded(con, map, entity, *founder)
        rows: list[tuple[Any, ...]] = []
        taken = {str(r[0]) for r in con.execute("SELECT resource FROM links WHERE canonical = ? AND NOT retired", [id_]).fetchall()}
        for (resource, own), known in sorted(zip(ends, ids, strict=True), key=lambda pair: (pair[0], pair[1] or "")):
            if known is None:
                rows.append((resource, own, id_, None, resource in taken, f"accepted: {found['rule']}", found["score"], by, now))
                taken.add(resource)
        con.executemany(f"INSERT INTO links_new VALUES ({', '.join('?' * len(LINKS))})", rows)
        body = {"by": by, "count": len(rows), "proposal": proposal, "state": {"links": [_segment(con, store, "links_new")]}}
        store.append([_event(store, 1, "identity.linked", entity, body, now), accepted])
        return id_


def reject(map: IntegrationMap, entity: str, proposal: str, store: Store, *, by: str, now: datetime) -> None:  # noqa: A002
    """Decide that the two ends of a proposal are different things; it is never proposed or linked again.

    Raises:
        UnknownName: no such entity or proposal.
    """
    entity_with_identity(map, entity)
    with borrowed_duck() as con:
        found = _proposal(con, store, entity, proposal)
        store.append([_event(store, 1, "identity.rejected", entity, {"proposal": proposal, **_ends(found), "by": by}, now)])


def merge_ids(map: IntegrationMap, entity: str, winner: str, loser: str, store: Store, *, by: str, now: datetime) -> str:  # noqa: A002
    """Make two canonical ids one and return it; both may also be given as they were before earlier merges.

    Where only the merged-away id has a row in a system, that row now belongs to the other; where both have one, the merged-away row is
    left aside. The next sync brings the systems into agreement and records what the loser held differently as conflicts.

    Raises:
        UnknownName: an id nobody knows.
        UsageError: they are the same already.
    """
    entity_with_identity(map, entity)
    with borrowed_duck() as con:
        load_links(con, store, entity)
        gone = merged_ids(store, entity)
        winner, loser = final(gone, winner), final(gone, loser)
        if winner == loser:
            raise UsageError(f"'{winner}' and '{loser}' are the same already.", expected="Give two different canonical ids.")
        return _merge(con, map, entity, winner, loser, store, by=by, now=now, more=[])


def unmerge_ids(map: IntegrationMap, entity: str, loser: str, store: Store, *, by: str, now: datetime) -> str:  # noqa: A002
    """Undo a merge: links as they were, except those made or moved since; returns the id it had been merged into.

    The values the merged-away id had are agreed again at the next sync: kept rows show them still, others get them from the merge's record.

    Raises:
        UnknownName: this id was not merged away.
        UsageError: the id it was merged into was itself merged later; that merge has to be undone first.
    """
    entity_with_identity(map, entity)
    gone = merged_ids(store, entity)
    if loser not in gone:
        raise UnknownName("merged id", loser, gone)
    winner = gone[loser]
    if winner in gone:
        raise UsageError(f"'{winner}' was merged into '{gone[winner]}' later.", expected=f"Undo that first: unmerge {winner}.")
    seq = max(r["seq"] for r in store.table("identity_merge").to_pylist() if r["entity"] == entity and r["loser"] == loser)
    merged = next(iter(store.read(after=seq - 1, limit=1))).event.attributes["state"]
    body: dict[str, Any] = {"winner": winner, "loser": loser, "by": by, "state": {}}
    with borrowed_duck() as con:
        load_links(con, store, entity)
        for sha in merged.get("undo", ()):
            con.execute(
                f"""
                INSERT INTO links_new SELECT u.resource, u.own_key, u.canonical, $winner, u.retired, 'unmerged', u.score, $by, $at
                FROM read_parquet({literal(str(store.read_segment(sha)))}) u JOIN links l USING (resource, own_key)
                WHERE l.canonical = $winner""",
                {"winner": winner, "by": by, "at": now},
            )
        if con.execute("SELECT count(*) FROM links_new").fetchall()[0][0]:
            body["state"]["links"] = [_segment(con, store, "links_new")]
        if merged.get("kept"):
            body["state"]["restored"] = list(merged["kept"])
    store.append([_event(store, 1, "identity.unmerged", entity, body, now)])
    return winner


def _merge(
    con: duckdb.DuckDBPyConnection,
    map: IntegrationMap,  # noqa: A002
    entity: str,
    winner: str,
    loser: str,
    store: Store,
    *,
    by: str,
    now: datetime,
    more: list[Event],
) -> str:
    kept = _kept_rows(con, map, entity, store, (winner, loser), now)
    known = {str(r[0]) for r in con.execute("SELECT DISTINCT canonical FROM links").fetchall()} | kept
    for id_ in (winner, loser):
        if id_ not in known:
            raise UnknownName("canonical id", id_, known)
    state = {
        "undo": [store.write_segment_from(con, f"SELECT {names(LINKS)} FROM links WHERE canonical = {literal(loser)} ORDER BY ALL").sha]
    }
    con.execute(
        """
        INSERT INTO links_new SELECT l.resource, l.own_key, $winner, $loser,
            l.retired OR l.resource IN (SELECT resource FROM links WHERE canonical = $winner AND NOT retired), 'merged', l.score, $by, $at
        FROM links l WHERE l.canonical = $loser""",
        {"winner": winner, "loser": loser, "by": by, "at": now},
    )
    if con.execute("SELECT count(*) FROM links_new").fetchall()[0][0]:
        state["links"] = [_segment(con, store, "links_new")]
    if loser in kept:
        state["kept"] = [store.write_segment_from(con, f"SELECT * FROM kept WHERE id = {literal(loser)} ORDER BY ALL").sha]
    body = {"winner": winner, "loser": loser, "by": by, "state": state}
    store.append([_event(store, 1, "identity.merged", entity, body, now), *more])
    return winner


def _kept_rows(
    con: duckdb.DuckDBPyConnection,
    map: IntegrationMap,  # noqa: A002
    entity: str,
    store: Store,
    ids: tuple[str, ...],
    now: datetime,
) -> set[str]:
    """Fill ``kept`` (flow, id, field, value) with what is agreed of these ids, and return those that are agreed somewhere."""
    con.execute("CREATE OR REPLACE TABLE kept (flow VARCHAR, id VARCHAR, field VARCHAR, value VARCHAR)")
    for flow in (f for f in map.flows.values() if f.entity == entity):
        cycle = agreed_rows(con, map, flow, store, run="", now=now)
        key, rest = f'CAST("{cycle.keys[0]}" AS VARCHAR)', [f for f in cycle.fields if f not in cycle.keys]
        chosen = f"FROM golden0 WHERE {key} IN ({', '.join(literal(i) for i in ids)})"
        for f in rest:
            cycle.sql(f"INSERT INTO kept SELECT {literal(flow.name)}, {key}, {literal(f)}, CAST({names([f])} AS VARCHAR) {chosen}")
        if not rest:
            cycle.sql(f"INSERT INTO kept SELECT {literal(flow.name)}, {key}, '', NULL {chosen}")
    return {str(row[0]) for row in con.execute("SELECT DISTINCT id FROM kept").fetchall()}


def _proposal(con: duckdb.DuckDBPyConnection, store: Store, entity: str, proposal: str) -> dict[str, Any]:
    load_proposals(con, store, entity)
    rows: list[dict[str, Any]] = con.execute("SELECT * FROM p WHERE id = ?", [proposal]).to_arrow_table().to_pylist()
    if not rows:
        raise UnknownName("proposal", proposal, [str(r[0]) for r in con.execute("SELECT id FROM p ORDER BY id LIMIT 20").fetchall()])
    return rows[0]


def _linked(con: duckdb.DuckDBPyConnection, gone: Mapping[str, str], resource: str, own: str) -> str | None:
    if not resource:
        return final(dict(gone), own)
    row = con.execute("SELECT canonical FROM links WHERE resource = ? AND own_key = ?", [resource, own]).fetchone()
    return str(row[0]) if row else None


def _founded(con: duckdb.DuckDBPyConnection, map: IntegrationMap, entity: str, resource: str, own: str) -> str:  # noqa: A002
    row = con.execute(f"SELECT {canonical_id(map.entities[entity], literal(resource), literal(own))}").fetchone()
    assert row is not None
    return str(row[0])


def _ends(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(found[name]) for name in ("left_resource", "left_key", "right_resource", "right_key")}


def _segment(con: duckdb.DuckDBPyConnection, store: Store, table: str) -> str:
    return store.write_segment_from(con, f"SELECT * FROM {table} ORDER BY ALL").sha


def _event(store: Store, offset: int, type_: str, entity: str, body: Mapping[str, Any], now: datetime) -> Event:
    number = store.head().seq + offset
    about = (ObjectRef("entity", entity),)
    return Event(f"{entity}:{type_}:{number}", type_, now, f"entity:{entity}", {"entity": entity, **body}, about)
