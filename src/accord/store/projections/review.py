"""Reviews by period: when each was due, and when and by whom it was held, with what was seen and decided."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import Event, StoredEvent
from accord.store.attributes import mapping, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "review": "text",
    "period": "text",
    "every": "text",
    "owner": "text",
    "due_at": "time",
    "until": "time",
    "held_at": "time",
    "held_by": "text",
    "decisions": "json",
    "facts": "json",
}
KEY = ("review", "period")
_DUE = upsert("review", COLUMNS, KEY, keep=("held_at", "held_by", "decisions", "facts"))
_HELD = "UPDATE review SET held_at = ?, held_by = ?, decisions = ?, facts = ? WHERE review = ? AND period = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A review that is held before it fell due has its row from being held."""
    for stored in events:
        event = stored.event
        key = (text(event, "review"), text(event, "period"))
        tx.run(_DUE, *key, *_when(event), None, "", "[]", "{}")
        if event.type == "review.held":
            decided, facts = packed(event.attributes.get("decisions") or []), packed(mapping(event, "facts"))
            tx.run(_HELD, stamp(stored), text(event, "by"), decided, facts, *key)


def _when(event: Event) -> tuple[str, str, str, str]:
    return text(event, "every"), optional_text(event, "owner") or "", text(event, "due_at"), text(event, "until")


PROJECTION = Projection("review", COLUMNS, KEY, apply, types=("review.due", "review.held"))
