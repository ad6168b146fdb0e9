"""Every value that loses is kept: what it was, who lost it to whom, and by which rule."""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side, join_on, key_json, names
from accord.sync.mapping.fields import raw_name
from accord.sync.merge.decisions import name_deciders
from accord.sync.merge.merge import authority_of, moment_of, who_of, winner_names
from accord.sync.merge.overruled import overruled
from accord.sync.state.base import BACKUP, CONFLICTS, HELD, LAST_AGREED

SAME = "n.key = o.key AND n.field = o.field AND n.loser = o.loser AND n.losing_value IS NOT DISTINCT FROM o.losing_value"


def record_conflicts(cycle: Cycle) -> None:
    """Add to ``conflicts_new`` each edited value that this cycle does not keep, and fill ``held`` with those a person must decide.

    Recorded before anything is written, and named by the intent, so that a crash right after the write cannot lose the overwritten value.
    A conflict that stays open is recorded once. ``conflicts_before`` is what was recorded up to this round.
    """
    cycle.sql("CREATE OR REPLACE TABLE conflicts_before AS SELECT * FROM conflicts_new")
    parts = [
        part
        for side in cycle.sides
        for part in (
            *_lost_values(cycle, side),
            *_lost_in_quarantine(cycle, side),
            *_lost_deletes(cycle, side),
            *(_lost_to_backup(cycle, side) if side.restored else ()),
        )
    ]
    parts += overruled(cycle)
    some = cycle.make("losers", " UNION ALL ".join(parts))
    if not (some or cycle.rows("held0") or cycle.rows("decision0")):
        cycle.make_empty("held", HELD)
        return
    name_deciders(cycle)
    # A row that breaks the contract once merged is looked at again as a whole: what was open there stays so.
    broken = f"SELECT {key_json(cycle.keys)} FROM merged WHERE _held"
    cycle.sql(f"""
        CREATE OR REPLACE TABLE held AS
        SELECT DISTINCT key, field, loser AS binding, losing_value AS value FROM losers WHERE rule = 'human'
        UNION SELECT key, field, binding, value FROM held0 WHERE key IN ({broken})""")
    cycle.sql(
        f"""
        INSERT INTO conflicts_new ({names(CONFLICTS)})
        SELECT {literal(cycle.flow.name)}, key, field, winner, loser, winning_value, losing_value, base_value, rule, $run, $at,
            changed_by, coalesce(changed_at, $at), {_last_agreed(cycle)} FROM losers n
        ANTI JOIN conflicts_new o ON {SAME} AND n.winning_value IS NOT DISTINCT FROM o.winning_value
        ANTI JOIN held0 h ON n.rule = 'human' AND n.key = h.key AND n.field = h.field
            AND n.loser = h.binding AND n.losing_value IS NOT DISTINCT FROM h.value""",
        {"run": cycle.run, "at": cycle.now},
    )


def _last_agreed(cycle: Cycle) -> str:
    """SQL: of a value in ``losers`` that lost to a delete, the row as it was agreed on; states before this one are not kept for ever.

    Of a row that a restored system shows, and that was deleted since, it is the row as it is shown.
    """
    if not cycle.count(f"SELECT count(*) FROM losers WHERE rule IN ('deleted', {literal(BACKUP)})"):
        return "NULL"
    values = ", ".join(f"{quote(f)} := CAST({quote(f)} AS VARCHAR)" for f in cycle.fields)
    gone = f"SELECT {names(cycle.keys)} FROM merged WHERE NOT _exists"
    packed = f"CAST(to_json(struct_pack({values})) AS VARCHAR)"
    tables = ["stored_golden", *(f"(FROM {s.table('cap')} ANTI JOIN stored_golden {cycle.using()})" for s in cycle.sides if s.restored)]
    kept = (
        f"SELECT {key_json(cycle.keys)} AS key, {packed} AS {LAST_AGREED} FROM {table} SEMI JOIN ({gone}) {cycle.using()}"
        for table in tables
    )
    cycle.make("last_agreed", " UNION ALL ".join(kept))
    found = f"(SELECT any_value({LAST_AGREED}) FROM last_agreed l WHERE l.key = n.key)"
    return f"CASE WHEN rule IN ('deleted', {literal(BACKUP)}) THEN {found} END"


