"""Definitions of processes as they were when instances started; an instance keeps the one it began with."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, packed, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"definition": "text", "process": "text", "version": "text", "body": "json", "seq": "integer"}
KEY = ("definition",)
_FIRST = upsert("work_definition", COLUMNS, KEY, keep=("process", "version", "body", "seq"))


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A definition is known by the hash of its content; the first event that brings it stands."""
    for stored in events:
        event = stored.event
        tx.run(
            _FIRST, text(event, "definition"), text(event, "process"), text(event, "version"), packed(mapping(event, "body")), stored.seq
        )


PROJECTION = Projection("work_definition", COLUMNS, KEY, apply, types=("process.defined",), indexes=(("process",),))
