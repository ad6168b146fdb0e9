"""A network that fails: the run ends soon with a word, and once the network is back nothing is lost and nothing doubled."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from accord.connectors import mysql_link, postgresql
from accord.connectors.pglog import connection
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import TransientError
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import alive, open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROWS = 300
FIELDS = {"id": Field("id", "integer"), "name": Field("name"), "size": Field("size", "integer")}
LONGEST_SECONDS = 30  # of waiting for somebody who does not answer
WORK = 20  # times a run in peace: what a run needs beside that, however busy the machine is


class World:
    """A server behind a wire and SQLite beside it, two-way; what both must hold in the end is in ``wanted``."""

    def __init__(self, wire: Any, url: str, direct: Callable[[], Any], folder: Path, capture: str, kind: str = "postgresql") -> None:
        self.wire, self.direct, self.folder = wire, direct, folder
        self.store_url = str(folder / "store.db")
        self.impatient = False
        self.runs, self.peaceful = 0, 0.0
        self.rng = random.Random(5)
        self.wanted = {i: (f"first {i}", i) for i in range(ROWS)}
        self.server("CREATE TABLE things (id bigint PRIMARY KEY, name text, size bigint)")
        self.server("INSERT INTO things VALUES (%s, %s, %s)", [(k, *v) for k, v in self.wanted.items()])
        self.lite("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
        self.systems = {"p": System("p", kind, url), "s": System("s", "sqlite", "s.db")}
        mapped = {name: FieldMapping(name) for name in FIELDS}
        bindings = {"p": Binding("p", "things", mapped, capture=capture), "s": Binding("s", "things", mapped)}
        flow = Flow("things", "thing", bindings)
        self.map = IntegrationMap("net", systems=self.systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
        self.connectors: dict[str, Any] = {}
        self.open()

    def open(self) -> None:
        """As a new process has it."""
        self.close()
        self.connectors = {name: open_connector(system, base=self.folder) for name, system in self.systems.items()}

    def close(self) -> None:
        for connector in self.connectors.values():
            connector.close()

    def lite(self, statement: str, *values: Any) -> list[Any]:
        with sqlite3.connect(self.folder / "s.db") as db:
            found = db.execute(statement, values).fetchall()
        db.close()
        return found

    def server(self, statement: str, rows: Sequence[Sequence[Any]] | None = None) -> list[Any]:
        """A statement, or one for each row, past the wire."""
        with closing(self.direct()) as db, db.cursor() as cursor:
            if rows is not None:
                cursor.executemany(statement, rows)
                return []
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def edit(self) -> None:
        """Insert, change and delete in both systems, each key in one of them."""
        rng, number = self.rng, self.runs
        deleted, changed, made = [], [], []
        for key in rng.sample(sorted(self.wanted), 40):
            if rng.random() < 0.15:
                del self.wanted[key]
                deleted.append((key,))
            else:
                self.wanted[key] = (f"edit {number}", rng.randrange(10**6))
                changed.append((*self.wanted[key], key))
        for _ in range(10):
            key = max(self.wanted) + 1
            self.wanted[key] = ("x" * 500, number)
            made.append((key, *self.wanted[key]))
        for statement, rows, place in (
            ("DELETE FROM things WHERE id = %s", deleted, 0),
            ("UPDATE things SET name = %s, size = %s WHERE id = %s", changed, 2),
            ("INSERT INTO things VALUES (%s, %s, %s)", made, 0),
        ):
            self.server(statement, [row for row in rows if row[place] % 2 == 0])
            for row in rows:
                if row[place] % 2:
                    self.lite(statement.replace("%s", "?"), *row)

    def sync(self, *, whole: bool = False) -> Any:
        self.runs += 1
        with open_store(self.store_url, segments=self.folder / "segments") as store:
            result = run_flow(self.map, "things", self.connectors, store, run=f"run-{self.runs}", now=NOW, allow_deletes=True, whole=whole)
            store.verify()
        return result

    def agree(self) -> None:
        """Run until nothing is left to do, and compare with what must be there by means that are none of ours."""
        for _ in range(3):
            began = time.monotonic()
            changed = self.sync().changed
            self.peaceful = max(self.peaceful, time.monotonic() - began)
            if not changed:
                break
        held = {row[0]: row[1:] for row in self.server("SELECT id, name, size FROM things")}
        assert held == {row[0]: row[1:] for row in self.lite("SELECT id, name, size FROM things")} == self.wanted

    def settle(self) -> None:
        """A look at every row finds nothing more to do."""
        counts = self.sync(whole=True).counts
        assert [counts[word] for word in ("inserted", "updated", "deleted", "conflicts")] == [0, 0, 0, 0]

    def failing(self) -> TransientError | None:
        """Run with the fault in place: either it ends well in spite of it or with an error that says to try again, and soon."""
        began, failure = time.monotonic(), None
        try:
            with impatience() if self.impatient else nullcontext():
                self.sync()
        except TransientError as error:  # any other is a defect
            failure = error
        seconds = time.monotonic() - began
        assert seconds < LONGEST_SECONDS + WORK * self.peaceful, f"{seconds:.0f} s, in peace {self.peaceful:.1f} s: {failure}"
        return failure


KINDS = ("postgresql-sweep", "postgresql-cdc", "mysql-sweep", "mysql-cdc")


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """In agreement."""
    kind, capture = request.param.split("-")
    if kind == "mysql":
        server, url = request.getfixturevalue("mysql_server"), request.getfixturevalue("mysql_url")
        wire = request.getfixturevalue("wire_to")(("127.0.0.1", server.port))
        name = urlsplit(url).path[1:]
        opened = partial(pymysql.connect, unix_socket=str(server.folder / "s"), user="root", database=name, autocommit=True)
        made = World(wire, f"mysql://root@127.0.0.1:{wire.port}/{name}", opened, tmp_path, capture, kind)
    else:
        wire, url = request.getfixturevalue("wired")
        opened = partial(psycopg.connect, request.getfixturevalue("logical_url"), autocommit=True)
        made = World(wire, url, opened, tmp_path, capture)
    yield from agreed(made)


@pytest.fixture
def encrypted(request: pytest.FixtureRequest, tls_wired: Any, logical_url: str, tmp_path: Path) -> Iterator[World]:
    """The same, with TLS end to end."""
    yield from agreed(World(*tls_wired, partial(psycopg.connect, logical_url, autocommit=True), tmp_path, request.param))


def agreed(world: World) -> Iterator[World]:
    world.agree()
    yield world
    world.wire.clear()
    world.close()


def measured(world: World) -> tuple[int, int]:
    """Bytes from and to the server of an ordinary run with edits."""
    world.edit()
    world.wire.clear()
    world.sync()
    return world.wire.received, world.wire.sent


SETTINGS = {"reset": "cut_after", "cut": "cut_after", "lost answer": "cut_sent", "black hole": "mute_after", "half-open": "deaf_after"}
FAULTS = ("refuse", *SETTINGS)


def struck(world: World, fault: str, part: float, ordinary: tuple[int, int]) -> bool:
    """A run with edits, struck after a part of the bytes of an ordinary one, and another in peace; whether the first failed."""
    world.edit()
    world.wire.clear()
    if fault == "refuse":
        world.wire.refuse()
    else:
        world.wire.reset = fault == "reset"
        setattr(world.wire, SETTINGS[fault], int(ordinary[fault == "lost answer"] * part))
    error = world.failing()
    # Where only one connection ended, trying again at once may do; where nobody is there it cannot.
    assert error is not None or fault not in ("refuse", "black hole"), (fault, part)
    assert error is None or "could not be reached" in str(error)
    world.wire.cut()
    world.wire.clear()
    if fault == "refuse":
        world.wire.open()
    world.open()
    world.agree()
    return error is not None


@contextmanager
def impatience() -> Iterator[None]:
    """Silence is doubted soon, so that the short form is short; the long form and every run that must succeed have the real times."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, seconds in (
            (alive, "SILENT_SECONDS", 0.8),
            (alive, "AGAIN_SECONDS", 0.4),
            (alive, "PROBE_SECONDS", 1),
            (connection, "PING_SECONDS", 0.8),
            (connection, "CONNECT_SECONDS", 2),
            (postgresql, "CONNECT_SECONDS", 2),
            (mysql_link, "CONNECT_SECONDS", 2),
        ):
            patch.setattr(module, name, seconds)
        yield


