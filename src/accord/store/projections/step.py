"""The lifecycle steps of each run: how they ended and what they measured."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "run": "text",
    "step": "text",
    "status": "text",
    "metrics": "json",
    "finished_at": "time",
    "seq": "integer",
}
KEY = ("run", "step")
_UPSERT = upsert("step", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A step that is done again in the same run replaces what stood here."""
    rows = [
        (
            text(stored.event, "run"),
            text(stored.event, "step"),
            text(stored.event, "status"),
            packed(stored.event.attributes.get("metrics") or []),
            stamp(stored),
            stored.seq,
        )
        for stored in events
    ]
    tx.many(_UPSERT, rows)


PROJECTION = Projection("step", COLUMNS, KEY, apply, types=("step.finished",))
