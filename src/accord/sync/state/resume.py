"""What a run that died, or a round that met newer values, had agreed on: the next one goes on from there.

A value made of several sides' edits (a counter, a set, a text under ``merge``) cannot be merged twice. Once a system holds the sum of all
edits, the golden value and the bases from before no longer tell which of them are in it: counted again they are doubled, believed anew
they are lost. So the intent keeps the agreement the run had reached, as if every write had still been to come: the golden value is the
merged one, and each base is what that side showed. A later edit is then an edit, whether or not the write before it came to pass. Of a row
of which a write did not, or is not known to have, that is said only of such values: an edit of another field still meets its rivals.

The same holds of a delete in every flow: once it came through, a row of that key is one that somebody made again, and by the old base it
would be deleted once more. Of all other rows the old base stays the measure in flows without such values, so that two edits, one before a
crash and one after it, are still a conflict for the authority.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from accord.connectors.types import literal, quote
from accord.model.event import StoredEvent
from accord.store.folding import columns_in
from accord.sync.apply.receipts import APPLIED, left_rows
from accord.sync.cycle import Cycle, Side, join_on, names, storage_type
from accord.sync.merge.merge import adds_up, authority_of
from accord.sync.state.base import MARKS, load_segments
from accord.sync.state.changes import DUE
from accord.sync.state.finish import base_rows, golden_rows, next_base, next_golden
from accord.sync.state.record import append

_ROLE = "_role"
_BEFORE = "before:"  # begins the roles of rows in which only what is made of several edits is agreed


def agreement(cycle: Cycle) -> dict[str, str]:
    """Segments of what this round agreed on for the rows of ``moving``.

    ``agreed``: golden rows, and bases without the writes; column ``_role`` says which: '' (every key it is about), ``golden`` or
    ``base:<binding>``; and the same once more for keys of which not every write comes to pass. ``due``: the pairs that were due so far,
    which a later run cannot see any more.
    """
    fields, keys = names(cycle.fields), names(cycle.keys)
    planned = "rowid IN (SELECT _m FROM moving)"
    parts = []
    for before, keep in (("", False), (_BEFORE, True)):
        nothing = "CAST(NULL AS BOOLEAN) AS _gone, CAST(NULL AS BOOLEAN) AS _settled"
        parts.append(f"SELECT {literal(before)} AS {_ROLE}, {fields}, {nothing} FROM merged WHERE {planned}")
        parts.append(f"SELECT {literal(before + 'golden')}, {fields}, NULL, NULL FROM ({golden_rows(cycle, planned, keep=keep)})")
        for s in cycle.sides:
            rows = base_rows(cycle, s, planned, keep=keep)
            parts.append(f"SELECT {literal(f'{before}base:{s.name}')}, {fields}, _gone, _settled FROM ({rows})")
    agreed = f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY {_ROLE}, {keys}"
    due = f"SELECT * FROM due SEMI JOIN (SELECT {keys} FROM merged WHERE {planned}) m {cycle.using()} ORDER BY {keys}, _source, _target"
    return {name: cycle.store.write_segment_from(cycle.con, query).sha for name, query in (("agreed", agreed), ("due", due))}


def find_moving(cycle: Cycle) -> list[Side]:
    """Fill ``moving`` with the planned rows that are agreed on before they are written, and give the sides that have one."""
    keys, some = names(cycle.keys), ""
    if not adds_up(cycle):
        again = f" OR ({keys}) IN (SELECT ({keys}) FROM resumed)" if cycle.resumed else ""
        some = f"AND (_op = 'delete'{again})"
    plans = (f"SELECT {s.index} AS side, _m, {keys} FROM {s.table('plan')} WHERE _unfit IS NULL {some}" for s in cycle.sides)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE moving AS {' UNION ALL '.join(plans)}")
    found = {row[0] for row in cycle.sql("SELECT DISTINCT side FROM moving")}
    return [s for s in cycle.sides if s.index in found]


def keep_told(cycle: Cycle) -> None:
    """Of the deletes in ``moving`` leave only those that came through somewhere: of the others the old base holds."""
    if not adds_up(cycle):
        keys = names(cycle.keys)
        told = [f"SELECT {keys} FROM {s.table('done')} WHERE _op = 'delete' AND _status = 'done'" for s in cycle.sides]
        told += [f"SELECT {keys} FROM resumed"] if cycle.resumed else []
        cycle.sql(f"DELETE FROM moving WHERE ({keys}) NOT IN (SELECT ({keys}) FROM ({' UNION ALL '.join(told)}))")


def note_applied(cycle: Cycle, side: Side, round_: int) -> None:
    """Say in the log that a system has taken its batch, and which rows it left: a later run need not guess from values."""
    append(cycle, APPLIED, round=round_, target=side.name, left=left_rows(cycle, side))


def resume(cycle: Cycle) -> None:
    """Put what unfinished runs had agreed on into ``base_<i>`` and ``golden0``, in the order in which they did.

    What a later intent says of a row holds instead of anything an earlier one said or meant to write there.
    """
    for stored in cycle.intents:
        if stored.event.attributes.get("agreed"):
            _take_up(cycle, stored)


def advance(cycle: Cycle, shown: Mapping[str, Side]) -> None:
    """Agree on what became of the rows of ``moving``, before stale ones are merged again; what became of each write is known."""
    if not _moves_on(cycle):
        return
    _begin(cycle)
    keys = names(cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE planned AS SELECT DISTINCT {keys} FROM moving")
    left = " UNION ".join(f"SELECT {keys} FROM {s.table('done')} WHERE _status <> 'done'" for s in cycle.sides)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE unsure AS SELECT {keys} FROM planned SEMI JOIN ({left}) {cycle.using()}")
    for side in cycle.sides:
        side.own_base(cycle)
        base, following = side.table("base"), side.table("next_base")
        next_base(cycle, side, shown.get(side.name), keep=True)
        cycle.sql(f"CREATE OR REPLACE TEMP TABLE still AS SELECT * FROM {following} SEMI JOIN unsure {cycle.using()}")
        next_base(cycle, side, shown.get(side.name))
        _replace(cycle, base, "planned", f"SELECT * FROM {following} SEMI JOIN planned {cycle.using()}")
        _replace(cycle, base, "unsure", "SELECT * FROM still")
        cycle.sql(f"INSERT INTO {side.table('known')} SELECT * FROM planned ANTI JOIN {side.table('known')} {cycle.using()}")
    next_golden(cycle, keep=True)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE still AS SELECT * FROM next_golden SEMI JOIN unsure {cycle.using()}")
    next_golden(cycle)
    _replace(cycle, "golden0", "planned", f"SELECT * FROM next_golden SEMI JOIN planned {cycle.using()}")
    _replace(cycle, "golden0", "unsure", "SELECT * FROM still")
    _remember(cycle, "planned")


def believe_written(cycle: Cycle, side: Side) -> None:
    """Take all of a write for done where one value of it shows: a row is written as a whole.

    Of a row this run took up the base is exactly what the side showed before the write, so a value that is the written one and was
    another before came by that write; what else the row shows was edited since. Except where a merged value is what it was before: a sum is
    never typed by chance, but the same name or status is soon typed in two systems, and such a row was not written. Where no value is
    merged, there is no harm in judging each by itself.
    """
    if not (cycle.resumed and adds_up(cycle)):
        return
    pend, cur, base = (side.table(t) for t in ("pend", "cur", "base"))
    rest = [f for f in side.fields if f not in cycle.keys]
    if not rest or not cycle.count(f"SELECT count(*) FROM {pend} SEMI JOIN resumed {cycle.using()}"):
        return
    came = " OR ".join(
        f"(list_contains(p._set, {literal(f)}) AND p.{quote(f)} IS NOT DISTINCT FROM c.{quote(f)} "
        f"AND p.{quote(f)} IS DISTINCT FROM b.{quote(f)})"
        for f in rest
    )
    unmoved = " OR ".join(
        f"(list_contains(p._set, {literal(f)}) AND c.{quote(f)} IS NOT DISTINCT FROM b.{quote(f)} "
        f"AND p.{quote(f)} IS DISTINCT FROM b.{quote(f)})"
        for f in rest
        if authority_of(cycle, f) == "merge"
    )
    on = f"{join_on(cycle.keys, 'p', 'c')} AND {join_on(cycle.keys, 'p', 'b')}"
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE came AS SELECT p.* FROM (SELECT * FROM {pend} SEMI JOIN resumed {cycle.using()}
            ANTI JOIN {side.table("known")} {cycle.using()}) p, {cur} c, {base} b
        WHERE p._op = 'update' AND {on} AND ({came}) AND NOT ({unmoved or "false"})""")
    _write_into(cycle, base, rest)


