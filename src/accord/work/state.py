"""What the store knows of an instance: rows read for one transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accord.model.errors import UnknownName
from accord.model.event import time_in
from accord.store import Ahead
from accord.store.database import Rows

OPEN = ("offered", "ready", "started", "queued", "waiting", "returned", "dead")  # states of a task that is not over
NOT_OVER = "ended_at IS NULL"  # the same of a row; said in a query, it lets the database use the index of open tasks
_TASK = (
    "task, instance, process, step, number, kind, case_id, team, assignee, state, attempt, handoff, from_task, action, message, "
    "message_key, reasons, failures, run_at, due_at, ready_at, started_at, ended_at, ended_by, escalated_at"
)
ENDED = ("completed", "cancelled")  # states of an instance that is over
OBJECT = "process_instance"  # every event that changes a row of an instance is about it
_BEGUN = "SELECT 1 FROM work_instance WHERE instance = ?"
_HOLDER = "SELECT instance FROM work_task WHERE task = ?"
_LAST = f"SELECT body FROM event WHERE seq = (SELECT max(seq) FROM relation WHERE type = '{OBJECT}' AND id = instance)"
_OF_INSTANCE = (
    f"SELECT instance, process, definition, case_id, parent, parent_task, status, ({_LAST}) FROM work_instance WHERE instance = ?"
)
_VARIABLES = "SELECT name, value, inherited FROM work_variable WHERE instance = ?"
_TASKS = f"SELECT {_TASK} FROM work_task WHERE instance = ? ORDER BY seq"
_HANDOFFS = "SELECT handoff, from_team, to_team, from_task, to_task, state, attempt, offered_at FROM handoff WHERE instance = ?"
_OPEN_PARTS = "SELECT instance FROM work_instance WHERE parent_task <> '' AND parent_task = ? AND ended_at IS NULL LIMIT ?"
_ENDED_PARTS = (
    "SELECT i.instance, i.status, v.name, v.value FROM work_instance i "
    "LEFT JOIN work_variable v ON v.instance = i.instance AND v.inherited = 0 "
    "WHERE i.parent_task <> '' AND i.parent_task = ? AND i.ended_at IS NOT NULL"
)
_TOKENS = 'SELECT step, via, "count" FROM work_token WHERE instance = ?'


@dataclass(slots=True)
class Task:
    """A row of ``work_task``; ``number`` counts how often the instance began this step, ``attempt`` how often this task was begun."""

    task: str
    instance: str
    process: str
    step: str
    number: int
    kind: str
    case: str
    team: str
    assignee: str
    state: str
    attempt: int = 1
    handoff: str = ""
    from_task: str = ""
    action: str = ""
    message: str = ""
    message_key: str = ""
    reasons: tuple[str, ...] = ()
    failures: int = 0
    run_at: datetime | None = None
    due_at: datetime | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""
    escalated_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.state in OPEN


@dataclass(slots=True)
class Handoff:
    """A row of ``handoff``, as far as the interpreter needs it."""

    handoff: str
    from_team: str
    to_team: str
    from_task: str
    to_task: str
    state: str
    attempt: int
    offered_at: str


@dataclass(slots=True)
class Instance:
    """An instance with everything that decides what happens next; ``last_at`` is the time of its last event."""

    instance: str
    process: str
    definition: str
    case: str
    parent: str
    parent_task: str
    status: str
    variables: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    handoffs: dict[str, Handoff] = field(default_factory=dict)
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_at: datetime | None = None
    inherited: set[str] = field(default_factory=set)  # variables it was given of its parent and has not written itself

    def learn(self, variables: Mapping[str, Any]) -> None:
        """Take over what a step, a person or a message gave."""
        self.variables.update(variables)
        self.inherited.difference_update(variables)

    @property
    def results(self) -> dict[str, Any]:
        """What its parent is told when it ends: all it knows but what it has from there."""
        return {name: value for name, value in self.variables.items() if name not in self.inherited}

    def open_tasks(self) -> list[Task]:
        """Tasks that are not over, oldest first."""
        return [task for task in self.tasks.values() if task.open]

    def times(self, step: str) -> int:
        """How often a step was begun."""
        return sum(task.step == step for task in self.tasks.values())


def load_instance(rows: Rows, instance: str) -> Instance:
    """An instance with its variables, tasks, handoffs and waiting tokens.

    Raises:
        UnknownName: there is none.
    """
    found = rows.rows(_OF_INSTANCE, instance)
    if not found:
        raise UnknownName("process instance", instance, recent(rows, "work_instance", "instance"))
    loaded = Instance(*found[0][:-1])
    loaded.last_at = time_in(found[0][-1]) if found[0][-1] else None
    for name, value, inherited in rows.rows(_VARIABLES, instance):
        loaded.variables[name] = json.loads(value)
        if inherited:
            loaded.inherited.add(name)
    loaded.tasks = {row[0]: _task(row) for row in rows.rows(_TASKS, instance)}
    loaded.handoffs = {row[0]: Handoff(*row) for row in rows.rows(_HANDOFFS, instance)}
    for step, via, count in rows.rows(_TOKENS, instance):
        loaded.tokens[step, via] = int(count)
    return loaded


def open_parts(rows: Rows, task: str, *, most: int = 2**31) -> list[str]:
    """The instances a task waits for that have not ended, at most so many."""
    return [str(name) for (name,) in rows.rows(_OPEN_PARTS, task, most)]


def ended_parts(rows: Rows, task: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Status and results of each instance of a task that has ended."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for instance, status, name, value in rows.rows(_ENDED_PARTS, task):
        results = found.setdefault(instance, (status, {}))[1]
        if name is not None:
            results[name] = json.loads(value)
    return found


def begun(rows: Rows, instance: str) -> bool:
    """Whether there is an instance of this name."""
    return bool(rows.rows(_BEGUN, instance))


def instance_of(rows: Rows, task: str) -> str:
    """The instance a task belongs to.

    Raises:
        UnknownName: there is no such task.
    """
    found = rows.rows(_HOLDER, task)
    return str(found[0][0]) if found else load_task(rows, task).instance


def likely_instance(task: str) -> str:
    """The instance a task belongs to by its name, which is that of all but those that undo something."""
    return task.rsplit("/", 2)[0]


def before_starting(instance: str) -> Ahead:
    """What a command reads that begins an instance."""
    return Ahead((OBJECT, instance), ((_BEGUN, (instance,)),))


def before_changing(task: str) -> Ahead:
    """What a command reads that is about a task: its instance."""
    instance = likely_instance(task)
    of_instance = (_OF_INSTANCE, _VARIABLES, _TASKS, _HANDOFFS, _TOKENS)
    return Ahead((OBJECT, instance), tuple((sql, (instance,)) for sql in of_instance))


def load_task(rows: Rows, task: str) -> Task:
    """One task.

    Raises:
        UnknownName: there is none.
    """
    found = rows.rows(f"SELECT {_TASK} FROM work_task WHERE task = ?", task)
    if not found:
        raise UnknownName("task", task, recent(rows, "work_task", "task"))
    return _task(found[0])


def find_tasks(rows: Rows, where: str, *values: str | int) -> list[Task]:
    """Tasks that meet a condition on the columns of ``work_task``, with its ORDER BY and LIMIT; values are bound."""
    return [_task(row) for row in rows.rows(f"SELECT {_TASK} FROM work_task WHERE {where}", *values)]


def recent(rows: Rows, table: str, key: str) -> list[str]:
    """A few ids that exist, for the error about one that does not."""
    return [row[0] for row in rows.rows(f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 12")]


def _task(row: Sequence[Any]) -> Task:
    task = Task(*row)
    task.reasons = tuple(json.loads(row[16])) if row[16] != "[]" else ()
    task.run_at, task.due_at, task.ready_at, task.started_at, task.ended_at = (_time(value) for value in row[18:23])
    task.escalated_at = _time(row[24])
    return task


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
