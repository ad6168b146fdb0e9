"""Rows in quarantine that a person does not want to be asked about again, as they were then."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.errors import DataRefused
from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "flow": "text",
    "binding": "text",
    "key": "text",
    "row_hash": "text",
    "by": "text",
    "note": "text",
    "at": "time",
    "seq": "integer",
}
KEY = ("flow", "binding", "key", "row_hash")
_DISCARDED = upsert("quarantine_discard", COLUMNS, KEY)
_REOPENED = "DELETE FROM quarantine_discard WHERE flow = ? AND binding = ? AND key = ? AND row_hash = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per row discarded; it is gone again once the row was reopened."""
    for stored in events:
        event = stored.event
        if event.type == "flow.renamed":
            tx.run("DELETE FROM quarantine_discard WHERE flow = ?", text(event, "flow"))
            tx.run("UPDATE quarantine_discard SET flow = ? WHERE flow = ?", text(event, "flow"), text(event, "from"))
            continue
        flow, by, note = text(event, "flow"), optional_text(event, "by") or "", optional_text(event, "note") or ""
        rows = event.attributes.get("rows")
        if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == 3 for r in rows):
            raise DataRefused("'rows' is no list of (binding, key, row hash)", f"event '{event.id}'", "three texts for each row")
        keys = [(flow, *map(str, row)) for row in rows]
        if event.type == "quarantine.reopened":
            tx.many(_REOPENED, keys)
        else:
            tx.many(_DISCARDED, [(*key, by, note, stamp(stored), stored.seq) for key in dict.fromkeys(keys)])


_TYPES = ("quarantine.discarded", "quarantine.reopened", "flow.renamed")
PROJECTION = Projection("quarantine_discard", COLUMNS, KEY, apply, types=_TYPES)
