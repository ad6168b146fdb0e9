"""Move what is agreed: bases, golden rows, quarantine, conflicts and changes as segments named by one event.

A state that is large is kept as one full segment and segments with only the rows that changed behind it (``store.folding``), so that a run
writes what changed and not what exists. When the changes have grown to a share of the whole, the run that notices writes a full one.
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.connectors.protocol import Summed
from accord.connectors.types import quote
from accord.store.folding import REMOVED, folded, is_change, rows_in
from accord.sync.capture.moved import comparable, key_columns, key_types, young
from accord.sync.cycle import Cycle, Side, join_on, names
from accord.sync.state.base import MARKS
from accord.sync.state.fewer import fold_records
from accord.sync.state.late import ROLE as FAILED
from accord.sync.state.late import failed_query

APPENDED = {
    "conflicts": ("conflicts_new", "ALL"),
    # Total as far as rows differ, and a third of the cost of ALL.
    "changes": ("changes_new", "key, source, target, op, quarantined, verified, freshness_seconds"),
}
CHANGES_FROM = 10_000  # rows: a smaller state is written anew each time
CHANGES_MOST = 16  # segments of changes; each costs a reader one more file
CHANGES_SHARE = 0.25  # of the rows of the full segment


def move_state(cycle: Cycle, *, active: bool) -> dict[str, list[str]]:
    """Write a segment for each role whose rows changed and return role → segments, as ``flow.run_finished`` names them.

    Args:
        cycle: after ``find_touched``, ``next_base`` and ``next_golden`` (when ``active``), ``collect_quarantine`` and ``record_conflicts``.
        active: some key was merged; without any, bases and golden rows stand.
    """
    state: dict[str, list[str]] = {}
    if active:
        for side in cycle.sides:
            # The overlay of intents may have moved base_ in memory, so the comparison is with what the store holds.
            _move(cycle, state, f"base:{side.name}", side.table("next_base"), side.table("stored_base"))
        _move(cycle, state, "golden", "next_golden", "stored_golden")
        if differs(cycle, "held", "held0"):
            state["held"] = [_segment(cycle, "SELECT * FROM held ORDER BY ALL")]
    stored = cycle.store.flow_state(cycle.flow.name)
    meant = {name for stored in cycle.intents for name in stored.event.attributes["segments"]}
    if not active and cycle.limited:
        meant.clear()  # none of the keys it was limited to moved, and what became of the others' writes is for the next run to see
    for side in cycle.sides:
        # Naming the base of a side closes its open intents: they are part of it now, and must not excuse a later edit of a user.
        if side.name in meant and f"base:{side.name}" not in state:
            state[f"base:{side.name}"] = list(stored.get(f"base:{side.name}", ()))
    state |= move_digests(cycle)
    if (cycle.rows("quarantine") or cycle.rows("quarantine0")) and differs(cycle, "quarantine", "quarantine0"):
        state["quarantine"] = [_segment(cycle, "SELECT * FROM quarantine ORDER BY binding, key, row_hash")]
    _leave_open(cycle, active=active)
    if (cycle.rows("open_next") or cycle.rows("open0")) and differs(cycle, "open_next", "open0"):
        state["open"] = [_segment(cycle, f"SELECT * FROM open_next ORDER BY {names(cycle.keys)}")]
    if folded := fold_records(cycle):
        cycle.notes["folded"] = folded
    if query := failed_query(cycle):
        state[FAILED] = [_segment(cycle, query)]
    for role, (table, order) in APPENDED.items():
        if cycle.count(f"SELECT count(*) FROM {table}"):
            state[role] = [_segment(cycle, f"SELECT * FROM {table} ORDER BY {order}")]
    _measure(cycle, active=active)
    return state


def differs(cycle: Cycle, left: str, right: str) -> bool:
    """Whether two tables of the same columns hold different rows."""
    ((here, there),) = cycle.sql(f"SELECT (SELECT count(*) FROM {left}), (SELECT count(*) FROM {right})")
    return here != there or bool(here and cycle.count(f"SELECT count(*) FROM (SELECT * FROM {left} EXCEPT SELECT * FROM {right})"))


def find_touched(cycle: Cycle, *, active: bool) -> None:
    """Table ``touched``: the only keys whose agreed rows this run may have changed."""
    parts = [f"SELECT {names(cycle.keys)} FROM {side.table('pend')}" for side in cycle.sides]
    parts += [f"SELECT {names(cycle.keys)} FROM active"] if active else []
    cycle.sql(f"CREATE OR REPLACE TABLE touched AS {' UNION '.join(parts)}")


def _move(cycle: Cycle, state: dict[str, list[str]], role: str, following: str, stored: str) -> None:
    keys, among = names(cycle.keys), f"SEMI JOIN touched {cycle.using()}"
    shas = cycle.store.flow_state(cycle.flow.name).get(role, ())
    if not shas:
        if cycle.count(f"SELECT count(*) FROM {following}"):
            state[role] = [_segment(cycle, f"SELECT * FROM {following} ORDER BY {keys}")]
        return
    rest = [f for f in cycle.fields if f not in cycle.keys] + (list(MARKS) if role != "golden" else [])
    unlike_values = " OR ".join(f"f.{quote(c)} IS DISTINCT FROM s.{quote(c)}" for c in rest) or "false"
    count = cycle.make(
        "change",
        f"""
        SELECT f.*, false AS {REMOVED} FROM (SELECT * FROM {following} {among}) f
        LEFT JOIN (SELECT * FROM {stored} {among}) s ON {join_on(cycle.keys, "f", "s")}
        WHERE s.{quote(cycle.keys[0])} IS NULL OR {unlike_values}
        UNION ALL SELECT *, true FROM {stored} {among} ANTI JOIN {following} {cycle.using()}""",
    )
    _follow(cycle, state, role, following, shas, count)
    cycle.sql("DROP TABLE change")  # the next role's needs that memory


def _follow(cycle: Cycle, state: dict[str, list[str]], role: str, following: str, shas: Sequence[str], count: int) -> None:
    """Write what ``_move`` found in table ``change``, or all of the role's rows."""
    keys, unlike = names(cycle.keys), cycle.restated and not _alike(cycle, shas, following)
    if not count and not unlike:
        return
    if not unlike and _as_change(cycle, shas, count):
        state[role] = [*shas, _segment(cycle, f"SELECT * FROM change ORDER BY {keys}")]
        return
    whole = f"SELECT * FROM {following}"
    if cycle.partial:
        columns = ", ".join(quote(str(row[0])) for row in cycle.sql(f"DESCRIBE {following}"))
        old = folded([cycle.store.read_segment(sha) for sha in shas], cycle.keys)
        # A map may have gained fields since the full segment was written.
        whole = f"SELECT {columns} FROM (SELECT * FROM ({old}) ANTI JOIN scope {cycle.using()} UNION ALL BY NAME {whole})"
    state[role] = [_segment(cycle, f"{whole} ORDER BY {keys}")]


