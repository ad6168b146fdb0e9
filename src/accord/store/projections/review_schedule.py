"""Since when each review is scheduled, by name and how often it is due."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"review": "text", "every": "text", "since": "time"}
KEY = ("review", "every")
_SET = upsert("review_schedule", COLUMNS, KEY, keep=("since",))


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """The first time stands."""
    tx.many(_SET, [(text(stored.event, "review"), text(stored.event, "every"), stamp(stored)) for stored in events])


PROJECTION = Projection("review_schedule", COLUMNS, KEY, apply, types=("review.scheduled",))
