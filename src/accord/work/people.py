"""What people, messages, clocks and finished actions do to tasks and instances, as moves of the interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from accord.model.errors import TerminalError, UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.model.pause import doubling_pause
from accord.work.expression import holds
from accord.work.forms import check_answer, check_variables
from accord.work.givers import PARTS
from accord.work.moves import Moves, stamp
from accord.work.state import Instance, Task, find_tasks, instance_of, likely_instance

LONGEST_PAUSE_SECONDS = 3600.0
_WAITING = "state = 'waiting' AND message <> '' AND message = ? AND message_key = ? ORDER BY seq"


def find(moves: Moves, task: str) -> tuple[Instance, Task]:
    """A task within its instance."""
    instance = moves.holding(task)
    if instance is None:
        with suppress(UnknownName):
            instance = moves.instance(likely_instance(task))
        if instance is None or task not in instance.tasks:
            instance = moves.instance(instance_of(moves.rows, task))
    return instance, instance.tasks[task]


def accept(moves: Moves, name: str) -> Task:
    """The receiving team takes the work: the handoff's clock stops."""
    moves.definitions.expect(moves.by)
    instance, task = find(moves, name)
    _expect(task, ("offered",), "accepted")
    _accept(moves, instance, task)
    return task


def _accept(moves: Moves, instance: Instance, task: Task) -> None:
    handoff = instance.handoffs[task.handoff]
    handoff.state, task.state = "accepted", "ready"
    moves.emit("handoff.accepted", instance, handoff=handoff.handoff, by=moves.by, automatic=False)
    moves.emit("task.accepted", instance, task=task.task, by=moves.by, **moves.due_now(instance, task))


def claim(moves: Moves, name: str) -> Task:
    """One person takes the task; the row is read and written in one transaction, so two cannot."""
    instance, task = find(moves, name)
    if task.state == "started" and task.assignee == moves.by:
        return task
    moves.definitions.expect(moves.by)
    _expect(task, ("offered", "ready"), "claimed")
    if task.assignee and task.assignee != moves.by and moves.by not in _backups(moves, instance, task):
        raise TerminalError(f"task '{name}' is meant for {task.assignee}. Ask for it to be delegated.", left="nothing was changed")
    if task.state == "offered":
        _accept(moves, instance, task)
    task.state, task.assignee = "started", moves.by
    moves.emit("task.started", instance, task=task.task, step=task.step, by=moves.by)
    handoff = instance.handoffs.get(task.handoff)
    if handoff is not None and task.started_at is None:
        moves.emit("handoff.started", instance, handoff=handoff.handoff, by=moves.by)
    task.started_at = task.started_at or moves.now
    return task


def _backups(moves: Moves, instance: Instance, task: Task) -> set[str]:
    definition = moves.definition(instance)
    team = definition.teams.get(task.team)
    return {name for name in (definition.steps[task.step].backup, team.backup if team else "", team.owner if team else "") if name}


def complete(moves: Moves, name: str, answer: dict[str, Any]) -> Task:
    """Finish a task with an answer that fits its form."""
    instance, task = find(moves, name)
    if task.state != "started":
        claim(moves, name)
    if task.assignee != moves.by:
        raise TerminalError(f"task '{name}' is {task.assignee}'s. Ask for it to be delegated or released.", left="nothing was changed")
    check_answer(moves.definition(instance), task.step, answer)
    moves.finish(instance, task, answer)
    return task


def misfit(moves: Moves, name: str, fields: Mapping[str, str]) -> None:
    """An answer did not fit: that it was tried and where stands in the log; what was filled in may be a secret and does not."""
    instance, task = find(moves, name)
    moves.emit("task.refused", instance, task=task.task, step=task.step, by=moves.by, fields=dict(fields))


def reject(moves: Moves, name: str, reason: str) -> Task:
    """Send offered work back to who can do it again; the clock runs on.

    That is whoever gave it, also in the instance this one is part of. What an action gave goes back to the person whose work it carried
    on, and is carried out anew after them; where nobody stands behind it, it is a task for the step's team, done by hand or started again.
    """
    if not reason.strip():
        raise UsageError("no reason is given.", expected="Say what is missing, so that it can be mended.")
    moves.definitions.expect(moves.by)
    instance, task = find(moves, name)
    _expect(task, ("offered",), "rejected")
    handoff = instance.handoffs[task.handoff]
    holder = moves.holder(handoff.from_task)
    giver = holder.tasks[handoff.from_task]
    handoff.state, task.state, task.reasons = "rejected", "returned", (reason,)
    moves.emit("handoff.rejected", instance, handoff=handoff.handoff, by=moves.by, reason=reason)
    moves.emit("task.returned", instance, task=task.task, by=moves.by, reasons=[reason])
    if giver.kind in PARTS and giver.team != handoff.from_team:
        # What the instances of a step made is mended by the team that worked there last.
        giver.team, giver.assignee = handoff.from_team, ""
        moves.emit("task.delegated", holder, task=giver.task, by=moves.by, to="", team=giver.team)
    moves.send_back(holder, giver, [reason])
    return task


