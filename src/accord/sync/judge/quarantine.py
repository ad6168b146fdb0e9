"""Rows that wait because they break their contract: listed, counted by reason, and put aside by a person's decision.

A row in quarantine comes back by itself once it is corrected in its system. Discarding one says: this row, with exactly these values, is
known and shall not be asked about again. It stays out all the same, still counts as a change that did not arrive (F5), and any edit of it
in its system makes it a new row that is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import literal, quote
from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.store.folding import columns_in
from accord.store.kept_as import kept_as
from accord.sync.cycle import Cycle, names
from accord.sync.state.base import QUARANTINE

_ROWS_PER_EVENT = 5000
_DISCARDED = 'SELECT binding, "key", row_hash FROM quarantine_discard WHERE flow = ?'
_SHAPE = "regexp_replace(reason, '''[^'']*''|[0-9]+([.,][0-9]+)*', '…', 'g')"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are meant; an empty part leaves nothing out.

    Args:
        flow: of this flow.
        binding: of this side.
        reason: one of its reasons holds this text, in any case.
        keys: their keys, as listed: the value itself, or JSON where the key has several fields.
        since: waiting since then or later.
        discarded: also those a person discarded.
    """

    flow: str = ""
    binding: str = ""
    reason: str = ""
    keys: tuple[str, ...] = ()
    since: datetime | None = None
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The rows chosen, and how many there are by flow, binding, owner and shape of reason (values left out).

    ``rows``: flow, binding («» for rows bad only once merged), key, reasons, row (JSON), row_hash, since, discarded. ``reasons``: flow,
    binding, owner, reason, rows, since.
    """

    rows: pa.Table
    reasons: pa.Table


def list_quarantine(map: IntegrationMap, store: Store, choice: Choice = Choice()) -> Quarantine:  # noqa: A002 - frozen
    """What waits, from the last runs of the flows.

    Raises:
        UnknownName: the map has no such flow, or the flow no such binding.
    """
    _known(map, choice)
    with borrowed_duck() as con:
        _load(con, map, store)
        rows = _chosen(con, choice)
        con.register("chosen", rows)
        owners = [(f.name, b, o) for f in map.flows.values() for b, o in owners_of(map, f.name).items()]
        con.execute("CREATE TABLE owner (flow VARCHAR, binding VARCHAR, owner VARCHAR)")
        con.executemany("INSERT INTO owner VALUES (?, ?, ?)", owners) if owners else None
        reasons = con.execute(
            f"SELECT flow, binding, any_value(coalesce(owner, '')) AS owner, {_SHAPE} AS reason, count(*) AS rows, min(since) AS since "
            "FROM (SELECT flow, binding, since, unnest(reasons) AS reason FROM chosen) LEFT JOIN owner USING (flow, binding) "
            "GROUP BY ALL ORDER BY rows DESC, flow, binding, reason"
        ).to_arrow_table()
        con.unregister("chosen")
    return Quarantine(rows, reasons)


def still_waiting(map: IntegrationMap, store: Store, meant: pa.Table) -> int:  # noqa: A002
    """How many of the rows listed before still wait, for whatever reason they do now; a row without a key is known by its values."""
    now = list_quarantine(map, store).rows
    with borrowed_duck() as con:
        con.register("meant", meant)
        con.register("now", now)
        same = "n.flow = m.flow AND n.binding = m.binding AND coalesce(n.key, n.row_hash) = coalesce(m.key, m.row_hash)"
        found = con.execute(f"SELECT count(*) FROM meant m SEMI JOIN now n ON {same}").fetchone()
        con.unregister("meant")
        con.unregister("now")
    return int(found[0]) if found else 0


def discard(map: IntegrationMap, store: Store, choice: Choice, *, by: str, note: str, now: datetime) -> int:  # noqa: A002
    """Record that the chosen rows, as they are, need nobody's attention; returns how many those are.

    Raises:
        UnknownName: no such flow or binding.
        UsageError: nothing says which rows, or none waits that is meant.
    """
    if not (choice.reason or choice.keys or choice.binding or choice.flow):
        raise UsageError("nothing says which rows are meant.", expected="Expected --flow, --binding, --reason or --key.")
    return _decide(map, store, replace(choice, discarded=False), "quarantine.discarded", by=by, note=note, now=now)


def reopen(map: IntegrationMap, store: Store, choice: Choice, *, by: str, now: datetime) -> int:  # noqa: A002
    """Ask about discarded rows again; returns how many those are, 0 when none of the chosen was discarded."""
    rows = list_quarantine(map, store, replace(choice, discarded=True)).rows
    mine = rows.filter(rows.column("discarded"))
    return _record(map, store, mine, "quarantine.reopened", by=by, note="", now=now) if mine.num_rows else 0


def _decide(map: IntegrationMap, store: Store, choice: Choice, type_: str, *, by: str, note: str, now: datetime) -> int:  # noqa: A002
    rows = list_quarantine(map, store, choice).rows
    if not rows.num_rows:
        raise UsageError("no row in quarantine is meant by this.", expected="`accord quarantine list` shows what waits.")
    return _record(map, store, rows, type_, by=by, note=note, now=now)


def _record(map: IntegrationMap, store: Store, rows: pa.Table, type_: str, *, by: str, note: str, now: datetime) -> int:  # noqa: A002
    events: list[Event] = []
    kept = kept_as(map, store)
    for flow in dict.fromkeys(rows.column("flow").to_pylist()):
        mine = [r for r in rows.select(["flow", "binding", "key", "row_hash"]).to_pylist() if r["flow"] == flow]
        for first in range(0, len(mine), _ROWS_PER_EVENT):
            part = [[r["binding"], r["key"] or "", r["row_hash"]] for r in mine[first : first + _ROWS_PER_EVENT]]
            number = store.head().seq + 1 + len(events)
            stands = kept.get(flow, flow)
            body = {"flow": stands, "by": by, "note": note, "rows": part}
            events.append(Event(f"{type_}:{flow}:{number}", type_, now, f"person:{by}", body, (ObjectRef("flow", stands),)))
    store.append(events)
    return int(rows.num_rows)


def make_waiting(cycle: Cycle) -> None:
    """Make the view ``waiting``: rows of ``quarantine`` that nobody has discarded as they are."""
    load_discarded(cycle, some=bool(cycle.rows("quarantine")))
    cycle.sql(
        "CREATE OR REPLACE VIEW waiting AS SELECT q.* FROM quarantine q ANTI JOIN discarded d "
        "ON d.binding = q.binding AND d.key = coalesce(q.key, '') AND d.row_hash = q.row_hash"
    )


def load_discarded(cycle: Cycle, *, some: bool = True) -> None:
    """Fill table ``discarded`` with what people put aside in this flow; with ``some`` false it stays empty."""
    decided = cycle.store.rows(_DISCARDED, cycle.flow.name) if some else []
    cycle.sql("CREATE OR REPLACE TABLE discarded (binding VARCHAR, key VARCHAR, row_hash VARCHAR)")
    if decided:
        columns = zip(("binding", "key", "row_hash"), zip(*decided, strict=True), strict=True)
        rows = pa.table({name: pa.array(values, pa.string()) for name, values in columns})
        cycle.con.register("decided", rows)
        cycle.sql("INSERT INTO discarded SELECT * FROM decided")
        cycle.con.unregister("decided")


def _known(map: IntegrationMap, choice: Choice) -> None:  # noqa: A002
    if choice.flow and choice.flow not in map.flows:
        raise UnknownName("flow", choice.flow, map.flows)
    bindings = {b for f in map.flows.values() if choice.flow in ("", f.name) for b in f.bindings}
    if choice.binding and choice.binding not in bindings:
        raise UnknownName("binding", choice.binding, bindings)


def owners_of(map: IntegrationMap, flow: str) -> dict[str, str]:  # noqa: A002
    """Who mends the rows of each side: who owns the system, else the entity or the flow."""
    found = map.flows[flow]
    shared = map.entities[found.entity].owner or found.owner
    systems = {b.name: map.systems[b.holder].owner if b.holder in map.systems else "" for b in found.bindings.values()}
    return {"": shared, **{name: owner or shared for name, owner in systems.items()}}


def _load(con: duckdb.DuckDBPyConnection, map: IntegrationMap, store: Store) -> None:  # noqa: A002
    """Table ``held_back`` with the quarantine of every flow of the map, and whether each row is discarded."""
    con.execute(f"CREATE TABLE held_back ({', '.join(f'{quote(c)} {t}' for c, t in QUARANTINE.items())})")
    kept = kept_as(map, store)
    for flow in map.flows:
        for sha in store.flow_state(kept.get(flow, flow)).get("quarantine", ()):
            path = store.read_segment(sha)
            held = names(c for c in QUARANTINE if c in columns_in(path))  # one of an older program may lack some
            source = f"SELECT * REPLACE ({literal(flow)} AS flow) FROM read_parquet({literal(str(path))})"
            con.execute(f"INSERT INTO held_back ({held}) SELECT {held} FROM ({source})")
    con.register("discards", store.table("quarantine_discard"))
    con.execute("CREATE TABLE decided AS SELECT * FROM discards")
    con.unregister("discards")
    for flow, name in kept.items():
        con.execute("UPDATE decided SET flow = $now WHERE flow = $before", {"now": flow, "before": name})


def _chosen(con: duckdb.DuckDBPyConnection, choice: Choice) -> pa.Table:
    wanted = {"flow": choice.flow, "binding": choice.binding}
    parts = [f"q.{quote(c)} = ${c}" for c, value in wanted.items() if value]
    values: dict[str, object] = {c: value for c, value in wanted.items() if value}
    if choice.reason:
        parts.append("contains(lower(array_to_string(q.reasons, chr(10))), lower($reason))")
        values["reason"] = choice.reason
    if choice.keys:
        only = "CASE WHEN len(json_keys(q.key)) = 1 THEN json_extract_string(q.key, '$.*')[1] END"
        parts.append(f"(list_contains($keys, q.key) OR list_contains($keys, {only}))")
        values["keys"] = list(choice.keys)
    if choice.since is not None:
        parts.append("q.since >= $since")
        values["since"] = choice.since
    if not choice.discarded:
        parts.append("d.seq IS NULL")
    return con.execute(
        f"SELECT q.*, d.seq IS NOT NULL AS discarded FROM held_back q LEFT JOIN decided d "
        f"ON d.flow = q.flow AND d.binding = q.binding AND d.key = coalesce(q.key, '') AND d.row_hash = q.row_hash "
        f"WHERE {' AND '.join(parts) or 'true'} ORDER BY q.flow, q.binding, q.key, q.row_hash",
        values or None,
    ).to_arrow_table()
