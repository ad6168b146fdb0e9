"""When a task is due, and until when an offer is to be accepted: working time of its team, by the clock that will be looked at then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accord.model.event import utc_text
from accord.model.values import Duration
from accord.model.working_time import due
from accord.work.definition import Definition
from accord.work.state import Task


def moment_after(definition: Definition, team: str, within: Duration, clock: datetime) -> datetime:
    """When so much working time of a team is over."""
    known = definition.teams.get(team)
    return due(clock, within, definition.calendars.get(known.calendar) if known else None)


def due_now(definition: Definition, task: Task, clock: datetime) -> dict[str, Any]:
    """``due_at`` and timers of a task that begins now."""
    step = definition.steps[task.step]
    if step.sla is None:
        return {}
    task.due_at = moment_after(definition, task.team, step.sla, clock)
    return {"due_at": utc_text(task.due_at), "timers": {"sla": utc_text(task.due_at)}}


def accept_by(definition: Definition, task: Task, clock: datetime) -> dict[str, Any]:
    """``due_at`` and timers of an offer; where the map does not say how long it may wait, as long as the work itself may take."""
    step = definition.steps[task.step]
    within = step.accept_within or step.sla
    if within is None:
        return {}
    task.due_at = moment_after(definition, task.team, within, clock)
    return {"due_at": utc_text(task.due_at), "timers": {"accept": utc_text(task.due_at)}}
