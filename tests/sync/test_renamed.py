"""A flow that gets another name in the map goes on where it was, and never begins anew without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.errors import GuardStopped
from accord.model.flow import FieldMapping
from accord.model.system import System
from accord.sync.apply.plan import apply_plan, check_plan, plan_flow
from accord.sync.capture.moved import feed_name
from accord.sync.merge.conflict_list import lost_values, open_conflicts
from accord.sync.merge.decide import decide, restore

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def rename(world: Any, name: str, said: str) -> None:
    """Give the only flow another name in the map, as people do."""
    (flow,) = world.map.flows.values()
    world.map = replace(world.map, flows={name: replace(flow, name=name, renamed_from=said)})
    world.flow = name


@pytest.fixture
def agreed(two: Any) -> Any:
    """Systems a and b that agree on two rows; then b edits one of them, and deletes the other."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1), ('2', 'Sam', 2)")
    two.sync()
    two.sql("b", "UPDATE things SET name = 'Mia B' WHERE id = '1'")
    two.sql("b", "DELETE FROM things WHERE id = '2'")
    return two


def test_a_renamed_flow_goes_on_from_what_was_agreed(agreed: Any) -> None:
    """As a first contact, a's old name would win over b's edit, and the row deleted in b would come back."""
    rename(agreed, "items", "things")

    result = agreed.sync()

    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia B", 1)}
    assert (result.counts["updated"], result.counts["deleted"], result.counts["conflicts"]) == (1, 1, 0)
    assert (agreed.store.flow_state("things"), agreed.reconcile().agrees, agreed.sync().changed) == ({}, True, False)
    (told,) = agreed.store.read(types=["flow.renamed"])
    assert (told.event.attributes["flow"], told.event.attributes["from"]) == ("items", "things")
    before = [agreed.store.table(name) for name in ("flow_state", "flow_status", "intent")]
    agreed.store.rebuild()
    assert [agreed.store.table(name) for name in ("flow_state", "flow_status", "intent")] == before


def test_a_flow_that_looks_renamed_is_stopped_before_anything_is_written(agreed: Any) -> None:
    """The map does not say whether it is the same flow; whoever edited it knows."""
    rename(agreed, "items", "")

    for dry_run in (True, False):
        with pytest.raises(GuardStopped, match=r"\(a, b\).* renamed_from: things"):
            agreed.sync(dry_run=dry_run)

    assert agreed.rows("b") == {"1": ("Mia B", 1)}


@pytest.mark.prove
def test_a_flow_that_is_said_to_be_new_begins_anew(agreed: Any) -> None:
    """The way out for another flow over the same systems: a first contact, in which a's values hold."""
    rename(agreed, "items", "none")

    agreed.sync()

    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia", 1), "2": ("Sam", 2)}


def test_a_plan_under_the_new_name_tells_what_will_be_done_and_moves_nothing(agreed: Any) -> None:
    """A look must not leave a trace, and its plan can be carried out."""
    rename(agreed, "items", "things")
    before = agreed.store.head().seq

    plan, result = plan_flow(agreed.map, "items", agreed.connectors, agreed.store, run="look", now=NOW)

    assert (agreed.store.head().seq, result.flow, plan.flow, plan.writes) == (before, "items", "items", 2)
    assert "was called 'things'" in " ".join(f.sentence for f in result.findings)
    check_plan(agreed.map, plan, agreed.connectors, agreed.store, run="check", now=NOW)
    apply_plan(agreed.map, plan, agreed.connectors, agreed.store, run="apply", now=NOW)
    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia B", 1)}


