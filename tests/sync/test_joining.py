"""Authority ``merge``: sets and texts that several systems edit at once keep every edit."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
ID = Field("id", required=True)
TAGS = Field("v", separator=";")


def recorded(world: Any) -> list[tuple[Any, ...]]:
    return sorted((c["winner"], c["loser"], c["losing_value"], c["rule"]) for c in world.segments("conflicts"))


def orders(*edits: str) -> list[Any]:
    """Who makes which edit; the short form has two, in which nobody makes the same."""
    every = enumerate(itertools.permutations(edits))
    return [pytest.param(order, marks=() if number in (0, 3) else pytest.mark.prove) for number, order in every]


def three(make_world: Any, field: Field, bindings: Any = None, **flow: Any) -> Any:
    return make_world(dict.fromkeys("abc", TABLE), [ID, field], bindings, authority={"v": "merge"}, **flow)


@pytest.mark.parametrize("order", orders("a;b;c;x", "a;c", "b;c;y"))
def test_a_set_keeps_what_each_side_added_and_drops_what_each_removed(make_world: Any, order: tuple[str, ...]) -> None:
    """Whichever system made which edit, the outcome is the same, and nothing counts as lost."""
    world = three(make_world, TAGS)
    world.sql("a", "INSERT INTO things VALUES ('1', 'a;b;c')")
    world.sync()
    for system, value in zip("abc", order, strict=True):
        world.sql(system, "UPDATE things SET v = ?", value)

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ("c;x;y",)}] * 3
    assert recorded(world) == []
    assert not world.sync().changed


def test_the_order_and_repeats_of_a_set_are_no_edit(make_world: Any) -> None:
    """A system that sorts its tags otherwise must not be written to for it, again and again."""
    world = three(make_world, TAGS)
    world.sql("a", "INSERT INTO things VALUES ('1', 'a;b')")
    world.sync()
    world.sql("b", "UPDATE things SET v = ' b ; a;a'")

    result = world.sync()

    assert (result.counts["updated"], world.rows("b")) == (0, {"1": (" b ; a;a",)})


def test_an_emptied_set_and_an_addition_leave_the_addition(make_world: Any) -> None:
    """Taking everything away is so many removals, and not the last word about what others add."""
    world = three(make_world, TAGS)
    world.sql("a", "INSERT INTO things VALUES ('1', 'a;b')")
    world.sync()
    world.sql("a", "UPDATE things SET v = NULL")
    world.sql("b", "UPDATE things SET v = 'a;b;new'")

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ("new",)}] * 3


def test_sets_that_meet_for_the_first_time_are_united(make_world: Any) -> None:
    """Nothing was agreed yet that an item could have been removed from."""
    world = three(make_world, TAGS)
    world.sql("a", "INSERT INTO things VALUES ('1', 'a;b')")
    world.sql("b", "INSERT INTO things VALUES ('1', 'b;c')")

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ("a;b;c",)}] * 3
    assert recorded(world) == []


def test_a_set_has_the_separator_of_each_system(make_world: Any) -> None:
    """Commas here and a JSON array there are the same tags."""
    bindings = {"b": {"fields": {"id": FieldMapping("id"), "v": FieldMapping("v", separator=", ")}}}
    world = three(make_world, Field("v", "json"), bindings)
    world.sql("a", """INSERT INTO things VALUES ('1', '["x","y"]')""")
    world.sync()
    first = world.rows("b")
    world.sql("a", """UPDATE things SET v = '["x","y","z"]'""")
    world.sql("b", "UPDATE things SET v = 'y, w'")

    world.sync()

    assert first == {"1": ("x, y",)}
    assert (world.rows("a"), world.rows("b")) == ({"1": ('["y","w","z"]',)}, {"1": ("w, y, z",)})
    assert not world.sync().changed


def test_an_item_that_holds_the_separator_of_a_system_is_refused_there(make_world: Any) -> None:
    """Written, it would come back as two items."""
    bindings = {"b": {"fields": {"id": FieldMapping("id"), "v": FieldMapping("v", separator=",")}}}
    world = three(make_world, TAGS, bindings)
    world.sql("a", "INSERT INTO things VALUES ('1', 'Graz, Austria;x')")

    result = world.sync()

    assert (result.status, world.rows("b"), world.rows("c")) == ("partial", {}, {"1": ("Graz, Austria;x",)})


def test_what_is_no_array_goes_by_the_latest_and_the_loser_is_kept(make_world: Any) -> None:
    """A JSON object is one value; half of one and half of another is neither."""
    world = three(make_world, Field("v", "json"))
    world.sql("a", """INSERT INTO things VALUES ('1', '{"n":1}')""")
    world.sync()
    world.sql("a", """UPDATE things SET v = '{"n":2}'""")
    world.sql("b", """UPDATE things SET v = '{"n":3}'""")

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ('{"n":2}',)}] * 3
    assert recorded(world) == [("a", "b", '{"n":3}', "merge")]


def test_a_sum_of_edits_that_breaks_the_contract_waits(make_world: Any) -> None:
    """Each addition keeps it, and the sum is in no system yet that could be judged."""
    world = three(make_world, Field("v", "integer", maximum="10"))
    world.sql("a", "INSERT INTO things VALUES ('1', 4)")
    world.sync()
    for system, value in (("a", 9), ("b", 8)):
        world.sql(system, "UPDATE things SET v = ?", value)

    result = world.sync()
    shown = [world.rows(s)["1"][0] for s in "abc"]
    world.sql("b", "UPDATE things SET v = 5")
    world.sync()

    assert (result.waiting, shown) == (1, ["9", "8", "4"])
    assert world.segments("quarantine") == []
    assert [world.rows(s) for s in "abc"] == [{"1": ("10",)}] * 3


@pytest.mark.parametrize("order", orders("ONE\ntwo\nthree\n", "one\ntwo\nthree\nfour\n", "one\nTWO\nthree\n"))
def test_edits_of_different_places_of_a_text_are_combined(make_world: Any, order: tuple[str, ...]) -> None:
    """Notes are written by everybody; whoever writes last must not be the only one who wrote."""
    world = three(make_world, Field("v"))
    world.sql("a", "INSERT INTO things VALUES ('1', ?)", "one\ntwo\nthree\n")
    world.sync()
    for system, value in zip("abc", order, strict=True):
        world.sql(system, "UPDATE things SET v = ?", value)

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ("ONE\nTWO\nthree\nfour\n",)}] * 3
    assert recorded(world) == []
    assert not world.sync().changed


def test_edits_of_the_same_place_go_by_the_rule_and_the_loser_is_kept(make_world: Any) -> None:
    """The text that was not taken can be found as a whole."""
    world = three(make_world, Field("v"))
    world.sql("a", "INSERT INTO things VALUES ('1', 'due Monday')")
    world.sync()
    world.sql("a", "UPDATE things SET v = 'due Tuesday'")
    world.sql("b", "UPDATE things SET v = 'due Friday'")

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": ("due Tuesday",)}] * 3
    assert recorded(world) == [("a", "b", "due Friday", "merge")]


def test_edits_of_the_same_place_can_be_left_to_a_person(make_world: Any) -> None:
    """A contract's wording is nothing to decide by the clock; both keep what they wrote until someone does."""
    world = three(make_world, Field("v"), contested="human")
    world.sql("a", "INSERT INTO things VALUES ('1', 'due Monday')")
    world.sync()
    world.sql("a", "UPDATE things SET v = 'due Tuesday'")
    world.sql("b", "UPDATE things SET v = 'due Friday'")

    first, second = world.sync(), world.sync()

    assert [world.rows(s)["1"][0] for s in "abc"] == ["due Tuesday", "due Friday", "due Monday"]
    assert (first.open_conflicts, second.open_conflicts, second.changed) == (1, 1, False)
    assert recorded(world) == [("agreed", "a", "due Tuesday", "human"), ("agreed", "b", "due Friday", "human")]


