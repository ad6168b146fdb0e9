"""Handoffs as both teams see them: what is on offer, and how each passage of a case went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accord.store.database import Rows
from accord.work.inbox.tasks import MOST_ROWS

_OFFER = ("handoff", "process", "case_id", "step", "from_team", "to_team", "state", "attempt", "offered_at", "reject_reason", "sla_hours")
_PASSAGE = (
    "SELECT h.handoff, h.step, h.from_team, h.to_team, h.state, h.attempt, h.offered_at, h.accepted_at, h.rejected_at, h.reject_reason, "
    "h.started_at, h.escalated_at, CASE WHEN t.state = 'completed' THEN t.ended_at END "
    "FROM handoff h LEFT JOIN work_task t ON t.task = h.to_task WHERE h.instance = ? ORDER BY h.offered_at, h.handoff"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A handoff with what it means to either side; ``waited_hours`` runs from the first offer to the acceptance, or to now."""

    handoff: str
    step: str
    from_team: str
    to_team: str
    state: str
    attempt: int
    waited_hours: float
    giver_sees: str
    receiver_sees: str


def offers(rows: Rows, *, to_team: str = "", from_team: str = "", limit: int = MOST_ROWS, offset: int = 0) -> list[dict[str, Any]]:
    """Handoffs that are not accepted yet, the longest waiting first; both teams see the same.

    Args:
        rows: the store.
        to_team: only those offered to this team.
        from_team: only those this team offers.
        limit: at most so many.
        offset: leave out so many first.
    """
    conditions, values = ["state IN ('offered', 'rejected')"], []
    for column, value in (("to_team", to_team), ("from_team", from_team)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    order = "ORDER BY offered_at, handoff LIMIT ? OFFSET ?"
    found = rows.rows(f"SELECT {', '.join(_OFFER)} FROM handoff WHERE {' AND '.join(conditions)} {order}", *values, limit, offset)
    return [dict(zip(_OFFER, row, strict=True)) for row in found]


def passages(rows: Rows, instance: str, *, now: datetime) -> list[Passage]:
    """Every handoff of an instance, the first offered first, as the giving and the receiving team see it."""
    return [_passage(row, now) for row in rows.rows(_PASSAGE, instance)]


def _passage(row: tuple[Any, ...], now: datetime) -> Passage:
    handoff, step, giver, receiver, state, attempt, offered, accepted, rejected, reason, started, escalated, done = row
    until = datetime.fromisoformat(accepted) if accepted else now
    waited = max(0.0, (until - datetime.fromisoformat(offered)).total_seconds() / 3600)
    late = "; it is late" if escalated and state == "offered" else ""
    sees = {
        "offered": (f"waits for {receiver}{late}", f"to be accepted or sent back{late}"),
        "rejected": (f"to be mended: {reason}", f"sent back to {giver} on {(rejected or '')[:10]}"),
        "accepted": (f"taken by {receiver} on {(accepted or '')[:10]}", "accepted, not begun yet"),
        "started": (f"in work at {receiver} since {(started or '')[:10]}", "in work"),
        "withdrawn": ("taken back", f"taken back by {giver}"),
    }[state]
    if done and state == "started":
        sees = (f"done by {receiver} on {done[:10]}", "done")
    return Passage(handoff, step, giver, receiver, state, int(attempt), round(waited, 3), *sees)
