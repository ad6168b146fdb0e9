"""Messages about tasks: queued, sent, given up, or no longer needed; ``person`` and ``team`` name who, addresses stand in the map."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "mail": "text",
    "task": "text",
    "round": "text",
    "notice": "text",
    "person": "text",
    "team": "text",
    "state": "text",
    "failures": "integer",
    "queued_at": "time",
    "run_at": "time",
    "ended_at": "time",
    "error": "text",
}
KEY = ("mail",)
_INSERT = insert("mail", COLUMNS)
_AGAIN = "UPDATE mail SET failures = failures + 1, run_at = ?, error = ? WHERE mail = ?"
_END = "UPDATE mail SET state = ?, ended_at = ?, error = ? WHERE mail = ?"
_ENDS = {"mail.sent": "sent", "mail.dead": "dead", "mail.skipped": "skipped"}


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row a message."""
    for stored in events:
        event, mail = stored.event, text(stored.event, "mail")
        if event.type == "mail.queued":
            person, team = (optional_text(event, name) or "" for name in ("person", "team"))
            given = [text(event, name) for name in ("task", "round", "notice")]
            tx.run(_INSERT, mail, *given, person, team, "queued", 0, stamp(stored), stamp(stored), None, "")
        elif event.type == "mail.failed":
            tx.run(_AGAIN, text(event, "run_at"), optional_text(event, "error") or "", mail)
        else:
            tx.run(_END, _ENDS[event.type], stamp(stored), optional_text(event, "error") or "", mail)


PROJECTION = Projection("mail", COLUMNS, KEY, apply, types=("mail.queued", "mail.failed", *_ENDS), indexes=(("state", "run_at"), ("task",)))