def release(moves: Moves, name: str) -> Task:
    """Back to the team."""
    instance, task = find(moves, name)
    _expect(task, ("started",), "released")
    _own(task, moves.by)
    task.state, task.assignee = "ready", ""
    moves.emit("task.released", instance, task=task.task, by=moves.by)
    return task


def delegate(moves: Moves, name: str, to: str, map_: IntegrationMap) -> Task:
    """To a person, or to another team."""
    instance, task = find(moves, name)
    _expect(task, ("offered", "ready", "started"), "delegated")
    if not to:
        raise UsageError("nobody is named.", expected="Name a person or a team of the map.")
    team = to if to in map_.teams else None
    if team is None:
        moves.definitions.expect(to)
    task.assignee, task.team = ("", team) if team else (to, task.team)
    moves.emit("task.delegated", instance, task=task.task, by=moves.by, to=task.assignee, **({"team": team} if team else {}))
    if task.state == "started":
        task.state = "ready"
        moves.emit("task.released", instance, task=task.task, by=moves.by, to=task.assignee)
    return task


def comment(moves: Moves, name: str, text: str) -> None:
    """A word that stays with the task."""
    instance, task = find(moves, name)
    moves.emit("task.commented", instance, task=task.task, by=moves.by, text=text)


def deliver(moves: Moves, message: str, key: str, content: dict[str, Any], identity: str) -> tuple[str, ...] | None:
    """Give a message to whoever waits for it; ``None`` when nobody does, which is recorded."""
    if moves.rows.rows("SELECT 1 FROM event WHERE id = ?", f"message:{identity}:0"):
        return ()
    reached: list[str] = []
    waiting = find_tasks(moves.rows, _WAITING, message, key)
    starting = _starting(moves, message, key, content)
    body = {"message": message, "key": key, "id": identity, "content": content, "by": moves.by}
    received = "message.received" if waiting or starting else "message.refused"
    moves.events.append(Event(f"message:{identity}:0", received, moves.now, f"message:{message}", body, (ObjectRef("message", identity),)))
    for found in waiting:
        instance, task = find(moves, found.task)
        if task.open and instance.status in ("running", "stuck"):
            moves.finish(instance, task, content)
            reached.append(instance.instance)
    for process in starting:
        definition = moves.definitions.current(process)
        check_variables(definition.process.variables, content, holder=f"process '{process}', message '{message}'")
        name = f"{process}-{identity}"
        moves.start(definition, name, case=key, variables=content)
        reached.append(name)
    return tuple(reached) or None


def _starting(moves: Moves, message: str, key: str, content: dict[str, Any]) -> list[str]:
    found = []
    for process, starts in moves.definitions.starts(message):
        if all(not start.when or holds(start.when, content, holder=f"process '{process}', start '{start.name}'") for start in starts):
            found.append(process)
    return found


def cancel(moves: Moves, name: str, reason: str) -> None:
    """End an instance early."""
    instance = moves.instance(name)
    if instance.status not in ("running", "stuck"):
        raise TerminalError(f"instance '{name}' is {instance.status} and cannot be cancelled.", left="nothing was changed")
    moves.cancel(instance, reason, compensate=True)


def resume(moves: Moves, name: str, step: str, variables: dict[str, Any], comment: str) -> None:
    """Go on with an instance that is stuck, after what held it up was mended."""
    instance = moves.instance(name)
    if instance.status != "stuck":
        raise TerminalError(f"instance '{name}' is {instance.status} and not stuck.", left="nothing was changed")
    definition = moves.definition(instance)
    if step and step not in definition.steps:
        raise UnknownName("step", step, definition.steps, holder=f"process '{instance.process}'")
    if not step and not any(_goes_on(moves, task) for task in instance.open_tasks()):
        raise UsageError(
            f"nothing of instance '{name}' can go on by itself.",
            expected=f"Name the step that begins anew, one of {', '.join(definition.steps)}.",
        )
    holder = f"process '{instance.process}', variables of '{name}'"
    check_variables(definition.process.variables, {**instance.variables, **variables}, holder=holder)
    moves.resume(instance, step, variables, comment)


def _goes_on(moves: Moves, task: Task) -> bool:
    """Whether something is still to come that ends an open task: a person, an action, a message, a time."""
    if task.kind != "wait" or task.message:
        return True
    return bool(moves.rows.rows("SELECT 1 FROM work_timer WHERE task = ? AND kind = 'wait'", task.task))


