"""Deliverables as last written."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "step": "text",
    "name": "text",
    "sha": "text",
    "path": "text",
    "run": "text",
    "covers": "json",
    "written_at": "time",
    "seq": "integer",
}
KEY = ("step", "name")
_UPSERT = upsert("deliverable", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per step and name."""
    rows = [
        (
            text(stored.event, "step"),
            text(stored.event, "name"),
            optional_text(stored.event, "sha") or "",
            optional_text(stored.event, "path") or "",
            optional_text(stored.event, "run"),
            packed(stored.event.attributes.get("covers") or []),
            stamp(stored),
            stored.seq,
        )
        for stored in events
    ]
    tx.many(_UPSERT, rows)


PROJECTION = Projection("deliverable", COLUMNS, KEY, apply, types=("deliverable.written",))
