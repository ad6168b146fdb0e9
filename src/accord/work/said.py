"""How events and errors of the interpreter spell what they are about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from accord.model.errors import DataRefused
from accord.model.process import Step
from accord.work.state import Task


def first(task: Task) -> dict[str, Any]:
    """What the first event of a task says of it."""
    given = {"task": task.task, "step": task.step, "kind": task.kind, "number": task.number, "case": task.case, "team": task.team}
    return given | {name: value for name, value in (("assignee", task.assignee), ("from_task", task.from_task)) if value}


def moment_of(value: Any) -> datetime | None:
    """The time a value gives; one without a time zone is UTC.

    Raises:
        DataRefused: it is none.
    """
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise DataRefused(
            f"'{value}' is no time", "a step that waits until a time", "ISO 8601, such as 2026-05-04T09:00:00+02:00"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def said(step: Step, what: str) -> str:
    """A key of a step, for an error."""
    return f"step '{step.name}', {what}"
