"""Agreed rows taken from what a side shows where none of its rows moved, since the segment that holds them is dear to read.

A segment is laid out by column, so a few rows out of every part of it cost nearly as much as all of it. A side whose rows are read anyway,
each in the very version that was noted when its base was, shows what the base says of them.
"""

from __future__ import annotations

from pathlib import Path

from accord.store.folding import folded, is_change, parquet
from accord.sync.capture.moved import comparable, kept_digests, key_columns, paired_keys
from accord.sync.cycle import Cycle, Side, names, only_rows
from accord.sync.state.base import MARKS, base_paths, golden_paths

LENT_FROM = 100_000  # agreed rows; of fewer the segment is read as fast
_TABLE = "lent"


def find_lender(cycle: Cycle) -> Side | None:
    """A side of which nothing moved, by versions that are kept; its rows are to be read with theirs, into table ``versioned_<i>``."""
    for side in cycle.sides:
        kept = side.digested and side.mark and comparable(cycle, side) and kept_digests(cycle, side)
        large = cycle.sizes.get(f"base:{side.name}", 0) >= LENT_FROM and not is_change(base_paths(cycle, side)[0])
        if kept and large and not cycle.count(f"SELECT count(*) FROM {side.table('moved')}"):
            return side
    return None


def lend(cycle: Cycle, side: Side) -> dict[Path, str]:
    """The full segment of the side's base, with a table of its rows in ``scope`` as far as no newer ones stand for them; or nothing.

    Args:
        cycle: its sides are captured, its state is not loaded.
        side: which ``find_lender`` gave.
    """
    seen = side.table("versioned")
    if side.unreadable or set(side.codes) != set(cycle.fields) or not cycle.has(seen):
        return {}
    keys, own, fields = names(cycle.keys), names(key_columns(cycle, side)), names(cycle.fields)
    full, *newer = base_paths(cycle, side)
    held = parquet([full])
    cycle.make("stored", f"SELECT {keys}, _gone OR NOT _settled AS _unsure FROM {held} SEMI JOIN ({_needed(cycle, full)}) {cycle.using()}")
    asked, on = paired_keys(cycle, side, side.table("native"))
    noted = folded(kept_digests(cycle, side), key_columns(cycle, side), among=side.table("native"))
    same = f"SELECT a.* FROM {asked} a JOIN {seen} v USING ({own}) JOIN ({noted}) o USING ({own}) WHERE v._digest = o._digest"
    changed = f"ANTI JOIN (SELECT {keys} FROM {parquet(newer)}) {cycle.using()}" if newer else ""
    count = cycle.make(
        _TABLE,
        f"""
        SELECT {fields}, false AS _gone, true AS _settled FROM (
            SELECT c.* FROM ({only_rows(cycle, side)}) c JOIN ({same}) a ON {on("c")})
        SEMI JOIN (SELECT {keys} FROM stored WHERE NOT _unsure) {cycle.using()} ANTI JOIN left_open {cycle.using()} {changed}""",
    )
    if count < cycle.rows("stored"):
        rest = f"SELECT {keys} FROM stored ANTI JOIN {_TABLE} {cycle.using()}"
        cycle.sql(f"INSERT INTO {_TABLE} SELECT {fields}, {names(MARKS)} FROM {held} SEMI JOIN ({rest}) {cycle.using()}")
    return {full: _TABLE}


def _needed(cycle: Cycle, full: Path) -> str:
    """SQL of the keys in ``scope`` of which some state that rests on a segment has no newer row."""
    keys = names(cycle.keys)
    states = [paths for paths in (*(base_paths(cycle, side) for side in cycle.sides), golden_paths(cycle)) if paths[:1] == [full]]
    if not all(paths[1:] for paths in states):
        return f"SELECT {keys} FROM scope"
    newer = " INTERSECT ".join(f"SELECT {keys} FROM {parquet(paths[1:])}" for paths in states)
    return f"SELECT {keys} FROM scope ANTI JOIN ({newer}) {cycle.using()}"
