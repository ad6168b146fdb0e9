"""What people look at: their tasks and how late they are, what is on offer to a team, how a case stands and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from accord.model.errors import UsageError
from accord.model.event import ObjectRef, StoredEvent
from accord.store import Store
from accord.store.database import Rows
from accord.work.state import OPEN, Instance, Task, find_tasks, load_instance

SlaState = Literal["no limit", "on time", "due soon", "overdue"]
FOR_PEOPLE = ("offered", "ready", "started")
SOON_SHARE = 0.25  # of the time a task may take: with less left it is due soon
MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A task as a line of an inbox; ``hours_left`` is negative when it is overdue, ``None`` without a limit."""

    task: Task
    title: str
    sla: SlaState
    hours_left: float | None


@dataclass(frozen=True, slots=True)
class Board:
    """A running instance as a card: what is open in it and since when it is blocked.

    ``blocked_since`` is when the last open task became something nobody works on (offered, ready, dead), ``None`` while somebody does.
    """

    instance: str
    process: str
    case: str
    status: str
    started_at: str
    open_steps: tuple[str, ...]
    blocked_since: str | None


def inbox(
    rows: Rows,
    *,
    now: datetime,
    team: str = "",
    person: str = "",
    states: Sequence[str] = FOR_PEOPLE,
    overdue: bool = False,
    titles: Mapping[tuple[str, str], str] | None = None,
    limit: int = MOST_ROWS,
    offset: int = 0,
) -> list[Item]:
    """Tasks for people, the most urgent first: by due time, then the oldest.

    Args:
        rows: the store.
        now: decides what is late.
        team: only this team's.
        person: only what this person has or is meant to do.
        states: only tasks in these states.
        overdue: only those whose time is over.
        titles: how people call a step, by process and step.
        limit: at most so many.
        offset: leave out so many first.

    Raises:
        UsageError: a state there is none of, or a limit that is none.
    """
    unknown = [state for state in states if state not in OPEN]
    if unknown or not 1 <= limit <= MOST_ROWS or offset < 0:
        raise UsageError(
            f"no tasks can be listed for states {', '.join(states)}, limit {limit}, offset {offset}.",
            expected=f"States: {', '.join(OPEN)}. Limit: 1 to {MOST_ROWS}.",
        )
    conditions, values = [f"state IN ({', '.join('?' * len(states))})"], [*states]
    for column, value in (("team", team), ("assignee", person)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if overdue:
        conditions.append("due_at < ?")
        values.append(_stamp(now))
    order = "ORDER BY due_at IS NULL, due_at, seq LIMIT ? OFFSET ?"
    found = find_tasks(rows, f"{' AND '.join(conditions)} {order}", *values, limit, offset)
    return [item(task, now, (titles or {}).get((task.process, task.step), "")) for task in found]


def item(task: Task, now: datetime, title: str = "") -> Item:
    """A task with how much time is left."""
    if task.due_at is None:
        return Item(task, title or task.step, "no limit", None)
    left = (task.due_at - now).total_seconds() / 3600
    whole = (task.due_at - (task.ready_at or now)).total_seconds() / 3600
    state: SlaState = "overdue" if left < 0 else "due soon" if left < SOON_SHARE * max(whole, 0.0) else "on time"
    return Item(task, title or task.step, state, round(left, 3))


def counts(rows: Rows) -> dict[str, dict[str, int]]:
    """Open tasks by team and state."""
    found: dict[str, dict[str, int]] = {}
    states = ", ".join("?" * len(OPEN))
    for team, state, count in rows.rows(
        f"SELECT team, state, count(*) FROM work_task WHERE state IN ({states}) GROUP BY team, state ORDER BY team, state", *OPEN
    ):
        found.setdefault(team, {})[state] = int(count)
    return found


def offers(rows: Rows, *, to_team: str = "", from_team: str = "") -> list[dict[str, Any]]:
    """Handoffs that are not accepted yet, the longest waiting first; both teams see the same."""
    conditions, values = ["state IN ('offered', 'rejected')"], []
    for column, value in (("to_team", to_team), ("from_team", from_team)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    columns = (
        "handoff",
        "process",
        "case_id",
        "step",
        "from_team",
        "to_team",
        "state",
        "attempt",
        "offered_at",
        "reject_reason",
        "sla_hours",
    )
    found = rows.rows(f"SELECT {', '.join(columns)} FROM handoff WHERE {' AND '.join(conditions)} ORDER BY offered_at, handoff", *values)
    return [dict(zip(columns, row, strict=True)) for row in found]


def board(rows: Rows, *, process: str = "", limit: int = MOST_ROWS) -> list[Board]:
    """Instances that are not over, the oldest first."""
    where, values = "ended_at IS NULL", []
    if process:
        where, values = f"{where} AND process = ?", [process]
    instances = rows.rows(
        f"SELECT instance, process, case_id, status, started_at FROM work_instance WHERE {where} ORDER BY started_at, instance LIMIT ?",
        *values,
        limit,
    )
    cards = []
    for instance, name, case, status, started in instances:
        tasks = [task for task in find_tasks(rows, "instance = ? ORDER BY seq", instance) if task.open]
        waiting = [task for task in tasks if task.state in ("offered", "ready", "dead")]
        # A step that waits for a message or a time has nobody to take it, and so is not blocked.
        idle = waiting and not any(task.state in ("started", "queued") for task in tasks)
        since = _stamp(max(task.ready_at for task in waiting if task.ready_at)) if idle else None
        cards.append(Board(instance, name, case, status, started, tuple(task.step for task in tasks), since))
    return cards


def show(store: Store, instance: str) -> tuple[Instance, list[StoredEvent]]:
    """An instance with everything that happened to it, in order.

    Raises:
        UnknownName: there is none.
    """
    return load_instance(store, instance), list(store.read(object=ObjectRef("process_instance", instance)))


def sentence(stored: StoredEvent) -> str:
    """An event of an instance in words."""
    given = {name: value for name, value in stored.event.attributes.items() if value not in (None, "", [], {})}
    form = _SENTENCES.get(stored.event.type)
    who = str(given.get("by") or "the system")
    words = {"who": who, "step": _step(given), **{name: _shown(value) for name, value in given.items()}}
    return form.format_map(_Blank(words)).strip() if form else stored.event.type


def comments(store: Store, task: str) -> list[tuple[str, str, str]]:
    """Time, person and text of what was written to a task."""
    found = store.rows("SELECT instance FROM work_task WHERE task = ?", task)
    events = store.read(types=["task.commented"], object=ObjectRef("process_instance", found[0][0])) if found else iter(())
    return [
        (stored.event.time.isoformat(), str(stored.event.attributes["by"]), str(stored.event.attributes["text"]))
        for stored in events
        if stored.event.attributes["task"] == task
    ]


_SENTENCES: Mapping[str, str] = {
    "process.started": "{who} started it for {case}",
    "process.completed": "everything is done",
    "process.cancelling": "{who} cancelled it: {reason}",
    "process.cancelled": "it is cancelled",
    "process.stuck": "it is stuck: {reason}",
    "process.resumed": "{who} let it go on: {comment}",
    "process.migrated": "{who} moved it to another version of the process",
    "process.defined": "this version of the process came into use",
    "task.ready": "{step} is {state}",
    "task.started": "{who} took {step}",
    "task.accepted": "{who} accepted {step}",
    "task.offered": "{step} is offered again",
    "task.returned": "{step} went back: {reasons}",
    "task.reopened": "{step} is open again: {reasons}",
    "task.completed": "{who} finished {step}",
    "task.skipped": "{step} is not needed",
    "task.cancelled": "{step} was taken off: {reason}",
    "task.failed": "{step} failed and is tried again: {error}",
    "task.dead": "{step} failed too often: {error}",
    "task.restarted": "{who} started {step} again",
    "task.released": "{who} gave {step} back",
    "task.delegated": "{who} gave {step} to {to}{team}",
    "task.commented": "{who}: {text}",
    "task.escalated": "{step} is late; {to} is told",
    "task.refused": "what {who} filled in for {step} did not fit: {fields}",
    "task.unassigned": "{step} is for nobody: {reason}",
    "clock.jumped": "the clock had gone back by {seconds} s",
    "link.used": "by a link of {person}",
    "handoff.offered": "{from_team} offers {step} to {to_team} (attempt {attempt})",
    "handoff.accepted": "{who} accepted the handoff",
    "handoff.rejected": "{who} rejected the handoff: {reason}",
    "handoff.started": "{who} began what was handed over",
    "handoff.escalated": "the handoff waits too long; {to} is told",
    "handoff.withdrawn": "the offer was taken back: {reason}",
    "gate.evaluated": "gate {gate}: passed {passed}, score {score} {failed}",
    "timer.fired": "the time of {step} has come",
    "task.noted": "{who} noted {answers} for {step}",
    "tracker.applied": "{system} brought {step} to {set}",
    "tracker.refused": "{system} wanted {wanted} of {step}, which was refused: {reason}",
    "start.made": "{entity} {key} came to meet what start {start} waits for",
}


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _step(given: Mapping[str, Any]) -> str:
    if "step" in given:
        return str(given["step"])
    task = str(given.get("task") or "")
    return task.split("/")[-2] if task.count("/") >= 2 else task


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {given}" for name, given in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