def rename_once_read(world: Any, edit: Any, left: Any) -> None:
    """The story of a log under two names: what is told under the first and the second arrives, and of the first nothing is left."""
    for _ in range(2):
        world.sync()
    edit("UPDATE things SET name = 'before' WHERE id = 'k1'")
    rename(world, "items", "things")
    first = world.sync()
    edit("UPDATE things SET name = 'after' WHERE id = 'k2'")
    edit("DELETE FROM things WHERE id = 'k3'")
    world.sql("b", "UPDATE things SET name = 'back' WHERE id = 'k4'")
    told, again = world.sync(), world.sync()

    assert not told.findings  # of the log alone, and not because every row had to be compared
    assert (first.counts["updated"], told.counts["updated"], told.counts["deleted"], again.changed) == (1, 2, 1, False)
    assert world.rows("b") == {"k1": ("before", 1), "k2": ("after", 1), "k4": ("back", 1)}
    assert edit("SELECT name FROM things WHERE id = 'k4'") == [("back",)]
    mine, theirs = (feed_name(world.store, flow, "a") for flow in ("items", "things"))
    if left:
        assert (any(mine in name for name in left()), any(theirs in name for name in left())) == (True, False)

    (flow,) = world.map.flows.values()
    swept = {**flow.bindings, "a": replace(flow.bindings["a"], capture="sweep")}
    world.map = replace(world.map, flows={"items": replace(flow, bindings=swept)})
    edit("UPDATE things SET name = 'swept' WHERE id = 'k2'")
    assert (world.sync().counts["updated"], world.rows("b")["k2"], left and left()) == (1, ("swept", 1), left and [])


@pytest.fixture
def logged(make_world: Any, tmp_path: Path) -> Any:
    """A world whose system a is where it is told, with ``capture: cdc``, and b is a SQLite file."""

    def build(kind: str, at: str, edit: Any) -> Any:
        edit("CREATE TABLE things (id varchar(10) PRIMARY KEY, name varchar(20), size int)")
        edit("INSERT INTO things VALUES ('k1', 'one', 1), ('k2', 'two', 1), ('k3', 'three', 1), ('k4', 'four', 1)")
        table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
        world = make_world({"a": table, "b": table}, [Field("id"), Field("name"), Field("size", "integer")], {"a": {"capture": "cdc"}})
        system = System("a", kind, at)
        world.map = replace(world.map, systems={**world.map.systems, "a": system})
        world.connectors["a"] = open_connector(system, base=tmp_path)
        return world

    return build


@pytest.mark.prove
def test_the_outbox_of_a_renamed_flow_is_taken_down_and_made_anew(logged: Any, tmp_path: Path) -> None:
    """Its triggers would fill a table that nobody empties, for ever."""

    def edit(statement: str) -> Any:
        with closing(sqlite3.connect(tmp_path / "other.db")) as db, db:
            return db.execute(statement).fetchall()

    world = logged("sqlite", "other.db", edit)

    rename_once_read(world, edit, lambda: [name for (name,) in edit("SELECT name FROM sqlite_schema") if "accord" in name])


def test_the_slot_of_a_renamed_flow_is_dropped_and_made_anew(logged: Any, logical_url: str) -> None:
    """A slot that nobody reads keeps the server's log until its disk is full."""

    def edit(statement: str) -> Any:
        with psycopg.connect(logical_url, autocommit=True) as db:
            found = db.execute(statement.encode())
            return found.fetchall() if found.description else []

    world = logged("postgresql", logical_url, edit)
    kept = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() UNION ALL SELECT pubname FROM pg_publication"

    rename_once_read(world, edit, lambda: [name for (name,) in edit(kept)])

    world.connectors["a"].close()