def _take_up(cycle: Cycle, stored: StoredEvent) -> None:
    _begin(cycle)
    fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    keys, path = names(cycle.keys), cycle.store.read_segment(stored.event.attributes["agreed"])
    load_segments(cycle, "taken", [path], {_ROLE: "VARCHAR", **fields, **MARKS})
    cycle.sql(f"DELETE FROM taken WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in cycle.keys)}")  # the key has another type now
    outcomes = cycle.outcomes.get(stored.seq, {})
    applied = {name: left for name, left in outcomes.items() if left is not None}
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE about AS SELECT {keys} FROM taken WHERE {_ROLE} = ''")
    _leave_untold(cycle, stored, applied)
    _choose(cycle, stored, applied)
    rows, columns = names((*cycle.fields, *MARKS)), {**fields, "_op": "VARCHAR", "_set": "VARCHAR[]"}
    for side in cycle.sides:
        side.own_base(cycle)
        _replace(cycle, side.table("base"), "about", f"SELECT {rows} FROM taken WHERE {_ROLE} = {literal(f'base:{side.name}')}", rows)
        sha = stored.event.attributes["segments"].get(side.name)
        load_segments(cycle, "meant", [cycle.store.read_segment(sha)] if sha else [], columns)
        _replace(cycle, side.table("pend"), "about", f"SELECT {names(columns)} FROM meant SEMI JOIN about {cycle.using()}", names(columns))
    _take_known(cycle, stored, outcomes)
    _replace(cycle, "golden0", "about", f"SELECT {names(cycle.fields)} FROM taken WHERE {_ROLE} = 'golden'", names(cycle.fields))
    _load_due(cycle, cycle.store.read_segment(stored.event.attributes["due"]), {k: fields[k] for k in cycle.keys})
    cycle.sql(
        f"INSERT INTO due ({keys}, {names(DUE)}) SELECT {keys}, {names(DUE)} FROM taken n SEMI JOIN about {cycle.using()} "
        f"WHERE NOT EXISTS (FROM due o WHERE {join_on(cycle.keys, 'n', 'o')} AND n._source = o._source AND n._target = o._target)"
    )
    _remember(cycle, "about")


