"""Canonical ids that were merged into others; ``undone_seq`` is null while the merge stands."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "seq": "integer",
    "entity": "text",
    "loser": "text",
    "winner": "text",
    "by": "text",
    "at": "time",
    "undone_seq": "integer",
}
KEY = ("seq",)
_INSERT = insert("identity_merge", COLUMNS)
_UNDO = "UPDATE identity_merge SET undone_seq = ? WHERE entity = ? AND loser = ? AND undone_seq IS NULL"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A merge stands until it is undone."""
    for stored in events:
        event = stored.event
        entity, loser = text(event, "entity"), text(event, "loser")
        if event.type == "identity.merged":
            row = (stored.seq, entity, loser, text(event, "winner"), optional_text(event, "by") or "", stamp(stored), None)
            tx.run(_INSERT, *row)
        else:
            tx.run(_UNDO, stored.seq, entity, loser)


PROJECTION = Projection("identity_merge", COLUMNS, KEY, apply, types=("identity.merged", "identity.unmerged"))
