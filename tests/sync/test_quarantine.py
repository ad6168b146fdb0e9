"""Quarantine as people work with it: listed by reason, put aside, and back by itself once corrected."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import UnknownName, UsageError
from accord.sync.judge.quarantine import Choice, discard, list_quarantine, reopen

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEXT = "CREATE TABLE things (id TEXT, name TEXT, size TEXT)"
FIELDS = [Field("id", required=True), Field("name", required=True), Field("size", "integer", maximum="9")]


@pytest.fixture
def world(make_world: Any, begun_once: Any) -> Any:
    """Four bad rows of six, one without a key."""

    def play() -> Any:
        made = make_world({"a": TEXT, "b": TEXT}, FIELDS, owner="desk")
        rows = "('1','x','1'),('2',NULL,'x'),('3','y','12'),('4','z','11'),(NULL,'w','1'),('6','v','6')"
        made.sql("a", f"INSERT INTO things VALUES {rows}")
        made.sync()
        return made

    return begun_once(play)


def found(world: Any, **choice: Any) -> list[str | None]:
    return [r["key"] for r in list_quarantine(world.map, world.store, Choice(**choice)).rows.to_pylist()]


def test_rows_are_found_by_flow_side_reason_key_and_age(world: Any) -> None:
    """A list of thousands that cannot be narrowed is read by nobody."""
    assert len(found(world)) == 4
    assert found(world, reason="ABOVE") == ['{"id":"3"}', '{"id":"4"}']
    assert found(world, keys=("2",)) == found(world, keys=('{"id":"2"}',)) == ['{"id":"2"}']
    assert found(world, binding="b") == found(world, since=datetime(2026, 3, 3, tzinfo=UTC)) == []
    with pytest.raises(UnknownName, match="flow 'thing'"):
        found(world, flow="thing")


def test_reasons_are_counted_without_their_values_and_with_who_mends_them(world: Any) -> None:
    """Two prices too high are one thing to mend, not two."""
    reasons = list_quarantine(world.map, world.store).reasons.to_pylist()

    assert {(r["binding"], r["owner"], r["reason"]): r["rows"] for r in reasons} == {
        ("a", "desk", "size: … is above …"): 2,
        ("a", "desk", "size: … is no whole number"): 1,
        ("a", "desk", "name: is required and missing"): 1,
        ("a", "desk", "id: key is missing"): 1,
    }


def test_a_discarded_row_is_not_asked_about_again_and_stays_out(world: Any) -> None:
    """The decision is about attention; a bad row must not travel because somebody is tired of it."""
    count = discard(world.map, world.store, Choice(reason="above"), by="Ana", note="known", now=NOW)

    result = world.sync()

    assert (count, result.waiting, len(found(world)), len(found(world, discarded=True))) == (2, 2, 2, 4)
    assert [f.count for f in result.findings if f.kind == "quarantine"] == [2]
    assert world.rows("b").keys() == {"1", "6"}
    assert not world.sync().changed


def test_a_discarded_row_that_is_edited_is_a_new_row(world: Any) -> None:
    """The decision was about the row as it was: corrected it passes, and bad in another way it is asked about."""
    discard(world.map, world.store, Choice(reason="above"), by="Ana", note="", now=NOW)
    world.sql("a", "UPDATE things SET size = '7' WHERE id = '3'")
    world.sql("a", "UPDATE things SET size = '99' WHERE id = '4'")

    result = world.sync()

    assert world.rows("b").keys() == {"1", "3", "6"}
    assert (result.counts["released"], result.counts["quarantined"]) == (1, 1)
    assert '{"id":"4"}' in found(world)


def test_a_discard_counts_as_not_arrived_all_the_same(world: Any) -> None:
    """F5 is about what reached the targets; a click must not raise it."""
    before = [r for r in world.segments("changes") if r["quarantined"]]
    discard(world.map, world.store, Choice(flow="things"), by="Ana", note="", now=NOW)
    world.sync()

    assert len(before) == 4
    assert [r for r in world.segments("changes") if r["quarantined"]] == before


def test_a_discard_can_be_taken_back_and_rebuilt_from_the_log(world: Any) -> None:
    """A decision is an event; the table of decisions is only its projection."""
    discard(world.map, world.store, Choice(keys=("3",)), by="Ana", note="n", now=NOW)
    kept = world.store.table("quarantine_discard").to_pylist()
    world.store.rebuild()

    assert world.store.table("quarantine_discard").to_pylist() == kept
    assert [(r["by"], r["note"], r["key"]) for r in kept] == [("Ana", "n", '{"id":"3"}')]
    assert reopen(world.map, world.store, Choice(keys=("3",)), by="Ben", now=NOW) == 1
    assert len(found(world)) == 4
    assert reopen(world.map, world.store, Choice(keys=("3",)), by="Ben", now=NOW) == 0


def test_a_decision_about_nothing_is_refused(world: Any) -> None:
    """A mistyped key must not look like a decision taken."""
    with pytest.raises(UsageError, match="nothing says which rows"):
        discard(world.map, world.store, Choice(), by="Ana", note="", now=NOW)
    with pytest.raises(UsageError, match="no row in quarantine"):
        discard(world.map, world.store, Choice(keys=("77",)), by="Ana", note="", now=NOW)
