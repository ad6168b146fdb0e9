"""A run that dies between a target's commit and our word of it: the target itself says whether it took the batch.

Each story ends in a way in which what the rows show would be read wrongly.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors import postgresql_receipt
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import SystemChanged
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.sync import FlowResult, reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLE = "CREATE TABLE things (id VARCHAR(40) PRIMARY KEY, hits INTEGER)"
KINDS = ["sqlite", "duckdb", "postgresql", "mysql"]
SOME = ["sqlite", *(pytest.param(kind, marks=pytest.mark.prove) for kind in KINDS[1:])]
BEFORE, AFTER = "before the commit", "after the commit"
Run = Callable[..., list[tuple[Any, ...]]]


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


class Pair:
    """SQLite a and another kind b, two-way, with a counter; all edits add up."""

    def __init__(self, folder: Path, kind: str, at: str, run_b: Run, **binding: Any) -> None:
        systems = {"a": System("a", "sqlite", "a.db"), "b": System("b", kind, at)}
        fields = {"id": Field("id", required=True), "hits": Field("hits", "integer")}
        mapped = {n: FieldMapping(n) for n in fields}
        bindings = {"a": Binding("a", "things", mapped), "b": Binding("b", "things", mapped, **binding)}
        flow = Flow("things", "thing", bindings, authority={"hits": "merge"}, delete_guard="100%")
        self.map = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow})
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.store: Store = open_store(folder / "store.db", segments=folder / "segments")
        self.folder, self.b, self.runs = folder, run_b, 0
        self.a(TABLE)
        self.b(TABLE)
        self.a("INSERT INTO things VALUES ('1', 100)")
        self.sync()

    def a(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "a.db")) as db, db:
            return db.execute(statement).fetchall()

    def sync(self, **options: Any) -> FlowResult:
        self.runs += 1
        return run_flow(self.map, "things", self.connectors, self.store, run=f"r{self.runs}", now=NOW, **options)

    def crash(self, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run that dies in the transaction of its target, or right after it."""
        type_ = "flow.applying" if when == BEFORE else "flow.applied"

        def append(events: Any) -> Any:
            if events[0].type == "flow.applied" == type_:
                raise Crash
            stored = Store.append(self.store, events)
            if events[0].type == type_:
                raise Crash
            return stored

        with monkeypatch.context() as patched:
            patched.setattr(self.store, "append", append)
            with pytest.raises(Crash):
                self.sync()

    def shown(self) -> list[Any]:
        return [run("SELECT * FROM things ORDER BY id") for run in (self.a, self.b)]


@pytest.fixture
def pair(open_system: Any, tmp_path: Path, ending: Any) -> Callable[..., Pair]:
    def build(kind: str, **binding: Any) -> Any:
        at, run_b = open_system(kind, "b")
        return ending(Pair(tmp_path, kind, at, run_b, **binding))

    return build


