"""What was agreed before: bases, golden rows, quarantine and open conflicts of a flow, and intents that were never finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from accord.connectors.types import literal, quote
from accord.model.entity import Entity
from accord.store.folding import columns_in, folded, is_change
from accord.sync.cycle import Cycle, Side, join_on, names, storage_type

QUARANTINE = {
    "flow": "VARCHAR",
    "binding": "VARCHAR",
    "key": "VARCHAR",
    "reasons": "VARCHAR[]",
    "row": "VARCHAR",
    "row_hash": "VARCHAR",
    "since": "TIMESTAMPTZ",
    "keeps": "VARCHAR[]",  # keys of deleted rows that wait with it, as it seems to be theirs; null: nobody has looked yet
}
STOOD_IN = "_side"  # of a segment of ``keep_standing``: the binding
MARKS = {"_gone": "BOOLEAN", "_settled": "BOOLEAN"}
HELD = {"key": "VARCHAR", "field": "VARCHAR", "binding": "VARCHAR", "value": "VARCHAR"}
LAST_AGREED = "row"  # of what lost to a delete: all fields as text, in JSON, as the row was agreed on before
BACKUP = "backup"  # rule by which a value loses that a system restored from a backup shows
CONFLICTS = {
    "flow": "VARCHAR",
    "key": "VARCHAR",
    "field": "VARCHAR",
    "winner": "VARCHAR",
    "loser": "VARCHAR",
    "winning_value": "VARCHAR",
    "losing_value": "VARCHAR",
    "base_value": "VARCHAR",
    "rule": "VARCHAR",
    "run": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "changed_by": "VARCHAR",
    "changed_at": "TIMESTAMPTZ",
    LAST_AGREED: "VARCHAR",
}


def load_state(cycle: Cycle, read: Mapping[Path, str] | None = None) -> None:
    """Fill ``base_<i>`` of every side and ``golden0`` from the store's segments, of a run over part of the keys only those in ``scope``.

    Args:
        cycle: with the tables of ``load_waiting``.
        read: full segments of which a table holds the rows in ``scope`` that are not newer elsewhere.
    """
    fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    roles = [(side.table("stored_base"), base_paths(cycle, side), {**fields, **MARKS}) for side in cycle.sides]
    roles.append(("stored_golden", golden_paths(cycle), fields))
    shared = {**_share(cycle, [paths for _, paths, _ in roles if not (read and paths and paths[0] in read)]), **(read or {})}
    for table, paths, columns in roles:
        full = shared.get(paths[0], "") if paths else ""
        load_segments(cycle, table, paths, columns, key=cycle.keys, among="scope" if cycle.partial else "", full=full)
    views = [(side.table("base"), side.table("stored_base")) for side in cycle.sides] + [("golden0", "stored_golden")]
    cycle.sql("; ".join(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table}" for view, table in views))


def _share(cycle: Cycle, states: Sequence[Sequence[Path]]) -> dict[Path, str]:
    """Full segments that several states rest on: each with a table of its rows in ``scope``, so that it is read once.

    Of all rows no table is made: writing it would cost what reading it again does.
    """
    if not cycle.partial:
        return {}
    counted = Counter(paths[0] for paths in states if paths and not is_change(paths[0]) and all(map(is_change, paths[1:])))
    shared = {path: f"shared_{place}" for place, path in enumerate(path for path, times in counted.items() if times > 1)}
    for path, table in shared.items():
        cycle.sql(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM read_parquet({literal(str(path))}) SEMI JOIN scope {cycle.using()}"
        )
    return shared


def load_waiting(cycle: Cycle) -> None:
    """Fill ``quarantine0``, ``held0`` (open conflicts) and ``open0`` (keys the last run left unsettled) from the store's segments."""
    load_segments(cycle, "quarantine0", _paths(cycle, "quarantine"), QUARANTINE)
    load_segments(cycle, "held0", _paths(cycle, "held"), HELD)
    load_segments(cycle, "open0", _paths(cycle, "open"), {k: storage_type(cycle.entity, k) for k in cycle.keys})


