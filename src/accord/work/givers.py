"""Whose work is handed on: a passage runs from who worked last to who works next, also into and out of the instances a step runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from accord.model.process import Step
from accord.store.database import Rows
from accord.work.state import Instance, Task

PARTS = ("subprocess", "foreach")  # steps that run instances
UNATTENDED = (*PARTS, "wait")  # steps at which nobody works
_SENT_BACK = (
    "SELECT instance FROM handoff WHERE state = 'rejected' AND from_task = ? "
    "UNION SELECT instance FROM work_task WHERE state = 'returned' AND from_task = ?"
)
_LAST = (
    "SELECT t.task, t.kind, t.team FROM work_instance i JOIN work_task t ON t.instance = i.instance "
    "WHERE i.parent_task <> '' AND i.parent_task = ? AND i.status = 'completed' AND t.state = 'completed' AND t.team <> '' "
    "AND t.kind NOT IN ('wait', 'undo') ORDER BY t.ended_at DESC, t.seq DESC LIMIT 1"
)


def sent_back_to(rows: Rows, task: str) -> list[str]:
    """Instances in which work waits that was sent back to a task."""
    return sorted(str(name) for (name,) in rows.rows(_SENT_BACK, task, task))


def last_worker(rows: Rows, held: Iterable[Instance], task: str) -> str:
    """The team that worked last in the instances a task ran; empty when nobody worked in any.

    Args:
        rows: what the store knows.
        held: instances as the command at hand has changed them; the last to end is among them.
        task: the one that ran them.
    """
    known = list(held)
    ended = [part for part in known if part.parent_task == task and part.status == "completed"]
    worked = [one for part in ended for one in part.tasks.values() if _worked(one)]
    if worked:
        # Of those that ended at the same moment the last begun: ``max`` takes the first it finds.
        last = max(reversed(worked), key=lambda one: (one.ended_at is not None, one.ended_at))
        name, kind, team = last.task, last.kind, last.team
    else:
        found = rows.rows(_LAST, task)
        if not found:
            return ""
        name, kind, team = map(str, found[0])
    return (last_worker(rows, known, name) or team) if kind in PARTS else team


def doer_of(
    holder: Instance, giver: Task, find: Callable[[str], Instance], steps: Callable[[Instance], Mapping[str, Step]]
) -> tuple[Instance, Task, list[tuple[Instance, Task]]]:
    """Who does given work again, and the actions after them that carry it on; without a person the step that gave it.

    Args:
        holder: the instance of the step that gave it.
        giver: that step's task.
        find: the instance of a task.
        steps: those an instance runs by.
    """
    between: list[tuple[Instance, Task]] = []
    instance, task = holder, giver
    while task.kind == "auto" and task.from_task:
        between.append((instance, task))
        instance = find(task.from_task)
        task = instance.tasks[task.from_task]
        step = steps(instance)[task.step]
        if task.state != "skipped" and task.kind == step.kind and step.asks_people:
            return instance, task, between
    return holder, giver, []


def _worked(task: Task) -> bool:
    return task.state == "completed" and bool(task.team) and task.kind not in ("wait", "undo")
