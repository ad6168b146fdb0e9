"""How a step of each kind begins, as events of the command at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from accord.model.errors import DataRefused
from accord.model.event import utc_text
from accord.model.process import Step
from accord.work.deadlines import moment_after
from accord.work.expression import evaluate
from accord.work.said import first, moment_of, said
from accord.work.state import Instance, Task

if TYPE_CHECKING:
    from accord.work.moves import Moves


def _human(moves: Moves, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
    moves.ready(instance, step, task, giver)


def _auto(moves: Moves, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
    task.state, task.action, task.run_at = "queued", step.action, moves.clock
    at = {"action": step.action, "run_at": utc_text(moves.clock)}
    moves.emit("task.ready", instance, **first(task), state="queued", **at, **moves.due_now(instance, task))


def _decision(moves: Moves, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
    if step.asks_people:
        moves.ready(instance, step, task, giver)  # people decide: the routes look at what they fill in
        return
    task.state = "started"
    moves.emit("task.ready", instance, **first(task), state="started")
    moves.finish(instance, task, {})


def _wait(moves: Moves, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
    watched = moves.due_now(instance, task)
    timers: dict[str, str] = {}
    moment: datetime | None = None
    if step.delay is not None:
        moment = moment_after(moves.definition(instance), step.team, step.delay, moves.clock)
    elif step.until:
        moment = moment_of(evaluate(step.until, instance.variables, holder=said(step, "until")))
    if moment is not None:
        timers["wait"] = utc_text(moment)
    task.state, task.message = "waiting", step.message
    if step.message:
        key = evaluate(step.correlate, instance.variables, holder=said(step, "correlate")) if step.correlate else instance.case
        task.message_key = str(key)
    if not timers and not step.message:
        moves.stuck(instance, f"step '{step.name}' waits for a time, and {step.until or 'nothing'} gives none")
    body = {"message": task.message, "message_key": task.message_key} if step.message else {}
    body |= {"due_at": watched["due_at"]} if watched else {}
    moves.emit("task.ready", instance, **first(task), state="waiting", timers={**watched.get("timers", {}), **timers}, **body)


def _children(moves: Moves, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
    task.state = "waiting"
    moves.emit("task.ready", instance, **first(task), state="waiting", **moves.due_now(instance, task))
    items: list[Any] = [None]
    if step.kind == "foreach":
        found = evaluate(step.each, instance.variables, holder=said(step, "each"))
        if found is not None and not isinstance(found, list):
            raise DataRefused(f"{str(found)[:80]!r} is no list", said(step, "each"), "a list; a variable of a list has type: json")
        items = found or []
        if not items:
            moves.finish(instance, task, {task.step: []})
            return
    definition = moves.definitions.current(step.process)
    moves.starting(task)
    inherited = moves.given_to(definition, instance)
    for number, item in enumerate(items):
        own = {"item": item, "position": number} if step.kind == "foreach" else {}
        given = instance.variables | own
        name = f"{task.task}/{number:06d}" if step.kind == "foreach" else f"{task.task}/sub"
        case = str(evaluate(step.case, given, holder=said(step, "case")) or instance.case) if step.case else instance.case
        moves.start(
            definition,
            name,
            case=case,
            variables=inherited | own,
            parent=instance.instance,
            parent_task=task.task,
            inherited=inherited.keys() - own.keys(),
            giver=giver if giver is not None and giver.team else task,
        )
    moves.started(instance, task)


BEGINNERS: Mapping[str, Callable[[Moves, Instance, Step, Task, Task | None], None]] = {
    "human": _human,
    "auto": _auto,
    "decision": _decision,
    "wait": _wait,
    "subprocess": _children,
    "foreach": _children,
}