def load_whole_base(cycle: Cycle, side: Side) -> None:
    """Fill ``whole_<i>`` with the base of a side, also in a run over part of the keys."""
    fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    load_segments(cycle, side.table("whole"), base_paths(cycle, side), {**fields, **MARKS}, key=cycle.keys)


def base_paths(cycle: Cycle, side: Side) -> list[Path]:
    """The segments of a side's base."""
    return _paths(cycle, f"base:{side.name}")


def golden_paths(cycle: Cycle) -> list[Path]:
    """The segments of the agreed rows."""
    return _paths(cycle, "golden")


def agreed_rows(cycle: Cycle) -> str:
    """SQL of all agreed rows, also in a run over part of the keys; columns of fields the map gained since may lack."""
    paths = golden_paths(cycle)
    return f"({folded(paths, cycle.keys)})" if cycle.partial and paths else "golden0"


def _paths(cycle: Cycle, role: str) -> list[Path]:
    return [cycle.store.read_segment(sha) for sha in cycle.store.flow_state(cycle.flow.name).get(role, ())]


def load_segments(
    cycle: Cycle,
    table: str,
    paths: Sequence[Path],
    columns: Mapping[str, str],
    *,
    key: Sequence[str] = (),
    among: str = "",
    full: str = "",
) -> None:
    """Make ``table`` with exactly ``columns`` from Parquet files; what a file lacks is null, so that a map may gain fields.

    Args:
        cycle: whose connection holds the table.
        table: to make.
        paths: segments of one role, or several whose rows are taken together.
        columns: name and type.
        key: given, segments of changes are folded into the state they change.
        among: only rows whose key stands in this table.
        full: as ``folded`` takes it.
    """
    if key and paths:
        _fill(cycle, table, [(f"({folded(paths, key, among=among, full=full)})", frozenset().union(*map(columns_in, paths)))], columns)
        return
    _fill(cycle, table, [(f"read_parquet({literal(str(path))})", columns_in(path)) for path in paths], columns)


def load_golden(cycle: Cycle, table: str, entity: Entity, columns: Mapping[str, str]) -> bool:
    """Make ``table`` with the agreed rows of another entity, of every flow that keeps it; false when no flow has agreed on any yet.

    A plan takes them as they will be once the plans before it were carried out.
    """
    sources: list[tuple[str, frozenset[str]]] = []
    given: dict[str, pa.Table] = {}
    for number, flow in enumerate(f for f in cycle.map.flows.values() if f.entity == entity.name):
        # Until its next run, a renamed flow is known by its old name.
        before = {flow.renamed_from} - {"", *cycle.map.flows}
        states = [cycle.store.flow_state(name).get("golden", ()) for name in (flow.name, *before)]
        ahead, other = cycle.foreseen.get(flow.name), ""
        if ahead is not None and ahead.known:
            came, gone = f"came_{number}", f"gone_{number}"
            given |= {came: ahead.came, gone: ahead.gone}
            other = f" ANTI JOIN {came} USING ({names(entity.key)}) ANTI JOIN {gone} USING ({names(entity.key)})"
            sources.append((came, frozenset(ahead.came.column_names)))
        for shas in filter(None, states):
            paths = [cycle.store.read_segment(sha) for sha in shas]
            rows = f"SELECT * FROM ({folded(paths, entity.key)}){other}"
            sources.append((f"({rows})", frozenset().union(*map(columns_in, paths))))
    for name, rows_ahead in given.items():
        cycle.con.register(name, rows_ahead)
    _fill(cycle, table, sources, columns)
    for name in given:
        cycle.con.unregister(name)
    return bool(sources)


