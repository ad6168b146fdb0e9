"""Handoffs between teams: offered, accepted or rejected with a reason, started, escalated.

The clock runs from the first offer to the final acceptance; a rejected attempt restarts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, real, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "handoff": "text",
    "instance": "text",
    "process": "text",
    "case_id": "text",
    "step": "text",
    "from_team": "text",
    "to_team": "text",
    "from_task": "text",
    "to_task": "text",
    "state": "text",
    "attempt": "integer",
    "offered_at": "time",
    "accepted_at": "time",
    "rejected_at": "time",
    "reject_reason": "text",
    "started_at": "time",
    "escalated_at": "time",
    "automatic": "integer",
    "sla_hours": "real",
    "artefact_hash": "text",
}
KEY = ("handoff",)
_OFFER = (
    f"{insert('handoff', COLUMNS)} ON CONFLICT (handoff) DO UPDATE SET "
    "state = 'offered', attempt = excluded.attempt, artefact_hash = excluded.artefact_hash"
)
_SET = {
    "handoff.accepted": "UPDATE handoff SET state = 'accepted', accepted_at = ?, automatic = ? WHERE handoff = ?",
    "handoff.rejected": "UPDATE handoff SET state = 'rejected', rejected_at = ?, reject_reason = ? WHERE handoff = ?",
    "handoff.started": "UPDATE handoff SET state = 'started', started_at = coalesce(started_at, ?) WHERE handoff = ?",
    "handoff.escalated": "UPDATE handoff SET escalated_at = coalesce(escalated_at, ?) WHERE handoff = ?",
    "handoff.withdrawn": "UPDATE handoff SET state = 'withdrawn' WHERE handoff = ?",
}


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row a handoff, whatever the number of its attempts."""
    for stored in events:
        event, handoff = stored.event, text(stored.event, "handoff")
        if event.type == "handoff.offered":
            given = [text(event, name) for name in ("instance", "process")]
            given += [optional_text(event, name) or "" for name in ("case", "step", "from_team", "to_team", "from_task", "to_task")]
            state = ("offered", integer(event, "attempt", 1), stamp(stored), None, None, "", None, None, 0)
            tx.run(_OFFER, handoff, *given, *state, real(event, "sla_hours"), optional_text(event, "artefact_hash") or "")
        elif event.type == "handoff.accepted":
            tx.run(_SET[event.type], stamp(stored), int(bool(event.attributes.get("automatic"))), handoff)
        elif event.type == "handoff.rejected":
            tx.run(_SET[event.type], stamp(stored), optional_text(event, "reason") or "", handoff)
        elif event.type == "handoff.withdrawn":
            tx.run(_SET[event.type], handoff)
        else:
            tx.run(_SET[event.type], stamp(stored), handoff)


PROJECTION = Projection(
    "handoff",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("handoff.offered", *_SET),
    indexes=(("instance",), ("state", "to_team")),
)
