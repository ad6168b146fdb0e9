"""What people decided about proposals: the same thing or not, with the two ends as they were proposed."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

ENDS = ("left_resource", "left_key", "right_resource", "right_key")
COLUMNS: dict[str, ColumnType] = {
    "entity": "text",
    "proposal": "text",
    "decision": "text",
    "left_resource": "text",
    "left_key": "text",
    "right_resource": "text",
    "right_key": "text",
    "by": "text",
    "at": "time",
    "seq": "integer",
}
KEY = ("entity", "proposal")
_UPSERT = upsert("identity_decision", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """The last decision about a pair counts."""
    rows: list[tuple[str | int, ...]] = [
        (
            text(stored.event, "entity"),
            text(stored.event, "proposal"),
            stored.event.type.removeprefix("identity."),
            *(optional_text(stored.event, end) or "" for end in ENDS),
            optional_text(stored.event, "by") or "",
            stamp(stored),
            stored.seq,
        )
        for stored in events
    ]
    tx.many(_UPSERT, rows)


PROJECTION = Projection("identity_decision", COLUMNS, KEY, apply, types=("identity.accepted", "identity.rejected"))