def _lost_values(cycle: Cycle, side: Side) -> list[str]:
    i = side.index
    written = {c.name for c in side.written(cycle.keys)}
    label = key_json(cycle.keys, "m")
    seen = [f"{label} AS key, m._exists, m._deleter, _ba_{i} AS _ba, _new_{i} AS _new"]
    seen.append(f"{who_of(side, 'r')} AS changed_by, {moment_of(side, 'r')} AS changed_at")
    lost = []
    for f, code in side.codes.items():
        if f in cycle.keys or code.constant or (f in written and f not in side.moving):
            continue  # of what the row shows as it is wanted nothing is lost
        column, rule = quote(f), authority_of(cycle, f)
        shown = f"w.{column}" if f in written else f"m.{column}"
        edited = f"({side.based(f)} AND r.{column} IS DISTINCT FROM b.{column})"
        first = f"({side.new(f)} AND r.{column} IS NOT NULL)"
        moved = edited
        if rule == "merge" and code.readable:
            # Joined edits are all in the value: nothing of them is lost, while there is a row to hold it.
            joined = f"m.{quote('j.' + f)}"
            edited, first = f"({edited} AND {joined} = 0)", f"({first} AND {joined} < 2)"
        contested = literal(rule if rule in ("latest", "merge") else "authority")
        x, m, r, b, h, w = (quote(p + f) for p in ("x:", "m:", "r:", "b:", "h:", "w:"))
        new, based = ("true", "false") if f in side.fresh else ("_new", "_ba")
        why = f"CASE WHEN NOT _exists THEN 'deleted' WHEN {h} THEN 'human' WHEN {new} THEN 'first contact' ELSE {contested} END"
        if not code.readable:
            why = "CASE WHEN NOT _exists THEN 'deleted' ELSE 'not permitted' END"
        seen.append(
            f"CASE WHEN m._exists THEN ({edited} OR {first}) AND {shown} IS DISTINCT FROM r.{column} ELSE {moved} END AS {x}, "
            f"m.{column} AS {m}, r.{column} AS {r}, b.{column} AS {b}, m.{quote('h.' + f)} AS {h}, m.{quote('w.' + f)} AS {w}"
        )
        row = f"""{{field: {literal(f)}, winner: CASE WHEN _exists THEN {w} ELSE _deleter END,
            winning_value: CASE WHEN _exists THEN CAST({m} AS VARCHAR) END, losing_value: CAST({r} AS VARCHAR),
            base_value: CASE WHEN {based} THEN CAST({b} AS VARCHAR) END, rule: {why}}}"""
        lost.append((x, row))
    if not lost:
        return [_nothing()]
    # One pass over the rows, whatever the number of fields; most rows have lost nothing and go no further.
    # In two steps, because the second is planned at the price of all fields with all they tell, and nothing is lost in most runs.
    found = side.table("lost")
    if not cycle.make(
        found,
        f"""
        SELECT * FROM (SELECT {", ".join(seen)} FROM merged m JOIN {side.table("cap")} r ON r.rowid = m._rid_{i}
            LEFT JOIN {side.table("base")} b ON {join_on(cycle.keys, "m", "b")} LEFT JOIN {side.table("want")} w ON w._m = m.rowid
            WHERE NOT m._held) WHERE {" OR ".join(x for x, _ in lost)}""",
    ):
        return [_nothing()]
    rows = ", ".join(f"CASE WHEN {x} THEN {row} END" for x, row in lost)
    return [
        f"""
        SELECT key, v.field, CASE v.winner {winner_names(cycle)} ELSE 'agreed' END AS winner, {literal(side.name)} AS loser,
            v.winning_value, v.losing_value, v.base_value, v.rule, changed_by, changed_at
        FROM (SELECT key, changed_by, changed_at, unnest([{rows}]) AS v FROM {found}) WHERE v IS NOT NULL"""
    ]


def _lost_in_quarantine(cycle: Cycle, side: Side) -> list[str]:
    """Edits of rows that break the contract: they took no part, and what another system changed is written over them."""
    i, plan = side.index, side.table("plan")
    if not (side.writable and cycle.rows(plan) and cycle.count(f"SELECT count(*) FROM {side.table('qkey')}")):
        return []
    rows = (
        f"{plan} p JOIN merged m ON m.rowid = p._m JOIN {side.table('cap')} r ON r.rowid = m._qrid_{i} "
        f"JOIN {side.table('base')} b ON {join_on(cycle.keys, 'm', 'b')} LEFT JOIN {side.table('want')} w ON w._m = p._m "
        f"WHERE m._bad_{i} AND p._op = 'update' AND p._unfit IS NULL"
    )
    lost = []
    for code in side.written(cycle.keys):
        f = quote(code.name)
        if not code.readable:
            continue
        typed, unread = "NULL", "false"
        if code.broken != "false":  # the value itself, where it cannot be read as one of the field
            typed = f"CAST(r.{quote(raw_name(code.column))} AS VARCHAR)"
            unread = f"(r.{f} IS NULL AND trim({typed}) <> '')"
        edited = f"(r.{f} IS NOT NULL AND r.{f} IS DISTINCT FROM b.{f} AND r.{f} IS DISTINCT FROM w.{f})"
        written = f"list_contains(p._set, {literal(code.name)})"
        losing = f"CASE WHEN {unread} THEN {typed} ELSE CAST(r.{f} AS VARCHAR) END"
        lost.append(f"{_loss(cycle, side, code.name, losing, f'b.{f}', 'quarantine')} FROM {rows} AND {written} AND ({edited} OR {unread})")
    return lost