def test_a_renamed_key_is_named_where_a_log_is_read_and_goes_on_once_the_map_follows(logged: Any, logical_url: str) -> None:
    """What was logged under its old name must not end every later run."""

    def edit(*statements: str) -> None:
        with psycopg.connect(logical_url, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    world = logged("postgresql", logical_url, lambda statement: edit(statement))
    world.sync()
    edit("UPDATE things SET size = 5 WHERE id = 'k1'", "ALTER TABLE things RENAME COLUMN id TO code")
    with pytest.raises(GuardStopped, match=r"column 'id' of 'things' in system 'a' is gone.* Known: code.* bring the column back"):
        world.sync()
    (flow,) = world.map.flows.values()
    fields = {**flow.bindings["a"].fields, "id": FieldMapping("id", column="code")}
    world.map = replace(
        world.map, flows={"things": replace(flow, bindings={**flow.bindings, "a": replace(flow.bindings["a"], fields=fields)})}
    )

    world.sync()
    edit("UPDATE things SET size = 6 WHERE code = 'k2'")
    world.sync()

    assert {key: size for key, (_, size) in world.rows("b").items()} == {"k1": 5, "k2": 6, "k3": 1, "k4": 1}
    assert not world.sync().changed
    world.connectors["a"].close()


@pytest.mark.prove
def test_the_place_in_the_binlog_of_a_renamed_flow_is_found_anew(logged: Any, mysql_server: Any, mysql_url: str) -> None:
    """The server keeps nothing for a reader; what was read under the old name is compared once."""
    database = mysql_url.split("@/")[1].partition("?")[0]

    def edit(statement: str) -> Any:
        return mysql_server.execute(statement, database=database)

    world = logged("mysql", mysql_url, edit)

    rename_once_read(world, edit, None)

    world.connectors["a"].close()


def test_what_waits_for_people_and_what_a_cut_off_run_meant_goes_along(two: Any) -> None:
    """A decision made under the old name is carried out under the new one; nothing is decided again, and what lost stays on record."""
    (flow,) = two.map.flows.values()
    two.map = replace(two.map, flows={"things": replace(flow, authority={"name": "human"})})
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1), ('2', 'Sam', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'x' WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 'y' WHERE id = '1'")
    two.sync()
    (task,) = open_conflicts(two.store, ["things"])
    decide(two.map, two.connectors, two.store, task.id, take="b", by="ann", run="ask", now=NOW)
    two.sql("b", "UPDATE things SET size = 9 WHERE id = '2'")
    two.crash("reading back a")
    rename(two, "items", "things")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("y", 1), "2": ("Sam", 9)}
    assert open_conflicts(two.store, ["things", "items"]) == []
    assert sorted((v.loser, v.losing_value, v.rule) for v in lost_values(two.store, ["items"])) == [
        ("a", "x", "decided"),
        ("a", "x", "human"),
        ("b", "y", "human"),
    ]
    assert two.store.pending_intents("things") == two.store.pending_intents("items") == ()
    assert not two.sync().changed


def test_conflicts_keep_their_ids_and_a_value_that_lost_can_be_had_back(two: Any) -> None:
    """Somebody has the id in a mail, and decides days later; another flow under the old name must not get it meanwhile."""
    (flow,) = two.map.flows.values()
    two.map = replace(two.map, flows={"things": replace(flow, authority={"name": "human", "size": "a"})})
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1), ('2', 'Sam', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'x', size = 5 WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 'y', size = 6 WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 'late' WHERE id = '2'")
    two.sql("a", "DELETE FROM things WHERE id = '2'")
    two.sync()
    open_before, lost_before = open_conflicts(two.store, ["things"]), lost_values(two.store, ["things"])
    rename(two, "items", "things")
    two.sync()

    now = open_conflicts(two.store, ["items"])
    lost = {v.id: v for v in lost_values(two.store, ["items"])}
    assert [(t.id, t.status) for t in now] == [(t.id, "open") for t in open_before] != []
    assert set(lost) == {v.id for v in lost_before}
    assert {v.flow for v in lost.values()} == {"items"}

    (deleted,) = (v.id for v in lost.values() if v.rule == "deleted" and v.field == "name")
    (smaller,) = (v.id for v in lost.values() if v.field == "size" and v.losing_value == "6")
    decide(two.map, two.connectors, two.store, now[0].id, take="b", by="ann", run="ask", now=NOW)
    for one in (deleted, smaller):
        restore(two.map, two.connectors, two.store, one, by="ann", run=f"ask {one}", now=NOW)
    two.sync()
    assert two.rows("a") == two.rows("b") == {"1": ("y", 6), "2": ("late", 2)}


@pytest.mark.prove
def test_a_flow_under_a_name_that_another_had_opens_conflicts_of_its_own(two: Any) -> None:
    """The other's conflict about the same row and field bears the id that its would have."""
    (flow,) = two.map.flows.values()
    two.map = replace(two.map, flows={"items": replace(flow, name="items", authority={"name": "human"})})
    two.flow = "items"
    (items,) = two.map.flows.values()
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'p' WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 'q' WHERE id = '1'")
    two.sync()
    rename(two, "goods", "items")
    two.sync()
    (mine,) = open_conflicts(two.store, ["goods"])
    other = replace(
        items, name="items", renamed_from="none", bindings={n: replace(b, name=f"{n}2", system=n) for n, b in items.bindings.items()}
    )
    two.map, two.flow = replace(two.map, flows={**two.map.flows, "items": other}), "items"
    two.sync()
    two.sql("a", "UPDATE things SET name = 'r' WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 's' WHERE id = '1'")
    two.sync()
    (theirs,) = open_conflicts(two.store, ["items"])
    assert (theirs.id != mine.id, [t.id for t in open_conflicts(two.store, ["goods"])]) == (True, [mine.id])
