"""Which objects each event is about, and in which role; ``Store.read(object=…)`` finds events by it."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {"seq": "integer", "type": "text", "id": "text", "qualifier": "text"}
KEY = ("type", "id", "seq", "qualifier")  # in the order in which events are found by what they are about
_INSERT = insert("relation", COLUMNS)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """An object named twice by an event in the same role stands here once."""
    named = dict.fromkeys([(stored.seq, ref.type, ref.id, ref.qualifier) for stored in events for ref in stored.event.objects])
    tx.many(_INSERT, list(named))


PROJECTION = Projection("relation", COLUMNS, KEY, apply, narrow=True)
