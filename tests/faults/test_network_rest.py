"""A network that fails between Accord and an API over HTTP: told soon, and once it is back nothing is lost and nothing doubled."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import TransientError
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIELDS = {"id": Field("id", "integer"), "name": Field("name"), "size": Field("size", "integer")}
OPTIONS = {"items": "data", "pages": "cursor", "cursor_path": "next", "page_size": "20", "retries": "1", "retry_seconds": "0.01"}
LONGEST_SECONDS = 30


class World:
    """An API behind a wire and SQLite beside it, two-way; what both must hold in the end is in ``wanted``."""

    def __init__(self, api: Any, wire: Any, folder: Path, *, rows: int) -> None:
        self.api, self.wire, self.folder, self.runs, self.rng = api, wire, folder, 0, random.Random(5)
        self.wanted = {i: (f"first {i}", i) for i in range(rows)}
        api.put("things", [self.item(key) for key in self.wanted])
        self.lite("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
        things = Resource("things", key=("id",), columns={"id": "integer", "size": "integer"})
        self.systems = {
            "r": System("r", "rest", f"http://127.0.0.1:{wire.port}/v1", options=OPTIONS, resources={"things": things}),
            "s": System("s", "sqlite", "s.db"),
        }
        mapped = {name: FieldMapping(name) for name in FIELDS}
        flow = Flow("things", "thing", {n: Binding(n, "things", mapped) for n in self.systems})
        self.map = IntegrationMap("net", systems=self.systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})

    def item(self, key: int) -> dict[str, Any]:
        return {"id": key, "name": self.wanted[key][0], "size": self.wanted[key][1]}

    def lite(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "s.db")) as db, db:
            return db.execute(statement, values).fetchall()

    def edit(self) -> None:
        """Insert, change and delete in both systems, each key in one of them."""
        for key in self.rng.sample(sorted(self.wanted), len(self.wanted) // 5):
            gone = self.rng.random() < 0.15
            if gone:
                del self.wanted[key]
            else:
                self.wanted[key] = (f"edit {self.runs}", self.rng.randrange(10**6))
            if key % 2 == 0:
                self.api.remove("things", str(key)) if gone else self.api.put("things", [self.item(key)])
            elif gone:
                self.lite("DELETE FROM things WHERE id = ?", key)
            else:
                self.lite("UPDATE things SET name = ?, size = ? WHERE id = ?", *self.wanted[key], key)
        for _ in range(6):
            key = max(self.wanted) + 1
            self.wanted[key] = ("x" * 200, self.runs)
            if key % 2 == 0:
                self.api.put("things", [self.item(key)])
            else:
                self.lite("INSERT INTO things VALUES (?, ?, ?)", key, *self.wanted[key])

    def sync(self, patience: str = "30") -> Any:
        """One run, as a new process has it, that waits so many seconds for an answer."""
        self.runs += 1
        options = {**OPTIONS, "timeout_seconds": patience, "answer_seconds": patience, "resume_seconds": patience}
        systems = {**self.systems, "r": replace(self.systems["r"], options=options)}
        connectors = {name: open_connector(system, base=self.folder) for name, system in systems.items()}
        try:
            with open_store(self.folder / "store.db", segments=self.folder / "segments") as store:
                return run_flow(self.map, "things", connectors, store, run=f"run-{self.runs}", now=NOW, allow_deletes=True)
        finally:
            for connector in connectors.values():
                connector.close()

    def agree(self) -> None:
        """Run until nothing is left to do, and compare with what must be there by means that are none of ours."""
        for _ in range(3):
            if not self.sync().changed:
                break
        there = {int(key[0]): (item["name"], int(item["size"])) for key, item in self.api.rows["things"].items()}
        assert there == {row[0]: row[1:] for row in self.lite("SELECT * FROM things")} == self.wanted

    def failing(self, patience: str) -> TransientError | None:
        """Run with the fault in place: either it ends well in spite of it or with an error that says to try again, and soon."""
        began, failure = time.monotonic(), None
        try:
            self.sync(patience)
        except TransientError as error:  # any other is a defect
            failure = error
        seconds = time.monotonic() - began
        assert seconds < LONGEST_SECONDS, f"{seconds:.0f} s: {failure}"
        return failure

    def measured(self) -> tuple[int, int]:
        """Bytes from and to the API of an ordinary run with edits."""
        self.edit()
        self.wire.clear()
        self.sync()
        return self.wire.received, self.wire.sent

    def struck(self, fault: str, part: float, ordinary: tuple[int, int], patience: str) -> bool:
        """A run with edits, struck after a part of the bytes of an ordinary one, and another in peace; whether the first failed."""
        self.edit()
        self.wire.clear()
        if fault == "refuse":
            self.wire.refuse()
        else:
            self.wire.reset = fault == "reset"
            setattr(self.wire, SETTINGS[fault], int(ordinary[fault == "lost answer"] * part))
        error = self.failing(patience)
        # Where only one connection ended, trying again at once may do; where nobody is there it cannot.
        assert error is not None or fault not in ("refuse", "black hole"), (fault, part)
        assert error is None or "could not be reached" in str(error)
        self.wire.cut()
        self.wire.clear()
        if fault == "refuse":
            self.wire.open()
        self.agree()
        return error is not None


SETTINGS = {"reset": "cut_after", "cut": "cut_after", "lost answer": "cut_sent", "black hole": "mute_after", "half-open": "deaf_after"}


@pytest.fixture
def begin(rest_api: Any, wire_to: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes a world."""
    made: list[World] = []

    def build(*, rows: int) -> World:
        world = World(rest_api, wire_to(("127.0.0.1", urlsplit(rest_api.url).port)), tmp_path, rows=rows)
        made.append(world)
        return world

    yield build
    for world in made:
        world.wire.clear()


