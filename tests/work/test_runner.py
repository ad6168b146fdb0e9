"""What runs actions and timers, alone and beside others: one suite for every runner."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.model.errors import DataRefused, LeaseHeld, TerminalError, TransientError
from accord.store import open_store
from accord.work import Work, open_work
from accord.work.action import Call, Context
from accord.work.queue_runner import QueueRunner
from accord.work.runner import EmbeddedRunner, Runner

TEAMS = "name: test\nteams: {a: {owner: Mia}}\n"
CHAIN = """
processes:
  chain:
    steps:
      one: {kind: auto, action: note, arguments: {n: "1", who: name}}
      two: {kind: auto, action: note, after: [one], arguments: {n: "n + 1"}, retries: 2, backoff: 10s, undo: take_back}
      pause: {kind: wait, after: [two], delay: 1h}
      three: {kind: auto, action: note, after: [pause], arguments: {n: "n + 1"}}
"""
Begin = Callable[..., tuple[Work, Runner]]
_numbers = itertools.count(1)


class Notes:
    """An action that keeps what it was called with, and fails when told to."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.errors: list[BaseException] = []

    def __call__(self, call: Call) -> Mapping[str, Any] | None:
        self.calls.append(call)
        if self.errors:
            raise self.errors.pop(0)
        return {"n": call.arguments["n"], "name": "Ann"}


@pytest.fixture
def notes() -> Notes:
    """The action ``note`` of this test."""
    return Notes()


@pytest.fixture(params=["embedded", "embedded on postgresql", "queue"])
def begin(request: pytest.FixtureRequest, tmp_path: Path, clock: Any, notes: Notes) -> Iterator[Begin]:
    """Work on a map, and each kind of runner for it."""
    opened = []

    def make(text: str, *, now: Callable[[], datetime] = clock, **more: Any) -> tuple[Work, Runner]:
        url = str(tmp_path / "store.db")
        if request.param != "embedded":
            url = f"{request.getfixturevalue('work_database')}&options=-csearch_path%3Drunner{next(_numbers)}"
        path = tmp_path / "map.yaml"
        path.write_text(TEAMS + text, encoding="utf-8")
        store = open_store(url, segments=tmp_path / "segments")
        opened.append(store)
        work = open_work(load_map(path), store, clock=now)
        context = Context(functions={"note": notes, "take_back": lambda call: {"taken": call.key}}, **more)
        return work, QueueRunner(work, context, url) if request.param == "queue" else EmbeddedRunner(work, context)

    yield make
    for store in opened:
        store.close()


def states(work: Work) -> dict[str, str]:
    return dict(work.store.rows("SELECT step, state FROM work_task"))


def test_actions_follow_each_other_and_hand_on_what_they_found(begin: Begin, notes: Notes, clock: Any) -> None:
    """Arguments are SQL over the variables, what an action gives is a variable, and a wait in between costs nobody anything."""
    work, runner = begin(CHAIN)
    instance = work.start("chain", case="C", by="Mia", variables={})

    first = runner.drain()
    idle = runner.drain()
    clock.move(hours=1)
    rest = runner.drain()

    assert (first, idle, rest) == (2, 0, 2)
    assert [(c.step, c.arguments["n"], c.case) for c in notes.calls] == [("one", 1, "C"), ("two", 2, "C"), ("three", 3, "C")]
    assert notes.calls[0].key == f"{instance}:{instance}/one/1:1"
    assert work.store.rows("SELECT status FROM work_instance") == [("completed",)]


def test_what_may_pass_is_tried_again_with_the_same_key(begin: Begin, notes: Notes, clock: Any) -> None:
    """After the pause of the map, or the longer one the other side asks for; the other side knows the repeat by its key."""
    work, runner = begin(CHAIN)
    notes.errors = [TransientError("away", retry_after_seconds=120), ValueError("odd")]
    work.start("chain", case="C", by="Mia")

    for _ in range(3):  # the queue goes by the server's clock, by which the pauses of this test's clock are over
        runner.drain()
        clock.move(minutes=3)

    failed = [stored.event for stored in work.store.read(types=["task.failed"])]
    pauses = [datetime.fromisoformat(event.attributes["run_at"]) - event.time for event in failed]
    assert [event.attributes["error"] for event in failed] == ["away", "ValueError: odd"]
    assert pauses == [timedelta(seconds=120), timedelta(seconds=20)]
    assert len({c.key for c in notes.calls if c.step == "one"}) == 1
    assert [c.failures for c in notes.calls if c.step == "one"] == [0, 1, 2]
    assert states(work)["two"] == "completed"


