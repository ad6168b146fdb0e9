"""Numbers taken for new rows (``new_key: next``) say who a row is only once it is known that the row was made under them.

In each story somebody else's row comes to stand under a number that was about to be used. It must never be taken for the one it was
meant for: one of the two people would be written over, in every system.
"""

from __future__ import annotations

import csv
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
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.identity import Identity
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.sync import FlowResult, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KINDS = ["sqlite", "csv", "postgresql", "mysql", "duckdb"]


def short(*kinds: str) -> list[Any]:
    """All kinds, the others in the long form only."""
    return [kind if kind in kinds else pytest.param(kind, marks=pytest.mark.prove) for kind in KINDS]


TABLE = "CREATE TABLE people (cid INTEGER PRIMARY KEY, name VARCHAR(40) CHECK (name <> 'bad'), note VARCHAR(40))"


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


class Dying:
    """A connector that calls ``before`` and ``after`` around its next write."""

    def __init__(self, connector: Any, before: Callable[[], object], after: Callable[[], object]) -> None:
        self._connector, self._before, self._after = connector, before, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connector, name)
        return self._around(found) if name in ("apply", "apply_noted") else found

    def _around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def apply(*given: Any) -> Any:
            before, self._before = self._before, lambda: None
            before()
            result = write(*given)
            after, self._after = self._after, lambda: None
            after()
            return result

        return apply


