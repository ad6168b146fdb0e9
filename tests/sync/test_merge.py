"""Who wins when systems differ, and that what loses is kept."""

from __future__ import annotations

from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.sync.cycle import Cycle

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]
DATED = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, at TIMESTAMP)"


def conflicts(world: Any) -> list[tuple[Any, ...]]:
    """(field, winner, loser, losing value, rule) of each recorded value."""
    return sorted((c["field"], c["winner"], c["loser"], c["losing_value"], c["rule"]) for c in world.segments("conflicts"))


def test_edits_of_different_fields_of_one_row_both_survive(two: Any) -> None:
    """A merge per row would throw away one person's work."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'new'")
    two.sql("b", "UPDATE things SET size = 2")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("new", 2)}
    assert conflicts(two) == []


def test_edits_of_one_field_go_by_authority_and_the_loser_is_kept(two: Any) -> None:
    """The value of the system that does not own the field can still be found."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'mine'")
    two.sql("b", "UPDATE things SET name = 'yours'")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("mine", 1)}
    assert conflicts(two) == [("name", "a", "b", "yours", "authority")]
    assert two.segments("conflicts")[0]["base_value"] == "old"
    assert not two.sync().changed


def test_a_lone_edit_wins_even_against_the_authority_s_unchanged_value(two: Any) -> None:
    """Authority decides conflicts; it does not freeze the other systems."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("b", "UPDATE things SET name = NULL")

    two.sync()

    assert two.rows("a") == {"1": (None, 1)}


def test_each_field_has_its_own_authority(make_world: Any) -> None:
    """The planner owns dates, the tracker owns the status."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, authority={"*": "a", "size": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'from a', 1)")
    world.sql("b", "INSERT INTO things VALUES ('1', 'from b', 2)")

    world.sync()

    assert world.rows("a") == world.rows("b") == {"1": ("from a", 2)}
    assert conflicts(world) == [("name", "a", "b", "from b", "first contact"), ("size", "b", "a", "1", "first contact")]


def test_first_contact_fills_gaps_from_either_side(two: Any) -> None:
    """Null at first contact is not yet known, not erased."""
    two.sql("a", "INSERT INTO things VALUES ('1', NULL, 1)")
    two.sql("b", "INSERT INTO things VALUES ('1', 'known', NULL)")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("known", 1)}
    assert conflicts(two) == []


def test_latest_goes_by_the_cursor_column(make_world: Any) -> None:
    """The later authorised edit wins, as the timeline flows ask."""
    mapped = {"fields": {n: FieldMapping(n) for n in ("id", "name")}, "cursor": "at"}
    world = make_world({"a": DATED, "b": DATED}, FIELDS[:2], {"a": mapped, "b": dict(mapped)}, authority={"*": "latest"})
    for system in ("a", "b"):
        world.sql(system, "INSERT INTO things VALUES ('1', 'old', '2026-03-01 00:00:00'), ('2', 'old', '2026-03-01 00:00:00')")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'a', at = CASE id WHEN '1' THEN '2026-03-01 10:00:00' ELSE '2026-03-01 12:00:00' END")
    world.sql("b", "UPDATE things SET name = 'b', at = '2026-03-01 11:00:00'")

    world.sync()

    assert {k: v[0] for k, v in world.rows("a").items()} == {k: v[0] for k, v in world.rows("b").items()} == {"1": "b", "2": "a"}
    assert conflicts(world) == [("name", "a", "b", "b", "latest"), ("name", "b", "a", "a", "latest")]


