"""What reads the log and tells somebody: how far it has come, and how often what comes next failed.

``state`` is empty, or ``dead`` while it waits for a person; ``run_at`` is when the next try of event ``failed_seq`` is due.
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "name": "text",
    "seq": "integer",
    "state": "text",
    "failures": "integer",
    "run_at": "time",
    "error": "text",
    "failed_seq": "integer",
}
KEY = ("name",)
_REACHED = upsert("follower", COLUMNS, KEY)
_FAILED = "UPDATE follower SET state = ?, failures = ?, run_at = ?, error = ?, failed_seq = ? WHERE name = ?"
_RESTARTED = "UPDATE follower SET state = '', failures = 0, run_at = NULL, error = '', failed_seq = NULL WHERE name = ?"
_MOVED = ("mail.read", "webhook.started", "webhook.delivered", "webhook.skipped")


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Reaching a place ends what had failed before it."""
    for stored in events:
        event = stored.event
        name = "mail" if event.type == "mail.read" else f"webhook:{text(event, 'webhook')}"
        if event.type in _MOVED:
            tx.run(_REACHED, name, integer(event, "through", 0), "", 0, None, "", None)
        elif event.type == "webhook.restarted":
            tx.run(_RESTARTED, name)
        else:
            state = "dead" if event.type == "webhook.dead" else ""
            failures, failed = integer(event, "failures", 1), integer(event, "seq")
            tx.run(_FAILED, state, failures, optional_text(event, "run_at"), optional_text(event, "error") or "", failed, name)


PROJECTION = Projection("follower", COLUMNS, KEY, apply, types=(*_MOVED, "webhook.failed", "webhook.dead", "webhook.restarted"))
