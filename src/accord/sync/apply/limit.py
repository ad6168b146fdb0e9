"""A run limited to some keys: what a plan names is carried out, everything else waits for the next run as if nobody had looked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from accord.connectors.types import literal
from accord.sync.cycle import Cycle, key_json, names
from accord.sync.result import TargetPlan


@dataclass(frozen=True, slots=True)
class Limit:
    """What a run may do.

    Args:
        keys: keys as JSON text, as reconciliation and plans name them; ``None``: every key.
        check: called once with what would be written, before the first write of the run; what it raises ends the run. A run that was
            checked writes nothing beyond what it was shown: a row found stale is reported and not merged anew.
    """

    keys: Sequence[str] | None = None
    check: Callable[[tuple[TargetPlan, ...]], None] | None = None


def limit_active(cycle: Cycle, keys: Sequence[str]) -> int:
    """Leave only ``keys`` in ``active`` and return how many those are.

    The others keep their bases and golden rows, so that what changed there is still a change for the next run.
    """
    chosen = pa.table({"key": pa.array(list(dict.fromkeys(keys)), pa.string())})
    cycle.con.register("limit_keys", chosen)
    left = cycle.make("active", f"SELECT {names(cycle.keys)} FROM active WHERE {key_json(cycle.keys)} IN (FROM limit_keys)")
    cycle.con.unregister("limit_keys")
    return left


def keep_held(cycle: Cycle) -> None:
    """Keep the open conflicts of keys the limit left out: nobody has decided them by not looking."""
    cycle.sql(f"INSERT INTO held SELECT * FROM held0 WHERE key NOT IN (SELECT {key_json(cycle.keys)} FROM active)")


def target_plans(cycle: Cycle) -> tuple[TargetPlan, ...]:
    """What each target would be told by ``plan_<i>``; empty where nothing had to be looked at."""
    plans = []
    for side in cycle.sides:
        table = side.table("plan")
        if not side.writable or not cycle.has(table):
            continue
        inserts, updates, deletes = (
            cycle.count(f"SELECT count(*) FROM {table} WHERE _op = {literal(op)} AND _unfit IS NULL") for op in TargetPlan.OPERATIONS
        )
        rows = cycle.con.execute(f"SELECT * EXCLUDE (_m) FROM {table} ORDER BY {names(cycle.keys)}").to_arrow_table()
        plans.append(TargetPlan(side.name, side.binding.system or side.name, side.binding.resource, inserts, updates, deletes, rows))
    return tuple(plans)
