"""What of the writes that earlier runs never finished stood in the systems when a run looked: only that can still be their doing.

Two runs die one after the other. The first meant to write «paid» and never came to it, which the second saw, and meant to write
«cancelled». If somebody types «paid» after that, it is an edit, and not the late echo of the first run. So an intent names what is left of
the intents before it, and whoever takes them up believes it instead of them.
"""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side, join_on, names
from accord.sync.state.base import STOOD_IN


def keep_standing(cycle: Cycle) -> str:
    """Take out of ``pend_<i>`` what does not stand, and give the segment of the rest; empty when nothing was ever pending.

    To be called before the writes of a round are added. Keys stay, so that they are looked at and closed with the others.
    """
    held = [side for side in cycle.sides if cycle.count(f"SELECT count(*) FROM {side.table('pend')}")]
    if not held:
        return ""
    for side in held:
        _keep(cycle, side)
    picked = names((*cycle.fields, "_op", "_set"))
    rows = (f"SELECT {literal(side.name)} AS {STOOD_IN}, {picked} FROM {side.table('pend')}" for side in held)
    return cycle.store.write_segment_from(cycle.con, f"SELECT * FROM ({' UNION ALL '.join(rows)}) ORDER BY ALL").sha


def _keep(cycle: Cycle, side: Side) -> None:
    pend, cur, keys = side.table("pend"), side.table("cur"), names(cycle.keys)
    left = ", ".join(
        f"CASE WHEN list_contains(p._set, {literal(f)}) "
        + (f"AND p.{quote(f)} IS NOT DISTINCT FROM c.{quote(f)} " if f in side.fields else "")  # one that is not read now cannot tell
        + f"THEN {literal(f)} END"
        for f in cycle.fields
        if f not in cycle.keys
    )
    stays = f"list_filter(CAST([{left}] AS VARCHAR[]), lambda x: x IS NOT NULL)"
    cycle.sql(f"UPDATE {pend} p SET _set = {stays} FROM {cur} c WHERE {join_on(cycle.keys, 'p', 'c')} AND p._op <> 'delete'")
    seen, refused = (f"({keys}) IN (SELECT ({keys}) FROM {table})" for table in (cur, side.table("qkey")))
    gone = f"CASE WHEN _op = 'delete' THEN {seen} OR {refused} ELSE NOT ({seen} OR {refused}) END"
    cycle.sql(f"UPDATE {pend} SET _op = 'none', _set = CAST([] AS VARCHAR[]) WHERE {gone}")
