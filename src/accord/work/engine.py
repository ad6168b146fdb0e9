"""Work as people and programs use it: start, claim, complete, hand over, signal, cancel, migrate, and what falls due.

Every call is one transaction of the store: it reads the rows it needs, decides, and appends the events; calls of many threads share
commits. Nothing of an instance is held between calls, so an instance that waits for weeks costs its rows and nothing else.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from accord.model.errors import MapError, TerminalError, UsageError
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.store import Ahead, Store
from accord.store.database import Rows
from accord.store.sealing import PersonalValues
from accord.work import people
from accord.work.forms import FormRefused, check_variables
from accord.work.jobs import enqueue, has_queue
from accord.work.library import Library
from accord.work.moves import Moves, stamp
from accord.work.state import NOT_OVER, OPEN, Task, before_changing, before_starting, begun, find_tasks, load_task

T = TypeVar("T")
_DUE = "SELECT task, kind FROM work_timer WHERE due_at <= ? ORDER BY due_at, task LIMIT ?"
_QUEUED = "state = 'queued' AND run_at <= ? ORDER BY run_at, task LIMIT ?"


class Work:
    """The processes of a map on a store.

    Args:
        map: gives the definitions new instances start by.
        store: holds all state.
        clock: the time; aware.
        folder: where form schemas that the map names are found.
    """

    def __init__(
        self,
        map: IntegrationMap,  # noqa: A002 - the word of the glossary
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        folder: Path = Path(),
    ) -> None:
        self.map, self.store, self._clock = map, store, clock
        self.library = Library(map, folder)

    def now(self) -> datetime:
        """The time."""
        return self._clock()

    def start(self, process: str, *, case: str, by: str, variables: Mapping[str, Any] | None = None, key: str = "") -> str:
        """Begin an instance of a process; returns its id.

        Args:
            process: a process of the map with steps.
            case: key of what it carries, such as a campaign's id.
            by: who starts it.
            variables: what it knows at the start.
            key: makes a repeat harmless: a second start with the same key gives the id of the first.

        Raises:
            UnknownName: the map has no such process.
            UsageError: the variables do not fit what the process declares.
        """
        definition = self.library.current(process)
        given = dict(variables or {})
        check_variables(definition.process.variables, given, holder=f"process '{process}'")
        instance = f"{process}-{key}" if key else f"{process}-{uuid.uuid4().hex[:12]}"

        def decide(moves: Moves) -> bool:
            if begun(moves.rows, instance):
                return False
            moves.start(definition, instance, case=case, variables=given)
            return True

        if self.command(decide, by=by, ahead=before_starting(instance)):
            self.library.settled(definition)
        return instance

    def accept(self, task: str, *, by: str) -> Task:
        """Accept the handoff a task came with; its team has it from now on.

        Raises:
            UnknownName: there is no such task, or the map names people and not this one; so it is wherever somebody takes work.
            TerminalError: it is not on offer.
        """
        return self.command(lambda moves: people.accept(moves, task), by=by, ahead=before_changing(task))

    def claim(self, task: str, *, by: str) -> Task:
        """Take a task; an offered one is accepted with it. Taking what one has already is harmless.

        Raises:
            UnknownName: there is no such task.
            TerminalError: somebody else has it, or it is over.
        """
        return self.command(lambda moves: people.claim(moves, task), by=by, ahead=before_changing(task))

    def complete(self, task: str, *, by: str, answer: Mapping[str, Any] | None = None) -> Task:
        """Finish a task with what was filled in; where a gate is not passed it comes back, open, with the reasons.

        Raises:
            UnknownName: there is no such task.
            UsageError: the form is not filled in right; the task stands as it was, and that it was tried is recorded.
            TerminalError: somebody else has it, it is over, or its instance has ended.
        """
        with self.recording_misfits(task, by=by):
            return self.command(lambda moves: people.complete(moves, task, dict(answer or {})), by=by, ahead=before_changing(task))

    @contextmanager
    def recording_misfits(self, task: str, *, by: str) -> Iterator[None]:
        """Record an answer that leaves the block as one that does not fit."""
        try:
            yield
        except FormRefused as error:
            fields = error.fields
            self.command(lambda moves: people.misfit(moves, task, fields), by=by)
            raise

    def reject(self, task: str, *, by: str, reason: str) -> Task:
        """Send offered work back to the team it came from; their task opens again with the reason.

        Where an action gave it, it goes back to the person whose work that carried on, else to the action's team.

        Raises:
            UsageError: no reason was given.
            TerminalError: the task is not on offer, or nobody gave it who could do it again.
        """
        return self.command(lambda moves: people.reject(moves, task, reason), by=by, ahead=before_changing(task))

    def release(self, task: str, *, by: str) -> Task:
        """Give a claimed task back to its team."""
        return self.command(lambda moves: people.release(moves, task), by=by, ahead=before_changing(task))

    def delegate(self, task: str, *, by: str, to: str) -> Task:
        """Give a task to a person, or to another team by its name in the map."""
        return self.command(lambda moves: people.delegate(moves, task, to, self.map), by=by, ahead=before_changing(task))

    def comment(self, task: str, *, by: str, text: str) -> None:
        """Write something to a task that stays in the log with it."""
        self.command(lambda moves: people.comment(moves, task, text), by=by, ahead=before_changing(task))

    def signal(self, message: str, *, key: str, content: Mapping[str, Any] | None = None, by: str, id: str = "") -> tuple[str, ...]:  # noqa: A002 - CloudEvents' word
        """Deliver a message: steps that wait for it with this key go on, and processes it starts begin.

        Args:
            message: its name.
            key: what it is about; equals the case unless the waiting step says otherwise.
            content: becomes variables.
            by: who sent it.
            id: of the message; a repeat of the same id changes nothing.

        Returns:
            The instances it reached; empty for a repeat.

        Raises:
            UsageError: nobody waits for it, for example because the instance has ended; that it came is recorded.
        """
        identity = id or uuid.uuid4().hex
        reached = self.command(
            lambda moves: people.deliver(moves, message, key, dict(content or {}), identity), by=by, key=f"message:{identity}"
        )
        if reached is None:
            raise UsageError(
                f"message '{message}' for '{key}' reached nobody: no step waits for it and no process starts with it.",
                expected="It may have come before or after its time; it is recorded in the log.",
            )
        return reached

    def cancel(self, instance: str, *, by: str, reason: str) -> None:
        """End an instance early; steps with ``undo`` are taken back in reverse order.

        Raises:
            TerminalError: it has ended already.
        """
        self.command(lambda moves: people.cancel(moves, instance, reason), by=by)

    def resume(self, instance: str, *, by: str, step: str = "", variables: Mapping[str, Any] | None = None, comment: str = "") -> None:
        """Go on with an instance that is stuck.

        Args:
            instance: which one.
            by: who decided it.
            step: begins anew; needed when nothing is open any more. One that began too often needs a definition with a higher bound first.
            variables: values to correct before.
            comment: why, for the history.

        Raises:
            TerminalError: it is not stuck; nothing was changed.
            UnknownName: no such step.
            UsageError: nothing is open and no step is named, or a variable does not fit.
        """
        self.command(lambda moves: people.resume(moves, instance, step, dict(variables or {}), comment), by=by)

    def migrate(self, instance: str, *, by: str) -> str:
        """Move a running instance to the definition the map gives now; returns its hash.

        Raises:
            TerminalError: an open step does not exist there, or is another kind of step; nothing was changed.
        """
        return self.command(lambda moves: people.migrate(moves, instance), by=by)

    def tasks(self, *, team: str = "", person: str = "", states: tuple[str, ...] = ("offered", "ready", "started")) -> list[Task]:
        """Open tasks, the most urgent first: by due time, then oldest first.

        Args:
            team: only this team's.
            person: only those this person has.
            states: only tasks in these states.
        """
        conditions, values = [f"state IN ({', '.join('?' * len(states))})"], list(states)
        if all(state in OPEN for state in states):
            conditions.append(NOT_OVER)
        for column, value in (("team", team), ("assignee", person)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        where = " AND ".join(conditions)
        return find_tasks(self.store, f"{where} ORDER BY due_at IS NULL, due_at, seq", *values)

    def task(self, task: str) -> Task:
        """One task.

        Raises:
            UnknownName: there is none.
        """
        return load_task(self.store, task)

    def fire(self, *, limit: int = 100) -> int:
        """Carry out what has fallen due: waits end, overdue work is escalated; returns how many timers fired."""
        due = self.store.rows(_DUE, stamp(self.now()), limit)
        for task, kind in due:
            try:
                self.command(partial(people.fire, name=task, kind=kind), by="clock")
            except (MapError, TerminalError) as error:
                # It would fail again each time: the instance waits for a person, and the timers of the others are not held up.
                self.command(partial(people.misfire, name=task, kind=kind, reason=str(error)), by="clock")
        return len(due)

    def queued(self, *, limit: int = 100) -> list[Task]:
        """Actions to be carried out now, the oldest first."""
        return find_tasks(self.store, _QUEUED, stamp(self.now()), limit)

    def finished(self, task: str, outputs: Mapping[str, Any], *, attempt: int) -> Task:
        """Record that an action was carried out; a repeat, or one that comes too late, changes nothing."""
        return self.command(lambda moves: people.finished(moves, task, dict(outputs), attempt), by="accord", ahead=before_changing(task))

    def failed(self, task: str, error: str, *, attempt: int, final: bool = False, after_seconds: float = 0.0) -> Task:
        """Record that an action failed; it is tried again later, or waits for a person after too many tries or when ``final``.

        Args:
            task: whose action it was.
            error: what happened, for people.
            attempt: of the task, as it was when the action began.
            final: another try would not help.
            after_seconds: the other side asked not to be called again before.
        """
        return self.command(
            lambda moves: people.failed(moves, task, error, attempt, final, after_seconds), by="accord", ahead=before_changing(task)
        )

    def restart(self, task: str, *, by: str) -> Task:
        """Try an action again that is dead, or was sent back to its team.

        Raises:
            TerminalError: it is neither.
        """
        return self.command(lambda moves: people.restart(moves, task), by=by, ahead=before_changing(task))

    def command(self, decide: Callable[[Moves], T], *, by: str, key: str = "", ahead: Ahead | None = None) -> T:
        """Carry out one command in one transaction.

        Args:
            decide: reads and changes instances through the moves it is given.
            by: who asked for it.
            key: of the events; by default a new one.
            ahead: what it will read, as far as that is known.
        """
        if not by:
            raise UsageError("nobody is named.", expected="Say who does it.")
        now = self.now()
        identity = key or f"{int(now.timestamp() * 1000):012x}{os.urandom(10).hex()}"  # by time: neighbours in the index of the log

        def within(rows: Rows) -> tuple[list[Event], T]:
            moves = Moves(rows, self.library, now=now, by=by, key=identity)
            result = decide(moves)
            return moves.taken(), result

        return self.store.transact(within, ahead=ahead, fresh="" if key else f"{identity}:")


def open_work(
    map: IntegrationMap,  # noqa: A002
    store: Store,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    folder: Path = Path(),
) -> Work:
    """The processes of a map on a store; where it has a queue for workers, actions are put into it from here on."""
    store.protect(PersonalValues(map))
    if has_queue(store):
        store.also(enqueue)
    return Work(map, store, clock=clock, folder=folder)
