"""The versions of rows this run has written itself, so that the next one does not take them for written by others.

The version of a row is read with its values when they are read back. When those are what is agreed from now on, so is what the version
stands for, and whoever writes the row after that gives it another one by the next run.
"""

from __future__ import annotations

from accord.connectors.types import quote
from accord.store.folding import REMOVED
from accord.sync.capture.moved import key_columns, note_written, paired_keys
from accord.sync.cycle import Cycle, Side, names


def settle_versions(cycle: Cycle, side: Side, back: Side | None) -> None:
    """Fill ``rewritten_<i>`` with the keys whose row, as read back, is what ``next_base_<i>`` holds: with their version, or removed."""
    seen = side.table("reversion")
    if back is not None:
        note_written(cycle, side, cycle.count(f"SELECT count(*) FROM {side.table('done')} WHERE _status = 'done'"))
    if back is None or not back.part or not cycle.has(seen) or not cycle.has(back.table("native")):
        return
    keys = key_columns(cycle, side)
    asked, on = paired_keys(cycle, side, back.table("native"))
    same = " AND ".join(f"c.{quote(f)} IS NOT DISTINCT FROM b.{quote(f)}" for f in back.fields if f not in cycle.keys) or "true"
    agreed = f"(SELECT * FROM {side.table('next_base')} WHERE NOT _gone)"
    cycle.sql(f"""
        CREATE OR REPLACE TABLE {side.table("rewritten")} AS
        SELECT {names(keys, "a")}, v._digest, false AS {REMOVED} FROM {asked} a JOIN {seen} v USING ({names(keys)})
        JOIN {back.table("cap")} c ON {on("c")} JOIN {agreed} b ON {on("b")} WHERE b._settled AND {same}
        UNION ALL SELECT {names(keys, "a")}, CAST(0 AS UBIGINT), true FROM {asked} a ANTI JOIN {seen} v USING ({names(keys)})
        ANTI JOIN {back.table("cap")} c ON {on("c")} ANTI JOIN {agreed} b ON {on("b")}""")
