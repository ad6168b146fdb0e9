"""Segments that were taken away because they held rows of a person, each with the one that holds all its other rows."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.errors import DataRefused
from accord.model.event import StoredEvent
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"sha": "text", "replacement": "text", "rows": "integer", "seq": "integer"}
KEY = ("sha",)
_SET = upsert("erased_segment", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """The last replacement counts: a run may have written the same bytes anew, and they were erased again."""
    for stored in events:
        given = stored.event.attributes.get("segments")
        if not isinstance(given, list) or not all(isinstance(item, list) and len(item) == 3 for item in given):
            raise DataRefused("'segments' is no list of (sha, replacement, rows)", f"event '{stored.event.id}'", "three for each segment")
        tx.many(_SET, [(sha, replacement, rows, stored.seq) for sha, replacement, rows in given])


PROJECTION = Projection("erased_segment", COLUMNS, KEY, apply, types=("segment.erased",))
