"""F5: every (change, target) pair that was due, verified by reading the target."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.measure import open_measure
from accord.model.entity import Field, Rule
from accord.model.flow import FieldMapping
from accord.sync.state import fewer, late

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, at TIMESTAMP)"
MAPPED = {"id": FieldMapping("id"), "name": FieldMapping("name")}


def pairs(world: Any) -> list[tuple[Any, ...]]:
    """(key, source, target, op, verified, quarantined, source broken)."""
    found = world.segments("changes")
    return sorted((c["key"], c["source"], c["target"], c["op"], c["verified"], c["quarantined"], c["source_broken"]) for c in found)


def test_each_changed_key_is_due_once_in_every_other_target(make_world: Any) -> None:
    """The denominator is what changed in the sources, not what we chose to send."""
    world = make_world(dict.fromkeys("abc", "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"), [Field("id"), Field("name")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x'), ('2', 'x')")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'y' WHERE id = '1'")
    world.sql("c", "DELETE FROM things WHERE id = '2'")
    before = pairs(world)

    result = world.sync()

    one, two = '{"id":"1"}', '{"id":"2"}'
    assert before == [(k, "a", t, "insert", True, False, False) for k in (one, two) for t in "bc"]
    assert sorted(pairs(world)[i] for i in range(8) if pairs(world)[i] not in before) == [
        (one, "b", "a", "update", True, False, False),
        (one, "b", "c", "update", True, False, False),
        (two, "c", "a", "delete", True, False, False),
        (two, "c", "b", "delete", True, False, False),
    ]
    assert (result.counts["changes"], result.counts["verified"]) == (4, 4)


def test_a_bad_row_is_a_failed_pair_once_and_marked_as_the_source_s_own(make_world: Any) -> None:
    """Strict success must carry it; adjusted success may leave it out."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name", required=True)])
    world.sql("a", "INSERT INTO things VALUES ('1', NULL)")

    world.sync()
    world.sync()

    assert pairs(world) == [('{"id":"1"}', "a", "b", "update", False, True, True)]


