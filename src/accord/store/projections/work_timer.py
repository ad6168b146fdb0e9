"""Times at which something is due in a running instance, so that the next one is found without looking at the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accord.model.event import StoredEvent
from accord.store.attributes import text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"task": "text", "kind": "text", "due_at": "time", "instance": "text"}
KEY = ("task", "kind")
_SET = upsert("work_timer", COLUMNS, KEY)
_CLEAR = "DELETE FROM work_timer WHERE task = ?"
_FIRED = "DELETE FROM work_timer WHERE task = ? AND kind = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """``timers`` of an event is {kind: time} and replaces all timers of its task; an ended task has none."""
    cleared: dict[str, None] = {}
    fired: dict[tuple[str, str], None] = {}
    running: dict[str, dict[str, tuple[str, str]]] = {}
    for stored in events:
        event, task = stored.event, text(stored.event, "task")
        if event.type == "timer.fired":
            kind = text(event, "kind")
            fired[task, kind] = None
            running.get(task, {}).pop(kind, None)
            continue
        if event.type != "task.ready":
            cleared[task] = None
            running.pop(task, None)
        timers: dict[str, Any] = event.attributes.get("timers") or {}
        for kind, due in timers.items():
            running.setdefault(task, {})[kind] = str(due), text(event, "instance")
    # What was there before is over first; what is left here was set last.
    tx.many(_CLEAR, [(task,) for task in cleared])
    tx.many(_FIRED, list(fired))
    tx.many(_SET, [(task, kind, *given) for task, kinds in running.items() for kind, given in kinds.items()])


PROJECTION = Projection(
    "work_timer",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=(
        "task.ready",
        "task.offered",
        "task.accepted",
        "task.returned",
        "task.reopened",
        "task.completed",
        "task.cancelled",
        "timer.fired",
    ),
    indexes=(("due_at", "task"),),  # in the order they are asked for, so that many of one moment are not sorted each time
)