def _as_change(cycle: Cycle, shas: Sequence[str], count: int) -> bool:
    """Whether ``count`` changed rows are written as changes to a state rather than with all of it."""
    paths = [cycle.store.read_segment(sha) for sha in shas]
    changes = [path for path in paths if is_change(path)]
    full = sum(rows_in(path) for path in paths if path not in changes)
    most = CHANGES_SHARE * full
    return full >= CHANGES_FROM and len(changes) < CHANGES_MOST and count + sum(map(rows_in, changes)) <= most


def _alike(cycle: Cycle, shas: Sequence[str], table: str) -> bool:
    """Whether a stored state has each of its columns in the type the table has it in; it may lack some."""
    old = folded([cycle.store.read_segment(sha) for sha in shas], cycle.keys)
    held, wanted = ({str(row[0]): row[1] for row in cycle.sql(f"DESCRIBE SELECT * FROM {source}")} for source in (f"({old})", table))
    return all(wanted.get(name) == type_ for name, type_ in held.items())


def move_digests(cycle: Cycle) -> dict[str, list[str]]:
    """Keep what the systems told of their rows without showing them, as far as it differs from what is kept."""
    state: dict[str, list[str]] = {}
    for side in cycle.sides:
        if side.digested:
            _move_digests(cycle, state, side)
    return state


def _move_digests(cycle: Cycle, state: dict[str, list[str]], side: Side) -> None:
    """Keep the digests of the rows as they were before they were read; rows written since show as changed once more, and are equal.

    Rows this run wrote itself are kept as they were when they were read back.
    """
    role, keys = f"digest:{side.name}", names(key_columns(cycle, side))
    shas = cycle.store.flow_state(cycle.flow.name).get(role, ())
    moved, own = f"SELECT {keys}, _digest FROM {side.table('redigest')}", side.table("rewritten")
    rewritten = cycle.has(own)
    if rewritten:
        ours = f"SELECT {keys}, CASE WHEN NOT {REMOVED} THEN _digest END AS _digest FROM {own}"
        moved = f"{moved} ANTI JOIN {own} USING ({keys}) UNION ALL {ours}"
    if shas and comparable(cycle, side):
        count = cycle.make("redigested", moved)
        if not count:
            if not side.summed:
                _sum(cycle, side, shas)
            return
        if not cycle.restated and _as_change(cycle, shas, count):
            change = f"SELECT {keys}, coalesce(_digest, 0) AS _digest, _digest IS NULL AS {REMOVED} FROM redigested ORDER BY {keys}"
            state[role] = [*shas, _segment(cycle, change)]
            _sum_changed(cycle, side, shas, state[role])
            return
    if side.summed:
        old = folded([cycle.store.read_segment(sha) for sha in shas], key_columns(cycle, side))
        now = f"SELECT {keys}, _digest FROM ({old}) ANTI JOIN redigested USING ({keys}) UNION ALL FROM redigested WHERE _digest IS NOT NULL"
    else:
        now = f"SELECT {keys}, _digest FROM {side.table('digest')}"
        if rewritten:
            now = f"{now} ANTI JOIN {own} USING ({keys}) UNION ALL SELECT {keys}, _digest FROM {own} WHERE NOT {REMOVED}"
    cycle.notes["marks"] = {**cycle.notes.get("marks", {}), side.name: side.mark}
    cycle.notes["fills"] = {name: filled for name, filled in cycle.notes.get("fills", {}).items() if name != side.name}
    state[role] = [_segment(cycle, f"SELECT {keys}, _digest FROM ({now}) ORDER BY {keys}")]
    _sum(cycle, side, state[role])


