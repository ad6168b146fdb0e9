"""Instances of processes: which case they carry, by which definition, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "instance": "text",
    "process": "text",
    "definition": "text",
    "case_id": "text",
    "parent": "text",
    "parent_task": "text",
    "status": "text",
    "started_by": "text",
    "reason": "text",
    "started_at": "time",
    "ended_at": "time",
}
KEY = ("instance",)
_INSERT = insert("work_instance", COLUMNS)
_END = "UPDATE work_instance SET status = ?, reason = ?, ended_at = ? WHERE instance = ?"
_MOVE = "UPDATE work_instance SET definition = ? WHERE instance = ?"
_STATUS = {
    "process.completed": "completed",
    "process.cancelled": "cancelled",
    "process.stuck": "stuck",
    "process.cancelling": "cancelling",
    "process.resumed": "running",
}


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Running until it is completed or cancelled; stuck and cancelling are still open and have no end."""
    for stored in events:
        event, instance = stored.event, text(stored.event, "instance")
        if event.type == "process.started":
            case, parent, task = (optional_text(event, name) or "" for name in ("case", "parent", "parent_task"))
            by = optional_text(event, "by") or ""
            values = (text(event, "process"), text(event, "definition"), case, parent, task, "running", by, "", stamp(stored), None)
            tx.run(_INSERT, instance, *values)
        elif event.type == "process.migrated":
            tx.run(_MOVE, text(event, "definition"), instance)
        else:
            status = _STATUS[event.type]
            ended = stamp(stored) if status in ("completed", "cancelled") else None
            tx.run(_END, status, optional_text(event, "reason") or "", ended, instance)


PROJECTION = Projection(
    "work_instance",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("process.started", "process.migrated", *_STATUS),
    indexes=(("process", "case_id"), ("status",)),
    partial={("parent_task", "instance"): "parent_task <> ''", ("parent_task",): "parent_task <> '' AND ended_at IS NULL"},
)
