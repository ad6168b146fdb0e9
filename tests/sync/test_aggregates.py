"""Checks of all rows together: reported or stopping the flow before it writes, and never at the cost of single rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accord.model.entity import AggregateCheck, Field
from accord.model.errors import GuardStopped
from accord.model.values import Duration
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, team TEXT, amount NUMERIC, at TIMESTAMP)"
FIELDS = [Field("id", required=True), Field("team"), Field("amount", "number(12,2)", minimum="0"), Field("at", "timestamp")]


def made(make_world: Any, *checks: AggregateCheck, fields: list[Field] = FIELDS) -> Any:
    return make_world({"a": TABLE, "b": TABLE}, fields, checks=checks)


def test_a_sum_out_of_its_limits_is_reported_and_every_row_passes(make_world: Any) -> None:
    """No single row is to blame for a sum, so none may be kept back for it."""
    world = made(make_world, AggregateCheck("volume", "sum(amount)", at_most="100.5", reason="budget of the year"))
    world.sql("a", "INSERT INTO things VALUES ('1','x',100.49,NULL), ('2','x',0.02,NULL), ('3','x',-5,NULL)")

    result = world.sync()

    found = [f for f in result.findings if f.kind == "aggregate_check"]
    assert [(f.subject, f.examples) for f in found] == [("a/things:volume", ("100.51",))]
    assert "at most 100.5 (budget of the year)" in found[0].sentence
    assert world.rows("b").keys() == {"1", "2"}


def test_a_check_that_stops_ends_the_run_before_anything_is_written(make_world: Any) -> None:
    """A half export must not become the truth of every system."""
    world = made(make_world, AggregateCheck("enough", "count(*)", at_least="3", severity="stop"))
    world.sql("a", "INSERT INTO things VALUES ('1','x',1,NULL), ('2','x',2,NULL)")

    with pytest.raises(GuardStopped, match=r"check 'enough' of a/things: count\(\*\) is 2, expected at least 3"):
        world.sync()
    before = world.rows("b")
    world.sql("a", "INSERT INTO things VALUES ('3','x',3,NULL)")
    world.sync()

    assert before == {}
    assert world.rows("b").keys() == {"1", "2", "3"}


def test_each_group_is_judged_by_itself_and_only_the_rows_of_the_condition_count(make_world: Any) -> None:
    """One team over its limit hides behind the average of all."""
    world = made(make_world, AggregateCheck("each", "sum(amount)", at_most="10", where="amount > 1", group_by=("team",)))
    world.sql("a", "INSERT INTO things VALUES ('1','x',9,NULL),('2','x',1,NULL),('3','y',6,NULL),('4','y',5,NULL),('5',NULL,11,NULL)")

    result = world.sync()

    assert [f.examples for f in result.findings if f.subject == "a/things:each"] == [("null: 11.00", "y: 11.00")]


def test_a_system_that_lacks_a_field_or_holds_nothing_yet_is_not_asked(make_world: Any) -> None:
    """The empty target of a first synchronization has not broken anything."""
    some, one = AggregateCheck("some", "count(*)", at_least="1", severity="stop"), AggregateCheck("one", "count(*)", equals="1")
    world = made(make_world, some, one)
    world.sql("a", "INSERT INTO things VALUES ('1','x',1,NULL)")

    first, second = world.sync(), world.sync()

    assert [f for r in (first, second) for f in r.findings] == []
    assert world.rows("b").keys() == {"1"}


def test_a_source_that_fell_silent_is_told_also_while_nothing_is_written(make_world: Any) -> None:
    """Silence is what freshness is about, and a run that need not read the systems sees nothing else."""
    world = made(make_world, fields=[*FIELDS[:3], Field("at", "timestamp", freshness=Duration(3600))])
    world.sql("a", "INSERT INTO things VALUES ('1','x',1,'2026-03-02 08:30:00'), ('2','x',1,'2026-03-01 00:00:00')")

    def run(name: str, minutes: int) -> list[str]:
        later = NOW + timedelta(minutes=minutes)
        done = run_flow(world.map, "things", world.connectors, world.store, run=name, now=later)
        return [f.subject for f in done.findings if f.kind == "not_fresh"]

    seen = [run("r1", 0), run("r2", 10), run("r3", 31), run("r4", 32)]
    world.sql("a", "INSERT INTO things VALUES ('3','x',1,'2026-03-02 09:20:00')")

    assert seen == [[], [], ["a/things:at", "b/things:at"], ["a/things:at", "b/things:at"]]
    assert run("r5", 40) == []
