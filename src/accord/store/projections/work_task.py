"""Tasks: each time an instance begins a step, whoever or whatever does it.

States: ``offered`` (a handoff waits for acceptance), ``ready`` (nobody has it), ``started`` (somebody has it), ``queued`` (an action to be
carried out at ``run_at``), ``waiting`` (for a time, a message or other instances), ``returned`` (rejected, back with the giver), ``dead``
(an action that failed too often), and the ends ``completed``, ``skipped``, ``cancelled``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert
from accord.store.row_changes import Add, Change, First, RowChanges

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
Changed = Mapping[str, Change]
_INSERT = insert("work_task", COLUMNS)
_GIVEN = ("instance", "process", "step", "kind")
_OPTIONAL = ("case", "team", "assignee")
_NOT_ENDED: Changed = {"ended_at": None, "ended_by": ""}


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row from ``task.ready``; every later event about it changes some of its columns."""
    made, changes = [], RowChanges("work_task", "task")
    for stored in events:
        if stored.event.type in ("task.ready", "task.skipped"):
            made.append(_first(stored))
        else:
            changes.put(text(stored.event, "task"), {**_CHANGES[stored.event.type](stored), "changed_at": stamp(stored)})
    tx.many(_INSERT, made)
    changes.write(tx)


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


def _started(stored: StoredEvent) -> Changed:
    return {"state": "started", "assignee": text(stored.event, "by"), "started_at": First(stamp(stored))}


def _released(stored: StoredEvent) -> Changed:
    return {"state": "ready", "assignee": optional_text(stored.event, "to") or ""}


def _delegated(stored: StoredEvent) -> Changed:
    team = optional_text(stored.event, "team")
    return {"assignee": optional_text(stored.event, "to") or "", **({} if team is None else {"team": team})}


def _offered(stored: StoredEvent) -> Changed:
    return {"state": "offered", "due_at": optional_text(stored.event, "due_at")}


def _accepted(stored: StoredEvent) -> Changed:
    return {"state": "ready", "due_at": optional_text(stored.event, "due_at")}


def _returned(stored: StoredEvent) -> Changed:
    return {"state": "returned", **_NOT_ENDED, "reasons": packed(stored.event.attributes.get("reasons") or [])}


def _reopened(stored: StoredEvent) -> Changed:
    event = stored.event
    run_at = optional_text(event, "run_at")
    return {
        "state": text(event, "state"),
        "attempt": Add(1),
        "failures": 0,
        "reasons": packed(event.attributes.get("reasons") or []),
        "due_at": optional_text(event, "due_at"),
        **_NOT_ENDED,
        **({} if run_at is None else {"run_at": run_at}),
    }


def _failed(stored: StoredEvent) -> Changed:
    event = stored.event
    return {
        "state": "dead" if event.type == "task.dead" else "queued",
        "reasons": packed([optional_text(event, "error") or ""]),
        "run_at": optional_text(event, "run_at"),
        "failures": Add(1),
    }


def _restarted(stored: StoredEvent) -> Changed:
    return {"state": "queued", "failures": 0, "run_at": optional_text(stored.event, "run_at") or stamp(stored)}


def _escalated(stored: StoredEvent) -> Changed:
    return {"escalated_at": stamp(stored)}


def _ended(state: str) -> Callable[[StoredEvent], Changed]:
    def change(stored: StoredEvent) -> Changed:
        return {"state": state, "ended_at": stamp(stored), "ended_by": optional_text(stored.event, "by") or ""}

    return change


_CHANGES: dict[str, Callable[[StoredEvent], Changed]] = {
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
    indexes=(("instance", "seq"),),  # as they are asked for, so that those of an instance are not sorted for each step
    # Most tasks of a log are over; one that ends leaves the index of those people look for and enters no other.
    partial={
        ("state", "team"): "ended_at IS NULL",
        ("state", "run_at", "task"): "state = 'queued'",
        ("message", "message_key"): "message <> ''",
    },
)