def test_latest_reads_the_cursor_as_the_map_says_the_column_is_written(make_world: Any) -> None:
    """21:30 in Tokyo is before 13:00 in UTC, and a German date is a date; read as UTC, the wrong edit would be overwritten."""
    text = DATED.replace("TIMESTAMP", "TEXT")
    tokyo, german = FieldMapping("at", timezone="Asia/Tokyo"), FieldMapping("at", format="%d.%m.%Y %H:%M")
    mapped = {n: {"fields": {f: FieldMapping(f) for f in ("id", "name")}, "cursor": "at"} for n in "abc"}
    mapped["b"]["fields"]["at"], mapped["c"]["fields"]["at"] = tokyo, german
    world = make_world(dict.fromkeys("abc", text), [*FIELDS[:2], Field("at", "timestamp")], mapped, authority={"name": "latest", "at": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', NULL), ('2', 'old', NULL)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'a', at = '2026-03-01T13:00:00'")
    world.sql("b", "UPDATE things SET name = 'b', at = '2026-03-01T21:30:00'")
    world.sql("c", "UPDATE things SET name = 'c', at = '01.03.2026 13:30' WHERE id = '2'")

    world.sync()

    assert [{k: v[0] for k, v in world.rows(s).items()} for s in "abc"] == [{"1": "a", "2": "c"}] * 3


def test_a_number_that_only_grows_is_no_time_of_change(make_world: Any) -> None:
    """Who asked for the latest edit must hear that the first system wins instead, or that updated_at is what counts."""
    mapped = {"fields": {n: FieldMapping(n) for n in ("id", "name")}, "cursor": "size"}
    dated = {"fields": {n: FieldMapping(n) for n in ("id", "name", "updated_at")}, "cursor": "size"}
    table = TABLE.replace("size INTEGER", "size INTEGER, updated_at TEXT")
    fields = [*FIELDS[:2], Field("updated_at", "timestamp")]
    bindings = {"a": mapped, "b": dated, "c": mapped | {"cursor": ""}}
    world = make_world(dict.fromkeys("abc", table), fields, bindings, authority={"name": "latest"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1, NULL)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'a', size = 9")
    world.sql("b", "UPDATE things SET name = 'b', size = 2, updated_at = '2026-03-01T10:00:00Z'")

    result = world.sync()

    assert (world.rows("a")["1"][0], world.rows("b")["1"][0]) == ("b", "b")
    told = {f.subject: f.sentence for f in result.findings if f.kind == "no_time"}
    assert list(told) == ["a/things", "c/things"]
    assert "the cursor 'size' of a/things is a number" in told["a/things"]
    assert "neither a cursor nor updated_at says when a row of c/things changed" in told["c/things"]


def test_a_counter_under_merge_adds_what_each_side_added(make_world: Any) -> None:
    """Two sides that each book something must not overwrite each other."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, authority={"size": "merge"})
    world.sql("a", "INSERT INTO things VALUES ('1', NULL, 10), ('emptied', NULL, 10)")
    world.sync()
    world.sql("a", "UPDATE things SET size = CASE id WHEN '1' THEN 13 END")
    world.sql("b", "UPDATE things SET size = 14 WHERE id = '1'")

    world.sync()

    assert world.rows("a") == world.rows("b") == {"1": (None, 17), "emptied": (None, None)}
    assert conflicts(world) == []
    assert not world.sync().changed


@pytest.mark.parametrize(("of_a", "agreed"), [(99, "99.00"), (None, None)])
def test_counters_that_have_no_sum_go_by_the_latest_and_the_loser_is_kept(make_world: Any, of_a: int | None, agreed: str | None) -> None:
    """A sum that no column can hold would end every run of the flow; one with nothing is no sum."""
    world = make_world({"a": TABLE, "b": TABLE}, [FIELDS[0], Field("size", "number(4,2)")], authority={"size": "merge"})
    world.sql("a", "INSERT INTO things VALUES ('1', NULL, 50)")
    world.sync()
    world.sql("a", "UPDATE things SET size = ?", of_a)
    world.sql("b", "UPDATE things SET size = 80")

    result = world.sync()

    assert (result.status, world.rows("a")["1"][1], world.rows("b")["1"][1]) == ("done", of_a, of_a)
    assert conflicts(world) == [("size", "a", "b", "80.00", "merge")]
    assert world.segments("conflicts")[0]["winning_value"] == agreed


def test_a_conflict_for_a_person_stays_open_untouched_and_is_recorded_once(make_world: Any) -> None:
    """Until someone decides, both sides keep what they wrote, and the rest of the row goes on."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, authority={"name": "human"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'x', size = 2")
    world.sql("b", "UPDATE things SET name = 'y'")

    first, second = world.sync(), world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("x", 2)}, {"1": ("y", 2)})
    assert (first.open_conflicts, second.open_conflicts, second.changed) == (1, 1, False)
    assert conflicts(world) == [("name", "agreed", "a", "x", "human"), ("name", "agreed", "b", "y", "human")]


