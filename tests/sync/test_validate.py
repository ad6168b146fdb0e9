"""The contract: bad rows wait with every reason, good rows pass, corrected rows come back by themselves."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow

ID = Field("id", required=True)
TEXT = "CREATE TABLE things (id TEXT, name TEXT, size TEXT)"


def test_a_row_is_held_back_with_every_reason_and_the_others_pass(make_world: Any) -> None:
    """One reason at a time would make people correct a row five times."""
    fields = [
        Field("id", required=True, pattern="[0-9]+"),
        Field("name", required=True, values=("red", "blue")),
        Field("size", "integer", minimum="1", maximum="9"),
    ]
    rule = Rule("not_red", "name <> 'red' OR size < 5", reason="red is small")
    world = make_world({"a": TEXT, "b": TEXT}, fields, rules=[rule])
    world.sql(
        "a", "INSERT INTO things VALUES ('1','red','1'),('2',NULL,'x'),('3','green','12'),('z','blue','0'),('5','red','7'),(NULL,'red','1')"
    )

    result = world.sync()

    assert world.rows("b") == {"1": ("red", "1")}
    assert world.reasons() == {
        ("a", "2"): ["name: is required and missing", "size: 'x' is no whole number"],
        ("a", "3"): ["name: 'green' is not one of red, blue", "size: 12 is above 9"],
        ("a", "z"): ["id: 'z' does not match [0-9]+", "size: 0 is below 1"],
        ("a", "5"): ["not_red: red is small"],
        ("a", ""): ["id: key is missing"],
    }
    assert result.counts["quarantined"] == result.waiting == 5
    assert not world.sync().changed


@pytest.mark.parametrize("severity", ["quarantine", "report"])
def test_a_rule_that_fails_for_one_row_says_nothing_of_it_and_judges_the_others(make_world: Any, severity: Any) -> None:
    """One text where a number was expected must not stop the flow, also when the rule asks for the number twice."""
    rule = Rule("size", "CAST(size AS INTEGER) > 1 AND CAST(size AS INTEGER) < 9", reason="from 2 to 8", severity=severity)
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size")], rules=[rule])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', '5'), ('2', 'y', 'large'), ('3', 'z', '9')")

    result = world.sync()

    held = {"3"} if severity == "quarantine" else set()
    assert set(world.rows("b")) == {"1", "2", "3"} - held
    assert [f.count for f in result.findings] == [1]


def test_a_corrected_row_comes_back_by_itself(make_world: Any) -> None:
    """Nobody should have to tell Accord that a row is fine now."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 'one')")
    world.sync()
    world.sql("a", "UPDATE things SET size = '1'")

    result = world.sync()

    assert world.rows("b") == {"1": ("x", "1")}
    assert (result.counts["released"], result.waiting) == (1, 0)


def test_a_row_gone_bad_keeps_its_old_state_elsewhere_and_takes_what_others_change(make_world: Any) -> None:
    """Quarantine must neither spread a bad value, nor delete the row, nor cut it off from the other systems' edits."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', '1')")
    world.sync()
    world.sql("a", "UPDATE things SET size = 'bad'")
    world.sql("b", "UPDATE things SET name = 'y'")

    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("y", "bad")}, {"1": ("y", "1")})
    assert not world.sync().changed


def test_an_edit_of_a_row_gone_bad_that_meets_another_one_is_kept(make_world: Any) -> None:
    """It takes no part while its row waits, and what is written over it is nowhere else."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', '1'), ('2', 'x', '1')")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'mine', size = 'bad'")
    world.sql("a", "UPDATE things SET name = 'y', size = CASE id WHEN '1' THEN '1' ELSE '2' END")

    world.sync()

    assert world.rows("b") == {"1": ("y", "bad"), "2": ("y", "2")}
    assert sorted(
        (c["key"], c["loser"], c["losing_value"], c["winner"], c["winning_value"], c["rule"]) for c in world.segments("conflicts")
    ) == [
        ('{"id":"1"}', "b", "mine", "a", "y", "quarantine"),
        ('{"id":"2"}', "b", "bad", "a", "2", "quarantine"),
        ('{"id":"2"}', "b", "mine", "a", "y", "quarantine"),
    ]


def test_contradicting_copies_of_a_key_are_all_held_back_and_equal_copies_count_once(make_world: Any) -> None:
    """Choosing one of two contradicting rows would be a guess."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1','x','1'),('1','y','1'),('2','x','2'),('2','x','2'),('3','x','3')")

    result = world.sync()

    assert world.rows("b") == {"2": ("x", "2"), "3": ("x", "3")}
    assert world.reasons() == {("a", "1"): ["2 rows hold the key 1"]}
    assert result.counts["inserted"] == 2
    assert {f.kind for f in result.findings} == {"quarantine", "duplicate_row"}


def test_a_row_whose_key_became_unreadable_is_no_delete(make_world: Any) -> None:
    """Otherwise a slip in a key field deletes the row everywhere else."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size", "integer")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', '1'), ('2', 'y', '2')")
    world.sync()
    world.sql("a", "UPDATE things SET id = NULL WHERE id = '1'")

    world.sync()

    assert world.rows("b") == {"1": ("x", "1"), "2": ("y", "2")}


