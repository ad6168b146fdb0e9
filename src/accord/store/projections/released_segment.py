"""Segments that a flow let go and whose files may still be there, for readers that opened the state a while ago."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, stamp, texts
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"sha": "text", "seq": "integer", "at": "time"}
KEY = ("sha",)
_SET = upsert("released_segment", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """``segment.removed`` says up to which event, ``through``, the files are gone."""
    for stored in events:
        if stored.event.type == "segment.removed":
            tx.run("DELETE FROM released_segment WHERE seq <= ?", integer(stored.event, "through"))
        else:
            shas = texts(stored.event, "segments", stored.event.attributes.get("segments"))
            tx.many(_SET, [(sha, stored.seq, stamp(stored)) for sha in shas])


PROJECTION = Projection("released_segment", COLUMNS, KEY, apply, types=("segment.released", "segment.removed"), indexes=(("seq",),))
