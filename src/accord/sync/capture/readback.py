"""Read what a system shows after it was written; only the keys this run is about, where the system can be asked by key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from accord.connectors.protocol import Keyed
from accord.model.errors import SystemChanged
from accord.sync.capture.drift import declared_types
from accord.sync.capture.moved import make_native
from accord.sync.capture.read import capture
from accord.sync.capture.retyped import changed_types
from accord.sync.capture.scope import needs_every_row
from accord.sync.cycle import Cycle, Side, names

PART = 0.25  # of the rows read: with more keys than that, reading everything is cheaper
_READ_BACK = 1000  # added to a side's index for the tables of its read-back


def read_back(cycle: Cycle, side: Side) -> Side:
    """The side as it shows itself now, in tables of its own."""
    shown = replace(side, index=side.index + _READ_BACK, codes={}, columns={}, part=False)
    keyed = isinstance(side.connector, Keyed) and (
        cycle.partial or (not needs_every_row(cycle) and cycle.rows("active") <= PART * side.rows)
    )
    if not (keyed or cycle.partial):
        return _captured(cycle, side, shown)
    kinds = {**cycle.notes.get("key_types", {}).get(side.name, {}), **({} if cycle.partial else side.columns)}
    native = make_native(cycle, shown, "active", kinds) if keyed else ""
    if not (native or cycle.partial):
        return _captured(cycle, side, shown)
    shown.part = True
    # Read with the values, so that whoever writes after that shows in the next run.
    versions = side.table("reversion") if side.mark else ""
    return _captured(cycle, side, shown, may_create=False, among="active", native=native, versions=versions)


def _captured(cycle: Cycle, side: Side, shown: Side, **options: Any) -> Side:
    """Read into ``shown``, of which the columns have to be those that the run was decided by.

    What stands under a name that another column took meanwhile, or in one of another type, is neither what was written nor an edit. The
    next run judges the columns before it believes them.

    Raises:
        SystemChanged: the columns are others now, or their types are.
    """
    capture(cycle.con, cycle.entity, shown, drift="evolve", **options)
    was, now = list(side.columns), list(shown.columns)
    if side.connector.capabilities.sparse:
        now = was if not shown.lacking or set(now) <= set(was) else now  # else the last value of a column may be gone, or the first come
    elif not side.connector.capabilities.transactions:
        was, now = sorted(was), sorted(now)
    others = [f"'{c}'" for c in dict.fromkeys((*was, *now)) if (c in was) != (c in now)] or [f"'{c}'" for c in now if was != now]
    types = {c: t for c, t in side.declared.items() if c not in side.taken}
    others += [f"'{c}'" for c, _, _, kind in changed_types(types, declared_types(shown)) if kind != "widened"] if types else []
    if others:
        what = f"its columns are others than before, or in another order ({', '.join(others)})"
        raise SystemChanged(side.binding.holder, side.binding.resource, what)
    return shown


def take_read_back(cycle: Cycle, shown: dict[str, Side]) -> None:
    """What was read back becomes the capture of the next round; our own writes in it are excused by the intents just noted."""
    for side in cycle.sides:
        back = shown.pop(side.name, None)
        if back is None:
            continue
        if back.part and not _fits(cycle, side, back):
            rest = "scope" if cycle.partial else ""
            _captured(cycle, side, back, may_create=False, among=rest)
            back.part = False
        cap = side.table("cap")
        cycle.sql(f"DROP VIEW {side.table('cur')}")
        if back.part:
            keys = names(cycle.keys)
            cycle.sql(f"DELETE FROM {cap} WHERE ({keys}) IN (SELECT ({keys}) FROM active)")
            cycle.sql(f"INSERT INTO {cap} BY NAME SELECT * FROM {back.table('cap')}")
        else:
            cycle.sql(f"DROP TABLE {cap}")
            cycle.sql(f"ALTER TABLE {back.table('cap')} RENAME TO {cap}")
            side.rows = back.rows
        side.codes, side.columns, side.doubled = back.codes, back.columns, None
        side.broken, side.unreadable = back.broken, back.unreadable


def _fits(cycle: Cycle, side: Side, back: Side) -> bool:
    """Whether rows read by key have the columns and types of those read before; a column of loose type may show another now."""
    return cycle.sql(f"DESCRIBE {side.table('cap')}") == cycle.sql(f"DESCRIBE {back.table('cap')}")