def test_what_cannot_help_waits_for_a_person_who_can_restart_it(begin: Begin, notes: Notes) -> None:
    """A dead action is seen, not lost: its reason stands with it."""
    work, runner = begin(CHAIN)
    notes.errors = [TerminalError("no such account")]
    work.start("chain", case="C", by="Mia")

    runner.drain()
    (dead,) = work.tasks(states=("dead",))
    work.restart(dead.task, by="Mia")
    runner.drain()

    assert dead.reasons == ("no such account",)
    assert states(work)["one"] == states(work)["two"] == "completed"


def test_an_action_nobody_registered_says_which_there_are(begin: Begin) -> None:
    """The name is misspelled more often than the function is missing."""
    work, runner = begin("processes: {p: {steps: {s: {kind: auto, action: nota}}}}")
    work.start("p", case="C", by="Mia")

    runner.drain()

    (dead,) = work.tasks(states=("dead",))
    assert "action 'nota', which does not exist" in dead.reasons[0]
    assert "Did you mean 'note'?" in dead.reasons[0]


def test_an_action_that_takes_too_long_is_given_up(begin: Begin, notes: Notes) -> None:
    """One that hangs must not hold the others for ever."""
    work, runner = begin("processes: {p: {steps: {s: {kind: auto, action: hang, timeout: 1s, retries: 0}}}}")
    runner._context.functions["hang"] = lambda call: time.sleep(2)  # type: ignore[attr-defined]
    work.start("p", case="C", by="Mia")

    runner.drain()

    (dead,) = work.tasks(states=("dead",))
    assert "took longer than 1 s" in dead.reasons[0]


def test_cancelling_takes_finished_actions_back(begin: Begin, clock: Any) -> None:
    """``undo`` is an action like any other, with a key of its own."""
    work, runner = begin(CHAIN)
    instance = work.start("chain", case="C", by="Mia")
    runner.drain()

    work.cancel(instance, by="Mia", reason="no budget")
    runner.drain()

    assert work.store.rows("SELECT status FROM work_instance") == [("cancelled",)]
    assert work.store.rows("SELECT value FROM work_variable WHERE name = 'taken'") == [(f'"{instance}:{instance}/two/1/undo:1"',)]


def test_a_timer_whose_consequence_fails_stops_its_own_instance_only(begin: Begin, notes: Notes, clock: Any) -> None:
    """Otherwise one bad value would hold up every timer of the organization."""
    text = """
processes:
  p:
    steps:
      w: {kind: wait, delay: 1h}
      s: {kind: auto, action: note, after: [w], when: "CAST(name AS INTEGER) > 0", arguments: {n: "1"}}
"""
    work, runner = begin(text)
    bad = work.start("p", case="bad", by="Mia", variables={"name": "no number"})
    work.start("p", case="good", by="Mia", variables={"name": "7"})
    clock.move(hours=1)

    runner.drain()

    assert [c.case for c in notes.calls] == ["good"]
    ((status, reason),) = work.store.rows("SELECT status, reason FROM work_instance WHERE instance = ?", bad)
    assert (status, "fails" in reason) == ("stuck", True)
    assert isinstance(DataRefused("x", "y", "z"), TerminalError)


def test_a_running_worker_begins_what_comes_and_what_falls_due(begin: Begin, notes: Notes) -> None:
    """Nobody calls it: new work, and a time that has come, wake it; when told to stop it ends."""
    work, runner = begin(CHAIN.replace("delay: 1h", "delay: 1s"), now=lambda: datetime.now(UTC))
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        work.start("chain", case="C", by="Mia")
        end = time.monotonic() + 20
        while len(notes.calls) < 3 and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join(20)

    assert [c.step for c in notes.calls] == ["one", "two", "three"]
    assert not thread.is_alive()


def test_only_one_embedded_worker_works_on_a_store(work_with: Callable[..., Work], store: Any) -> None:
    """Two would call the same action at once."""
    runner = EmbeddedRunner(work_with(CHAIN), Context())

    with store.lease_named("worker", "another"), pytest.raises(LeaseHeld):
        runner.drain()
    with store.lease("people"):
        assert runner.drain() == 0
