"""The last write of a tracker to a task that was refused, by task and system, with how the task stood then."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, mapping, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "task": "text",
    "system": "text",
    "wanted": "json",
    "person": "text",
    "reason": "text",
    "state": "text",
    "attempt": "integer",
    "assignee": "text",
    "at": "time",
}
KEY = ("task", "system")
_SET = upsert("work_refusal", COLUMNS, KEY)
_CLEAR = "DELETE FROM work_refusal WHERE task = ? AND system = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A write that is carried out takes the refusal away."""
    for stored in events:
        event, key = stored.event, (text(stored.event, "task"), text(stored.event, "system"))
        if event.type == "tracker.applied":
            tx.run(_CLEAR, *key)
            continue
        stands = (optional_text(event, "state") or "", integer(event, "attempt", 0), optional_text(event, "assignee") or "")
        said = (packed(mapping(event, "wanted")), optional_text(event, "person") or "", optional_text(event, "reason") or "")
        tx.run(_SET, *key, *said, *stands, stamp(stored))


PROJECTION = Projection("work_refusal", COLUMNS, KEY, apply, types=("tracker.refused", "tracker.applied"))
