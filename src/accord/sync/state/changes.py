"""Success by F5: which (change, target) pairs were due, and which are verified in the target by reading it back.

What is due is computed from what the systems show against what was last agreed, refused rows included; never from what we queued to write.

A pair is one change and one target; the change is known by its source, its key and when it was first captured. A pair that failed and
later arrives gets a second record with the same ``captured_at``: measuring counts the pair once, in time or late by the clock of the first.
"""

from __future__ import annotations

from datetime import datetime

from accord.connectors.types import literal, quote
from accord.store.records import CHANGES
from accord.sync.cycle import Cycle, Side, join_on, key_json, names, only_rows, storage_type
from accord.sync.mapping.outside import is_partial
from accord.sync.merge.merge import authority_of, moment_of
from accord.sync.state.finish import coarser, unlike
from accord.sync.state.late import load_failed

DUE = {
    "_source": "VARCHAR",
    "_target": "VARCHAR",
    "_op": "VARCHAR",
    "_fields": "HUGEINT",  # bit n: the n-th field the target is written
    "_held": "BOOLEAN",
    "_changed_at": "TIMESTAMPTZ",
}

_LAST_BIT = 62  # of a BIGINT; sides beyond share it

_LATENESS = "greatest(0, epoch($now::TIMESTAMPTZ) - epoch(coalesce(h.source_changed_at, h.captured_at)))"


