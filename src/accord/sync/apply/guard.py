"""Stops before damage: a run that would delete more than the map allows does not begin to write."""

from __future__ import annotations

from fractions import Fraction

from accord.model.errors import GuardStopped, MapError
from accord.model.flow import Flow
from accord.sync.cycle import Cycle, Side

ALWAYS_ALLOWED_ROWS = 5  # below this a share says nothing: one row of three is 33 %


def check_deletes(cycle: Cycle) -> None:
    """Refuse a mass delete, wherever it would happen.

    Stopped: more than ``delete_guard`` of a target's rows (and more than 5) would be deleted or marked; or a binding that may delete
    shows no rows at all where more than one was agreed, which is what an emptied export or a wrong path looks like.

    Raises:
        GuardStopped: before anything is written.
    """
    share = share_of(cycle.flow)
    todo = "If this is meant, run again with --allow-deletes; otherwise restore the rows in the system that lost them."
    if cycle.flow.deletes != "ignore":
        for side in cycle.sides:
            agreed = cycle.count(f"SELECT count(*) FROM {side.table('base')} WHERE NOT _gone")
            if side.may_exist and side.rows + _outside(cycle, side) == 0 and agreed > 1:
                raise GuardStopped(
                    "delete guard", f"'{side.name}' shows no rows in '{side.binding.resource}' where {agreed} were agreed", todo
                )
    for side in cycle.sides:
        if side.writable and cycle.rows(side.table("plan")):
            deletes = cycle.count(f"SELECT count(*) FROM {side.table('plan')} WHERE _op = 'delete'")
            _check(
                cycle,
                deletes,
                side.rows + _outside(cycle, side),
                share,
                f"delete {{}} of {{}} rows of '{side.binding.resource}' in '{side.name}'",
                todo,
            )
    if cycle.flow.deletes == "mark":
        marked = cycle.count("SELECT count(*) FROM merged WHERE _deleted AND _exists AND NOT _created")
        agreed = cycle.sizes.get("golden", 0) if cycle.partial else cycle.count("SELECT count(*) FROM golden0")
        _check(cycle, marked, agreed, share, "mark {} of {} agreed rows as deleted", todo)


def _outside(cycle: Cycle, side: Side) -> int:
    """Rows the side shows outside the keys this run looks at: as many as are agreed there."""
    if not cycle.partial:
        return 0
    inside = cycle.count(f"SELECT count(*) FROM {side.table('stored_base')} WHERE NOT _gone")
    return max(0, cycle.sizes.get(f"base:{side.name}", 0) - inside)


def _check(cycle: Cycle, deletes: int, rows: int, share: Fraction, sentence: str, todo: str) -> None:
    if deletes > ALWAYS_ALLOWED_ROWS and deletes > share * rows:
        raise GuardStopped(
            "delete guard", f"flow '{cycle.flow.name}' would {sentence.format(deletes, rows)}; {cycle.flow.delete_guard} are allowed", todo
        )


def share_of(flow: Flow) -> Fraction:
    """What a flow's guard allows: «20%» as 1/5.

    Raises:
        MapError: it is no percentage.
    """
    text = flow.delete_guard
    try:
        return Fraction(text.strip().removesuffix("%").strip()) / 100
    except ValueError:
        raise MapError(f"delete_guard '{text}' is no percentage.", place=flow.place, expected="Expected for example 20%.") from None
