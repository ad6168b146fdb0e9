"""A binding's ``where``: rows that a system does not show are neither made there nor taken for deleted."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import GuardStopped, MapError

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, region TEXT, kept INTEGER DEFAULT 1)"
FIELDS = [Field("id", required=True), Field("name"), Field("region")]


@pytest.fixture
def regions(make_world: Any) -> Any:
    """All regions in ``a``, one of them in ``b``."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"where": "region = 'EU'"}})
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'EU', 1), ('2', 'Bob', 'US', 1)")
    world.sync()
    return world


def test_a_row_that_does_not_meet_the_condition_is_not_made_and_no_delete(regions: Any) -> None:
    """It would never be shown again, and the next run would delete it everywhere."""
    assert (regions.rows("b"), regions.sync().changed) == ({"1": ("Ann", "EU", 1)}, False)
    assert set(regions.rows("a")) == {"1", "2"}
    assert regions.reconcile().differences.num_rows == 0


@pytest.mark.parametrize("deletes", ["propagate", "ignore"])
def test_a_row_that_a_run_moves_out_is_left_there_and_comes_back_with_what_is_agreed(make_world: Any, deletes: str) -> None:
    """What a run writes must not be what the next one takes for a delete."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"where": "region = 'EU'"}}, deletes=deletes)
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'EU', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET region = 'US'")
    world.sync()

    assert (world.rows("b"), world.sync().changed) == ({"1": ("Ann", "US", 1)}, False)
    world.sql("a", "UPDATE things SET name = 'Anna'")
    assert not world.sync().counts["updated"]
    world.sql("a", "UPDATE things SET region = 'EU'")

    assert world.sync().counts["updated"] == 1
    assert world.rows("a") == world.rows("b") == {"1": ("Anna", "EU", 1)}
    assert not world.sync().changed


def test_a_row_that_its_users_take_back_in_is_edited_and_not_new(regions: Any) -> None:
    """They changed the value that is agreed, and what was agreed is known."""
    regions.sql("a", "UPDATE things SET region = 'US' WHERE id = '1'")
    regions.sync()
    regions.sql("b", "UPDATE things SET region = 'EU' WHERE id = '1'")

    regions.sync()

    assert regions.rows("a")["1"] == regions.rows("b")["1"] == ("Ann", "EU", 1)
    assert regions.segments("conflicts") == []


def test_a_run_that_died_after_it_moved_a_row_out_deletes_nothing(regions: Any) -> None:
    """The base still has the row; only what was meant to be written tells why it is not shown."""
    regions.sql("a", "UPDATE things SET region = 'US' WHERE id = '1'")
    regions.crash("reading back b")

    regions.sync()

    assert (set(regions.rows("a")), regions.rows("b")) == ({"1", "2"}, {"1": ("Ann", "US", 1)})
    assert not regions.sync().changed


def test_a_row_whose_condition_no_field_tells_is_left_out_once_it_is_not_shown(make_world: Any) -> None:
    """A default of the system decides, and only a look at the row made there says how."""
    hidden = TABLE.replace("DEFAULT 1", "DEFAULT 0")
    world = make_world({"a": TABLE, "b": hidden}, FIELDS, {"b": {"where": "kept = 1"}})
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'EU', 1)")

    world.sync()

    assert (world.sync().changed, set(world.rows("a")), world.rows("b")) == (False, {"1"}, {"1": ("Ann", "EU", 0)})


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "regio = 'EU'",
            r"binding 'b': where asks for column 'regio', which 'things' in system 'b' does not have\..* Did you mean 'region'",
        ),
        (
            "CAST(name AS INTEGER) > 1",
            r"binding 'b', where: .* cannot be told of its rows: .*'Bob'.* Expected a condition that holds or not",
        ),
    ],
)
def test_a_condition_that_cannot_be_asked_says_what_is_wrong(make_world: Any, where: str, said: str) -> None:
    """It is a mistake of the map, or a column that went away."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"where": where}})
    world.sql("b", "INSERT INTO things VALUES ('2', 'Bob', 'US', 1)")

    with pytest.raises((GuardStopped, MapError), match=said):
        world.sync()


def test_a_key_that_stands_outside_of_the_condition_is_told(regions: Any) -> None:
    """Nobody may overwrite a row that takes no part."""
    regions.sql("b", "INSERT INTO things VALUES ('2', 'Bert', 'US', 1)")
    regions.sql("a", "UPDATE things SET region = 'EU' WHERE id = '2'")

    result = regions.sync()

    assert (result.status, regions.rows("b")["2"]) == ("partial", ("Bert", "US", 1))
    assert "a row with this key stands outside of the condition (where: region = 'EU')" in result.findings[0].sentence
    again = regions.sync()
    assert (again.status, again.counts["conflicts"], again.counts["stale"]) == ("partial", 0, 0)
    regions.sql("b", "DELETE FROM things WHERE id = '2'")
    assert (regions.sync().status, regions.rows("b")["2"]) == ("done", ("Bob", "EU", 1))
