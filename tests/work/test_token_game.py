"""The engine against the rules of the game written down a second time: the same steps begin, as often, and it ends in the same way."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.model.entity import Field
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Route, Step
from accord.model.values import Duration
from accord.store import Store, open_store
from accord.work import open_work

STATES = ("offered", "ready", "started", "queued", "waiting")
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for many instances."""
    folder = tmp_path_factory.mktemp("games")
    opened = open_store(str(folder / "store.db"), segments=folder / "segments")
    yield opened
    opened.close()


class Instance:
    """One instance in the engine, beside the same one in the plain game."""

    def __init__(self, token_game: Any, store: Store, process: Process, facts: dict[str, bool]) -> None:
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.store, self.facts = store, dict(facts)
        self.work = open_work(IntegrationMap("t", processes={"p": process}), store, clock=lambda: self.now)
        self.key = f"k{next(_numbers)}"
        self.name = self.work.start("p", case=self.key, by="ann", variables=facts, key=self.key)
        self.game = token_game.play(process, lambda sql: self.facts[sql])

    def agree(self) -> None:
        """What is open, how often each step has begun, and how it stands."""
        open_, rows = (
            Counter(self.open()),
            self.store.rows("SELECT step, count(*) FROM work_task WHERE instance = ? GROUP BY step", self.name),
        )
        assert (open_, dict(rows), self.status) == (self.game.open(), dict(self.game.times), self.game.status)

    def open(self) -> list[str]:
        return [task.step for task in self.tasks()]

    def tasks(self) -> list[Any]:
        return [task for task in self.work.tasks(states=STATES) if task.instance == self.name]

    @property
    def status(self) -> str:
        return str(self.store.rows("SELECT status FROM work_instance WHERE instance = ?", self.name)[0][0])

    def late(self) -> None:
        """Time passes; what people have open is overdue."""
        self.now += timedelta(hours=2)
        while self.work.fire(limit=1000):
            pass
        self.game.late()

    def finish(self, step: str, facts: dict[str, bool]) -> None:
        """End one task of a step; a message ends all that wait for it."""
        task = next(task for task in self.tasks() if task.step == step)
        self.facts |= facts
        if task.kind == "wait":
            self.work.signal(f"m-{step}", key=self.key, content=facts, by="somebody")
            for _ in range(self.game.open()[step]):
                self.game.finish(step)
            return
        if task.kind == "auto":
            self.work.finished(task.task, facts, attempt=task.attempt)
        else:
            self.work.complete(task.task, by="ann", answer=facts)
        self.game.finish(step)


def compare(data: Any, token_game: Any, store: Store) -> None:
    process = data.draw(token_game.processes(kinds=("human", "human", "auto", "wait"), skips=True, late=True))
    if not token_game.Rules(process).first:
        return
    names = sorted(set(token_game.variables_of(process)))

    def facts() -> dict[str, bool]:
        return {name: data.draw(st.booleans()) for name in names}

    instance = Instance(token_game, store, process, facts())
    for _ in range(12):
        instance.agree()
        if instance.status != "running":
            break
        move = data.draw(st.sampled_from([*sorted(instance.game.open()), ""]))
        if move:
            instance.finish(move, facts())
        else:
            instance.late()


@settings(max_examples=30, derandomize=True, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_the_engine_plays_by_the_rules(token_game: Any, one_store: Store, data: Any) -> None:
    """Joins, loops with their bound, skips, decisions and timers: any order of any answers, in any small process."""
    compare(data, token_game, one_store)


@pytest.mark.prove
@settings(max_examples=2500, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_the_engine_plays_by_the_rules_for_long(token_game: Any, one_store: Store, data: Any) -> None:
    """As above, with thousands of processes."""
    compare(data, token_game, one_store)


DECIDES = {"kind": "decision", "routes": {"on": Route("on")}}


@pytest.mark.parametrize(
    ("steps", "moves"),
    [
        pytest.param([Step("d", **DECIDES), Step("x")], ["x"], id="of two beginnings one ends at once"),
        pytest.param(
            [Step("a"), Step("d", after=("a",), **DECIDES), Step("x", after=("a",))], ["a", "x"], id="of two ways one ends at once"
        ),
        pytest.param(
            [Step("a"), Step("d", after=("a",), **DECIDES), Step("b", after=("a",)), Step("x", after=("d", "b"))],
            ["a", "b", "x"],
            id="a join waits for a way that is yet to be gone",
        ),
        pytest.param(
            [Step("a", sla=Duration(60), on_overdue="b"), Step("b", when="v")], [""], id="what begins when time is over may be skipped"
        ),
    ],
)
def test_an_instance_is_over_when_its_last_way_is_gone(
    token_game: Any, one_store: Store, steps: Sequence[Step], moves: Sequence[str]
) -> None:
    """An instance that ends too early leaves tasks nobody waits for; one that does not end is waited for."""
    instance = Instance(token_game, one_store, Process("p", steps={step.name: step for step in steps}), {"v": False})

    for move in moves:
        instance.agree()
        assert instance.status == "running"
        if move:
            instance.finish(move, {})
        else:
            instance.late()

    instance.agree()
    assert instance.status == "completed"


def test_the_game_itself_tells_right_from_wrong(token_game: Any) -> None:
    """A second telling that agrees with anything proves nothing: three cases worked out by hand."""
    asked = Step("d", kind="decision", form={"q": Field("q")}, routes={"l": Route("l", to="x", when="v"), "r": Route("r", to="y")})
    starved = {"d": asked, "x": Step("x"), "y": Step("y"), "z": Step("z", after=("x", "y"))}
    loop = {
        "a": Step("a"),
        "b": Step("b", after=("a",), join="any"),
        "c": Step("c", kind="decision", after=("b",), routes={"r": Route("r", to="b")}),
    }
    yes: Callable[[str], bool] = lambda _: True  # noqa: E731

    game = token_game.play(Process("p", steps=starved), yes)
    for step in ("d", "x"):
        game.finish(step)

    assert (game.status, game.times) == ("stuck", {"d": 1, "x": 1})
    assert token_game.explore(Process("p", steps=starved)).starves
    assert token_game.explore(Process("p", steps=loop)).endless
