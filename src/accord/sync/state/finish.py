"""What is agreed after a run: the new base of each side, and the golden rows."""

from __future__ import annotations

from collections.abc import Sequence

from accord.connectors.types import literal, quote
from accord.model.entity import Entity
from accord.sync.cycle import Cycle, Side, join_on, names, only_rows, storage_type
from accord.sync.mapping.outside import is_partial
from accord.sync.merge.merge import authority_of


def next_base(cycle: Cycle, side: Side, read_back: Side | None, *, keep: bool = False) -> None:
    """Fill ``next_base_<i>``: what is agreed with this side from now on; with ``keep``, as far as edits must not be merged twice.

    It holds only values this run has seen and merged, or has itself written: never what the read-back shows beyond that. A user's edit
    that lands between capture and read-back differs from it, and so is the next run's change and not silently taken as agreed.
    The one exception is a system that keeps a value in a coarser form (milliseconds, fewer digits, a cut text): what it made of our own
    write is its way of saying yes.
    """
    keys, order = names(cycle.keys), names((*cycle.fields, "_gone", "_settled"))
    cycle.sql(f"""
        CREATE OR REPLACE TABLE {side.table("next_base")} AS
        SELECT {order} FROM {side.table("base")} b ANTI JOIN (SELECT {keys} FROM merged WHERE NOT _held) a {cycle.using()}
        UNION ALL {_agreed_base(cycle, side, read_back, keep=keep)}""")


def base_rows(cycle: Cycle, side: Side, which: str, *, keep: bool = False) -> str:
    """SQL of what is agreed with this side, of the rows of ``merged`` for which ``which`` holds, before anything of it is written."""
    return _agreed_base(cycle, side, None, f"(SELECT *, rowid FROM merged WHERE {which})", apply=False, keep=keep)


def golden_rows(cycle: Cycle, which: str, *, keep: bool = False) -> str:
    """SQL of the golden rows among the rows of ``merged`` for which ``which`` holds; with ``keep``, as ``next_base`` has it."""
    if not keep:
        return f"SELECT {names(cycle.fields)} FROM merged WHERE _exists AND NOT _held AND {which}"
    values = [
        f"CASE WHEN m.{quote('w.' + f)} > 0 THEN g.{quote(f)} ELSE m.{quote(f)} END AS {quote(f)}"
        if f not in cycle.keys and authority_of(cycle, f) != "merge"
        else f"m.{quote(f)}"
        for f in cycle.fields
    ]
    rows = f"(SELECT * FROM merged WHERE _exists AND NOT _held AND {which}) m"
    return f"SELECT {', '.join(values)} FROM {rows} LEFT JOIN golden0 g ON {join_on(cycle.keys, 'm', 'g')}"


def _base_kept(side: Side, field: str, agreed: str) -> str:
    """SQL over ``merged``: the base of a field that is not made of several edits, of a row of which not every write came through.

    An edit of such a field stays one until the run has ended, and so does the value with which a side brought a new row: picking a winner
    twice gives the same winner, and whoever edits the field in another system meanwhile, without having seen it, is a rival and not a
    successor. What a new row lost is lost: without a base it would be an edit next time, and overrule what others had agreed.
    """
    q = quote(field)
    brought = f"_in_{side.index} AND m.{quote('w.' + field)} > 0 AND r.{q} IS NOT DISTINCT FROM m.{q}"
    return f"CASE WHEN NOT m._exists THEN {agreed} WHEN {side.based(field)} THEN b.{q} WHEN {brought} THEN NULL ELSE {agreed} END"


