"""A run limited to some keys carries out those and forgets nothing of the others."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.errors import TerminalError
from accord.sync.apply.limit import Limit
from accord.sync.result import TargetPlan

ONE, TWO = '{"id":"1"}', '{"id":"2"}'


def test_only_the_named_keys_are_written_and_the_others_wait(two: Any) -> None:
    """What was left out must still be a change for the next run."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'x', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'y'")

    limited = two.sync(limit=Limit(keys=[ONE]))
    between = two.rows("b")
    rest = two.sync()

    assert limited.counts["updated"] == 1
    assert between == {"1": ("y", 1), "2": ("x", 2)}
    assert rest.counts["updated"] == 1
    assert two.rows("b") == two.rows("a")


def test_a_delete_outside_the_limit_waits_too(two: Any) -> None:
    """A key that is not looked at is neither there nor gone."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'x', 2)")
    two.sync()
    two.sql("a", "DELETE FROM things WHERE id = '2'")

    two.sync(limit=Limit(keys=[ONE]))
    between = set(two.rows("b"))
    two.sync()

    assert between == {"1", "2"}
    assert set(two.rows("b")) == {"1"}


def test_an_open_conflict_outside_the_limit_stays_open(make_world: Any) -> None:
    """Nobody has decided it by not looking."""
    from accord.model.entity import Field

    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name")], authority={"name": "human"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x'), ('2', 'x')")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y'")
    world.sql("b", "UPDATE things SET name = 'z' WHERE id = '2'")
    before = world.sync().open_conflicts
    world.sql("a", "UPDATE things SET name = 'w' WHERE id = '1'")

    limited = world.sync(limit=Limit(keys=[ONE]))

    assert (before, limited.open_conflicts) == (1, 1)
    assert {h["key"] for h in world.segments("held")} == {TWO}


def test_the_last_word_before_the_first_write_can_stop_the_run(two: Any) -> None:
    """Whoever approved a plan approved these rows and no others."""
    seen: list[TargetPlan] = []

    def refuse(plans: tuple[TargetPlan, ...]) -> None:
        seen.extend(plans)
        raise TerminalError("not this plan.")

    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")

    with pytest.raises(TerminalError, match="not this plan"):
        two.sync(limit=Limit(check=refuse))

    assert [(p.binding, p.inserts) for p in seen] == [("a", 0), ("b", 1)]
    assert two.rows("b") == {}
