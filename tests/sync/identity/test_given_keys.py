"""A system that gives its rows keys itself: rows made there are linked to the key they were given, whatever happens in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import UsageError
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.identity import Identity
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.sync import FlowResult, reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLES = {
    "sqlite": "CREATE TABLE people (cid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT CHECK (name <> 'bad'))",
    "postgresql": "CREATE TABLE people (cid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text CHECK (name <> 'bad'))",
    "mysql": "CREATE TABLE people (cid INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) CHECK (name <> 'bad'))",
}
SERIAL = "CREATE TABLE people (cid serial PRIMARY KEY, name text)"
KINDS = ["sqlite", "postgresql", "mysql"]
SOME = ["sqlite", *(pytest.param(kind, marks=pytest.mark.prove) for kind in KINDS[1:])]
Run = Callable[..., list[tuple[Any, ...]]]


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


class Firm:
    """A shop in SQLite with keys of its own, and a crm that gives its rows numbers."""

    def __init__(self, folder: Path, kind: str, at: str, crm: Run, table: str = "", own: str = "cid", **binding: Any) -> None:
        systems = {"shop": System("shop", "sqlite", "shop.db"), "crm": System("crm", kind, at)}
        fields = {"id": Field("id", required=True), "name": Field("name")}
        mapped = {"name": FieldMapping("name")}
        bindings = {
            "shop": Binding("shop", "people", mapped, own_key="code", new_key="'c-' || id"),
            "crm": Binding("crm", "people", mapped, own_key=own, new_key="given", **binding),
        }
        entity = Entity("person", ("id",), fields, identity=Identity({}))
        flow = Flow("people", "person", bindings, delete_guard="100%")
        self.map = IntegrationMap("test", systems=systems, entities={"person": entity}, flows={"people": flow})
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.store: Store = open_store(folder / "store.db", segments=folder / "segments")
        self.folder, self.crm, self.runs = folder, crm, 0
        self.shop("CREATE TABLE people (code TEXT PRIMARY KEY, name TEXT)")
        self.crm(table or TABLES[kind])

    def shop(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            return db.execute(statement).fetchall()

    def sync(self, **options: Any) -> FlowResult:
        self.runs += 1
        return run_flow(self.map, "people", self.connectors, self.store, run=f"r{self.runs}", now=NOW, **options)

    def crash(self, type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run that dies right after ``flow.applying`` is noted, or right before the links are, which is after the commit."""
        seen: list[str] = []

        def append(events: Any) -> Any:
            if events[0].type == type_ == "identity.linked" and "flow.applying" in seen:
                raise Crash
            stored = Store.append(self.store, events)
            seen.append(events[0].type)
            if seen[-1] == type_ == "flow.applying":
                raise Crash
            return stored

        with monkeypatch.context() as patched:
            patched.setattr(self.store, "append", append)
            with pytest.raises(Crash):
                self.sync()

    def names(self) -> list[list[str]]:
        return [sorted(str(row[0]) for row in run("SELECT name FROM people")) for run in (self.shop, self.crm)]

    def rests(self) -> bool:
        proof = reconcile(self.map, "people", self.connectors, self.store, run=f"proof-{self.runs}", now=NOW)
        return proof.agrees and not self.sync().changed


@pytest.fixture
def firm(open_system: Any, tmp_path: Path, ending: Any) -> Callable[..., Firm]:
    def build(kind: str, **options: Any) -> Any:
        at, crm = open_system(kind, "crm")
        return ending(Firm(tmp_path, kind, at, crm, **options))

    return build


@pytest.mark.parametrize("kind", KINDS)
def test_rows_go_both_ways_and_keep_the_keys_they_were_given(firm: Any, kind: str) -> None:
    """Three made in the shop, one of them refused by the crm's own rules; one made in the crm; then an edit and a delete by those keys."""
    world = firm(kind)
    world.crm("INSERT INTO people (name) VALUES ('Eva')")
    world.shop("INSERT INTO people VALUES ('x', 'Mia'), ('y', 'bad'), ('z', 'Sam')")
    first = world.sync()
    world.shop("UPDATE people SET name = 'Mia B' WHERE code = 'x'")
    world.shop("DELETE FROM people WHERE code = 'z'")
    world.shop("UPDATE people SET name = 'good' WHERE code = 'y'")
    world.crm("UPDATE people SET name = 'Eva C' WHERE name = 'Eva'")
    second = world.sync()

    assert (first.counts["inserted"], first.counts["refused"], second.status) == (3, 1, "done")
    assert world.names() == [["Eva C", "Mia B", "good"]] * 2
    assert world.rests()


