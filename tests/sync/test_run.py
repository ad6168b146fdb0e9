"""One run of a flow over real SQLite files."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.entity import Field


def test_rows_of_either_side_arrive_on_the_other_and_a_second_run_writes_nothing(two: Any) -> None:
    """The smallest promise of the product: agreement, and then rest."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'one', 1), ('2', 'two', 2)")
    two.sql("b", "INSERT INTO things VALUES ('3', 'three', NULL)")

    first, second = two.sync(), two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("one", 1), "2": ("two", 2), "3": ("three", None)}
    assert (first.counts["inserted"], first.changed) == (3, True)
    assert not second.changed
    assert set(second.counts.values()) == {0}


def test_a_run_looks_through_no_table_that_every_run_adds_to(two: Any) -> None:
    """Old flows cost no more than new ones: after a year there are millions of intents, and one is open."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'one', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'uno'")
    asked: list[str] = []
    database = two.store._database._connection

    database.set_trace_callback(asked.append)
    two.sync()
    database.set_trace_callback(None)

    questions = [sql for sql in asked if sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    plans = {line for sql in questions for *_, line in database.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()}
    assert any(p.startswith("SEARCH intent ") for p in plans)
    assert {p for p in plans for table in ("event", "relation", "intent", "segment", "conflict") if p.startswith(f"SCAN {table}")} == set()


def test_a_dry_run_names_every_write_and_makes_none(two: Any) -> None:
    """A plan that changes something is no plan."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'one', 1), ('2', 'two', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'uno' WHERE id = '1'")
    two.sql("a", "DELETE FROM things WHERE id = '2'")
    two.sql("a", "INSERT INTO things VALUES ('3', 'three', 3)")
    head, before = two.store.head(), two.rows("b")

    result = two.sync(dry_run=True)

    plan = {p.binding: (p.inserts, p.updates, p.deletes) for p in result.plan}
    rows = {r["id"]: (r["_op"], r["o:name"], r["n:name"]) for r in next(p for p in result.plan if p.binding == "b").rows.to_pylist()}
    assert result.status == "planned"
    assert plan == {"a": (0, 0, 0), "b": (1, 1, 1)}
    assert rows == {"1": ("update", "one", "uno"), "2": ("delete", "two", None), "3": ("insert", None, "three")}
    assert (two.store.head(), two.rows("b")) == (head, before)


def test_without_moving_the_base_an_echo_would_undo_every_edit_and_with_it_it_rests(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: with the base held fast, what we wrote into b comes back as b's own edit, again and again."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name")], authority={"name": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x')")
    world.sync()
    undone = []
    with monkeypatch.context() as patched:
        patched.setattr("accord.sync.run.move_state", lambda cycle, active: {})
        for edit in ("one", "two", "three"):
            world.sql("a", "UPDATE things SET name = ?", edit)
            world.sync()
            undone.append(world.rows("a")["1"][0])
    world.sync()
    world.sql("a", "UPDATE things SET name = 'four'")
    world.sync()

    assert undone == ["one", "one", "one"]
    assert world.rows("a") == world.rows("b") == {"1": ("four",)}
    assert not world.sync().changed


def test_an_edit_made_while_a_run_writes_is_neither_overwritten_nor_taken_for_agreed(two: Any) -> None:
    """Between capture and write lies time, and people work in it."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'x', 2), ('3', 'x', 3)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'a' WHERE id = '1'")

    def meanwhile(sentence: str) -> None:
        if sentence == "things: writing b":
            two.sql("b", "UPDATE things SET size = 11 WHERE id = '1'")  # the row about to be written: stale
            two.sql("b", "UPDATE things SET name = 'b' WHERE id = '2'")  # a row that is not in the batch
        if sentence == "things: reading back b":
            two.sql("b", "UPDATE things SET name = 'late' WHERE id = '3'")

    first = two.sync(progress=meanwhile)
    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("a", 11), "2": ("b", 2), "3": ("late", 3)}
    assert (first.status, first.counts["stale"]) == ("done", 0)


def test_a_row_that_changes_under_every_try_is_left_for_the_next_run_and_reported(two: Any) -> None:
    """Three tries, then others get their turn."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'x', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'a'")
    tries = []

    def busy(sentence: str) -> None:
        if sentence == "things: writing b":
            tries.append(sentence)
            two.sql("b", "UPDATE things SET size = size + 100 WHERE id = '1'")

    result = two.sync(progress=busy)
    row = two.rows("b")["2"]
    two.sync()

    assert (len(tries), result.status, result.counts["stale"]) == (3, "partial", 1)
    assert row == ("a", 2)
    assert "stale" in {f.kind for f in result.findings}
    assert two.rows("a") == two.rows("b") == {"1": ("a", 301), "2": ("a", 2)}


