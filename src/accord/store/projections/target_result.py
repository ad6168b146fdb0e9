"""The last verdict on each target; ``detail`` holds all that was said with it."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "target": "text",
    "verdict": "text",
    "run": "text",
    "detail": "json",
    "judged_at": "time",
    "seq": "integer",
}
KEY = ("target",)
_UPSERT = upsert("target_result", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per target; earlier verdicts stay in the log."""
    rows = [
        (
            text(stored.event, "target"),
            text(stored.event, "verdict"),
            optional_text(stored.event, "run"),
            packed(stored.event.attributes),
            stamp(stored),
            stored.seq,
        )
        for stored in events
    ]
    tx.many(_UPSERT, rows)


PROJECTION = Projection("target_result", COLUMNS, KEY, apply, types=("target.judged",))