def load_neighbours(cycle: Cycle, fields: Sequence[str]) -> None:
    """Fill ``neighbour`` with the agreed rows outside ``scope`` that share a value of one of ``fields`` with a row of ``merged``."""
    columns = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    paths = golden_paths(cycle) if cycle.partial else []
    same = " OR ".join(f"{quote(f)} IN (SELECT {quote(f)} FROM merged)" for f in fields)
    rows = f"(SELECT * FROM ({folded(paths, cycle.keys)}) ANTI JOIN scope {cycle.using()} WHERE {same})" if paths and fields else ""
    _fill(cycle, "neighbour", [(rows, frozenset().union(*map(columns_in, paths)))] if rows else [], columns)


def _fill(cycle: Cycle, table: str, sources: Sequence[tuple[str, frozenset[str]]], columns: Mapping[str, str]) -> None:
    """Make a table of several relations, each with the columns it has."""
    if not sources:
        cycle.make_empty(table, columns)
        return
    parts = []
    for source, held in sources:
        picked = (f"{f'TRY_CAST({quote(c)} AS {t})' if c in held else f'CAST(NULL AS {t})'} AS {quote(c)}" for c, t in columns.items())
        parts.append(f"SELECT {', '.join(picked)} FROM {source}")
    cycle.make(table, " UNION ALL ".join(parts))


def load_pending(cycle: Cycle) -> None:
    """Fill ``pend_<i>`` with what runs that never finished meant to write, and ``conflicts_new`` with what those writes overwrote."""
    fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    mine = {s.name for s in cycle.sides}
    rows = cycle.store.rows("SELECT seq, target, sha FROM intent WHERE flow = ? AND closed_seq IS NULL ORDER BY seq", cycle.flow.name)
    open_ = [(int(seq), str(target), str(sha)) for seq, target, sha in rows if target in mine]
    cycle.intents = list(cycle.store.pending_intents(cycle.flow.name, mine)) if open_ else []
    stands, since = "", 0  # what the last intent that met others left of them holds instead of them
    for stored in cycle.intents:
        if told := stored.event.attributes.get("stands"):
            stands, since = str(told), stored.seq
    segments: dict[str, list[Path]] = {}
    for seq, target, sha in open_:
        if seq >= since:
            segments.setdefault(target, []).append(cycle.store.read_segment(sha))
    losers = [cycle.store.read_segment(s.event.attributes["conflicts"]) for s in cycle.intents if s.event.attributes.get("conflicts")]
    written = {**fields, "_op": "VARCHAR", "_set": "VARCHAR[]"}
    for side in cycle.sides:
        load_segments(cycle, side.table("pend"), segments.get(side.name, ()), written)
    if stands:
        load_segments(cycle, "stood", [cycle.store.read_segment(stands)], {STOOD_IN: "VARCHAR", **written})
        before = {target for seq, target, _ in open_ if seq < since}
        for side in (s for s in cycle.sides if s.name in before):
            stood = f"SELECT {names(written)} FROM stood WHERE {STOOD_IN} = {literal(side.name)}"
            cycle.sql(f"INSERT INTO {side.table('pend')} ({names(written)}) {stood}")
    for stored in cycle.intents:
        # A first load writes only inserts of the same fields, and its segment is the base to be.
        for name, written in stored.event.attributes.get("fills", {}).items():
            if (filled := cycle.side(name)) is not None:
                cycle.sql(f"UPDATE {filled.table('pend')} SET _op = 'insert', _set = $fields WHERE _op IS NULL", {"fields": list(written)})
    load_segments(cycle, "conflicts_new", losers, CONFLICTS)


def unshown_fields(cycle: Cycle) -> set[str]:
    """Fields of which some believed side has no column for now: an edit made there may only be known by what was written elsewhere."""
    return {f for s in cycle.sides if s.readable for f in s.binding.fields if f not in s.codes}


