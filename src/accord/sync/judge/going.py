"""Rows that break the contract and are to go: deleted in another system, while their own users did nothing to them."""

from __future__ import annotations

from accord.connectors.types import quote
from accord.sync.cycle import Cycle, Side, join_on, names, storage_type

GOING = "going"
"""The keys of such rows."""


def let_doomed_go(cycle: Cycle) -> None:
    """Take out of quarantine what was deleted elsewhere and stands as it was agreed; between judging the sides and looking for changes.

    Such a row keeps nothing that anybody would miss. Most break the contract only because what they refer to was deleted with them, and
    that may have to wait for them: a database keeps a row to which others point.
    """
    cycle.make_empty(GOING, {k: storage_type(cycle.entity, k) for k in cycle.keys})
    if cycle.flow.deletes != "propagate":
        return
    for side in cycle.sides:
        bad = side.table("bad")
        if not cycle.rows(bad) or not cycle.make("doomed", _doomed(cycle, side)):
            continue
        cycle.sql(f"DELETE FROM {side.table('qkey')} WHERE _rid IN (SELECT _rid FROM doomed)")
        cycle.sql(f"DELETE FROM {bad} WHERE rid IN (SELECT _rid FROM doomed)")
        cycle.made[bad] = cycle.count(f"SELECT count(*) FROM {bad}")
        cycle.made[GOING] += cycle.count(f"INSERT INTO {GOING} SELECT {names(cycle.keys)} FROM doomed")


def _doomed(cycle: Cycle, side: Side) -> str:
    """SQL of key and ``_rid`` of a side's bad rows that are agreed no more, or that another side has just lost."""
    keys, others = names(cycle.keys), [s for s in cycle.sides if s.may_exist and s is not side]
    gone = [f"SELECT {keys} FROM {side.table('base')} b ANTI JOIN golden0 g {cycle.using()} WHERE NOT b._gone"]
    gone += [
        f"SELECT {keys} FROM {s.table('base')} b ANTI JOIN {s.table('cur')} c {cycle.using()} "
        f"ANTI JOIN {s.table('qkey')} q {cycle.using()} WHERE NOT b._gone"
        for s in others
    ]
    codes = [side.codes[f] for f in side.fields if f not in cycle.keys]
    same = "".join(f" AND c.{quote(c.name)} IS NOT DISTINCT FROM b.{quote(c.name)}" for c in codes)
    broken = " OR ".join(f"({c.broken})" for c in codes) or "false"
    copies = f"count(*) OVER (PARTITION BY {keys}) AS _copies"
    rows = f"(SELECT *, rowid AS _rid, {copies} FROM {side.table('cap')} WHERE NOT ({broken})) c"
    return (
        f"SELECT {names(cycle.keys, 'c')}, c._rid FROM {side.table('bad')} x JOIN {rows} ON c._rid = x.rid "
        f"JOIN {side.table('base')} b ON {join_on(cycle.keys, 'c', 'b')} "
        f"SEMI JOIN ({' UNION '.join(gone)}) o ON {join_on(cycle.keys, 'c', 'o')} "
        f"WHERE x.reasons IS NOT NULL AND c._copies = 1 AND NOT b._gone{same}"
    )