def test_a_row_the_target_refuses_is_due_and_not_verified(make_world: Any) -> None:
    """A write that did not arrive is a failure, whatever the reason."""
    strict = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT CHECK (name <> 'x'))"
    world = make_world({"a": "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)", "b": strict}, [Field("id"), Field("name")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x')")

    world.sync()

    assert pairs(world) == [('{"id":"1"}', "a", "b", "insert", False, False, False)]


def test_what_a_target_refused_is_not_verified_because_the_old_value_looks_like_a_cut_of_it(two: Any) -> None:
    """A system may keep a text shortened; one that refused «ab!» and still shows «ab» has kept nothing of it."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'ab', 1)")
    two.sync()
    two.sql("b", "CREATE TRIGGER no BEFORE UPDATE ON things BEGIN SELECT RAISE(ABORT, 'no'); END")
    two.sql("a", "UPDATE things SET name = 'ab!'")

    refused = two.sync()
    still = two.sync()
    two.sql("b", "DROP TRIGGER no")
    arrived = two.sync()

    counts = [(r.counts["refused"], r.counts["changes"], r.counts["verified"]) for r in (refused, still, arrived)]
    assert counts == [(1, 1, 0), (1, 0, 0), (0, 1, 1)]


def test_freshness_runs_from_the_source_s_own_time_but_not_from_before_the_last_look(make_world: Any) -> None:
    """At first contact the clock starts at the capture; later at the change, at the earliest when it was last seen unchanged."""
    mapped = {"fields": MAPPED, "cursor": "at"}
    world = make_world({"a": TABLE, "b": TABLE}, [Field("id"), Field("name")], {"a": mapped, "b": dict(mapped)})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', '2020-01-01 00:00:00')")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y', at = '2020-01-02 00:00:00'")
    world.sync()

    first, second = sorted(world.segments("changes"), key=lambda c: c["run"])

    assert first["source_changed_at"] is None
    assert 0 <= first["freshness_seconds"] < 60
    assert second["source_changed_at"] == first["captured_at"]
    assert 0 <= second["freshness_seconds"] < 60


def test_a_value_that_lost_is_not_due_anywhere(make_world: Any) -> None:
    """A rule of the map that was followed is no failure."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x')")
    world.sql("b", "INSERT INTO things VALUES ('1', 'y')")

    world.sync()

    assert pairs(world) == [('{"id":"1"}', "a", "b", "update", True, False, False)]


REFUSE = "CREATE TRIGGER no BEFORE {} ON things WHEN new.name = 'x' BEGIN SELECT RAISE(ABORT, 'no'); END"
PLAIN = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"


def measured(world: Any, op: str) -> list[tuple[bool, float | None]]:
    """(verified, freshness) of the pairs as measuring counts them."""
    with open_measure(world.map, world.store, now=datetime(2026, 3, 3, tzinfo=UTC)) as measure:
        rows = measure.arrow("SELECT op, verified, freshness_seconds FROM change_target").to_pylist()
    return [(r["verified"], r["freshness_seconds"]) for r in rows if r["op"] == op]


@pytest.mark.parametrize("operation", ["INSERT", "UPDATE"])
def test_a_pair_that_failed_and_arrives_later_has_a_second_record_of_the_same_change(make_world: Any, operation: str) -> None:
    """Measuring must be able to count it once, by the clock of its first capture."""
    world = make_world({"a": PLAIN, "b": PLAIN}, [Field("id"), Field("name")])
    if operation == "UPDATE":
        world.sql("a", "INSERT INTO things VALUES ('1', 'w')")
        world.sync()
    world.sql("b", REFUSE.format(operation))
    world.sql("a", "INSERT OR REPLACE INTO things VALUES ('1', 'x')")
    world.sync()
    still = world.sync()
    world.sql("b", "DROP TRIGGER no")
    world.sync()
    world.sync()

    failed, arrived = [c for c in world.segments("changes") if c["op"] == operation.lower()][-2:]

    assert still.counts["changes"] == 0
    assert (failed["verified"], arrived["verified"]) == (False, True)
    assert (arrived["source"], arrived["captured_at"]) == (failed["source"], failed["captured_at"])
    assert arrived["run"] != failed["run"]
    assert arrived["freshness_seconds"] > 0
    assert measured(world, operation.lower()) == [(True, arrived["freshness_seconds"])]


def test_a_run_reads_few_of_the_records_before_it_and_misses_no_pair_that_failed(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run leaves records: a flow that runs each minute would else slow down from week to week."""
    monkeypatch.setattr(late, "BEHIND_MOST", 2)
    world = make_world({"a": PLAIN, "b": PLAIN}, [Field("id"), Field("name")])
    world.sql("b", REFUSE.format("INSERT"))
    world.sql("a", "INSERT INTO things VALUES ('waits', 'x'), ('edited', 'x')")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y' WHERE id = 'edited'")
    read: list[str] = []
    looked: list[int] = []
    find = world.store.read_segment
    monkeypatch.setattr(world.store, "read_segment", lambda sha: read.append(sha) or find(sha))

    def run() -> None:
        read.clear()
        world.sync()
        looked.append(len(set(world.store.flow_records(world.flow, "changes").values()).intersection(read)))

    for n in range(8):
        world.sql("a", f"INSERT INTO things VALUES ('{n}', 'n')")
        run()
    world.sql("b", "DROP TRIGGER no")
    world.sql("b", REFUSE.format("UPDATE"))
    world.sql("a", "UPDATE things SET name = 'x' WHERE id = 'edited'")
    run()
    told = world.segments("changes")
    waits, edited = ([c for c in told if json.loads(c["key"])["id"] == key] for key in ("waits", "edited"))

    assert max(looked) <= 3, "of eleven"
    assert [c["verified"] for c in waits] == [False, True]
    assert [c["verified"] for c in edited] == [False, True, False]
    assert len({c["captured_at"] for c in waits}) == 1


def test_records_of_many_runs_are_read_from_few_files_and_none_is_lost(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow that runs each minute leaves half a million files a year; measuring opens those that the flow's state names."""
    monkeypatch.setattr(fewer, "FROM", 4)
    world = make_world({"a": PLAIN, "b": PLAIN}, [Field("id"), Field("name")])
    for n in range(11):
        world.sql("a", "INSERT OR REPLACE INTO things VALUES ('1', ?), (?, 'x')", f"a{n}", f"n{n}")
        world.sql("b", "INSERT OR REPLACE INTO things VALUES ('1', ?)", f"b{n}")
        world.sync()
    states = [e.event.attributes["state"] for e in world.store.read(types=["flow.run_finished"])]
    files = {role: world.store.flow_records(world.flow, role) for role in ("changes", "conflicts")}
    world.store.rebuild()

    for role, found in files.items():
        named = [sha for state in states for sha in state.get(role, ())]
        assert (len(named), len(found)) == (11, 2)
        assert sorted(map(repr, world.segments(role))) == sorted(map(repr, world.segments(role, named)))
        assert world.store.flow_records(world.flow, role) == found, "made anew from the log"
    assert world.store.verify_segments() == ()


def test_a_refused_change_that_its_source_replaced_stays_a_failure(make_world: Any) -> None:
    """Its value never arrived; that another one did is another pair."""
    world = make_world({"a": PLAIN, "b": PLAIN}, [Field("id"), Field("name")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'w')")
    world.sync()
    world.sql("b", REFUSE.format("UPDATE"))
    world.sql("a", "UPDATE things SET name = 'x'")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y'")
    world.sync()
    world.sync()

    found = [(c["run"], c["verified"]) for c in world.segments("changes")]

    assert found == [("run-1", True), ("run-2", False), ("run-3", True)]
    assert sorted(ok for ok, _ in measured(world, "update")) == [False, True]


def test_a_change_whose_merged_row_was_held_back_keeps_its_first_capture(make_world: Any) -> None:
    """It waited for the other half of the row, and its clock ran."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, low INTEGER, high INTEGER)"
    rule = Rule("order", "low <= high", reason="low is above high")
    fields = [Field("id"), Field("low", "integer"), Field("high", "integer")]
    world = make_world({"a": table, "b": table}, fields, rules=[rule])
    world.sql("a", "INSERT INTO things VALUES ('1', 1, 5)")
    world.sync()
    world.sql("a", "UPDATE things SET low = 4")
    world.sql("b", "UPDATE things SET high = 3")
    world.sync()
    world.sql("b", "UPDATE things SET high = 6")
    world.sync()

    of_a = [c for c in world.segments("changes") if c["source"] == "a" and c["op"] == "update"]

    assert [c["verified"] for c in of_a] == [False, True]
    assert of_a[0]["captured_at"] == of_a[1]["captured_at"]