def test_a_value_that_must_be_unique_holds_back_all_that_share_it(make_world: Any) -> None:
    """Two contacts with one address are a defect of the source."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name", unique=True), Field("size", at_most=2)])
    world.sql("a", "INSERT INTO things VALUES ('1','x','s'),('2','x','s'),('3','z','s'),('4','w','t')")

    world.sync()

    assert world.rows("b") == {"4": ("w", "t")}
    assert world.reasons()["a", "1"] == [
        "name: 'x' stands in 2 rows; at most 1 may hold it",
        "size: 's' stands in 3 rows; at most 2 may hold it",
    ]


def test_unique_is_kept_across_systems_too(make_world: Any) -> None:
    """Each system may be unique by itself and the union not."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name", unique=True), Field("size")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', NULL)")
    world.sql("b", "INSERT INTO things VALUES ('2', 'x', NULL)")

    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("x", None)}, {"2": ("x", None)})
    assert world.reasons()["", "2"] == ["name: 'x' stands in 2 rows; at most 1 may hold it"]


def test_two_good_halves_that_make_a_bad_row_are_held_back_until_one_is_mended(make_world: Any) -> None:
    """A start from here and an end from there can contradict; neither system is wrong by itself."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, first DATE, last DATE)"
    world = make_world(
        {"a": table, "b": table}, [ID, Field("first", "date"), Field("last", "date")], rules=[Rule("order", "last >= first")]
    )
    world.sql("a", "INSERT INTO things VALUES ('1', '2026-01-05', '2026-01-10')")
    world.sync()
    world.sql("a", "UPDATE things SET first = '2026-01-09'")
    world.sql("b", "UPDATE things SET last = '2026-01-07'")

    world.sync()
    held = world.rows("a"), world.rows("b"), world.reasons()
    rested = not world.sync().changed
    world.sql("b", "UPDATE things SET last = '2026-01-12'")
    world.sync()

    assert held == ({"1": ("2026-01-09", "2026-01-10")}, {"1": ("2026-01-05", "2026-01-07")}, {("", "1"): ["order: last >= first"]})
    assert rested
    assert world.rows("a") == world.rows("b") == {"1": ("2026-01-09", "2026-01-12")}


def test_a_reference_to_nothing_is_held_back_until_the_parent_is_agreed(make_world: Any) -> None:
    """A task of a campaign that no one knows cannot be counted anywhere."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, parent TEXT)"
    parents = Entity("parent", ("code",), {"code": Field("code")})
    mapping = {"code": FieldMapping("code")}
    flow = Flow("parents", "parent", {n: Binding(n, "parents", mapping) for n in ("a", "b")})
    world = make_world(
        {"a": table, "b": table},
        [ID, Field("parent", references="parent")],
        map_more={"entities": {"parent": parents}, "flows": {"parents": flow}},
    )
    for system in ("a", "b"):
        world.sql(system, "CREATE TABLE parents (code TEXT PRIMARY KEY)")
    world.sql("a", "INSERT INTO parents VALUES ('p')")
    world.sql("a", "INSERT INTO things VALUES ('1', 'p'), ('2', 'q'), ('3', NULL)")
    world.flow = "parents"
    world.sync()
    world.flow = "things"

    world.sync()
    reasons = world.reasons()
    world.sql("b", "INSERT INTO parents VALUES ('q')")
    world.flow = "parents"
    world.sync()
    world.flow = "things"
    world.sync()

    assert reasons == {("a", "2"): ["parent: no parent 'q'"]}
    assert world.rows("b") == {"1": ("p",), "2": ("q",), "3": (None,)}


def test_a_rule_that_only_reports_lets_the_row_through_and_counts_it(make_world: Any) -> None:
    """Some defects are worth knowing and not worth stopping for."""
    world = make_world(
        {"a": TEXT, "b": TEXT}, [ID, Field("name"), Field("size")], rules=[Rule("named", "name IS NOT NULL", severity="report")]
    )
    world.sql("a", "INSERT INTO things VALUES ('1', NULL, NULL)")

    result = world.sync()

    assert world.rows("b") == {"1": (None, None)}
    assert [(f.kind, f.count) for f in result.findings if f.subject.startswith("a/")] == [("contract_report", 1)]


def test_a_uniqueness_that_only_reports_lets_the_rows_through_and_counts_them(make_world: Any) -> None:
    """Real data has repeated review ids that must be found and still travel."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name", unique=True, severity="report"), Field("size")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', NULL), ('2', 'x', NULL)")

    result = world.sync()

    assert world.rows("b").keys() == {"1", "2"}
    assert next((f.kind, f.subject, f.count) for f in result.findings) == ("contract_report", "a/things:name", 2)


def test_one_percent_poison_rows_leave_every_good_row_through(make_world: Any) -> None:
    """A bad row costs itself and nothing else, and each is explained."""
    world = make_world({"a": TEXT, "b": TEXT}, [ID, Field("name", required=True), Field("size", "integer")])
    rows = [(str(n), None if n % 200 == 1 else f"n{n}", "poison" if n % 200 == 0 else str(n)) for n in range(5000)]
    with sqlite3.connect(world.folder / "a.db") as db:
        db.executemany("INSERT INTO things VALUES (?, ?, ?)", rows)
    db.close()

    result = world.sync()

    bad = {r[0] for r in rows if r[1] is None or r[2] == "poison"}
    assert len(bad) == 50
    assert world.rows("b").keys() == {r[0] for r in rows} - bad
    assert {key for _, key in world.reasons()} == bad
    assert result.waiting == 50