class Firm:
    """A shop in SQLite with keys of its own, and a crm whose rows are numbered by whoever makes them."""

    def __init__(self, folder: Path, kind: str, at: str, run: Callable[[str], list[Any]] | None) -> None:
        systems = {"shop": System("shop", "sqlite", "shop.db"), "crm": System("crm", kind, at)}
        fields = {"id": Field("id", required=True), "name": Field("name"), "note": Field("note")}
        mapped = {"name": FieldMapping("name"), "note": FieldMapping("note")}
        bindings = {
            "shop": Binding("shop", "people", mapped, own_key="code", new_key="'c-' || id"),
            "crm": Binding("crm", "people", mapped, own_key="cid", new_key="next"),
        }
        flow = Flow("people", "person", bindings, delete_guard="100%")
        entity = Entity("person", ("id",), fields, identity=Identity({}))
        known = Binding("desk", "people", {"id": FieldMapping("id"), **mapped})
        desk = {"crm": Binding("crm", "people", mapped, own_key="cid", direction="read"), "desk": known}
        systems["desk"], flows = System("desk", "sqlite", "desk.db"), {"people": flow, "desk": Flow("desk", "person", desk)}
        self.map = IntegrationMap("test", systems=systems, entities={"person": entity}, flows=flows)
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.store: Store = open_store(folder / "store.db", segments=folder / "segments")
        self.folder, self.run, self.runs = folder, run, 0
        self.shop("CREATE TABLE people (code TEXT PRIMARY KEY, name TEXT, note TEXT)")
        if run is None:
            (folder / "crm").mkdir()
            self.write([("cid", "name", "note"), ("1", "Ann", "")])
        else:
            run(TABLE)
            run("INSERT INTO people VALUES (1, 'Ann', '')")
        with closing(sqlite3.connect(folder / "desk.db")) as db:
            db.execute("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, note TEXT)")

    def shop(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            return db.execute(statement).fetchall()

    def write(self, lines: list[tuple[str, ...]]) -> None:
        with (self.folder / "crm" / "people.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)

    def crm(self) -> list[tuple[str, str]]:
        if self.run is not None:
            return [(str(key), str(name)) for key, name in self.run("SELECT cid, name FROM people ORDER BY cid")]
        with (self.folder / "crm" / "people.csv").open(newline="") as file:
            return sorted((row["cid"], row["name"]) for row in csv.DictReader(file))

    def put(self, key: int, name: str, note: str = "") -> None:
        """What another program does: make a row in the crm, or give the one under this number another name."""
        if self.run is not None:
            self.run(f"DELETE FROM people WHERE cid = {key}")
            self.run(f"INSERT INTO people VALUES ({key}, '{name}', '{note}')")
            return
        with (self.folder / "crm" / "people.csv").open(newline="") as file:
            rows = {row[0]: tuple(row) for row in csv.reader(file)}
        self.write(list((rows | {str(key): (str(key), name, note)}).values()))

    def sync(self, flow: str = "people", **options: Any) -> FlowResult:
        self.runs += 1
        return run_flow(self.map, flow, self.connectors, self.store, run=f"r{self.runs}", now=NOW, **options)

    def crash(self, before: Callable[[], object] = lambda: None, after: Callable[[], object] = lambda: None) -> None:
        """A run that dies around the write of the crm."""
        whole = self.connectors["crm"]
        self.connectors["crm"] = Dying(whole, before, after)
        with pytest.raises(Crash):
            self.sync()
        self.connectors["crm"] = whole

    def names(self) -> tuple[list[str], list[str]]:
        return sorted(str(row[0]) for row in self.shop("SELECT name FROM people")), sorted(name for _, name in self.crm())

    def agree(self, *names: str) -> None:
        """Both systems come to show just these people, each once, and nothing is left to do."""
        self.sync()
        assert self.names() == (sorted(names), sorted(names))
        assert not self.sync().changed


def die() -> None:
    raise Crash


@pytest.fixture
def firm(open_system: Any, tmp_path: Path, ending: Any) -> Callable[[str], Firm]:
    def build(kind: str) -> Any:
        at, run = ("crm", None) if kind == "csv" else open_system(kind, "crm")
        return ending(Firm(tmp_path, kind, at, run))

    return build


@pytest.mark.parametrize("kind", short("sqlite"))
def test_a_run_that_dies_once_it_was_told_that_its_number_is_taken_mixes_nobody_up(firm: Any, kind: str) -> None:
    """The number was free when it was looked for; whoever has it now came before us, and nothing in our log says so yet."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', '')")

    world.crash(lambda: world.put(2, "Eva"), die)

    assert ("2", "Eva") in world.crm()
    world.agree("Ann", "Eva", "Zoe")


@pytest.mark.parametrize("rows", [1, pytest.param(150, marks=pytest.mark.prove)])
@pytest.mark.parametrize("kind", short("sqlite"))
def test_a_row_like_ours_that_somebody_else_made_under_our_number_is_theirs(firm: Any, kind: str, rows: int) -> None:
    """Two people of the same name: taken for one, they would be one in every system from now on."""
    world = firm(kind)
    for n in range(rows):
        world.shop(f"INSERT INTO people VALUES ('z{n}', 'Zoe', '')")
    whole = world.connectors["crm"]
    world.connectors["crm"] = Dying(whole, lambda: world.put(2, "Zoe"), lambda: None)

    world.sync()

    world.connectors["crm"] = whole
    world.agree("Ann", *["Zoe"] * (rows + 1))


@pytest.mark.parametrize("kind", short())
def test_a_number_of_a_run_that_never_wrote_is_free_for_others(firm: Any, kind: str) -> None:
    """It died right before its write, and the other program came by hours later."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', '')")
    world.crash(die)

    world.put(2, "Eva")

    world.agree("Ann", "Eva", "Zoe")


@pytest.mark.parametrize("kind", short("csv"))
def test_a_row_that_was_made_right_before_the_crash_is_known_by_its_number(firm: Any, kind: str) -> None:
    """It is ours, and must not be made twice."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', 'vip')")

    world.crash(lambda: None, die)

    assert world.crm() == [("1", "Ann"), ("2", "Zoe")]
    planned = world.sync(dry_run=True)
    assert planned.counts["inserted"] == 0
    world.agree("Ann", "Zoe")


@pytest.mark.prove
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "csv"])
def test_a_row_made_right_before_the_crash_and_edited_after_it_is_still_ours(firm: Any, kind: str) -> None:
    """The system itself says that it took the batch, so what the row shows need not tell."""
    world = firm(kind)
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', 'vip')")
    world.crash(lambda: None, die)

    world.put(2, "Zoe B", "late")

    world.agree("Ann", "Zoe")  # which name holds is for the rule of first contact; the shop is asked first


def test_a_number_of_a_row_that_was_refused_is_free_for_others(firm: Any) -> None:
    """Nobody dies here: a row that its system does not take has no number, however long it waits."""
    world = firm("sqlite")
    world.shop("INSERT INTO people VALUES ('z', 'bad', '')")
    assert world.sync().counts["refused"] == 1
    world.put(2, "Eva")

    world.sync()
    world.shop("UPDATE people SET name = 'Zoe' WHERE code = 'z'")

    world.agree("Ann", "Eva", "Zoe")


@pytest.mark.prove
def test_a_key_made_of_values_of_a_row_that_was_refused_is_free_for_others(people: Any) -> None:
    """Two people may have the same initials; the row that is there came first."""
    world = people()
    flow = world.map.flows["things"]
    initials = replace(flow.bindings["shop"], new_key="lower(left(name, 3))")
    world.map = replace(world.map, flows={"things": replace(flow, bindings={**flow.bindings, "shop": initials})})
    world.sql("shop", "CREATE TRIGGER none BEFORE INSERT ON things WHEN NEW.full_name = 'Miabad' BEGIN SELECT RAISE(ABORT, 'no'); END")
    world.sql("crm", "INSERT INTO things VALUES (1, 'Miabad', 'a@x.org', 'London')")
    assert world.sync().counts["refused"] == 1
    world.sql("shop", "INSERT INTO things VALUES ('mia', 'Mia', 'm@x.org', 'Rome')")

    world.sync()

    assert sorted(row[0] for row in world.rows("crm").values()) == ["Mia", "Miabad"]
    assert [row[0] for row in world.rows("shop").values()] == ["Mia"]  # the other waits: its key is taken


@pytest.mark.prove
def test_a_number_made_by_a_run_that_died_and_taken_under_the_eyes_of_the_next_is_given_up(firm: Any) -> None:
    """The next run makes the row again, and again somebody is faster."""
    world = firm("sqlite")
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', '')")
    world.crash(die)

    world.crash(lambda: world.put(2, "Eva"), die)

    world.agree("Ann", "Eva", "Zoe")


def test_another_flow_leaves_a_row_alone_that_the_one_that_died_may_have_made(firm: Any) -> None:
    """The row is in the crm, and only the flow that died can know who it is; taken for somebody new, it would be made twice."""
    world = firm("sqlite")
    world.shop("INSERT INTO people VALUES ('z', 'Zoe', '')")
    world.crash(lambda: None, die)

    between = world.sync("desk")

    assert (between.waiting, between.counts["inserted"]) == (1, 1)  # Ann is known
    world.agree("Ann", "Zoe")
    assert world.sync("desk").waiting == 0
    with closing(sqlite3.connect(world.folder / "desk.db")) as db:
        assert sorted(row[0] for row in db.execute("SELECT name FROM people")) == ["Ann", "Zoe"]