def start_due(cycle: Cycle) -> None:
    """Make the empty tables ``due`` and ``changes_new``."""
    keys = {k: storage_type(cycle.entity, k) for k in cycle.keys}
    for table, columns in (("due", {**keys, **DUE}), ("changes_new", CHANGES)):
        cycle.sql(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{quote(c)} {t}' for c, t in columns.items())})")


def note_due(cycle: Cycle) -> None:
    """Add the pairs that are due by this round's captures: a source's change that won, and a target that did not show it yet."""
    known, again = f"{join_on(cycle.keys, 'n', 'o')} AND n._source = o._source AND n._target = o._target", ""
    if cycle.count("SELECT count(*) FROM due"):
        again = f"ANTI JOIN due o ON {known}"
    noted = {t.index for t in cycle.sides if cycle.count(f"SELECT count(*) FROM {t.table('pend')}")}
    for source, fields in _having_part(cycle):
        for target in cycle.sides:
            if target.writable and source is not target:
                query = _due_query(cycle, source, target, fields, noted=target.index in noted)
                cycle.sql(f"INSERT INTO due SELECT * FROM ({query}) n {again}")


def _having_part(cycle: Cycle) -> list[tuple[Side, frozenset[str]]]:
    """The sides with a part in some row of ``merged``, with the fields they have it in.

    Of twenty systems that agree mostly one, of hundreds of fields mostly few: a pair of sides costs a statement, a field a part of it.
    """
    fields = sorted({f for s in cycle.sides for f in s.codes if f not in cycle.keys})
    joined = [f for f in fields if authority_of(cycle, f) == "merge"]
    asked = [f"bool_or(_new_{s.index} OR coalesce(_deleter = {s.index + 1}, false))" for s in cycle.sides]
    asked += [f"bit_or(1::BIGINT << least({quote('w.' + f)}, {_LAST_BIT}))" for f in fields]
    asked += [f"bool_or({quote('j.' + f)} > 0)" for f in joined]
    held, *told = cycle.sql(f"SELECT {', '.join(['bool_or(_held)', *asked])} FROM merged")[0]
    parts = told[: len(cycle.sides)]
    won = dict(zip(fields, told[len(cycle.sides) :], strict=False))
    many = {f for f, some in zip(joined, told[len(told) - len(joined) :], strict=True) if some}
    found = []
    for source, part in zip(cycle.sides, parts, strict=True):
        mine = 1 << min(source.index + 1, _LAST_BIT)
        own = frozenset(f for f in fields if f in source.codes and (held or f in many or int(str(won[f] or 0)) & mine))
        if source.readable and (held or part or own):
            found.append((source, own))
    return found


def _due_query(cycle: Cycle, source: Side, target: Side, fields: frozenset[str], *, noted: bool) -> str:
    i, j = source.index, target.index
    shared = [c.name for c in target.written(cycle.keys) if c.name in fields and source.codes[c.name].readable]
    lacks = {f: f"(NOT _in_{j} OR w.{quote(f)} IS DISTINCT FROM t.{quote(f)}{' OR p._noted' if noted else ''})" for f in shared}
    pend = f"(SELECT DISTINCT {names(cycle.keys)}, true AS _noted FROM {target.table('pend')}) p ON {join_on(cycle.keys, 'm', 'p')}"
    won = {f: f"({_has_part(cycle, source, f)} AND {lacks[f]})" for f in shared}
    places = _bits(cycle, target)
    # A list and not a chain of |: DuckDB goes through a chain anew at each of its links.
    bits = ", ".join(f"CASE WHEN {sql} THEN {places[f]}::HUGEINT ELSE 0::HUGEINT END" for f, sql in won.items())
    set_ = f"list_bit_or([{bits}])" if won else "0::HUGEINT"
    absent = f"(NOT _in_{j} AND NOT _bad_{j})"
    insert = f"(_new_{i} AND {absent})" if source.may_exist else "false"
    some = " OR ".join(won.values()) or "false"
    edited = " OR ".join(f"r.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in shared) or "false"
    deleted = f"(NOT m._exists AND m._deleter = {i + 1} AND (_in_{j} OR _bad_{j}) AND _ba_{j})"
    out = target.leaves(cycle.flow.deletes)
    if is_partial(target):
        key, keys = f"({names(cycle.keys, 'm')})", f"({names(cycle.keys)})"
        hidden, left_out = (f"{key} IN (SELECT {keys} FROM {target.table(t)})" for t in ("hidden", "out"))
        out = f"(({out} AND NOT {hidden}) OR {left_out})"
    changed = f"NOT {out} AND ({insert} OR (_in_{i} AND ({some})))"
    return f"""
        SELECT {names(cycle.keys, "m")}, {literal(source.name)} AS _source, {literal(target.name)} AS _target,
            CASE WHEN NOT m._exists THEN 'delete' WHEN {insert} THEN 'insert' ELSE 'update' END AS _op, {set_} AS _fields,
            m._held, CASE WHEN m._exists THEN {moment_of(source, "r")} END AS _changed_at
        FROM merged m LEFT JOIN {source.table("cap")} r ON r.rowid = m._rid_{i}
        LEFT JOIN {target.table("cap")} t ON t.rowid = coalesce(m._rid_{j}, m._qrid_{j})
        LEFT JOIN {target.table("want")} w ON w._m = m.rowid LEFT JOIN {source.table("base")} b ON {join_on(cycle.keys, "m", "b")}
        {f"LEFT JOIN {pend}" if noted else ""}
        WHERE CASE WHEN m._held THEN _in_{i} AND (_new_{i} OR {edited}) WHEN m._exists THEN {changed} ELSE {deleted} END"""


def _has_part(cycle: Cycle, source: Side, field: str) -> str:
    """SQL: the source's edit is in the merged value: it won, or it was joined with others'."""
    i, q, w, j = source.index, quote(field), f"m.{quote('w.' + field)}", f"m.{quote('j.' + field)}"
    if authority_of(cycle, field) != "merge":
        return f"{w} = {i + 1}"
    edited = f"(_in_{i} AND {source.based(field)} AND r.{q} IS DISTINCT FROM b.{q})"
    return f"({w} = {i + 1} OR ({j} > 0 AND {edited}) OR ({j} = 2 AND {source.new(field)} AND r.{q} IS NOT NULL))"


def _bits(cycle: Cycle, target: Side) -> dict[str, int]:
    """The bit of each field a target is written; past the 100th they share one, and are then verified together."""
    return {code.name: 1 << min(place, 100) for place, code in enumerate(target.written(cycle.keys))}


def settle_due(cycle: Cycle, shown: dict[str, Side], captured_at: datetime, previous_at: datetime | None, initial: set[str]) -> None:
    """Turn ``due`` into ``changes_new``, each pair verified by value in what the target shows now, and add earlier failures that arrived.

    Args:
        cycle: after the last round; ``quarantine`` is filled.
        shown: per target the side as read back; targets that were not written are not in it.
        captured_at: when this run read the sources.
        previous_at: when the run before did.
        initial: sources that had no base before this run.
    """
    _settle(cycle, shown, captured_at, previous_at, initial)
    _date_released(cycle)
    _settle_late(cycle, shown)


def _settle(cycle: Cycle, shown: dict[str, Side], captured_at: datetime, previous_at: datetime | None, initial: set[str]) -> None:
    """Each pair of ``due``.

    Freshness runs from when the source says the row changed, but not from before the last run looked and saw it unchanged; at first
    contact and where the source does not say, from the capture.
    """
    first = ", ".join(literal(n) for n in sorted(initial)) or "''"
    known = f"CASE WHEN d._source NOT IN ({first}) THEN greatest(d._changed_at, {'$previous' if previous_at else 'NULL'}::TIMESTAMPTZ) END"
    values: dict[str, object] = {"run": cycle.run, "captured": captured_at, "now": cycle.clock()}
    if previous_at:
        values["previous"] = previous_at
    again = ""
    before = "SELECT key AS _key FROM quarantine0 WHERE binding = '' UNION SELECT unnest(keeps) FROM quarantine0"
    if cycle.rows("quarantine0") and cycle.count(f"SELECT count(*) FROM ({before})"):
        held = f"CASE WHEN n._held THEN {key_json(cycle.keys, 'n')} END"
        again = f"ANTI JOIN ({before}) q ON q._key = {held}"
    for target in cycle.sides:
        if not target.writable:
            continue
        some, fields = cycle.sql(f"SELECT count(*), bit_or(_fields) FROM due WHERE _target = {literal(target.name)}")[0]
        if not some:
            continue
        side = shown.get(target.name, target)  # nothing written there: it still shows what was captured
        pairs = f"""due d LEFT JOIN (SELECT {names(cycle.keys)}, rowid AS _m FROM merged) m ON {join_on(cycle.keys, "d", "m")}
                LEFT JOIN {target.table("want")} w ON w._m = m._m LEFT JOIN {target.table("done")} x ON x._m = m._m
                LEFT JOIN ({only_rows(cycle, side)}) z ON {join_on(cycle.keys, "d", "z")}
                WHERE d._target = {literal(target.name)}"""
        bits = {name: bit for name, bit in _bits(cycle, target).items() if bit & int(str(fields))}
        other = unlike(cycle, list(bits), "w", "z", f"{pairs} AND NOT d._held AND d._op <> 'delete'")
        wrong = " OR ".join(f"((d._fields & {bits[f]}::HUGEINT) <> 0 AND NOT {_same(cycle, f)})" for f in bits if f in other)
        present = f"z.{quote(cycle.keys[0])} IS NOT NULL"
        right = f"CASE WHEN d._op = 'delete' THEN NOT {present} ELSE {present} AND NOT ({wrong or 'false'}) END"
        cycle.sql(
            f"""
            INSERT INTO changes_new
            SELECT {literal(cycle.flow.name)}, $run, {key_json(cycle.keys, "n")}, _source, _target, _op, true, _ok, _held, false,
                _moment, $captured, CASE WHEN _ok THEN $now END,
                CASE WHEN _ok THEN greatest(0, epoch($now::TIMESTAMPTZ) - epoch(coalesce(_moment, $captured::TIMESTAMPTZ))) END
            FROM (SELECT d.*, {known} AS _moment, NOT d._held AND {right} AS _ok FROM {pairs}) n {again}""",
            values,
        )


def _settle_late(cycle: Cycle, shown: dict[str, Side]) -> None:
    """Add a record for each pair that failed in an earlier run and has arrived now.

    A row the target refused, or that was stale, is no change of its source any more when it is tried again, so ``due`` does not name it.
    """
    for target in cycle.sides:
        if not target.writable:
            continue
        side, i = shown.get(target.name, target), target.index
        present = f"z.{quote(cycle.keys[0])} IS NOT NULL"
        named = f"FROM due d WHERE {join_on(cycle.keys, 'm', 'd')} AND d._target = {literal(target.name)}"
        tried = (
            f"SELECT {key_json(cycle.keys)} AS _key, rowid AS _m, {names(cycle.keys)}, _exists FROM merged m "
            f"WHERE NOT _held AND NOT _set_{i} AND NOT EXISTS ({named})"
        )
        if not load_failed(cycle, f"SELECT _key FROM ({tried})", target.name):
            continue
        shared = [c.name for c in target.written(cycle.keys)]
        wrong = " OR ".join(f"NOT {_same(cycle, name)}" for name in shared) or "false"
        cycle.sql(
            f"""
            INSERT INTO changes_new
            SELECT {literal(cycle.flow.name)}, $run, h.key, h.source, h.target, h.op, true, true, false, false, h.source_changed_at,
                h.captured_at, $now, {_LATENESS}
            FROM failed_here h JOIN ({tried}) t ON t._key = h.key LEFT JOIN {target.table("want")} w ON w._m = t._m
            LEFT JOIN {target.table("done")} x ON x._m = t._m
            LEFT JOIN ({only_rows(cycle, side)}) z ON {join_on(cycle.keys, "t", "z")}
            WHERE CASE WHEN t._exists THEN h.op <> 'delete' AND {present} AND NOT ({wrong}) ELSE h.op = 'delete' AND NOT {present} END""",
            {"run": cycle.run, "now": cycle.clock()},
        )


def _date_released(cycle: Cycle) -> None:
    """Give pairs whose merged row was held back, and now is not, the time at which the change was first captured.

    Unless the source says that it changed the row again since: then it is another change.
    """
    held = "SELECT key FROM quarantine0 WHERE binding = ''"
    if not (cycle.rows("quarantine0") and cycle.count(f"SELECT count(*) FROM ({held})")):
        return
    for target in cycle.sides:
        if target.writable and load_failed(cycle, held, target.name):
            cycle.sql(
                f"""
                UPDATE changes_new n SET captured_at = h.captured_at, source_changed_at = h.source_changed_at,
                    freshness_seconds = CASE WHEN n.verified THEN {_LATENESS} END
                FROM failed_here h JOIN due d ON h.key = {key_json(cycle.keys, "d")} AND h.source = d._source AND h.target = d._target
                WHERE n.key = h.key AND n.source = h.source AND n.target = h.target AND NOT n.source_broken AND NOT d._held
                    AND (d._changed_at IS NULL OR d._changed_at <= h.captured_at)""",
                {"now": cycle.clock()},
            )


def _same(cycle: Cycle, field: str) -> str:
    """SQL: the target shows what it should, or what it made of it. What it refused is no coarser form of it, however alike the two look."""
    wanted, shown = f"w.{quote(field)}", f"z.{quote(field)}"
    made = f"coalesce(x._status, 'done') NOT IN ('refused', 'stale') AND coalesce({coarser(cycle.entity, field, wanted, shown)}, false)"
    return f"CASE WHEN {wanted} IS NOT DISTINCT FROM {shown} THEN true ELSE {made} END"


def note_quarantined(cycle: Cycle, captured_at: datetime) -> None:
    """A row held back is a change that did not arrive, once: strict success counts it as a failure, adjusted leaves it out."""
    readable = [s.name for s in cycle.sides if s.readable]
    for target in cycle.sides if cycle.rows("quarantine") else ():
        sources = [literal(n) for n in readable if n != target.name]
        if target.writable and sources:
            cycle.sql(
                f"""
                INSERT INTO changes_new
                SELECT {literal(cycle.flow.name)}, $run, coalesce(n.key, ''), n.binding, {literal(target.name)}, 'update', true,
                   false, true,
                    true, NULL, $captured, NULL, NULL
                FROM quarantine n ANTI JOIN quarantine0 o
                ON o.binding = n.binding AND o.key IS NOT DISTINCT FROM n.key AND o.row_hash = n.row_hash
                WHERE n.binding IN ({", ".join(sources)})""",
                {"run": cycle.run, "captured": captured_at},
            )