def test_a_person_settles_an_open_conflict_by_making_the_values_equal(make_world: Any) -> None:
    """The decision is made in the systems, with the tools people have."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, authority={"name": "human"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    world.sql("b", "INSERT INTO things VALUES ('1', 'y', 1)")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'x'")

    result = world.sync()

    assert world.rows("a") == world.rows("b") == {"1": ("x", 1)}
    assert result.open_conflicts == 0
    assert not world.sync().changed


def test_a_value_in_a_target_that_is_never_believed_is_overwritten_and_kept(make_world: Any) -> None:
    """Drift in a copy is not a change of the original."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"direction": "write"}})
    world.sql("a", "INSERT INTO things VALUES ('1', 'right', 1)")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'drifted'")

    world.sync()

    assert world.rows("b") == {"1": ("right", 1)}
    assert conflicts(world) == [("name", "agreed", "b", "drifted", "not permitted")]


def test_a_field_that_may_only_be_read_is_never_written(make_world: Any) -> None:
    """A computed column of a system is its own business."""
    fields = {"id": FieldMapping("id"), "name": FieldMapping("name"), "size": FieldMapping("size", direction="read")}
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"fields": fields}})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")

    world.sync()
    world.sql("b", "UPDATE things SET size = 7")
    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("x", 7)}, {"1": ("x", 7)})


@pytest.mark.parametrize(("deletes", "left"), [("propagate", {}), ("ignore", {"1": ("x", 1)}), ("mark", {"1": ("x", 1)})])
def test_a_delete_follows_the_map(make_world: Any, deletes: str, left: dict[str, Any]) -> None:
    """What a delete means is a decision of the organization; and it is made once."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, deletes=deletes)
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    world.sync()
    world.sql("a", "DELETE FROM things")

    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({}, left)
    assert not world.sync().changed


def test_a_marked_delete_sets_deleted_at_and_a_re_created_row_clears_it(make_world: Any) -> None:
    """The other systems see when it went, and that it came back."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, deleted_at TIMESTAMP)"
    fields = [*FIELDS[:2], Field("deleted_at", "timestamp")]
    bindings = {"a": {"fields": {"id": FieldMapping("id"), "name": FieldMapping("name")}}}
    world = make_world({"a": table, "b": table}, fields, bindings, deletes="mark")
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', NULL)")
    world.sync()
    world.sql("a", "DELETE FROM things")
    world.sync()
    marked, proof = world.rows("b")["1"][1], world.reconcile()
    world.sql("b", "UPDATE things SET deleted_at = NULL")
    missing = world.reconcile()
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', NULL)")

    world.sync()

    assert marked.startswith("2026-03-02")
    assert (proof.agrees, missing.agrees) == (True, False)
    assert world.rows("b") == {"1": ("x", None)}


def test_a_delete_wins_over_an_edit_and_the_edit_is_kept(two: Any) -> None:
    """The edit of a row that someone else deleted can be found and restored."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("a", "DELETE FROM things")
    two.sql("b", "UPDATE things SET name = 'edited'")

    two.sync()

    assert two.rows("a") == two.rows("b") == {}
    assert conflicts(two) == [("name", "a", "b", "edited", "deleted")]


def test_a_row_deleted_where_that_is_not_allowed_is_made_again(make_world: Any) -> None:
    """Only bindings named in existence decide what exists."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, existence=("a",))
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    world.sync()
    world.sql("b", "DELETE FROM things")
    world.sql("b", "INSERT INTO things VALUES ('2', 'extra', 2)")

    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("x", 1)}, {"1": ("x", 1), "2": ("extra", 2)})
    assert conflicts(world) == [("", "agreed", "b", None, "may not delete")]
    assert not world.sync().changed


@pytest.mark.parametrize("died", ["", "reading back b"])
def test_a_row_made_again_empties_no_field_that_is_never_written_there(make_world: Any, died: str) -> None:
    """What stood in the row that was deleted is no longer what the system shows, and nobody emptied it."""
    mapped = {"id": FieldMapping("id"), "name": FieldMapping("name"), "size": FieldMapping("size", direction="read")}
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"b": {"fields": mapped}}, existence=("a",), authority={"*": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    world.sync()
    world.sql("b", "UPDATE things SET size = 2")
    world.sync()
    world.sql("b", "DELETE FROM things")
    if died:
        world.crash(died)

    world.sync()
    result = world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("x", 2)}, {"1": ("x", None)})
    assert not result.changed


