"""A row that somebody makes again after a run that died had deleted it: the new row is a decision taken later, and lives."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.entity import Field

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]


@pytest.fixture
def three(make_world: Any, begun_once: Any) -> Any:
    """Systems a, b and c that agree on two rows, of which a has then lost the first."""

    def play() -> Any:
        world = make_world(dict.fromkeys("abc", TABLE), FIELDS, authority={"*": "a"})
        world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1), ('2', 'other', 2)")
        world.sync()
        world.sql("a", "DELETE FROM things WHERE id = '1'")
        return world

    return begun_once(play)


@pytest.mark.parametrize(
    "died", ["writing c", "moving the base", *(pytest.param(f"reading back {n}", marks=pytest.mark.prove) for n in "bc")]
)
def test_a_row_made_again_after_the_delete_of_a_dead_run_lives_everywhere(three: Any, died: str) -> None:
    """It was deleted once more, with all that had been typed in; nothing of the old row comes back with it either."""
    three.crash(died)
    three.sql("b", "INSERT INTO things VALUES ('1', 'new', NULL)")

    three.sync(allow_deletes=True)

    assert [three.rows(n) for n in "abc"] == [{"1": ("new", None), "2": ("other", 2)}] * 3
    assert not three.sync().changed


@pytest.mark.parametrize("died", ["writing c", "moving the base", pytest.param("writing b", marks=pytest.mark.prove)])
def test_a_delete_of_a_dead_run_is_finished_where_nobody_made_the_row_again(three: Any, died: str) -> None:
    """What is known of the first systems must not make the rest look agreed; an edit there is recorded as lost."""
    three.crash(died)
    three.sql("c", "UPDATE things SET name = 'edited' WHERE id = '1'")

    three.sync(allow_deletes=True)

    assert [three.rows(n) for n in "abc"] == [{"2": ("other", 2)}] * 3
    assert not three.sync().changed
    lost = [r["losing_value"] for r in three.segments("conflicts")]
    assert lost == ([] if died == "moving the base" else ["edited"])


def test_a_row_made_again_survives_a_second_run_that_dies(three: Any) -> None:
    """The run that spreads it dies too, and people go on: what they typed last in each field stays."""
    three.crash("moving the base")
    three.sql("b", "INSERT INTO things VALUES ('1', 'new', 7)")
    three.crash("writing c")
    three.sql("b", "UPDATE things SET size = 8 WHERE id = '1'")
    three.crash("reading back a")
    three.sql("a", "UPDATE things SET name = 'newer' WHERE id = '1'")

    three.sync(allow_deletes=True)

    assert [three.rows(n)["1"] for n in "abc"] == [("newer", 8)] * 3
    assert not three.sync().changed


def test_a_row_made_again_while_the_run_still_writes_lives(three: Any) -> None:
    """Another row is edited under the hands of the run, so it looks once more within itself: there, too, the row is a new one."""

    met: list[str] = []

    def meddle(said: str) -> None:
        if said.endswith("writing c") and not met:
            met.append(said)
            three.sql("b", "INSERT INTO things VALUES ('1', 'new', 7)")
            three.sql("c", "UPDATE things SET name = 'typed' WHERE id = '2'")

    three.sql("a", "UPDATE things SET name = 'renamed' WHERE id = '2'")
    three.sync(progress=meddle, allow_deletes=True)
    three.sync(allow_deletes=True)

    assert [three.rows(n) for n in "abc"] == [{"1": ("new", 7), "2": ("renamed", 2)}] * 3


def test_a_row_made_again_in_two_systems_while_the_run_still_writes_loses_no_value(three: Any) -> None:
    """The first new row is on its way when the authority gets another one: what loses was shown nowhere else, and is recorded."""
    met = [
        ("noting what will be written", [("a", "INSERT INTO things VALUES ('1', 'newest', 8)")]),
        ("writing c", [("b", "INSERT INTO things VALUES ('1', 'new', 7)"), ("c", "UPDATE things SET name = 'typed' WHERE id = '2'")]),
    ]

    def meddle(said: str) -> None:
        if said.endswith(met[-1][0] if met else "-"):
            for edit in met.pop()[1]:
                three.sql(*edit)

    three.sql("a", "UPDATE things SET name = 'renamed' WHERE id = '2'")
    three.sync(progress=meddle, allow_deletes=True)

    assert [three.rows(n) for n in "abc"] == [{"1": ("newest", 8), "2": ("renamed", 2)}] * 3
    assert {("b", "new"), ("b", "7")} <= {(r["loser"], r["losing_value"]) for r in three.segments("conflicts")}
