"""What somebody did to a ticket, carried out as the commands of the engine: the same checks, the same events.

A write is carried out whole or refused whole. The engine's own answer, such as a form that is not filled in or a task that somebody else
has, is the reason of the refusal; then nothing of the task was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord.model.errors import TerminalError, UsageError, alternatives
from accord.model.integration_map import IntegrationMap
from accord.model.task_rows import ANSWER, RESOURCES, STATUS
from accord.work import people
from accord.work.moves import Moves
from accord.work.state import Instance, Task

_GOALS = {"done": "completed", "rejected": "returned", "started": "started", "cancelled": "cancelled", "open": "open"}
_UNCHANGED = "nothing was changed"


@dataclass(frozen=True)
class Write:
    """One row of a batch.

    Args:
        system: whose rows these are; it signs where no person is named.
        task: the row.
        before: what stands there.
        wanted: the columns that are written; those that stay as they are, too.
        changed: names of the columns whose values change.
    """

    system: str
    task: str
    before: Mapping[str, Any]
    wanted: Mapping[str, Any]
    changed: frozenset[str]

    @property
    def person(self) -> str:
        """Who has the ticket, as far as it says."""
        return self.wanted.get("assignee") or ""

    @property
    def answers(self) -> dict[str, Any]:
        """Fields of the form that the ticket holds, by name."""
        return {c.removeprefix(ANSWER): v for c, v in self.wanted.items() if c.startswith(ANSWER) and (v is not None or c in self.changed)}

    def shown(self) -> dict[str, Any]:
        """The change for the log: what is about no person by value, all else by the names of the columns.

        What people fill in or write stands in the engine's own events, where it can be sealed.
        """
        plain = {c: self.wanted[c] for c in ("status", "state", "team") if c in self.changed}
        person = str(self.wanted.get("ended_by") or "") if "ended_by" in self.changed else ""
        return {"wanted": plain, "columns": sorted(self.changed), "person": person or self.person}


def change_task(moves: Moves, write: Write, map_: IntegrationMap) -> None:
    """Bring a task to where its ticket is.

    Raises:
        UsageError: the form is not filled in right, or a column follows from the process.
        TerminalError: the task is over, somebody else has it, or a gate is not passed.
    """
    _check_columns(write, "tasks")
    goal = _goal(write)
    instance, task = people.find(moves, write.task)
    moves.by = write.system
    if "team" in write.changed:
        people.delegate(moves, write.task, str(write.wanted["team"] or ""), map_)
    if "reason" in write.changed and goal != "returned":
        raise UsageError("a reason comes with a rejection.", expected="Set the status to rejected together with it.")
    if "ended_by" in write.changed and goal != "completed":
        raise UsageError("who ended a task is known when it ends.", expected="Set the status to done together with it.")
    if goal == "completed":
        _complete(moves, write, task)
    elif goal == "returned":
        moves.by = write.person or write.system
        people.reject(moves, write.task, str(write.wanted.get("reason") or ""))
    elif goal == "started":
        _take(moves, write, task, map_)
    elif goal in ("open", "offered", "ready"):
        _open(moves, write, instance, task, goal, map_)
    elif goal == "cancelled":
        raise TerminalError(
            f"task '{write.task}' is part of a process and not cancelled by itself. Cancel '{task.instance}', or do the task.",
            left=_UNCHANGED,
        )
    elif "assignee" in write.changed:
        _pass_on(moves, write, instance, task, map_)
    if goal != "completed":
        _note(moves, write, instance, task)
    moves.emit("tracker.applied", instance, task=write.task, step=task.step, system=write.system, by=moves.by, **write.shown())


def change_handoff(moves: Moves, write: Write) -> None:
    """Accept or reject a handoff; ``write.task`` is its task.

    Raises:
        UsageError: a column follows from the process, or a rejection has no reason.
        TerminalError: it is not on offer.
    """
    _check_columns(write, "handoffs")
    instance, task = people.find(moves, write.task)
    moves.by = write.system
    goal = write.wanted.get("state") if "state" in write.changed else ""
    if goal == "accepted":
        people.accept(moves, write.task)
    elif goal == "rejected":
        people.reject(moves, write.task, str(write.wanted.get("reason") or ""))
    else:
        raise UsageError(
            f"a handoff does not become '{goal or ''}' by being told so.", expected="Expected accepted, or rejected with a reason."
        )
    moves.emit("tracker.applied", instance, task=write.task, step=task.step, system=write.system, by=moves.by, **write.shown())


def _check_columns(write: Write, resource: str) -> None:
    writable = RESOURCES[resource][2]
    fixed = sorted(c for c in write.changed if c not in writable and not c.startswith(ANSWER))
    if fixed:
        raise UsageError(
            f"'{fixed[0]}' of '{write.task}' follows from its process and is not set from outside.",
            expected=f"Give the field direction: read. What can be set: {', '.join(sorted(writable))} and {ANSWER}<field>.",
        )


def _goal(write: Write) -> str:
    """The state the task is to reach; empty when that does not change."""
    goals = {}
    for column, known in (("status", _GOALS), ("state", {state: state for state in STATUS})):
        if column in write.changed:
            value = str(write.wanted[column] or "")
            if value not in known:
                raise UsageError(f"{column} '{value}' of task '{write.task}' is none there is.", expected=alternatives(value, known))
            goals[column] = known[value]
    if len(goals) == 2 and STATUS.get(goals["state"]) != write.wanted["status"]:
        raise UsageError(f"task '{write.task}' cannot be {write.wanted['status']} and {goals['state']}.", expected="Map one of the two.")
    return goals.get("state") or goals.get("status") or ""


def _complete(moves: Moves, write: Write, task: Task) -> None:
    moves.by = str(write.wanted.get("ended_by") or write.person or write.system)
    people.complete(moves, write.task, write.answers)
    if task.state != "completed":
        # Tried again with each run it would open the task again each time: it stays as it was, and the reasons stand with the refusal.
        raise TerminalError(f"task '{write.task}' is not finished: {'; '.join(task.reasons)}.", left=_UNCHANGED)


def _take(moves: Moves, write: Write, task: Task, map_: IntegrationMap) -> None:
    if "assignee" in write.changed and write.person and task.assignee not in ("", write.person):
        people.delegate(moves, write.task, write.person, map_)
    moves.by = write.person or write.system
    people.claim(moves, write.task)


def _open(moves: Moves, write: Write, instance: Instance, task: Task, goal: str, map_: IntegrationMap) -> None:
    if task.state == "started" and goal != "offered":
        task.state, task.assignee = "ready", write.person if "assignee" in write.changed else ""
        moves.emit("task.released", instance, task=task.task, by=moves.by, **({"to": task.assignee} if task.assignee else {}))
        return
    if task.state == "offered" and goal == "ready":
        moves.by = write.person or write.system
        people.accept(moves, write.task)
    elif task.state not in ("offered", "ready") or goal == "offered":
        raise TerminalError(f"task '{write.task}' is {task.state}; only its process opens or offers it again.", left=_UNCHANGED)
    if "assignee" in write.changed:
        _pass_on(moves, write, instance, task, map_)


def _pass_on(moves: Moves, write: Write, instance: Instance, task: Task, map_: IntegrationMap) -> None:
    """Another person has the ticket now, or nobody."""
    started = task.state == "started"
    if write.person:
        people.delegate(moves, write.task, write.person, map_)
    elif started:
        raise TerminalError(f"task '{write.task}' is started and has to be somebody's. Set its status to open.", left=_UNCHANGED)
    elif task.state not in ("offered", "ready"):
        raise TerminalError(f"task '{write.task}' is {task.state} and is not given to anybody any more.", left=_UNCHANGED)
    else:
        task.assignee = ""
        moves.emit("task.delegated", instance, task=task.task, by=moves.by, to="")
    if started:
        moves.by = write.person
        people.claim(moves, write.task)


def _note(moves: Moves, write: Write, instance: Instance, task: Task) -> None:
    """Keep what the ticket says of the form until the task is finished."""
    noted = {name: value for name, value in write.answers.items() if f"{ANSWER}{name}" in write.changed}
    if not noted:
        return
    form = moves.definition(instance).steps[task.step].form
    unknown = sorted(name for name in noted if form and name not in form)
    if unknown:
        raise UsageError(f"the form of step '{task.step}' has no field '{unknown[0]}'.", expected=alternatives(unknown[0], form))
    if not task.open:
        raise TerminalError(f"task '{write.task}' is {task.state}; its answers stand.", left=_UNCHANGED)
    moves.emit("task.noted", instance, task=task.task, step=task.step, by=moves.by, answers=noted)