def _choose(cycle: Cycle, stored: StoredEvent, applied: Mapping[str, str]) -> None:
    """Leave in ``taken`` one agreement of each key: the whole one where all its writes are known to have come through.

    Of the others only sums are agreed. An edit that was not shown everywhere meets whoever edits the same field elsewhere as a rival.
    """
    keys, columns = names(cycle.keys), {k: storage_type(cycle.entity, k) for k in cycle.keys}
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE unsure AS SELECT {keys} FROM taken WHERE false")
    for name, sha in stored.event.attributes["segments"].items():
        left = applied.get(name)
        segment = sha if left is None else left  # not known to have been written at all, or but for these rows
        load_segments(cycle, "left_over", [cycle.store.read_segment(segment)] if segment else [], columns)
        cycle.sql(f"INSERT INTO unsure SELECT {keys} FROM left_over")
    before, unsure = f"starts_with({_ROLE}, {literal(_BEFORE)})", f"({keys}) IN (SELECT ({keys}) FROM unsure)"
    told = f"({keys}) IN (SELECT ({keys}) FROM taken WHERE {_ROLE} = {literal(_BEFORE)})"  # an older program wrote only the whole one
    cycle.sql(f"DELETE FROM taken WHERE CASE WHEN {unsure} AND {told} THEN NOT {before} ELSE {before} END")
    cycle.sql(f"UPDATE taken SET {_ROLE} = substr({_ROLE}, {len(_BEFORE) + 1}) WHERE {before}")


def _load_due(cycle: Cycle, path: Path, keys: Mapping[str, str]) -> None:
    """Fill ``taken`` with the pairs that were due; what an older program wrote has their columns without a line before the name."""
    if set(DUE) <= columns_in(path):
        load_segments(cycle, "taken", [path], {**keys, **DUE})
        return
    load_segments(cycle, "taken", [path], {**keys, **{name[1:]: kind for name, kind in DUE.items()}})
    for name in DUE:
        cycle.sql(f"ALTER TABLE taken RENAME COLUMN {name[1:]} TO {name}")