def test_an_emptied_text_and_an_edit_of_it_are_the_same_place(make_world: Any) -> None:
    """Deleting a note and correcting it cannot both be right."""
    world = three(make_world, Field("v"))
    world.sql("a", "INSERT INTO things VALUES ('1', 'a note')")
    world.sync()
    world.sql("a", "UPDATE things SET v = NULL")
    world.sql("b", "UPDATE things SET v = 'a longer note'")

    world.sync()

    assert [world.rows(s) for s in "abc"] == [{"1": (None,)}] * 3
    assert recorded(world) == [("a", "b", "a longer note", "merge")]


@pytest.mark.parametrize(
    ("field", "values"),
    [(TAGS, ("a;b", "a;x", "a;b;y")), (Field("v"), ("one\ntwo", "ONE\ntwo", "one\nTWO")), (Field("v", "integer"), ("1", "2", "4"))],
)
def test_every_system_whose_edit_was_joined_has_changes_due(make_world: Any, field: Field, values: tuple[str, str, str]) -> None:
    """What is due is what people changed; a join in which only one of them counts would hide the others' failures."""
    world = three(make_world, field)
    world.sql("a", "INSERT INTO things VALUES ('1', ?)", values[0])
    world.sync()
    for system, value in zip("ab", values[1:], strict=True):
        world.sql(system, "UPDATE things SET v = ?", value)

    world.sync()

    due = {(c["source"], c["target"]): c["verified"] for c in world.segments("changes") if c["run"] == f"run-{world.runs}"}
    assert due == dict.fromkeys([("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")], True)
