"""Handoffs between teams: offered, accepted or rejected with a reason, started, escalated.

The clock runs from the first offer to the final acceptance; a rejected attempt restarts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, real, stamp, text
from accord.store.database import Transaction, Value
from accord.store.projection import ColumnType, Projection, insert
from accord.store.row_changes import Change, First, RowChanges

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
_LATER = ("handoff.accepted", "handoff.rejected", "handoff.started", "handoff.escalated", "handoff.withdrawn")


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row a handoff, whatever the number of its attempts."""
    offers: list[tuple[Value, ...]] = []
    changes = RowChanges("handoff", "handoff")
    for stored in events:
        event, handoff = stored.event, text(stored.event, "handoff")
        if event.type == "handoff.offered":
            if handoff in changes:  # what is offered anew was given back before
                tx.many(_OFFER, offers)
                changes.write(tx)
                offers.clear()
            given = [text(event, name) for name in ("instance", "process")]
            given += [optional_text(event, name) or "" for name in ("case", "step", "from_team", "to_team", "from_task", "to_task")]
            state = ("offered", integer(event, "attempt", 1), stamp(stored), None, None, "", None, None, 0)
            offers.append((handoff, *given, *state, real(event, "sla_hours"), optional_text(event, "artefact_hash") or ""))
        else:
            changes.put(handoff, _changed(stored))
    tx.many(_OFFER, offers)
    changes.write(tx)


def _changed(stored: StoredEvent) -> Mapping[str, Change]:
    event, at = stored.event, stamp(stored)
    if event.type == "handoff.accepted":
        return {"state": "accepted", "accepted_at": at, "automatic": int(bool(event.attributes.get("automatic")))}
    if event.type == "handoff.rejected":
        return {"state": "rejected", "rejected_at": at, "reject_reason": optional_text(event, "reason") or ""}
    if event.type == "handoff.started":
        return {"state": "started", "started_at": First(at)}
    if event.type == "handoff.escalated":
        return {"escalated_at": First(at)}
    return {"state": "withdrawn"}


PROJECTION = Projection(
    "handoff",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("handoff.offered", *_LATER),
    indexes=(("instance",),),
    partial={("state", "to_team"): "state IN ('offered', 'rejected')"},
)