def test_a_write_whose_answer_an_api_loses_is_made_good(begin: Callable[..., World]) -> None:
    """The API holds the row and the run does not know: it ends with a word, and the next one makes no second row."""
    world = begin(rows=60)
    for key in range(100, 120):
        world.wanted[key] = ("ours", key)
        world.lite("INSERT INTO things VALUES (?, ?, ?)", key, *world.wanted[key])

    def lose(method: str, _: str) -> None:
        if method != "GET" and world.wire.cut_after is None:
            world.wire.cut_after = world.wire.received

    world.api.before = lose
    error = world.failing("5")
    world.api.before = lambda method, path: None
    world.wire.cut()
    world.wire.clear()

    assert "could not be reached" in str(error)
    assert len(world.api.rows["things"]) > 60
    world.agree()


@pytest.mark.prove
@pytest.mark.parametrize("fault", ["refuse", *SETTINGS])
def test_a_network_that_fails_before_an_api_at_any_byte_loses_nothing(fault: str, begin: Callable[..., World]) -> None:
    """The long form: nobody there, cut or reset amid an answer, half-open, at many moments of a run."""
    world = begin(rows=200)
    world.agree()
    ordinary = world.measured()
    moments = {"refuse": 1, "black hole": 5, "half-open": 5}.get(fault, 20)
    failed = [world.struck(fault, 0.95 * number / moments, ordinary, "2") for number in range(moments)]
    assert sum(failed) > moments / 2 or fault == "half-open"


@pytest.mark.prove
def test_a_slow_network_before_an_api_only_takes_its_time(begin: Callable[..., World]) -> None:
    """Latency and a narrow line are no faults: everything arrives in one run."""
    world = begin(rows=60)
    world.agree()
    for setting, value in (("delay_seconds", 0.004), ("bytes_per_second", 200_000)):
        world.edit()
        world.wire.clear()
        setattr(world.wire, setting, value)
        assert world.failing("30") is None
        world.wire.clear()
        world.agree()