def _loss(cycle: Cycle, side: Side, field: str, losing: str, agreed: str, rule: str) -> str:
    """The columns of a value of ``side`` that was to be written over, over ``merged`` (m) and the captured row (r)."""
    f, winner = quote(field), f"CASE WHEN m._exists THEN m.{quote('w.' + field)} ELSE m._deleter END"
    return (
        f"SELECT {key_json(cycle.keys, 'm')}, {literal(field)}, CASE {winner} {winner_names(cycle)} ELSE 'agreed' END, "
        f"{literal(side.name)}, CASE WHEN m._exists THEN CAST(m.{f} AS VARCHAR) END, {losing}, CAST({agreed} AS VARCHAR), "
        f"{literal(rule)}, {who_of(side, 'r')}, {moment_of(side, 'r')}"
    )


def _lost_deletes(cycle: Cycle, side: Side) -> list[str]:
    i = side.index
    if not side.writable:
        return []
    if not side.may_exist:
        rule = "may not delete"
    elif cycle.flow.deletes == "propagate":
        rule = "made again"
    else:
        return []
    return [
        f"SELECT {key_json(cycle.keys, 'm')}, '', 'agreed', {literal(side.name)}, 'present', NULL, NULL, {literal(rule)}, "
        f"{literal(side.name)}, CAST(NULL AS TIMESTAMPTZ) FROM merged m WHERE NOT m._held AND m._exists AND _del_{i}"
    ]


def _lost_to_backup(cycle: Cycle, side: Side) -> list[str]:
    """What a restored system shows and is not kept: it may be the backup's, or an edit that somebody made after the restore."""
    i, lost = side.index, []
    rows = (
        f"(SELECT *, rowid AS _row FROM merged) m JOIN {side.table('cap')} r ON r.rowid = coalesce(m._rid_{i}, m._qrid_{i}) "
        f"JOIN {side.table('base')} b ON {join_on(cycle.keys, 'm', 'b')} LEFT JOIN {side.table('want')} w ON w._m = m._row "
        f"LEFT JOIN (SELECT *, true AS _known FROM {side.table('stored_base')} WHERE NOT _gone) o ON {join_on(cycle.keys, 'm', 'o')} "
        f"WHERE NOT m._held AND NOT m._dup_{i} AND _ba_{i}"
    )
    for code in side.written(cycle.keys):
        f = quote(code.name)
        unlike = f"CASE WHEN o._known THEN r.{f} IS DISTINCT FROM o.{f} ELSE r.{f} IS NOT NULL END"
        replaced = f"CASE WHEN m._exists THEN r.{f} IS DISTINCT FROM w.{f} ELSE _in_{i} AND r.{f} IS NOT NULL END"
        loss = _loss(cycle, side, code.name, f"CAST(r.{f} AS VARCHAR)", f"o.{f}", BACKUP)
        lost.append(f"{loss} FROM {rows} AND r.{f} IS NOT DISTINCT FROM b.{f} AND {unlike} AND {replaced}")
    return lost


def _nothing() -> str:
    columns = ("key", "field", "winner", "loser", "winning_value", "losing_value", "base_value", "rule")
    texts = ", ".join(f"CAST(NULL AS VARCHAR) AS {c}" for c in (*columns, "changed_by"))
    return f"SELECT {texts}, CAST(NULL AS TIMESTAMPTZ) AS changed_at WHERE false"


def withdraw_stale(cycle: Cycle, side: Side) -> None:
    """Take back this round's records about rows that turned out stale: nothing was overwritten there, and the row is merged anew.

    Those of ``moving`` stay: what lost there is agreed as lost, and is no edit any more when the row is merged again. So do those of an
    earlier round, or of an attempt that died under the same id: that one wrote.
    """
    cycle.sql(
        f"DELETE FROM conflicts_new n WHERE run = $run AND loser = $loser AND rule <> 'human' AND key IN "
        f"(SELECT {key_json(cycle.keys)} FROM {side.table('done')} WHERE _status = 'stale' "
        f"AND _m NOT IN (SELECT _m FROM moving)) "
        f"AND NOT EXISTS (FROM conflicts_before o WHERE {SAME} AND n.winning_value IS NOT DISTINCT FROM o.winning_value)",
        {"run": cycle.run, "loser": side.name},
    )


def record_stale(cycle: Cycle, side: Side) -> None:
    """Record rows that kept changing under our hands and were left for the next run."""
    cycle.sql(
        f"INSERT INTO conflicts_new ({names(CONFLICTS)}) SELECT {literal(cycle.flow.name)}, {key_json(cycle.keys)}, "
        f"'', 'agreed', $loser, NULL, NULL, NULL, 'stale', $run, $at, $loser, $at, NULL "
        f"FROM {side.table('done')} WHERE _status = 'stale'",
        {"run": cycle.run, "loser": side.name, "at": cycle.now},
    )