def overlay_intents(cycle: Cycle, side: Side) -> None:
    """Count what we wrote ourselves as agreed, even when the run that wrote it never came to move the base.

    The race: a run writes its intent, applies it, and dies before ``flow.run_finished``. The base still holds the old value, the target
    the new one, so the next run would take our own write for an edit of a user, and, had the source been edited again meanwhile, would see
    two edits and a conflict. Therefore each field whose current value equals what a pending intent meant to write is agreed at that value.
    A field that holds anything else was edited by someone (or never reached) and is judged against the old base as ever.
    A delete means to write no value: what a row shows that stands in spite of it, nothing included, is what someone put there.
    """
    pend, cur, base, echoed = (side.table(t) for t in ("pend", "cur", "base", "echoed"))
    cycle.made[echoed] = 0
    if not cycle.count(f"SELECT count(*) FROM {pend}"):
        return
    side.own_base(cycle)
    if cycle.resumed:  # of these rows it is known what became of the write
        pend = f"(SELECT * FROM {pend} ANTI JOIN {side.table('known')} {cycle.using()})"
    rest = [f for f in side.fields if f not in cycle.keys]
    always = {f: f"c.{quote(f)}" if side.codes[f].constant else "NULL" for f in rest}  # of a field that is never written
    match = [
        f"bool_or(p._op <> 'delete' AND list_contains(p._set, {literal(f)}) AND p.{quote(f)} IS NOT DISTINCT FROM c.{quote(f)}) "
        f"AS {quote('ok.' + f)}"
        for f in rest
    ]
    unshown = unshown_fields(cycle)
    away = [f for f in rest if f in unshown]
    match += [f"bool_or(list_contains(p._set, {literal(f)})) AS {quote('set.' + f)}" for f in away]
    picked = ", ".join(["any_value(p._op = 'insert') AS _any", "bool_or(p._op = 'insert') AS _insert", *match])
    on = join_on(cycle.keys, "p", "c")
    cycle.sql(
        f"CREATE OR REPLACE TEMP TABLE echo AS SELECT {names(cycle.keys, 'c')}, {picked} FROM {pend} p JOIN {cur} c ON {on} GROUP BY ALL"
    )
    if away:
        cycle.make(echoed, "SELECT * FROM echo")
    if rest:
        # Not settled: what stands there now was never compared with what is agreed after this run.
        # A row that was made once more has nothing in a field that is never written, whatever was agreed of the one before.
        written = {c.name for c in side.written(cycle.keys)}
        sets = "_settled = false, " + ", ".join(
            f"{quote(f)} = CASE WHEN e.{quote('ok.' + f)} THEN c.{quote(f)} "
            f"{'' if f in written else f'WHEN e._insert THEN {always[f]} '}ELSE b.{quote(f)} END"
            for f in rest
        )
        cycle.sql(
            f"UPDATE {base} b SET {sets} FROM echo e JOIN {cur} c {cycle.using()} WHERE {join_on(cycle.keys, 'b', 'e')} AND NOT b._gone"
        )
    values = ", ".join(
        [*(f"e.{quote(k)}" for k in cycle.keys), *(f"CASE WHEN e.{quote('ok.' + f)} THEN c.{quote(f)} ELSE {always[f]} END" for f in rest)]
    )
    cycle.sql(f"DELETE FROM {base} b USING echo e WHERE {join_on(cycle.keys, 'b', 'e')} AND b._gone AND e._insert")
    cycle.sql(
        f"INSERT INTO {base} ({names((*cycle.keys, *rest))}, _gone, _settled) SELECT {values}, false, false "
        f"FROM echo e JOIN {cur} c {cycle.using()} ANTI JOIN {base} b ON {join_on(cycle.keys, 'b', 'e')} WHERE e._insert"
    )
    cycle.sql(
        f"DELETE FROM {base} WHERE ({names(cycle.keys)}) IN (SELECT ({names(cycle.keys)}) FROM {pend} WHERE _op = 'delete') "
        f"AND ({names(cycle.keys)}) NOT IN (SELECT ({names(cycle.keys)}) FROM {cur}) "
        f"AND ({names(cycle.keys)}) NOT IN (SELECT ({names(cycle.keys)}) FROM {side.table('qkey')})"
    )