def migrate(moves: Moves, name: str) -> str:
    """To the map's present definition, when every open step and every waiting token has its place there."""
    instance = moves.instance(name)
    new = moves.definitions.current(instance.process)
    if new.hash == instance.definition:
        return new.hash
    if instance.status not in ("running", "stuck"):
        raise TerminalError(f"instance '{name}' is {instance.status} and is not moved any more.", left="nothing was changed")
    ways = {(way.target, way.name) for way in new.ways}
    wrong = [
        f"step '{task.step}' is open and {'does not exist there' if task.step not in new.steps else 'is another kind of step there'}"
        for task in instance.open_tasks()
        if task.step not in new.steps or new.steps[task.step].kind != task.kind
    ]
    wrong += [
        f"a token waits at '{step}' on the way from '{via}', which is not there" for step, via in instance.tokens if (step, via) not in ways
    ]
    if wrong:
        raise TerminalError(
            f"instance '{name}' cannot move to version {new.process.version} of '{instance.process}': {'; '.join(wrong)}. "
            "Finish these first, or keep it on its version.",
            left="nothing was changed",
        )
    moves.migrate(instance, new)
    return new.hash


def fire(moves: Moves, name: str, kind: str) -> None:
    """A timer's time has come; of several that look after the clock, one finds it still there."""
    if not moves.rows.rows("SELECT 1 FROM work_timer WHERE task = ? AND kind = ?", name, kind):
        return
    instance, task = find(moves, name)
    moves.emit("timer.fired", instance, task=task.task, kind=kind)
    if not task.open:
        return
    if kind == "wait":
        moves.finish(instance, task, {})
        return
    step = moves.definition(instance).steps[task.step]
    if step.on_overdue and kind == "sla":
        moves.end_task(instance, task, "its time was over")
        moves.begin(instance, moves.definition(instance).steps[step.on_overdue], task)
        moves.settle(instance)
        return
    team = moves.definition(instance).teams.get(task.team)
    to = step.escalate_to or (team.owner if team else "") or task.team
    task.escalated_at = moves.now
    moves.emit("task.escalated", instance, task=task.task, to=to, kind=kind)
    if kind == "accept":
        moves.emit("handoff.escalated", instance, handoff=task.handoff, to=to)


def misfire(moves: Moves, name: str, kind: str, reason: str) -> None:
    """A timer's time has come, and what follows from it cannot be carried out."""
    instance, task = find(moves, name)
    moves.emit("timer.fired", instance, task=task.task, kind=kind)
    moves.stuck(instance, reason[:2000])


def finished(moves: Moves, name: str, outputs: dict[str, Any], attempt: int) -> Task:
    """An action was carried out."""
    instance, task = find(moves, name)
    if task.state == "queued" and task.attempt == attempt:
        moves.finish(instance, task, outputs)
    return task


def failed(moves: Moves, name: str, error: str, attempt: int, final: bool, after_seconds: float = 0.0) -> Task:
    """An action failed: again after a pause that doubles, and not before the other side wants it, or no more."""
    instance, task = find(moves, name)
    if task.state != "queued" or task.attempt != attempt:
        return task
    step = moves.definition(instance).steps[task.step]
    task.failures, task.reasons = task.failures + 1, (error,)
    if final or task.failures > step.retries:
        task.state = "dead"
        moves.emit("task.dead", instance, task=task.task, step=task.step, error=error, failures=task.failures)
        return task
    doubled = doubling_pause(step.backoff.seconds, task.failures, LONGEST_PAUSE_SECONDS)
    pause = min(max(doubled, after_seconds), LONGEST_PAUSE_SECONDS)
    task.run_at = moves.clock + timedelta(seconds=pause)
    moves.emit("task.failed", instance, task=task.task, step=task.step, error=error, failures=task.failures, run_at=stamp(task.run_at))
    return task


def restart(moves: Moves, name: str) -> Task:
    """Try an action again, from now, that is dead or was sent back."""
    instance, task = find(moves, name)
    _expect(task, ("dead", "ready") if task.kind == "auto" else ("dead",), "restarted")
    task.state, task.failures, task.run_at = "queued", 0, moves.clock
    moves.emit("task.restarted", instance, task=task.task, by=moves.by, run_at=stamp(moves.clock))
    return task


def _expect(task: Task, states: Iterable[str], done: str) -> None:
    if task.state not in states:
        has = f", {task.assignee} has it" if task.state == "started" and task.assignee else ""
        way = f" Ask {task.assignee} to release it, or let it be delegated." if has else ""
        if not task.open:
            way = f" What happened to it: accord work show {task.instance}."
        raise TerminalError(
            f"task '{task.task}' is {task.state}{has} and cannot be {done}; that takes one that is {' or '.join(states)}.{way}",
            left="nothing was changed",
        )


def _own(task: Task, by: str) -> None:
    if task.assignee != by:
        raise TerminalError(f"task '{task.task}' is {task.assignee}'s.", left="nothing was changed")
