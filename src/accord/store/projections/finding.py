"""Findings that are open: seen, and not cleared since."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "kind": "text",
    "subject": "text",
    "sentence": "text",
    "severity": "text",
    "count": "integer",
    "examples": "json",
    "owner": "text",
    "detail": "json",
    "first_seen": "time",
    "last_seen": "time",
    "first_seq": "integer",
    "last_seq": "integer",
}
KEY = ("kind", "subject")
_SEEN = upsert("finding", COLUMNS, KEY, keep=("first_seen", "first_seq"))
_CLEARED = "DELETE FROM finding WHERE kind = ? AND subject = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per kind and subject, as last seen; one that comes back after it was cleared is a new one."""
    for stored in events:
        event = stored.event
        key = (text(event, "kind"), text(event, "subject"))
        if event.type == "finding.cleared":
            tx.run(_CLEARED, *key)
            continue
        when = stamp(stored)
        tx.run(
            _SEEN,
            *key,
            optional_text(event, "sentence") or "",
            optional_text(event, "severity") or "warning",
            integer(event, "count", 1),
            packed(event.attributes.get("examples") or []),
            optional_text(event, "owner") or "",
            packed(event.attributes.get("detail") or {}),
            when,
            when,
            stored.seq,
            stored.seq,
        )


PROJECTION = Projection("finding", COLUMNS, KEY, apply, types=("finding.seen", "finding.cleared"))