def test_a_key_column_called_like_the_entitys_key_confuses_nobody(firm: Any) -> None:
    """Most tables call theirs «id». Who got which key is told by the numbers of a batch, which then must not be sorted by that column."""
    world = firm("sqlite", table=TABLES["sqlite"].replace("cid", "id"), own="id")
    world.shop("INSERT INTO people VALUES " + ", ".join(f"('x{n}', 'p{n:02}')" for n in range(12)))

    world.sync()

    assert not world.sync(dry_run=True).changed
    world.shop("UPDATE people SET name = 'new' WHERE name = 'p07'")
    world.sync()
    assert world.crm("SELECT count(*) FROM people WHERE name IN ('new', 'p07')") == [(1,)]
    assert world.rests()


@pytest.mark.parametrize("kind", SOME)
def test_a_run_that_dies_before_it_links_what_was_committed_makes_nothing_twice(
    firm: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else says who these rows are: they have no match rule, and one was renamed before the next run."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('x', 'Mia'), ('y', 'Sam')")
    world.crash("identity.linked", monkeypatch)
    assert world.names() == [["Mia", "Sam"]] * 2
    world.crm("UPDATE people SET name = 'Mia B' WHERE name = 'Mia'")

    planned = world.sync(dry_run=True)
    world.sync()

    assert (planned.counts["inserted"], planned.counts["updated"]) == (0, 1)
    assert sorted(world.names()[1]) in (["Mia", "Sam"], ["Mia B", "Sam"])
    assert world.names()[0] == world.names()[1]
    assert world.rests()


@pytest.mark.parametrize("kind", SOME)
def test_a_key_that_was_never_committed_is_no_link(firm: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number may be given to somebody else's row by then, who must not become this person."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('x', 'Mia')")
    world.crash("flow.applying", monkeypatch)
    assert world.names() == [["Mia"], []]
    world.crm("INSERT INTO people (name) VALUES ('Eva')")

    world.sync()

    assert world.names() == [["Eva", "Mia"]] * 2
    assert world.rests()


@pytest.mark.prove
def test_another_flow_lets_a_row_wait_that_a_run_cut_off_may_have_made(firm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which number the crm gave is in our log; who it was given to is for the flow that made the row to say."""
    world = firm("sqlite")
    world.shop("INSERT INTO people VALUES ('x', 'Mia')")
    world.crash("identity.linked", monkeypatch)
    flow, mapped = world.map.flows["people"], {"name": FieldMapping("name")}
    desk = {"crm": Binding("crm", "people", mapped, own_key="cid", direction="read"), "shop": flow.bindings["shop"]}
    world.map = replace(world.map, flows={**world.map.flows, "desk": replace(flow, name="desk", bindings=desk)})

    between = run_flow(world.map, "desk", world.connectors, world.store, run="desk", now=NOW)

    assert (between.waiting, between.counts["inserted"]) == (1, 0)
    world.sync()
    assert world.rests()
    assert world.names() == [["Mia"], ["Mia"]]


def test_a_serial_column_gives_keys_as_well(firm: Any) -> None:
    """Its default is an expression over a sequence."""
    world = firm("postgresql", table=SERIAL)
    world.shop("INSERT INTO people VALUES ('x', 'Mia')")

    world.sync()

    assert world.crm("SELECT * FROM people") == [(1, "Mia")]
    assert world.rests()


def test_a_column_that_gets_no_key_is_said_before_anything_is_written(firm: Any) -> None:
    """A text key has to come from somewhere."""
    world = firm("sqlite", table="CREATE TABLE people (cid TEXT PRIMARY KEY, name TEXT)")
    world.shop("INSERT INTO people VALUES ('x', 'Mia')")

    with pytest.raises(UsageError, match="INTEGER PRIMARY KEY"):
        world.sync()
    assert world.names() == [["Mia"], []]
