"""Ways in of a step that were gone and wait for the others: one row for each instance, step and way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from accord.model.event import Event, StoredEvent
from accord.store.attributes import text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {"instance": "text", "step": "text", "via": "text", "count": "integer"}
KEY = ("instance", "step", "via")
_ADD = f'{insert("work_token", COLUMNS)} ON CONFLICT (instance, step, via) DO UPDATE SET "count" = work_token."count" + excluded."count"'
_CLEAR = 'DELETE FROM work_token WHERE instance = ? AND "count" = 0'
_END = "DELETE FROM work_token WHERE instance = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """``arrived`` and ``used`` are lists of [step, way]; nothing waits in an instance that ended."""
    for stored in events:
        event, instance = stored.event, text(stored.event, "instance")
        if event.type != "token.moved":
            tx.run(_END, instance)
            continue
        moved: Counter[tuple[str, str]] = Counter(_pairs(event, "arrived"))
        moved.subtract(_pairs(event, "used"))
        tx.many(_ADD, [(instance, step, via, count) for (step, via), count in moved.items() if count])
        tx.run(_CLEAR, instance)


def _pairs(event: Event, name: str) -> list[tuple[str, str]]:
    given: list[Any] = list(event.attributes.get(name) or ())
    return [(str(step), str(via)) for step, via in given]


PROJECTION = Projection("work_token", COLUMNS, KEY, apply, narrow=True, types=("token.moved", "process.completed", "process.cancelled"))