def _leave_untold(cycle: Cycle, stored: StoredEvent, applied: Mapping[str, str]) -> None:
    """Take out of ``about`` the deletes of which none is known to have come through: there the old base holds."""
    if adds_up(cycle):
        return
    keys, columns = names(cycle.keys), {k: storage_type(cycle.entity, k) for k in cycle.keys}
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE told AS SELECT {keys} FROM resumed")
    for name, left in applied.items():
        sha = stored.event.attributes["segments"].get(name)
        load_segments(cycle, "meant", [cycle.store.read_segment(sha)] if sha else [], {**columns, "_op": "VARCHAR"})
        load_segments(cycle, "left_over", [cycle.store.read_segment(left)] if left else [], columns)
        cycle.sql(f"INSERT INTO told SELECT {keys} FROM meant ANTI JOIN left_over {cycle.using()} WHERE _op = 'delete'")
    cycle.sql(f"DELETE FROM about WHERE ({keys}) NOT IN (SELECT ({keys}) FROM told)")
    cycle.sql(f"DELETE FROM taken WHERE ({keys}) NOT IN (SELECT ({keys}) FROM about)")


def _take_known(cycle: Cycle, stored: StoredEvent, outcomes: Mapping[str, str | None]) -> None:
    """Move the bases by the writes that are known to have come to pass; systems are written one after the other."""
    # Those after one that is known not to have been written were not reached.
    reached = itertools.takewhile(lambda name: outcomes.get(name, "") is not None, stored.event.attributes["targets"])
    in_question = next((name for name in reached if name not in outcomes), None)
    for side in cycle.sides:
        known = side.table("known")
        cycle.sql(f"DELETE FROM {known} k USING about a WHERE {join_on(cycle.keys, 'k', 'a')}")  # by an earlier intent
        if side.name == in_question:
            continue  # it was being written when the run died, or was about to be: values have to tell
        if (left := outcomes.get(side.name)) is not None:
            _take_written(cycle, side, left)
        cycle.sql(f"INSERT INTO {known} SELECT * FROM about")


def _take_written(cycle: Cycle, side: Side, left: str) -> None:
    base, keys, rest = side.table("base"), cycle.keys, [f for f in side.fields if f not in cycle.keys]
    load_segments(cycle, "left_over", [cycle.store.read_segment(left)] if left else [], {k: storage_type(cycle.entity, k) for k in keys})
    # What a system makes of a value (cut, rounded, in another case) cannot be told from an edit any more, and is taken for one.
    cycle.sql(
        f"CREATE OR REPLACE TEMP TABLE came AS SELECT * FROM {side.table('pend')} SEMI JOIN about {cycle.using()} "
        f"ANTI JOIN left_over {cycle.using()}"
    )
    cycle.sql(f"DELETE FROM {base} b USING came p WHERE {join_on(keys, 'b', 'p')} AND (p._op = 'delete' OR (p._op = 'insert' AND b._gone))")
    columns = names((*keys, *rest))
    cycle.sql(
        f"INSERT INTO {base} ({columns}, _gone, _settled) SELECT {columns}, false, false FROM came p "
        f"ANTI JOIN {base} b ON {join_on(keys, 'b', 'p')} WHERE p._op = 'insert'"
    )
    _write_into(cycle, base, rest)


def _write_into(cycle: Cycle, base: str, fields: list[str]) -> None:
    if fields:
        values = ", ".join(
            f"{quote(f)} = CASE WHEN list_contains(p._set, {literal(f)}) THEN p.{quote(f)} ELSE b.{quote(f)} END" for f in fields
        )
        cycle.sql(f"UPDATE {base} b SET {values} FROM came p WHERE p._op = 'update' AND {join_on(cycle.keys, 'p', 'b')}")


def _begin(cycle: Cycle) -> None:
    if cycle.resumed:
        return
    cycle.resumed = True
    kinds = ", ".join(f"{quote(k)} {storage_type(cycle.entity, k)}" for k in cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TABLE resumed ({kinds})")
    for side in cycle.sides:
        cycle.sql(f"CREATE OR REPLACE TABLE {side.table('known')} ({kinds})")
    cycle.sql("DROP VIEW golden0")
    cycle.sql("CREATE TABLE golden0 AS SELECT * FROM stored_golden")


def _remember(cycle: Cycle, table: str) -> None:
    cycle.sql(f"INSERT INTO resumed SELECT * FROM {table} ANTI JOIN resumed {cycle.using()}")


def _replace(cycle: Cycle, table: str, keys: str, rows: str, columns: str = "") -> None:
    cycle.sql(f"DELETE FROM {table} t USING {keys} k WHERE {join_on(cycle.keys, 't', 'k')}")
    cycle.sql(f"INSERT INTO {table} {f'({columns}) {rows}' if columns else f'BY NAME {rows}'}")


def _moves_on(cycle: Cycle) -> bool:
    return bool(cycle.count("SELECT count(*) FROM moving"))