def test_a_row_made_anew_in_one_system_while_another_deletes_it_stays(two: Any) -> None:
    """Making a row is a later decision than the delete that made room for it."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    two.sync()
    two.sql("b", "DELETE FROM things")
    two.sync()
    two.sql("a", "INSERT INTO things VALUES ('1', 'new', 2)")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("new", 2)}


def test_one_source_feeds_many_targets_that_map_different_fields(make_world: Any) -> None:
    """One way to many is the same merge with fewer voices."""
    tables = {"a": TABLE, "b": "CREATE TABLE things (id TEXT, title TEXT)", "c": "CREATE TABLE things (code TEXT, n INTEGER)"}
    bindings = {
        "a": {"direction": "read"},
        "b": {"direction": "write", "fields": {"id": FieldMapping("id"), "name": FieldMapping("name", column="title")}},
        "c": {"direction": "write", "fields": {"id": FieldMapping("id", column="code"), "size": FieldMapping("size", column="n")}},
    }
    world = make_world(tables, FIELDS, bindings)
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'y', 2)")

    world.sync()

    assert (world.rows("b"), world.rows("c")) == ({"1": ("x",), "2": ("y",)}, {"1": (1,), "2": (2,)})
    assert world.reconcile().agrees


def test_a_row_made_again_empty_where_it_was_left_deleted_is_filled(make_world: Any) -> None:
    """What was agreed with a system before it deleted the row does not count as settled once it shows the row anew."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name")], deletes="ignore")
    world.sql("b", "INSERT INTO things VALUES ('1', NULL)")
    world.sync()
    world.sql("a", "DELETE FROM things")
    world.sync()
    world.sql("b", "UPDATE things SET name = 'z'")
    world.sync()
    world.sql("a", "INSERT INTO things VALUES ('1', NULL)")

    world.sync()

    assert world.rows("a") == {"1": ("z",)}


def test_what_a_person_decides_between_many_systems_is_asked_in_few_words(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB plans every word: said by each system about each other one, a run over eight systems took twenty seconds."""
    asked: list[int] = []
    sql = Cycle.sql
    monkeypatch.setattr(Cycle, "sql", lambda cycle, text, *more: (asked.append(len(text)), sql(cycle, text, *more))[1])
    world = make_world(dict.fromkeys("abcde", TABLE), FIELDS, authority={"*": "human"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    for system in "bde":
        world.sql(system, "UPDATE things SET name = ?, size = 2", system)

    world.sync()

    assert conflicts(world) == [("name", "agreed", system, system, "human") for system in "bde"]
    assert world.rows("a") == {"1": ("old", 2)}
    assert max(asked) < 20_000


def test_a_run_asks_only_about_the_fields_that_moved(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field is a piece of every long statement; of tables with hundreds of them a few move."""
    asked: list[int] = []
    sql, count = Cycle.sql, Cycle.count
    monkeypatch.setattr(Cycle, "sql", lambda cycle, text, *more: (asked.append(len(text)), sql(cycle, text, *more))[1])
    monkeypatch.setattr(Cycle, "count", lambda cycle, text, *more: (asked.append(len(text)), count(cycle, text, *more))[1])
    fields = [f"f{number}" for number in range(30)]
    table = f"CREATE TABLE things (id TEXT PRIMARY KEY, {', '.join(f'{f} TEXT' for f in fields)})"
    world = make_world({"a": table, "b": table}, [Field("id", required=True), *map(Field, fields)])
    world.sql("a", f"INSERT INTO things VALUES ('1'{', 1' * 30})")
    world.sql("b", f"INSERT INTO things VALUES ('2'{', 1' * 30})")
    world.sync()
    said = []
    for moved in (fields[:1], fields):
        world.sql("a", f"UPDATE things SET {', '.join(f'{f} = {f} + 1' for f in moved)}")
        asked.clear()

        world.sync()

        said.append(sum(asked))
        assert world.rows("b") == world.rows("a")
    assert said[0] < 0.85 * said[1]
