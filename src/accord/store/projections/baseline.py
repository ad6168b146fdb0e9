"""Frozen baselines; one frozen again under its name replaces the one before, which stays in the log."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "name": "text",
    "kpis": "json",
    "window": "text",
    "hash": "text",
    "frozen_at": "time",
    "seq": "integer",
}
KEY = ("name",)
_UPSERT = upsert("baseline", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per name."""
    rows = [
        (
            text(stored.event, "name"),
            packed(mapping(stored.event, "kpis")),
            optional_text(stored.event, "window") or "",
            optional_text(stored.event, "hash") or "",
            stamp(stored),
            stored.seq,
        )
        for stored in events
    ]
    tx.many(_UPSERT, rows)


PROJECTION = Projection("baseline", COLUMNS, KEY, apply, types=("baseline.frozen",))
