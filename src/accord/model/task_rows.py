"""Tasks and handoffs of Accord's own processes as rows of a system, so that a flow can keep a team's tracker in agreement with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accord.model.process import Process
from accord.model.types import CanonicalType

KIND: Final = "accord"  # ``connector:`` of the system whose rows these are
ANSWER: Final = "answer."  # before the name of a field of a form

TASK_COLUMNS: Final[Mapping[str, str]] = {
    "task": "text",
    "instance": "text",
    "process": "text",
    "step": "text",
    "title": "text",
    "case_id": "text",
    "team": "text",
    "from_team": "text",
    "assignee": "text",
    "status": "text",
    "state": "text",
    "attempt": "integer",
    "reason": "text",
    "refused": "text",
    "due_at": "timestamp",
    "ready_at": "timestamp",
    "started_at": "timestamp",
    "ended_at": "timestamp",
    "ended_by": "text",
    "changed_at": "timestamp",
}
HANDOFF_COLUMNS: Final[Mapping[str, str]] = {
    "handoff": "text",
    "task": "text",
    "instance": "text",
    "process": "text",
    "step": "text",
    "case_id": "text",
    "from_team": "text",
    "to_team": "text",
    "state": "text",
    "attempt": "integer",
    "reason": "text",
    "offered_at": "timestamp",
    "accepted_at": "timestamp",
    "rejected_at": "timestamp",
    "started_at": "timestamp",
    "escalated_at": "timestamp",
    "sla_hours": "double",
    "changed_at": "timestamp",
}
RESOURCES: Final[Mapping[str, tuple[str, Mapping[str, str], frozenset[str]]]] = {
    # resource: key, columns, those that may be written
    "tasks": ("task", TASK_COLUMNS, frozenset({"status", "state", "assignee", "team", "ended_by", "reason"})),
    "handoffs": ("handoff", HANDOFF_COLUMNS, frozenset({"state", "reason"})),
}
# The few words most trackers have; ``state`` has the engine's own.
STATUS: Final[Mapping[str, str]] = {
    "offered": "open",
    "ready": "open",
    "started": "started",
    "returned": "rejected",
    "completed": "done",
    "cancelled": "cancelled",
}


def answer_columns(processes: Mapping[str, Process]) -> dict[str, str]:
    """``answer.<field>`` for each field of the forms people fill in, with its type; text where two forms differ in it."""
    found: dict[str, str] = {}
    for process in processes.values():
        for step in process.steps.values():
            for field in step.form.values():
                type_ = str(CanonicalType.parse(field.type))
                known = found.setdefault(f"{ANSWER}{field.name}", type_)
                if known != type_:
                    found[f"{ANSWER}{field.name}"] = "text"
    return found
