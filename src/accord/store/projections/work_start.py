"""Keys of an entity that started an instance of a process, or could not, and which keys met the condition before anybody looked."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

# ``rule`` says under which entity and condition; ``key`` is the SHA-256 of the row's key, empty in the row that names the known ones.
COLUMNS: dict[str, ColumnType] = {
    "process": "text",
    "start": "text",
    "rule": "text",
    "key": "text",
    "state": "text",
    "instance": "text",
    "reason": "text",
    "known": "text",
    "at": "time",
}
KEY = ("process", "start", "rule", "key")
_SET = upsert("work_start", COLUMNS, KEY)
_STATE = {"start.watched": "watched", "start.made": "made", "start.refused": "refused"}


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A key that was refused may be made later; one that was made stays made."""
    for stored in events:
        event = stored.event
        key = tuple(text(event, name) for name in ("process", "start", "rule"))
        rest = [optional_text(event, name) or "" for name in ("instance", "reason", "known")]
        tx.run(_SET, *key, optional_text(event, "key") or "", _STATE[event.type], *rest, stamp(stored))


PROJECTION = Projection("work_start", COLUMNS, KEY, apply, types=tuple(_STATE))
