"""Tasks: each time an instance begins a step, whoever or whatever does it.

States: ``offered`` (a handoff waits for acceptance), ``ready`` (nobody has it), ``started`` (somebody has it), ``queued`` (an action to be
carried out at ``run_at``), ``waiting`` (for a time, a message or other instances), ``returned`` (rejected, back with the giver), ``dead``
(an action that failed too often), and the ends ``completed``, ``skipped``, ``cancelled``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "task": "text",
    "instance": "text",
    "process": "text",
    "step": "text",
    "number": "integer",
    "kind": "text",
    "case_id": "text",
    "team": "text",
    "assignee": "text",
    "state": "text",
    "attempt": "integer",
    "handoff": "text",
    "from_task": "text",
    "action": "text",
    "message": "text",
    "message_key": "text",
    "reasons": "json",
    "failures": "integer",
    "run_at": "time",
    "due_at": "time",
    "ready_at": "time",
    "started_at": "time",
    "ended_at": "time",
    "ended_by": "text",
    "escalated_at": "time",
    "changed_at": "time",
    "seq": "integer",
}
KEY = ("task",)
_INSERT = insert("work_task", COLUMNS)
_GIVEN = ("instance", "process", "step", "kind")
_OPTIONAL = ("case", "team", "assignee")
Change = tuple[str, tuple[str | int | None, ...]]


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row from ``task.ready``; every later event about it changes some of its columns."""
    for stored in events:
        if stored.event.type in ("task.ready", "task.skipped"):
            tx.run(_INSERT, *_first(stored))
        else:
            columns, values = _CHANGES[stored.event.type](stored)
            tx.run(f"UPDATE work_task SET {columns}, changed_at = ? WHERE task = ?", *values, stamp(stored), text(stored.event, "task"))


def _first(stored: StoredEvent) -> tuple[str | int | None, ...]:
    event = stored.event
    instance, process, step, kind = (text(event, name) for name in _GIVEN)
    case, team, assignee = (optional_text(event, name) or "" for name in _OPTIONAL)
    skipped = event.type == "task.skipped"
    handoff, from_task, action, message, key = (
        optional_text(event, name) or "" for name in ("handoff", "from_task", "action", "message", "message_key")
    )
    now = stamp(stored)
    return (
        text(event, "task"),
        instance,
        process,
        step,
        integer(event, "number", 1),
        kind,
        case,
        team,
        assignee,
        "skipped" if skipped else text(event, "state"),
        1,
        handoff,
        from_task,
        action,
        message,
        key,
        "[]",
        0,
        optional_text(event, "run_at"),
        optional_text(event, "due_at"),
        now,
        None,
        now if skipped else None,
        "",
        None,
        now,
        stored.seq,
    )


def _started(stored: StoredEvent) -> Change:
    return "state = 'started', assignee = ?, started_at = coalesce(started_at, ?)", (text(stored.event, "by"), stamp(stored))


def _released(stored: StoredEvent) -> Change:
    return "state = 'ready', assignee = ?", (optional_text(stored.event, "to") or "",)


def _delegated(stored: StoredEvent) -> Change:
    return "assignee = ?, team = coalesce(?, team)", (optional_text(stored.event, "to") or "", optional_text(stored.event, "team"))


def _offered(stored: StoredEvent) -> Change:
    return "state = 'offered', due_at = ?", (optional_text(stored.event, "due_at"),)


def _accepted(stored: StoredEvent) -> Change:
    return "state = 'ready', due_at = ?", (optional_text(stored.event, "due_at"),)


def _returned(stored: StoredEvent) -> Change:
    return "state = 'returned', ended_at = NULL, ended_by = '', reasons = ?", (packed(stored.event.attributes.get("reasons") or []),)


def _reopened(stored: StoredEvent) -> Change:
    event = stored.event
    given = (text(event, "state"), packed(event.attributes.get("reasons") or []), optional_text(event, "due_at"))
    changes = "state = ?, attempt = attempt + 1, failures = 0, reasons = ?, due_at = ?, run_at = coalesce(?, run_at), ended_at = NULL"
    return f"{changes}, ended_by = ''", (*given, optional_text(event, "run_at"))


def _failed(stored: StoredEvent) -> Change:
    event = stored.event
    dead = event.type == "task.dead"
    values = ("dead" if dead else "queued", packed([optional_text(event, "error") or ""]), optional_text(event, "run_at"))
    return "state = ?, reasons = ?, run_at = ?, failures = failures + 1", values


def _restarted(stored: StoredEvent) -> Change:
    return "state = 'queued', failures = 0, run_at = ?", (optional_text(stored.event, "run_at") or stamp(stored),)


def _escalated(stored: StoredEvent) -> Change:
    return "escalated_at = ?", (stamp(stored),)


def _ended(state: str) -> Callable[[StoredEvent], Change]:
    def change(stored: StoredEvent) -> Change:
        return "state = ?, ended_at = ?, ended_by = ?", (state, stamp(stored), optional_text(stored.event, "by") or "")

    return change


_CHANGES: dict[str, Callable[[StoredEvent], Change]] = {
    "task.started": _started,
    "task.released": _released,
    "task.delegated": _delegated,
    "task.offered": _offered,
    "task.accepted": _accepted,
    "task.returned": _returned,
    "task.reopened": _reopened,
    "task.failed": _failed,
    "task.dead": _failed,
    "task.restarted": _restarted,
    "task.escalated": _escalated,
    "task.completed": _ended("completed"),
    "task.cancelled": _ended("cancelled"),
}
PROJECTION = Projection(
    "work_task",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("task.ready", "task.skipped", *_CHANGES),
    indexes=(("instance",), ("state", "team")),
    partial={("state", "run_at", "task"): "state = 'queued'", ("message", "message_key"): "message <> ''"},
)
