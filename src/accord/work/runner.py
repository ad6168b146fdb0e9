"""Carrying out what falls due: timers fire, queued actions run; ``Runner`` is the port, the embedded one its adapter for one machine.

Between two pieces of work nothing is held but the time of the next: an idle runner looks at the head of the log, one number, until
it moves or something is due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Protocol

from accord.model.errors import AccordError, LeaseHeld, MapError, TerminalError, TransientError
from accord.store.store import Lease
from accord.work.action import Call, Context, call_of, perform
from accord.work.engine import Work
from accord.work.state import Task

LOOK_SECONDS = 0.05  # how often the head of the log is looked at while nothing is due
PAUSE_SECONDS = 1.0  # before a store that does not answer is asked again
LEASE = "worker"
_NEXT = "SELECT min(due_at) FROM work_timer"
_NEXT_ACTIONS = "SELECT run_at, task FROM work_task WHERE state = 'queued' ORDER BY run_at LIMIT ?"


class Runner(Protocol):
    """Carries out timers and actions of a store, alone or beside others."""

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; what had begun is ended first."""
        ...

    def drain(self) -> int:
        """Carry out all that is due now and what follows at once from it; returns how many timers and actions that was."""
        ...


def carry_out(work: Work, task: Task, context: Context) -> None:
    """Run a task's action and record how it ended; of two that did the same, the first is recorded.

    Raises:
        TransientError: the store could not be reached; the same action with the same key is to be run again.
    """
    final, after, outputs, error = False, 0.0, {}, ""
    try:
        call = call_of(work, task)
        outputs = _within(call, context)
    except TransientError as fault:
        error, after = str(fault), fault.retry_after_seconds or 0.0
    except (MapError, TerminalError) as fault:
        error, final = str(fault), True
    except Exception as fault:  # noqa: BLE001 - not swallowed: a registered function may raise anything, and the log keeps it
        error = f"{type(fault).__name__}: {fault}"
    if error:
        work.failed(task.task, error[:2000], attempt=task.attempt, final=final, after_seconds=after)
        return
    try:
        work.finished(task.task, outputs, attempt=task.attempt)
    except (MapError, TerminalError) as fault:
        # What the action gave cannot be kept, or the process cannot go on from it: a person has to look.
        work.failed(task.task, str(fault)[:2000], attempt=task.attempt, final=True)


def _within(call: Call, context: Context) -> dict[str, object]:
    """What the action gives, when it does so in time.

    Python ends no thread from outside: one that overruns goes on and its result is dropped, so what it did may be done again, with the
    same key.
    """
    given: list[dict[str, object]] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            given.append(perform(call, context))
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised by whoever waits
            raised.append(error)

    thread = threading.Thread(target=body, name=f"action {call.task}", daemon=True)
    thread.start()
    thread.join(call.timeout_seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TransientError(f"action '{call.action}' took longer than {call.timeout_seconds:g} s.")
    return given[0]


class EmbeddedRunner:
    """All work of a store in this process, guarded by a lease: a second one is refused until this one has ended.

    Args:
        work: the processes.
        context: what actions reach.
        threads: actions carried out at once.
        failed: told what went wrong with the store while it goes on.
    """

    def __init__(
        self, work: Work, context: Context, *, threads: int = 4, failed: Callable[[AccordError], None] = lambda error: None
    ) -> None:
        self._work, self._context, self._failed = work, context, failed
        self._threads, self._slots = threads, threading.Semaphore(threads)
        self._busy: set[str] = set()
        self._woken = threading.Condition()
        self._again, self._renewed = False, time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set.

        Raises:
            LeaseHeld: another process works, or took over.
        """
        with ExitStack() as stack:
            lease = stack.enter_context(self._work.store.lease_named(LEASE, "accord worker"))
            while not stop.is_set():
                try:
                    self._turn()
                    self._wait(stop, lease)
                except LeaseHeld as error:
                    self._failed(error)
                    lease.renew()  # somebody held the store for long; when it is this lease that is gone, this raises
                except TransientError as error:
                    self._failed(error)
                    stop.wait(PAUSE_SECONDS)
            self._join()

    def drain(self) -> int:
        """Carry out all that is due now and what follows at once from it; returns how many timers and actions that was."""
        done = 0
        with self._work.store.lease_named(LEASE, "accord worker"):
            while began := self._turn():
                done += began
                self._join()
        return done

    def _turn(self) -> int:
        """Fire what is due and begin what is queued; returns how many that was."""
        began = self._work.fire()
        for task in self._work.queued():
            if task.task in self._busy:
                continue
            if not self._slots.acquire(blocking=False):
                break  # the end of one of those under way moves the log, and that wakes us
            with self._woken:
                self._busy.add(task.task)
            threading.Thread(target=self._one, args=(task,), name=f"worker {task.task}", daemon=True).start()
            began += 1
        return began

    def _one(self, task: Task) -> None:
        try:
            carry_out(self._work, task, self._context)
        except AccordError as error:
            self._failed(error)
            self._again = True  # it is still queued: the next turn begins it again
        finally:
            self._slots.release()
            with self._woken:
                self._busy.discard(task.task)
                self._woken.notify_all()

    def _join(self) -> None:
        with self._woken:
            self._woken.wait_for(lambda: not self._busy)

    def _wait(self, stop: threading.Event, lease: Lease) -> None:
        """Until something is due, the log moved, an action has to be begun again, or ``stop``."""
        store, self._again = self._work.store, False
        head = store.head().seq
        due = self._next()
        while not (stop.is_set() or self._again):
            if time.monotonic() - self._renewed > lease.seconds / 3:
                lease.renew()
                self._renewed = time.monotonic()
            left = LOOK_SECONDS if due is None else (due - self._work.now()).total_seconds()
            if left <= 0 or stop.wait(min(left, LOOK_SECONDS)) or store.head().seq != head:
                return

    def _next(self) -> datetime | None:
        """When the next timer or action is due; one that is being carried out is none."""
        rows = self._work.store.rows
        busy = len(self._busy)
        queued = rows(_NEXT_ACTIONS, busy + 1) if busy < self._threads else []
        moments = [rows(_NEXT)[0][0], *(run_at for run_at, task in queued if task not in self._busy)]
        return min((datetime.fromisoformat(moment) for moment in moments if moment), default=None)