def test_a_crash_after_the_write_loses_neither_the_change_nor_the_overwritten_value(two: Any) -> None:
    """The base had not moved yet; our own write must not look like a user's edit, and what it overwrote must be found."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'a'")
    two.sql("b", "UPDATE things SET name = 'b'")

    def crash(sentence: str) -> None:
        if sentence.startswith("things: reading back"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two.sync(progress=crash)
    two.sql("a", "UPDATE things SET name = 'newer'")
    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("newer", 1)}
    assert [(c["loser"], c["losing_value"]) for c in two.segments("conflicts")] == [("b", "b")]
    assert two.store.pending_intents("things") == ()
    two.sql("b", "UPDATE things SET name = 'a'")
    two.sync()
    assert two.rows("a") == {"1": ("a", 1)}


def test_a_row_the_target_refuses_is_reported_and_the_others_go_in(make_world: Any) -> None:
    """One constraint of one system must not hold up the whole flow."""
    loose = "CREATE TABLE things (id TEXT PRIMARY KEY, size INTEGER)"
    strict = "CREATE TABLE things (id TEXT PRIMARY KEY, size INTEGER CHECK (size < 10))"
    world = make_world({"a": loose, "b": strict}, [Field("id"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1', 1), ('2', 20)")

    result = world.sync()
    world.sql("a", "UPDATE things SET size = 2 WHERE id = '2'")
    world.sync()

    assert (result.status, result.counts["inserted"], result.counts["refused"]) == ("partial", 1, 1)
    assert next(f for f in result.findings if f.kind == "refused").count == 1
    assert world.rows("b") == {"1": (1,), "2": (2,)}


def test_a_binding_with_create_makes_its_table_and_a_dry_run_does_not(make_world: Any) -> None:
    """A report table need not be made by hand first."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, size NUMERIC(9,2))"
    other = "CREATE TABLE unrelated (x TEXT)"
    bindings = {"b": {"resource": "copies", "create": True, "direction": "write"}}
    world = make_world({"a": table, "b": other}, [Field("id"), Field("size", "number(9,2)")], bindings)
    world.sql("a", "INSERT INTO things VALUES ('1', 1.5)")

    planned = world.sync(dry_run=True)
    made = world.sql("b", "SELECT count(*) FROM sqlite_master WHERE name = 'copies'")
    world.sync()

    assert {p.binding: p.inserts for p in planned.plan} == {"a": 0, "b": 1}
    assert made == [(0,)]
    assert world.rows("b", "copies") == {"1": (1.5,)}
    assert not world.sync().changed


def test_rows_outside_where_take_no_part(make_world: Any) -> None:
    """A flow may concern only some rows of a table."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, kind TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("kind")], {"a": {"where": "kind <> 'private'"}})
    world.sql("a", "INSERT INTO things VALUES ('1', 'open'), ('2', 'private')")

    world.sync()

    assert world.rows("b") == {"1": ("open",)}


def test_a_key_of_two_fields_works_like_one(make_world: Any) -> None:
    """Order lines, allocations and translations have such keys."""
    table = "CREATE TABLE things (id TEXT, line INTEGER, name TEXT, PRIMARY KEY (id, line))"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("line", "integer"), Field("name")], key=("id", "line"))
    world.sql("a", "INSERT INTO things VALUES ('1', 1, 'x'), ('1', 2, 'y')")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'z' WHERE line = 2")
    world.sql("a", "DELETE FROM things WHERE line = 1")

    world.sync()

    assert world.sql("a", "SELECT * FROM things") == world.sql("b", "SELECT * FROM things") == [("1", 2, "z")]
    assert not world.sync().changed