def _agreed_base(
    cycle: Cycle, side: Side, read_back: Side | None, merged: str = "merged", *, apply: bool = True, keep: bool = False
) -> str:
    i, keys = side.index, cycle.keys
    status = "d._status" if apply else "CAST(NULL AS VARCHAR)"
    done = "coalesce(d._status = 'done' AND d._op <> 'delete', false)" if apply else "false"
    written = {c.name for c in side.written(keys)}
    wrote, unlike = _wrote(cycle, side, read_back) if apply else (frozenset[str](), frozenset[str]())
    columns = []
    for f in cycle.fields:
        if f in keys:
            continue
        q = quote(f)
        old, seen = f"b.{q}", f"r.{q}"
        if f not in side.codes:
            columns.append(f"{old} AS {q}")
            continue
        # A row that is gone has nothing left to decide: what it lost is recorded, and is no edit any more when the row is made again.
        held = f"m._exists AND {side.contested(f)}"
        now = f"CASE WHEN NOT _in_{i} THEN {old} WHEN {held} THEN CASE WHEN {side.based(f)} THEN {old} END ELSE {seen} END"
        if keep and authority_of(cycle, f) != "merge":
            now = _base_kept(side, f, now)
        if f in written and apply:
            kept = f"w.{q}"
            if f not in wrote:
                columns.append(f"{now} AS {q}")
                continue
            if f in unlike:
                loss = coarser(cycle.entity, f, f"w.{q}", f"z.{q}")
                kept = f"CASE WHEN w.{q} IS NOT DISTINCT FROM z.{q} THEN w.{q} WHEN {loss} THEN z.{q} ELSE w.{q} END"
            now = f"CASE WHEN {done} AND list_contains(d._set, {literal(f)}) THEN {kept} ELSE {now} END"
        elif apply:  # a row made there, once more perhaps, has nothing in a field that is never written but what always stands there
            always = side.codes[f].read if side.codes[f].constant else "NULL"
            now = f"CASE WHEN {done} AND d._op = 'insert' THEN {always} ELSE {now} END"
        columns.append(f"{now} AS {q}")
    back = f"LEFT JOIN ({only_rows(cycle, read_back)}) z ON {join_on(keys, 'm', 'z')}" if read_back else ""
    leaves, hides, left_out = side.leaves(cycle.flow.deletes), "false", ""
    if is_partial(side):
        # Left out by the condition: by our own write, or never made for it. Where the map does not tell, what is shown after a write does.
        left_out = f" LEFT JOIN {side.table('out')} o ON {join_on(keys, 'm', 'o')}"
        hides = f"(o.{quote(keys[0])} IS NOT NULL AND ({done} OR NOT (_in_{i} OR _bad_{i})))"
        if read_back:
            hides = f"({hides} OR ({done} AND z.{quote(keys[0])} IS NULL))"
    made = f" OR coalesce({done} AND (d._op = 'insert' OR _gone_{i}), false)" if apply else ""
    there = f"((_in_{i} OR (_bad_{i} AND _ba_{i}){made}) AND NOT {hides})"
    leaves = f"({leaves} OR {hides})"
    stays = f"CASE WHEN m._exists THEN {there} OR {leaves} ELSE _ba_{i} AND (_in_{i} OR _bad_{i}) AND coalesce({status}, '') <> 'done' END"
    settled = f"m._exists AND NOT _bad_{i} AND coalesce({status}, 'done') = 'done'" if apply else "false"
    shared = [side.contested(f) for f, fields in side.sharing().items() if f not in keys and len(fields) > 1]
    if shared:  # of such a column other fields may have to be written once a person has decided
        settled = f"({settled} AND NOT ({' OR '.join(shared)}))"
    if side.unseen or side.missed:  # it waits for a person, and goes on to be a rival of what it was not shown
        waits = [side.contested(f) for f in side.codes if f not in keys and authority_of(cycle, f) == "human"]
        settled = f"({settled} AND NOT ({' OR '.join(waits) or 'false'}))"
    gone = f"(m._exists AND {leaves} AND NOT {there})"
    values = ", ".join([names(keys, "m"), *columns, f"{gone} AS _gone, ({settled}) AS _settled"])
    order = names((*cycle.fields, "_gone", "_settled"))
    base = f"{side.table('base')} b ON {join_on(keys, 'm', 'b')}"
    applied = f"LEFT JOIN {side.table('done')} d ON d._m = m.rowid LEFT JOIN {side.table('want')} w ON w._m = m.rowid" if apply else ""
    return f"""
        SELECT {order} FROM (
            SELECT {values} FROM {merged} m {applied}
            LEFT JOIN {side.table("cap")} r ON r.rowid = m._rid_{i} LEFT JOIN {base} {back}{left_out}
            WHERE NOT m._held AND ({stays}))"""


