"""Our own writes come back from every system on the next read, often changed by it; they must not be taken for anybody's edit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.event import Event, ObjectRef

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size NUMERIC(12,2))"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "number(12,2)")]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NORMAL = "UPDATE things SET name = upper(trim(name)), size = round(size) WHERE id = NEW.id"


@pytest.fixture
def normalising(make_world: Any) -> Any:
    """Two-way: b trims, upper-cases and rounds whatever is written to it, by triggers."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS)
    for event in ("INSERT", "UPDATE"):
        world.sql("b", f"CREATE TRIGGER on_{event.lower()} AFTER {event} ON things BEGIN {NORMAL}; END")
    world.sql("a", "INSERT INTO things VALUES ('1', ' Ann ', 1.25), ('2', 'Bo', 2.5), ('3', 'CY', 3)")
    return world


def writes(result: Any) -> int:
    return sum(result.counts[n] for n in ("inserted", "updated", "deleted"))


def put_back(world: Any, state: dict[str, Any], number: int) -> None:
    """Let the log say that the bases are those of ``state``: as if no run since had moved them."""
    bases = {role: list(shas) for role, shas in state.items() if role.startswith("base:")}
    body = {"flow": "things", "run": f"put-back-{number}", "status": "done", "state": bases}
    world.store.append([Event(f"put-back:{number}", "flow.run_finished", NOW, "test", body, (ObjectRef("flow", "things"),))])


def test_what_a_system_makes_of_our_writes_is_not_written_back_and_forth(normalising: Any) -> None:
    """One run writes, every later one finds nothing to do, however the other system spells the values."""
    results = [normalising.sync() for _ in range(5)]

    assert [writes(r) for r in results] == [3, 0, 0, 0, 0]
    assert [r.changed for r in results] == [True, False, False, False, False]
    assert normalising.rows("b") == {"1": ("ANN", 1), "2": ("BO", 3), "3": ("CY", 3)}
    assert normalising.rows("a")["1"] == (" Ann ", 1.25)


def test_a_number_next_to_the_largest_may_be_cut_by_a_system(make_world: Any) -> None:
    """Rounded up it is none of its type any more, which must not end the run that asks whether it was rounded."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id", required=True), Field("v", "number(38,9)")])
    most = "9" * 29
    world.sql("b", f"CREATE TRIGGER cut AFTER INSERT ON things BEGIN UPDATE things SET v = '{most}' WHERE id = NEW.id; END")
    world.sql("a", f"INSERT INTO things VALUES ('1', '{most}.999999999')")

    results = [world.sync(), world.sync()]

    assert [writes(r) for r in results] == [1, 0]
    assert world.rows("a") == {"1": (f"{most}.999999999",)}


def test_an_edit_in_the_normalising_system_is_still_an_edit(normalising: Any) -> None:
    """Suppressing echoes must not make a system deaf."""
    normalising.sync()
    normalising.sql("b", "UPDATE things SET name = 'dora' WHERE id = '2'")

    normalising.sync()

    assert normalising.rows("a")["2"] == ("DORA", 2.5)
    assert writes(normalising.sync()) == 0


@pytest.mark.parametrize(("moved", "written"), [(True, [0] * 5), (False, [1] * 5)])
def test_without_moving_the_base_two_systems_that_spell_a_value_differently_would_write_forever(
    make_world: Any, moved: bool, written: list[int]
) -> None:
    """It is the base, moved to what each system made of our write, that ends the echo: put back after each run, it never ends."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS)
    for system, spelling in (("a", "lower"), ("b", "upper")):
        world.sql(
            system,
            f"CREATE TRIGGER spell AFTER UPDATE ON things BEGIN UPDATE things SET name = {spelling}(name) WHERE id = NEW.id; END",
        )
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    before = world.store.flow_state("things")
    world.sql("a", "UPDATE things SET name = 'New'")
    first = writes(world.sync())

    found = []
    for number in range(5):
        if not moved:
            put_back(world, before, number)
        found.append(writes(world.sync()))

    assert (first, found) == (1, written)
    assert (world.rows("a")["1"][0], world.rows("b")["1"][0]) == ("new", "NEW")


def test_an_emptied_field_is_no_echo_of_a_delete_that_never_came_to_pass(two: Any) -> None:
    """A delete sets nothing: taken for what it wrote, somebody's empty value would be overwritten and nobody would know."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 3)")
    two.sync()
    two.sql("a", "DELETE FROM things")
    two.sql("b", "UPDATE things SET size = 4")
    two.crash("writing b")
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 3)")
    two.sql("b", "UPDATE things SET size = NULL")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("x", None)}


def test_every_value_of_a_row_that_stands_after_its_delete_is_recorded_when_it_is_deleted_again(two: Any) -> None:
    """Whether the row was made again or the delete never reached it cannot be told; all it shows that was not agreed must be found."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 3)")
    two.sync()
    two.sql("a", "DELETE FROM things")
    two.sql("b", "UPDATE things SET size = 4")
    two.crash("writing b")
    two.sql("b", "UPDATE things SET name = 'y', size = NULL")

    two.sync(allow_deletes=True)

    lost = {(r["loser"], r["field"], r["losing_value"], r["base_value"]) for r in two.segments("conflicts")}
    assert two.rows("b") == {}
    assert lost == {("b", "size", "4", "3"), ("b", "name", "y", "x"), ("b", "size", None, "3")}
