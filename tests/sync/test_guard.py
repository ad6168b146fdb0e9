"""Damage is stopped before it begins."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.errors import GuardStopped, MapError
from accord.model.flow import FieldMapping
from accord.model.system import System

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]


def filled(world: Any, rows: int) -> Any:
    world.sql(
        "a", f"INSERT INTO things WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, 'x', i FROM n"
    )
    world.sync()
    return world


def test_a_mass_delete_stops_before_anything_is_written_and_can_be_meant(two: Any) -> None:
    """A broken export must not empty every other system."""
    filled(two, 40)
    two.sql("a", "DELETE FROM things WHERE size > 20")
    two.sql("b", "UPDATE things SET name = 'edited' WHERE id = '1'")

    with pytest.raises(GuardStopped, match=r"would delete 20 of 40 rows of 'things' in 'b'; 20% are allowed"):
        two.sync()
    kept = len(two.rows("b")), two.rows("a")["1"][0]
    two.sync(allow_deletes=True)

    assert kept == (40, "x")
    assert (len(two.rows("b")), two.rows("a")["1"][0]) == (20, "edited")


def test_a_stopped_run_is_in_the_log_with_its_reason(two: Any) -> None:
    """Nobody watches the terminal at night."""
    filled(two, 40)
    two.sql("a", "DELETE FROM things")

    with pytest.raises(GuardStopped, match="shows no rows in 'things' where 40 were agreed"):
        two.sync()

    last = list(two.store.read(types=["flow.run_finished"]))[-1].event.attributes
    assert (last["status"], "shows no rows" in last["reason"]) == ("failed", True)


def test_a_few_deletes_are_no_mass_delete_even_in_a_small_table(two: Any) -> None:
    """One row of three is 33 %, and a normal day."""
    filled(two, 3)
    two.sql("a", "DELETE FROM things WHERE id = '2'")

    two.sync()

    assert two.rows("b").keys() == {"1", "3"}


def test_a_vanished_column_stops_the_run_and_names_the_one_it_may_have_become(two: Any) -> None:
    """A renamed column would otherwise look like every value having been erased."""
    filled(two, 2)
    two.sql("a", "ALTER TABLE things RENAME COLUMN name TO names")

    with pytest.raises(GuardStopped, match=r"column 'name' of 'things' in system 'a' is gone.*Did you mean 'names'\?"):
        two.sync()

    assert two.rows("b") == {"1": ("x", 1), "2": ("x", 2)}


def test_a_key_column_that_is_gone_has_no_policy_to_go_on(make_world: Any) -> None:
    """Without its key no row is known, so the way out cannot be to go on without the column."""
    world = filled(make_world({"a": TABLE, "b": TABLE}, FIELDS, drift="evolve"), 2)
    world.sql("a", "ALTER TABLE things RENAME TO old")
    world.sql("a", "CREATE TABLE things AS SELECT name, size FROM old")

    with pytest.raises(GuardStopped, match=r"column 'id' of 'things'.*bring the column back: without its key no row is known"):
        world.sync()


def test_a_flow_that_may_evolve_goes_on_without_the_vanished_column(make_world: Any) -> None:
    """The field keeps its agreed values, the others go on, and the result says so."""
    world = filled(make_world({"a": TABLE, "b": TABLE}, FIELDS, drift="evolve"), 2)
    world.sql("a", "ALTER TABLE things DROP COLUMN name")
    world.sql("a", "ALTER TABLE things ADD COLUMN colour TEXT")
    world.sql("a", "UPDATE things SET size = 9 WHERE id = '1'")

    result = world.sync()

    assert world.rows("b") == {"1": ("x", 9), "2": ("x", 2)}
    assert {(f.kind, f.count) for f in result.findings} == {("missing_column", 1), ("new_column", 1)}
    assert not world.sync().changed


@pytest.mark.parametrize(
    ("more", "flow", "said"),
    [
        ({"fields": {"id": FieldMapping("id", column="code")}}, {"drift": "evolve"}, "field 'id' is mapped to column 'code'"),
        (
            {"fields": {"id": FieldMapping("id"), "name": FieldMapping("name", column="nmae")}},
            {},
            "field 'name' is mapped to column 'nmae'",
        ),
        ({"cursor": "sise"}, {}, "cursor names column 'sise'"),
    ],
)
def test_a_column_that_was_never_there_is_a_mistake_of_the_map(make_world: Any, more: Any, flow: Any, said: str) -> None:
    """Nothing drifted where no run has seen anything: who wrote the map has to correct it, and hears what there is."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"a": more}, **flow)

    for look in (world.sync, world.reconcile):
        with pytest.raises(MapError, match=rf"binding 'a': {said}, which 'things' in system 'a' does not have\. Known: id, name, size\."):
            look()