@pytest.mark.parametrize("world", ["postgresql-cdc", pytest.param("mysql-sweep", marks=pytest.mark.prove)], indirect=True)
def test_a_network_that_fails_is_told_and_loses_nothing(world: World) -> None:
    """Cut amid an answer, cut after the server did what was asked, silent: the next run makes it good."""
    world.impatient = True
    ordinary = measured(world)
    failed = [struck(world, *at, ordinary) for at in (("reset", 0.3), ("lost answer", 0.6), ("black hole", 0.4))]
    world.settle()
    assert any(failed)  # the others may be got over within the run, where they strike what can be asked again


@pytest.mark.prove
@pytest.mark.parametrize("world", KINDS, indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_network_that_fails_at_any_byte_is_told_in_the_stated_time(fault: str, world: World) -> None:
    """The long form: many moments, and the times the product has."""
    ordinary = measured(world)
    moments = 4 if fault in ("black hole", "half-open") else 20
    failed = [struck(world, fault, 0.95 * number / moments, ordinary) for number in range(1 if fault == "refuse" else moments)]
    world.settle()
    assert sum(failed) > len(failed) / 2


@pytest.mark.prove
@pytest.mark.parametrize("world", KINDS, indirect=True)
def test_a_slow_network_only_takes_its_time(world: World) -> None:
    """Latency and a narrow line are no faults: everything arrives in one run."""
    for setting, value in (("delay_seconds", 0.004), ("bytes_per_second", 400_000)):
        world.edit()
        world.wire.clear()
        setattr(world.wire, setting, value)
        assert world.failing() is None
        world.wire.clear()
        world.agree()
    world.settle()


def garbled(world: World, moments: Sequence[float]) -> int:
    """Runs over a line that flips bits inside of TLS; returns how many failed."""
    ordinary, failed = measured(world), 0
    for part in moments:
        world.edit()
        world.wire.clear()
        world.wire.flip_after = int(ordinary[0] * part)
        failed += world.failing() is not None
        world.wire.clear()
        world.wire.cut()
        world.open()
        world.agree()
    world.settle()
    return failed


@pytest.mark.prove
@pytest.mark.parametrize("encrypted", ["sweep"], indirect=True)
def test_a_line_that_flips_bits_is_found_out_by_tls(encrypted: World) -> None:
    """Nothing garbled is taken for an edit. Without TLS nobody could tell."""
    assert garbled(encrypted, [0.5]) == 1


@pytest.mark.prove
@pytest.mark.parametrize("encrypted", ["sweep", "cdc"], indirect=True)
def test_a_line_that_flips_bits_anywhere_is_found_out_by_tls(encrypted: World) -> None:
    """The long form."""
    assert garbled(encrypted, [i / 21 for i in range(20)]) == 20