def _sum(cycle: Cycle, side: Side, shas: Sequence[str]) -> None:
    """Note all versions that are kept of a side as one number."""
    cycle.notes["sums"] = {name: sum_ for name, sum_ in cycle.notes.get("sums", {}).items() if name != side.name}
    if side.mark and isinstance(side.connector, Summed):
        rows = folded([cycle.store.read_segment(sha) for sha in shas], key_columns(cycle, side))
        ((count, sum_),) = cycle.sql(f"SELECT count(*), coalesce(bit_xor(_digest), 0) FROM ({rows})")
        cycle.notes["sums"][side.name] = [count, sum_]


def _sum_changed(cycle: Cycle, side: Side, before: Sequence[str], after: Sequence[str]) -> None:
    """The same where the versions of ``redigested`` take the place of some of those ``before``, the sum of which is known as a rule."""
    kept = cycle.notes.get("sums", {}).get(side.name)
    if kept is None:
        _sum(cycle, side, after)
        return
    old = folded([cycle.store.read_segment(sha) for sha in before], key_columns(cycle, side), among="redigested")
    ((more, turned),) = cycle.sql(f"""
        SELECT coalesce(sum(n), 0), coalesce(bit_xor(d), 0) FROM (
            SELECT 1 AS n, _digest AS d FROM redigested WHERE _digest IS NOT NULL UNION ALL SELECT -1, _digest FROM ({old}))""")
    cycle.notes["sums"] = {**cycle.notes["sums"], side.name: [kept[0] + int(str(more)), kept[1] ^ int(str(turned))]}


def _leave_open(cycle: Cycle, *, active: bool) -> None:
    """Table ``open_next``: keys the next run has to look at whether or not anything moves.

    Not settled with some side, agreed but missing where they could be written, or too young for their cursor to be trusted.
    """
    kinds = f"SELECT {names(cycle.keys)} FROM open0 WHERE false"
    parts = [kinds, *(sql for side in cycle.sides if (sql := young(cycle, side)))]
    among = f"SEMI JOIN active {cycle.using()}"
    for side in cycle.sides if active else ():
        following = side.table("next_base")
        parts.append(f"SELECT {names(cycle.keys)} FROM {following} {among} WHERE NOT _settled")
        if side.writable:
            parts.append(f"SELECT {names(cycle.keys)} FROM next_golden {among} ANTI JOIN {following} {cycle.using()}")
    if cycle.limited:  # the others wait as they did
        parts.append(f"SELECT {names(cycle.keys)} FROM open0" + (f" ANTI JOIN active {cycle.using()}" if active else ""))
    present = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    cycle.make("open_next", f"SELECT * FROM ({' UNION '.join(parts)}) WHERE {present}")


def _measure(cycle: Cycle, *, active: bool) -> None:
    """Note how many rows are agreed, with each side and at all, and what else the next run may rest on."""
    tables = {f"base:{s.name}": (s.table("next_base"), s.table("stored_base"), "WHERE NOT _gone") for s in cycle.sides}
    tables["golden"] = ("next_golden", "stored_golden", "")
    asked = [f"(SELECT count(*) FROM {following if active else stored} {where})" for following, stored, where in tables.values()]
    asked += [f"(SELECT count(*) FROM {stored} {where})" for _, stored, where in tables.values()] if cycle.partial else []
    counted = [int(str(n)) for n in cycle.sql(f"SELECT {', '.join(asked)}")[0]]
    for place, role in enumerate(tables):
        outside = cycle.sizes.get(role, 0) - counted[len(tables) + place] if cycle.partial else 0
        cycle.sizes[role] = outside + counted[place]
    swept = [s for s in cycle.sides if s.binding.capture == "cursor" and (s.swept or not cycle.partial)]
    kinds = dict(cycle.notes.get("key_types", {}))
    for side in cycle.sides:
        if side.swept or not cycle.partial:
            kinds[side.name] = key_types(cycle, side)
    times = {**cycle.notes.get("swept_at", {}), **{s.name: cycle.now.isoformat() for s in swept}}
    cycle.notes |= {"sizes": dict(cycle.sizes), "key_types": kinds, "swept_at": times}


def _segment(cycle: Cycle, query: str) -> str:
    return cycle.store.write_segment_from(cycle.con, query).sha