def test_a_field_may_be_left_out_from_the_beginning(make_world: Any) -> None:
    """The flow says so; what is told of it does not speak of agreed values, of which there are none."""
    fields = {"id": FieldMapping("id"), "name": FieldMapping("name", column="nmae")}
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"a": {"fields": fields}}, drift="evolve")

    (finding,) = world.sync().findings

    assert finding.sentence.startswith("a/things has no 'nmae', which the map names")
    assert finding.sentence.endswith("its fields are left out. Known: id, name, size. Did you mean 'name'?")


@pytest.mark.parametrize("empty", ["NULL", "''"])
def test_a_column_that_was_emptied_empties_no_other_system(two: Any, empty: str) -> None:
    """Its columns are called and typed as before, so only its values tell; wiped everywhere, nobody could bring them back."""
    filled(two, 40)
    two.sql("a", f"UPDATE things SET name = {empty}")

    with pytest.raises(GuardStopped, match=r"would empty 40 of 40 values of 'name', because 'a' shows none in 'name'; 50% are allowed"):
        two.sync()
    kept = {row[0] for row in two.rows("b").values()}
    two.sync(allow_deletes=True)

    assert kept == {"x"}
    assert {row[0] or "" for row in two.rows("b").values()} == {""}


def test_the_guard_counts_the_values_there_are_and_not_the_rows(two: Any) -> None:
    """A field that few rows have is as empty afterwards."""
    filled(two, 100)
    two.sql("a", "UPDATE things SET name = NULL WHERE size > 10")
    two.sync(allow_deletes=True)
    two.sql("a", "UPDATE things SET name = NULL")

    with pytest.raises(GuardStopped, match="would empty 10 of 10 values of 'name'"):
        two.sync()


def test_a_few_emptied_values_are_a_normal_day_and_rows_that_go_are_counted_as_deletes(two: Any) -> None:
    """A guard that stops ordinary work is turned off."""
    filled(two, 40)
    two.sql("a", "UPDATE things SET name = NULL WHERE size <= 5")
    two.sql("a", "DELETE FROM things WHERE size BETWEEN 10 AND 14")

    two.sync()

    assert sum(row[0] is None for row in two.rows("b").values()) == 5


def test_a_flow_in_which_values_come_and_go_says_so(make_world: Any) -> None:
    """Such as who works on it now: cleared every evening, and deletes are still guarded."""
    world = filled(make_world({"a": TABLE, "b": TABLE}, FIELDS, empty_guard="100%"), 40)
    world.sql("a", "UPDATE things SET name = NULL")

    world.sync()

    assert {row[0] for row in world.rows("b").values()} == {None}
    world.sql("a", "DELETE FROM things WHERE size > 20")
    with pytest.raises(GuardStopped, match="would delete 20 of 40 rows"):
        world.sync()


def elsewhere(world: Any, statement: str) -> None:
    """The map of ``world`` now reads 'a' from a copy of its file, changed by ``statement``."""
    copy = world.folder / "other.db"
    shutil.copy(world.folder / "a.db", copy)
    with closing(sqlite3.connect(copy)) as db:
        db.execute(statement)
        db.commit()
    world.connectors["a"] = open_connector(System("a", "sqlite", "other.db"), base=world.folder)


def test_another_database_under_the_name_of_a_system_is_not_taken_for_its_edits(two: Any) -> None:
    """A map tried on a test database, with the state of the real one: each row that differs would go to every real system."""
    filled(two, 40)
    elsewhere(two, "UPDATE things SET name = 'test' WHERE size > 15")

    for _ in range(2):  # also not in the run after the one that stopped
        with pytest.raises(GuardStopped, match=r"'a' is at another place than .* of 40 rows .* 25 are not there, or have"):
            two.sync()
    untouched = two.rows("b")["40"]
    two.sync(allow_deletes=True)

    assert (untouched, two.rows("b")["40"]) == (("x", 40), ("test", 40))


def test_a_system_that_moved_goes_on_with_its_edits(two: Any) -> None:
    """The rows are those that were agreed, but for what people did since."""
    filled(two, 40)
    elsewhere(two, "UPDATE things SET name = 'edited' WHERE size > 20")

    two.sync()
    two.sql("b", "UPDATE things SET name = 'later'")  # at the place where it was at the last run, any number may change
    result = two.sync()

    assert (result.counts["updated"], two.rows("b")["40"]) == (40, ("later", 40))


def test_new_credentials_are_no_other_place(two: Any, postgres_url: str) -> None:
    """A password is changed every month, and a night's edits may be of every row."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE things (id text PRIMARY KEY, name text, size bigint)")
        two.connectors["b"] = open_connector(System("b", "postgresql", postgres_url), base=two.folder)
        filled(two, 10)
        db.execute("UPDATE things SET name = 'edited'")
        with_more = postgres_url + ("&" if "?" in postgres_url else "?") + "application_name=other"
        two.connectors["b"] = open_connector(System("b", "postgresql", with_more), base=two.folder)

        assert two.sync().counts["updated"] == 10
