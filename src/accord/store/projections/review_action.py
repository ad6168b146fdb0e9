"""What reviews agreed that somebody does, and whether it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accord.model.event import StoredEvent
from accord.store.attributes import stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "action": "text",
    "review": "text",
    "period": "text",
    "what": "text",
    "who": "text",
    "due_on": "text",
    "agreed_at": "time",
    "done_at": "time",
    "done_by": "text",
}
KEY = ("action",)
_AGREED = upsert("review_action", COLUMNS, KEY)
_DONE = "UPDATE review_action SET done_at = ?, done_by = ? WHERE action = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per action."""
    for stored in events:
        event = stored.event
        if event.type == "review.action_done":
            tx.run(_DONE, stamp(stored), text(event, "by"), text(event, "action"))
            continue
        given: Sequence[Mapping[str, Any]] = event.attributes.get("actions") or ()
        about = (text(event, "review"), text(event, "period"))
        rows = [(str(a["id"]), *about, str(a["what"]), str(a["who"]), str(a["due_on"]), stamp(stored), None, "") for a in given]
        tx.many(_AGREED, rows)


PROJECTION = Projection("review_action", COLUMNS, KEY, apply, types=("review.held", "review.action_done"))
