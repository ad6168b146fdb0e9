"""A plan is carried out exactly, or refused with what has moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.errors import GuardStopped, PlanOutdated
from accord.sync.apply.plan import apply_plan, check_plan, plan_flow, plan_from, plan_to

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def make(world: Any, **options: Any) -> Any:
    plan, _ = plan_flow(world.map, world.flow, world.connectors, world.store, run="p", now=NOW, **options)
    return plan_from(json.loads(json.dumps(plan_to(plan))), "test")


def check(world: Any, plan: Any) -> None:
    check_plan(world.map, plan, world.connectors, world.store, run="c", now=NOW)


def carry_out(world: Any, plan: Any, **options: Any) -> Any:
    world.runs += 1
    return apply_plan(world.map, plan, world.connectors, world.store, run=f"apply-{world.runs}", now=NOW, **options)


@pytest.fixture
def started(request: pytest.FixtureRequest, begun_once: Any) -> Any:
    """Both systems hold 1, 2 and 3; then a changes one, adds one and drops one."""

    def play() -> Any:
        two = request.getfixturevalue("two")
        two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'y', 2), ('3', 'z', 3)")
        two.sync()
        two.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
        two.sql("a", "DELETE FROM things WHERE id = '2'")
        two.sql("a", "INSERT INTO things VALUES ('4', 'w', 4)")
        return two

    return begun_once(play)


def test_a_plan_names_every_insert_update_and_delete_with_old_and_new_values(started: Any) -> None:
    """A person approves rows, not counts."""
    plan = make(started)

    (target,) = plan.targets
    assert (target.binding, target.inserts, target.updates, target.deletes) == ("b", 1, 1, 1)
    assert [(json.loads(r["key"])["id"], r["op"], r["set"]) for r in target.rows] == [
        ("1", "update", ["name"]),
        ("2", "delete", []),
        ("4", "insert", ["name", "size"]),
    ]
    assert target.rows[0]["old"] == {"name": "x", "size": "1"}
    assert target.rows[0]["new"] == {"name": "X", "size": "1"}
    assert started.rows("b") == {"1": ("x", 1), "2": ("y", 2), "3": ("z", 3)}


def test_an_applied_plan_writes_exactly_what_it_says(started: Any) -> None:
    """After it, the systems agree and the next run has nothing to do."""
    plan = make(started)

    check(started, plan)
    result = carry_out(started, plan)

    assert {n: c for n, c in result.counts.items() if c and n in ("inserted", "updated", "deleted")} == {
        "inserted": 1,
        "updated": 1,
        "deleted": 1,
    }
    assert started.rows("b") == started.rows("a")
    assert not started.sync().changed


@pytest.mark.parametrize(
    ("system", "edit", "said"),
    [
        pytest.param("a", "UPDATE things SET name = 'V' WHERE id = '1'", "otherwise than planned", marks=pytest.mark.prove),
        ("a", "UPDATE things SET name = 'V' WHERE id = '3'", "not in the plan"),
        pytest.param("a", "UPDATE things SET name = 'x' WHERE id = '1'", "no longer to be written", marks=pytest.mark.prove),
        ("b", "UPDATE things SET size = 9 WHERE id = '1'", "otherwise than planned"),
        ("b", "DELETE FROM things WHERE id = '2'", "no longer to be written"),
    ],
)
def test_a_plan_is_refused_when_a_system_has_moved(started: Any, system: str, edit: str, said: str) -> None:
    """What was approved is no longer what would happen; nothing at all is written."""
    plan = make(started)
    started.sql(system, edit)
    before = started.rows("a"), started.rows("b")

    with pytest.raises(PlanOutdated, match=said):
        check(started, plan)
    with pytest.raises(PlanOutdated, match=said):
        carry_out(started, plan)

    assert (started.rows("a"), started.rows("b")) == before


def test_a_plan_is_refused_when_what_is_agreed_has_moved(started: Any) -> None:
    """Another run in between decided on another ground, even if the same rows were left."""
    plan = make(started)
    started.sync()

    with pytest.raises(PlanOutdated, match="agreed"):
        check(started, plan)


def test_a_plan_is_refused_when_the_map_has_changed(started: Any) -> None:
    """Other rules would decide otherwise on the next row."""
    plan = make(started)
    flow = replace(started.map.flows["things"], deletes="ignore")
    started.map = replace(started.map, flows={"things": flow})

    with pytest.raises(PlanOutdated, match="map"):
        check(started, plan)


def test_a_changed_row_of_the_plan_is_refused(started: Any) -> None:
    """Whoever could edit the plan could write anything in our name."""
    plan = make(started)
    (target,) = plan.targets
    forged = replace(plan, targets=(replace(target, rows=({**target.rows[0], "new": {"name": "evil"}}, *target.rows[1:])),))

    with pytest.raises(PlanOutdated):
        carry_out(started, forged)


def test_deletes_beyond_the_guard_must_be_meant_when_the_plan_is_made(two: Any) -> None:
    """Applying asks no second question, so the first must have been asked."""
    two.sql("a", "INSERT INTO things SELECT CAST(value AS TEXT), 'x', 1 FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    two.sync()
    two.sql("a", "DELETE FROM things WHERE id <> '1'")

    with pytest.raises(GuardStopped):
        make(two)
    carry_out(two, make(two, allow_deletes=True))

    assert set(two.rows("b")) == {"1"}


def test_a_row_that_changes_between_the_last_look_and_the_write_is_left_alone_and_reported(started: Any) -> None:
    """No comparison can be the last; compare-and-set is."""
    plan = make(started)
    connector = started.connectors["b"]

    def late() -> None:
        started.sql("b", "UPDATE things SET name = 'mine' WHERE id = '1'")

    started.connectors["b"] = _With(connector, late)
    result = carry_out(started, plan)

    assert result.status == "partial"
    assert result.counts["stale"] == 1
    assert started.rows("b") == {"1": ("mine", 1), "3": ("z", 3), "4": ("w", 4)}
    assert started.rows("a")["1"] == ("X", 1)


def test_a_plan_for_some_keys_leaves_the_others_to_the_next_run(started: Any) -> None:
    """A repair mends what it names."""
    plan = make(started, keys=['{"id":"1"}'])

    check(started, plan)
    carry_out(started, plan)

    assert started.rows("b") == {"1": ("X", 1), "2": ("y", 2), "3": ("z", 3)}
    assert started.sync().changed
    assert started.rows("b") == started.rows("a")


class _With:
    """A real connector whose writing is preceded by another session's write."""

    def __init__(self, connector: Any, before: Callable[[], None]) -> None:
        self._connector, self._before = connector, before

    def apply(self, batch: Any) -> Any:
        self._before()
        return self._connector.apply(batch)

    def apply_noted(self, batch: Any, noting: Any) -> Any:
        self._before()
        return self._connector.apply_noted(batch, noting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)