def _wrote(cycle: Cycle, side: Side, read_back: Side | None) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that this round wrote in some row of the side, and those of them that are shown otherwise than they were written."""
    done = f"(SELECT * FROM {side.table('done')} WHERE _status = 'done' AND _op <> 'delete')"
    wrote = sorted(str(row[0]) for row in cycle.sql(f"SELECT DISTINCT unnest(_set) FROM {done}"))
    if not (read_back and wrote):
        return frozenset(wrote), frozenset()
    rows = (
        f"{done} d JOIN {side.table('want')} w ON w._m = d._m "
        f"LEFT JOIN ({only_rows(cycle, read_back)}) z ON {join_on(cycle.keys, 'd', 'z')}"
    )
    return frozenset(wrote), unlike(cycle, wrote, "w", "z", rows)


def unlike(cycle: Cycle, fields: Sequence[str], left: str, right: str, rows: str) -> frozenset[str]:
    """The fields in which two of the joined tables differ in some row: most do not, and need no words in a longer statement."""
    asked = ", ".join(f"bool_or({left}.{quote(f)} IS DISTINCT FROM {right}.{quote(f)})" for f in fields)
    told = cycle.sql(f"SELECT {asked} FROM {rows}")[0] if fields else ()
    return frozenset(f for f, some in zip(fields, told, strict=True) if some)


def coarser(entity: Entity, field: str, wanted: str, shown: str) -> str:
    """SQL: ``shown`` is what a system with less room keeps of ``wanted``."""
    kind = storage_type(entity, field)
    if kind == "TIMESTAMPTZ":
        units = ("millisecond", "second", "minute", "hour", "day")
        cut = " OR ".join(f"{shown} = date_trunc('{u}', {wanted})" for u in units)
        off = f"abs(epoch_us({shown}) - epoch_us({wanted}))"
        rounded = " OR ".join(f"({off} <= {u} // 2 AND epoch_us({shown}) % {u} = 0)" for u in (1_000_000, 100_000, 10_000))
        return f"({cut} OR {rounded} OR {off} < 1000)"
    if kind == "DOUBLE" or kind.startswith("DECIMAL"):
        near = f"abs(CAST({shown} AS DOUBLE) - CAST({wanted} AS DOUBLE)) <= 1e-9 * abs(CAST({wanted} AS DOUBLE))"
        # What a number next to the largest of its type is rounded to may be none of that type.
        rounded = " OR ".join(f"TRY({shown} = round({wanted}, {digits}))" for digits in (0, 1, 2, 3))
        single = f" OR TRY_CAST({shown} AS FLOAT) = TRY_CAST({wanted} AS FLOAT)" if kind == "DOUBLE" else ""
        return f"({near} OR {shown} = trunc({wanted}) OR {rounded}{single})"
    if kind == "BIGINT":  # beyond 2^53 a system that holds every number as a double keeps the nearest one it has
        return f"(CAST({shown} AS DOUBLE) = CAST({wanted} AS DOUBLE))"
    if kind == "VARCHAR":
        # Cut, trimmed and in another case, all at once: systems do any of it, and often more than one.
        asked, came = f"lower(trim({wanted}))", f"lower(trim({shown}))"
        if entity.fields[field].separator:
            return f"({asked} = coalesce({came}, ''))"  # a set that is shorter lacks items, which somebody took out
        cut = f"({shown} <> '' AND starts_with({wanted}, {shown})) OR ({came} <> '' AND starts_with({asked}, {came}))"
        return f"({cut} OR coalesce({asked}, '') = coalesce({came}, ''))"
    return "false"


def next_golden(cycle: Cycle, *, keep: bool = False) -> None:
    """Fill ``next_golden``: the agreed rows; ``keep`` as for ``next_base``."""
    fields = names(cycle.fields)
    cycle.sql(f"""
        CREATE OR REPLACE TABLE next_golden AS
        SELECT {fields} FROM golden0 g ANTI JOIN (SELECT {names(cycle.keys)} FROM merged WHERE NOT _held) m {cycle.using()}
        UNION ALL {golden_rows(cycle, "true", keep=keep)}""")