def agreed(pair: Pair, hits: int) -> None:
    pair.sync()
    assert [[(key, int(value)) for key, value in rows] for rows in pair.shown()] == [[("1", hits)]] * 2
    assert not pair.sync().changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_counter_set_back_to_what_it_was_after_the_commit_is_an_edit(pair: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row looks as if the batch had never come; five were taken off again all the same."""
    world = pair(kind)
    world.a("UPDATE things SET hits = 105")
    world.crash(AFTER, monkeypatch)
    assert int(world.b("SELECT hits FROM things")[0][0]) == 105

    world.b("UPDATE things SET hits = 100")

    agreed(world, 100)


@pytest.mark.parametrize("kind", SOME)
def test_an_edit_over_the_only_written_value_is_told_from_one_of_the_old_value(
    pair: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven more on top of what was written, or on top of what was there before: two numbers, each right once."""
    world = pair(kind)
    world.a("UPDATE things SET hits = hits + 5")
    world.crash(AFTER, monkeypatch)
    world.b("UPDATE things SET hits = hits + 7")
    world.sync()
    world.a("UPDATE things SET hits = hits + 5")
    world.crash(BEFORE, monkeypatch)
    assert int(world.b("SELECT hits FROM things")[0][0]) == 112

    world.b("UPDATE things SET hits = hits + 7")

    agreed(world, 124)


@pytest.mark.parametrize("kind", SOME)
def test_a_number_typed_by_chance_where_the_batch_never_came_is_an_edit(pair: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody adds five where five were about to be written: ten in all."""
    world = pair(kind)
    world.a("UPDATE things SET hits = hits + 5")
    world.crash(BEFORE, monkeypatch)

    world.b("UPDATE things SET hits = hits + 5")

    agreed(world, 110)


def test_a_system_after_the_one_that_was_being_written_was_not_reached(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run died right after the commit of the first system: the number typed into the second one is no write of ours."""
    world = pair("sqlite")
    world.a("UPDATE things SET hits = hits + 5")
    world.b("UPDATE things SET hits = hits + 7")
    world.crash(AFTER, monkeypatch)
    assert [int(rows[0][1]) for rows in world.shown()] == [112, 107]

    world.b("UPDATE things SET hits = 112")

    agreed(world, 117)


@pytest.mark.parametrize("kind", SOME)
def test_a_row_made_again_after_a_delete_that_came_through_lives(pair: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes are told in every flow; here the run dies before it hears that this one came through."""
    world = pair(kind)
    world.a("DELETE FROM things")
    world.crash(AFTER, monkeypatch)
    assert world.b("SELECT * FROM things") == []

    world.b("INSERT INTO things VALUES ('1', 100)")

    agreed(world, 100)


def test_the_answer_is_kept_for_a_run_that_dies_as_well(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch takes the marker's place, so the answer about the first must be in our log by then."""
    world = pair("sqlite")
    world.a("UPDATE things SET hits = hits + 5")
    world.crash(AFTER, monkeypatch)
    world.a("INSERT INTO things VALUES ('2', 1)")
    world.crash(AFTER, monkeypatch)

    world.b("UPDATE things SET hits = hits - 5 WHERE id = '1'")
    world.sync()

    assert world.shown() == [[("1", 100), ("2", 1)]] * 2


def test_a_dry_run_asks_and_writes_nothing(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look must not leave a trace, and must tell what the run would do."""
    world = pair("sqlite")
    world.a("UPDATE things SET hits = 105")
    world.crash(AFTER, monkeypatch)
    world.b("UPDATE things SET hits = 100")
    before = world.store.head().seq

    planned = world.sync(dry_run=True)

    assert (world.store.head().seq, planned.plan[0].rows.num_rows) == (before, 1)
    agreed(world, 100)


@pytest.mark.parametrize("kind", ["sqlite", *(pytest.param(kind, marks=pytest.mark.prove) for kind in ("duckdb", "mysql"))])
def test_the_marker_is_no_resource_and_stays_away_where_the_map_forbids_it(pair: Any, kind: str) -> None:
    """People look for their own tables; and what is in their systems is theirs to decide."""
    world = pair(kind)
    world.a("UPDATE things SET hits = 105")
    allowed = world.sync()
    names = [r.name for r in world.connectors["b"].describe().resources]
    markers = world.b("SELECT flow FROM accord_batches")
    world.b("DROP TABLE accord_batches")
    forbidding = world.map.flows["things"].bindings["b"]
    object.__setattr__(forbidding, "marker", False)
    world.a("UPDATE things SET hits = 106")
    forbidden = world.sync()

    assert (names, markers) == (["things"], [("things/b",)])
    assert [f.kind for f in (*allowed.findings, *forbidden.findings)] == ["marker"]
    assert "forbids" in forbidden.findings[0].sentence
    with pytest.raises(Exception, match="accord_batches"):
        world.b("SELECT * FROM accord_batches")
    assert reconcile(world.map, "things", world.connectors, world.store, run="proof", now=NOW).agrees


def test_without_a_marker_values_have_to_tell(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before, for a system that may not be asked: the sum that shows is the sum that was written."""
    world = pair("sqlite", marker=False)
    world.a("UPDATE things SET hits = 105")
    world.crash(AFTER, monkeypatch)

    agreed(world, 105)


def test_a_transaction_left_open_is_ended_before_its_outcome_counts(postgres_url: str, tmp_path: Path) -> None:
    """A session nobody holds any more must not commit after we said it did not."""
    with closing(psycopg.connect(postgres_url)) as left, psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE things (id text)")
        left.execute("INSERT INTO things VALUES ('1')")
        receipt, why = postgresql_receipt.take(left, lambda: psycopg.connect(postgres_url, autocommit=True))

        assert (why, postgresql_receipt.committed(db, receipt, "b", "there")) == ("", False)
        with pytest.raises(psycopg.OperationalError):
            left.commit()
        assert db.execute("SELECT count(*) FROM things").fetchone() == (0,)


@pytest.mark.parametrize(
    ("part", "other"),
    [("server", "7"), ("timeline", "0000000F"), ("position", "FFFF/0"), ("xid", "99999999")],
    ids=["another server", "promoted", "brought back", "not given yet"],
)
def test_a_server_that_may_have_given_the_same_id_twice_is_not_believed(postgres_url: str, part: str, other: str) -> None:
    """After a failover or a restore the answer is about somebody else's transaction."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        with db.transaction():
            receipt, _ = postgresql_receipt.take(db, lambda: psycopg.connect(postgres_url, autocommit=True))

        assert postgresql_receipt.committed(db, receipt, "b", "there") is True
        assert postgresql_receipt.committed(db, json.dumps(json.loads(receipt) | {part: other}), "b", "there") is None


def test_an_open_transaction_of_sqlite_is_waited_for(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marker cannot be seen yet, and may be there a moment later."""
    world = pair("sqlite")
    monkeypatch.setattr("accord.connectors.sqlite.BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(world.folder / "b.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(SystemChanged):
            world.connectors["b"].was_committed("x:y")
