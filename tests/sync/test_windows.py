"""Moments between two steps of a run in which something else happens: another death, a mass delete, a clock that is set back."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import GuardStopped, SystemUnreachable

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


def crash(world: Any, sentence: str) -> None:
    """A run that dies when it is about to do that."""

    def die(said: str) -> None:
        if said.endswith(sentence):
            raise Crash

    with pytest.raises(Crash):
        world.sync(progress=die, allow_deletes=True)


def test_an_attempt_that_cannot_reach_a_system_leaves_the_intents_of_the_one_that_died(make_world: Any) -> None:
    """A run is taken up under its own id, and a system is away: its own writes must not look like a user's edits after that."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'first'")
    crash(world, "moving the base")
    world.runs -= 1  # taken up under its own id

    def away(said: str) -> None:
        if said.endswith("reading b"):
            raise SystemUnreachable("b", "b.db", "it is away")

    with pytest.raises(SystemUnreachable):
        world.sync(progress=away)
    world.sql("a", "UPDATE things SET name = 'second'")
    world.sync()

    assert [world.rows(n)["1"] for n in "ab"] == [("second", 1)] * 2
    assert world.segments("conflicts") == []


def test_a_mass_delete_amid_a_run_stops_it_before_it_spreads(make_world: Any) -> None:
    """A row was stale, so the system is read again; what was emptied meanwhile is guarded as it is at the beginning."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "a"})
    for n in range(20):
        world.sql("a", "INSERT INTO things VALUES (?, 'old', 1)", str(n))
    world.sync()
    world.sql("a", "UPDATE things SET name = 'new' WHERE id < '15'")

    def meanwhile(said: str) -> None:
        if said.endswith("writing b"):
            world.sql("b", "UPDATE things SET size = 2 WHERE id = '0'")
            world.sql("b", "DELETE FROM things WHERE id NOT IN ('0', '1')")

    with pytest.raises(GuardStopped):
        world.sync(progress=meanwhile)
    assert len(world.rows("a")) == 20
