"""Values travel between systems that write them differently, and come back the same."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import NOWHERE, MapError
from accord.model.flow import FieldMapping, Split
from accord.model.units import decimal_text, factor

ID = Field("id", required=True)


def mapped(*mappings: FieldMapping) -> dict[str, Any]:
    return {"fields": {"id": FieldMapping("id"), **{m.name: m for m in mappings}}}


@pytest.mark.parametrize(
    ("field", "left", "right", "columns", "written", "shown"),
    [
        (
            Field("v", "number(12,2)", unit="EUR"),
            FieldMapping("v"),
            FieldMapping("v", unit="cent"),
            ("NUMERIC(12,2)", "INTEGER"),
            12.34,
            1234,
        ),
        (Field("v", "number(12,2)", unit="h"), FieldMapping("v"), FieldMapping("v", unit="min"), ("NUMERIC(12,2)", "INTEGER"), 1.5, 90),
        (
            Field("v", "number(9,4)", unit="share"),
            FieldMapping("v"),
            FieldMapping("v", unit="%"),
            ("NUMERIC(9,4)", "NUMERIC(9,2)"),
            0.125,
            12.5,
        ),
        (Field("v"), FieldMapping("v"), FieldMapping("v", codes={"o": "open", "c": "closed"}), ("TEXT", "TEXT"), "closed", "c"),
        (Field("v", "boolean"), FieldMapping("v"), FieldMapping("v", codes={"Y": "true", "N": "false"}), ("BOOLEAN", "TEXT"), 1, "Y"),
        (
            Field("v", "timestamp"),
            FieldMapping("v", timezone="UTC"),
            FieldMapping("v", timezone="Europe/Berlin"),
            ("TIMESTAMP", "TEXT"),
            "2026-07-01 10:00:00",
            "2026-07-01T12:00:00",
        ),
        (
            Field("v", "timestamp"),
            FieldMapping("v"),
            FieldMapping("v", format="%d.%m.%Y %H:%M", timezone="Europe/Berlin"),
            ("TIMESTAMP", "TEXT"),
            "2026-01-31 10:05:00",
            "31.01.2026 11:05",
        ),
        (
            Field("v", "timestamp"),
            FieldMapping("v"),
            FieldMapping("v", unit="s"),
            ("TIMESTAMP", "INTEGER"),
            "2026-01-01 00:00:01",
            1767225601,
        ),
        (Field("v", "date"), FieldMapping("v"), FieldMapping("v", format="%d/%m/%Y"), ("DATE", "TEXT"), "2026-02-03", "03/02/2026"),
        (Field("v"), FieldMapping("v"), FieldMapping("v", read="upper(v)", write="lower(v)"), ("TEXT", "TEXT"), "ABC", "abc"),
        (Field("v", "json"), FieldMapping("v"), FieldMapping("v"), ("TEXT", "TEXT"), '{"b": 1, "a": [2]}', '{"a":[2],"b":1}'),
    ],
)
def test_a_value_is_written_in_the_target_s_own_terms_and_rests(
    make_world: Any, field: Field, left: FieldMapping, right: FieldMapping, columns: tuple[str, str], written: Any, shown: Any
) -> None:
    """A unit, code or zone that is wrong by one step is wrong in every row."""
    tables = {n: f"CREATE TABLE things (id TEXT PRIMARY KEY, v {t})" for n, t in zip("ab", columns, strict=True)}
    world = make_world(tables, [ID, field], {"a": mapped(left), "b": mapped(right)})
    world.sql("a", "INSERT INTO things VALUES ('1', ?)", written)

    first, second = world.sync(), world.sync()

    assert world.rows("b") == {"1": (shown,)}
    assert world.rows("a") == {"1": (written,)}
    assert (first.counts["inserted"], second.changed) == (1, False)
    assert world.reconcile().agrees


def test_a_change_in_the_target_s_terms_comes_back_in_the_source_s(make_world: Any) -> None:
    """Both directions of one mapping are inverse, or two-way flows drift."""
    tables = {"a": "CREATE TABLE things (id TEXT, v NUMERIC(12,2))", "b": "CREATE TABLE things (id TEXT, v INTEGER)"}
    world = make_world(tables, [ID, Field("v", "number(12,2)", unit="h")], {"b": mapped(FieldMapping("v", unit="min"))})
    world.sql("a", "INSERT INTO things VALUES ('1', 2)")
    world.sync()
    world.sql("b", "UPDATE things SET v = 45")

    world.sync()

    assert world.rows("a") == {"1": (0.75,)}


def test_a_column_that_holds_less_is_written_once_and_never_echoes_its_loss(make_world: Any) -> None:
    """Whole hours in one system must not cut the minutes in the other, nor be written anew on every run."""
    tables = {"a": "CREATE TABLE things (id TEXT, v NUMERIC(12,2))", "b": "CREATE TABLE things (id TEXT, v INTEGER)"}
    world = make_world(tables, [ID, Field("v", "number(12,2)")])
    world.sql("a", "INSERT INTO things VALUES ('1', 1.25), ('2', 2)")

    results = [world.sync() for _ in range(3)]

    assert world.rows("a") == {"1": (1.25,), "2": (2,)}
    assert world.rows("b") == {"1": (1,), "2": (2,)}
    assert [r.changed for r in results] == [True, False, False]
    assert world.reconcile().agrees


@pytest.mark.parametrize(
    ("type_", "given", "kept"),
    [
        ("text", "abcdef", "abc"),
        ("double", 0.1234567890123, 0.12345679),
        ("timestamp", "2026-01-01T12:00:00.6Z", "2026-01-01T12:00:01Z"),
        ("timestamp", "2026-01-01T12:00:00.649Z", "2026-01-01T12:00:00.6Z"),
    ],
)
def test_a_system_that_stores_a_cut_value_behind_our_back_is_believed_to_have_said_yes(
    make_world: Any, type_: str, given: Any, kept: Any
) -> None:
    """What a column with less room makes of a value is no user's edit: the full value stays where it was, and nothing is written again."""
    table = f"CREATE TABLE things (id TEXT PRIMARY KEY, v {'DOUBLE' if type_ == 'double' else 'TEXT'})"
    world = make_world({"a": table, "b": table}, [ID, Field("v", type_)])
    world.sql("b", f"CREATE TRIGGER cut AFTER INSERT ON things BEGIN UPDATE things SET v = '{kept}' WHERE id = NEW.id; END")
    world.sql("a", f"INSERT INTO things VALUES ('1', '{given}')")

    results = [world.sync() for _ in range(3)]

    assert (world.rows("a"), world.rows("b")) == ({"1": (given,)}, {"1": (kept,)})
    assert [r.changed for r in results] == [True, False, False]


def test_a_value_without_a_code_is_refused_with_the_reason_and_the_row_left_alone(make_world: Any) -> None:
    """Writing null for what a system has no word for would destroy its value."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": table}, [ID, Field("v")], {"b": mapped(FieldMapping("v", codes={"o": "open"}))})
    world.sql("a", "INSERT INTO things VALUES ('1', 'open'), ('2', 'open')")
    world.sync()
    world.sql("a", "UPDATE things SET v = 'paused' WHERE id = '2'")

    result = world.sync()

    assert world.rows("b") == {"1": ("o",), "2": ("o",)}
    assert (result.status, result.counts["refused"]) == ("partial", 1)
    assert "'paused' does not fit column v" in result.findings[0].sentence


def test_a_row_stays_where_the_key_it_has_elsewhere_now_cannot_be_held(make_world: Any) -> None:
    """As a delete and a new row it would be gone there, with all that only this system knows of it, and nothing in its place."""
    extra = "CREATE TABLE things (id INTEGER PRIMARY KEY, v TEXT, note TEXT)"
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": extra}, [ID, Field("v")], {"b": mapped(FieldMapping("v"))})
    world.sql("a", "INSERT INTO things VALUES ('1', 'x'), ('2', 'y'), ('3', 'z')")
    world.sync()
    world.sql("b", "UPDATE things SET note = 'kept'")
    world.sql("a", "UPDATE things SET id = 'abc' WHERE id = '1'")
    world.sql("a", "DELETE FROM things WHERE id = '2'")

    results = [world.sync(), world.sync()]
    world.sql("a", "UPDATE things SET v = 'edited' WHERE id = 'abc'")
    results.append(world.sync())

    assert [(r.counts["deleted"], r.counts["refused"], r.status) for r in results] == [(d, 2, "partial") for d in (1, 0, 0)]
    assert world.rows("b") == {1: ("x", "kept"), 3: ("z", "kept")}
    (told,) = [f for f in results[-1].findings if f.kind == "refused"]
    assert told.examples[0] == "id: the key 'abc' does not fit column id"
    assert told.examples[1].startswith("its key seems to be changed to 'abc'")

    world.sql("a", "UPDATE things SET id = '9' WHERE id = 'abc'")
    assert (world.sync().counts["deleted"], world.sync().changed, world.rows("b")) == (1, False, {3: ("z", "kept"), 9: ("edited", None)})


@pytest.mark.parametrize(
    ("mapping", "first"),
    [
        (FieldMapping("v", codes={"o": "open"}), None),
        pytest.param(FieldMapping("v", column="v", value="open"), "open", marks=pytest.mark.prove),
    ],
)
def test_a_value_a_system_cannot_show_differs_from_no_value_there(make_world: Any, mapping: FieldMapping, first: Any) -> None:
    """An empty column is no coarser form of what it has no word for: taken for one, the change is lost in silence and proven to agree."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": table}, [ID, Field("v")], {"b": mapped(mapping)}, authority={"*": "a"})
    world.sql("a", "INSERT INTO things VALUES ('1', ?)", first)
    world.sync()
    world.sql("a", "UPDATE things SET v = 'paused'")

    results = [world.sync(), world.sync()]
    proof = world.reconcile()

    assert [(r.status, r.counts["refused"]) for r in results] == [("partial", 1)] * 2
    assert (results[0].counts["changes"], results[0].counts["verified"]) == (1, 0)
    assert [(d["left_value"], d["right_value"]) for d in proof.differences.to_pylist()] == [("paused", first)]
    assert world.rows("b") == {"1": (first,)}


def test_a_value_that_stands_as_an_empty_column_is_written_and_proven(make_world: Any) -> None:
    """Where the map says that nothing means a value, nothing is its right form."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    none = FieldMapping("v", read="coalesce(v, 'none')", write="nullif(v, 'none')")
    world = make_world({"a": table, "b": table}, [ID, Field("v")], {"b": mapped(none)})
    world.sql("a", "INSERT INTO things VALUES ('1', 'none'), ('2', 'x')")
    world.sync()
    world.sql("a", "UPDATE things SET v = 'none' WHERE id = '2'")

    result = world.sync()

    assert (result.status, world.rows("b")) == ("done", {"1": (None,), "2": (None,)})
    assert world.reconcile().agrees
    assert not world.sync().changed


@pytest.mark.parametrize(
    "b",
    [
        (FieldMapping("v", column="text", split=Split(1)), FieldMapping("w", column="text", split=Split(2))),
        pytest.param(
            (FieldMapping("v", column="text", read="split_part(text, ' ', 1)", write="concat_ws(' ', v, w)"), FieldMapping("w")),
            marks=pytest.mark.prove,
        ),
    ],
)
def test_a_column_made_of_fields_that_another_system_lacks_is_compared_all_the_same(make_world: Any, b: tuple[FieldMapping, ...]) -> None:
    """A first name is one in a system that knows no last names, too."""
    tables = {"a": "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)", "b": "CREATE TABLE things (id TEXT, text TEXT, w TEXT)"}
    world = make_world(tables, [ID, Field("v"), Field("w")], {"a": mapped(FieldMapping("v")), "b": mapped(*b)})
    world.sql("b", "INSERT INTO things VALUES ('1', 'Ann Lee', 'Lee'), ('2', 'Bo Fry', 'Fry')")
    world.sync()
    world.sql("a", "UPDATE things SET v = 'Anna' WHERE id = '1'")
    world.sync()
    agreed = world.reconcile().agrees
    world.sql("a", "UPDATE things SET v = 'Bob' WHERE id = '2'")

    proof = world.reconcile()

    assert (agreed, world.rows("b")["1"][0]) == (True, "Anna Lee")
    assert [(d["key"], d["left_value"], d["right_value"]) for d in proof.differences.to_pylist()] == [('{"id":"2"}', "Bob", "Bo")]


def test_a_constant_is_a_value_of_the_entity_and_never_written(make_world: Any) -> None:
    """Which system a row came from is known without a column for it."""
    tables = {"a": "CREATE TABLE things (id TEXT)", "b": "CREATE TABLE things (id TEXT, origin TEXT)"}
    bindings = {"a": mapped(FieldMapping("origin", value="A")), "b": {"direction": "write"}}
    world = make_world(tables, [ID, Field("origin")], bindings)
    world.sql("a", "INSERT INTO things VALUES ('1')")

    world.sync()

    assert world.rows("b") == {"1": ("A",)}


@pytest.mark.parametrize("died", ["", "reading back b", "writing b"])
def test_a_constant_of_a_system_is_no_edit_of_the_rows_it_was_given(make_world: Any, died: str) -> None:
    """It tells where a row came from, and a row that came from elsewhere says so already."""
    tables = {"a": "CREATE TABLE things (id TEXT, origin TEXT, v TEXT)", "b": "CREATE TABLE things (id TEXT, v TEXT)"}
    world = make_world(tables, [ID, Field("origin"), Field("v")], {"b": mapped(FieldMapping("v"), FieldMapping("origin", value="B"))})
    world.sql("a", "INSERT INTO things VALUES ('1', 'web', 'x'), ('2', NULL, 'y')")
    world.sql("b", "INSERT INTO things VALUES ('3', 'z')")
    if died:
        world.crash(died)

    world.sync()
    result = world.sync()

    assert world.rows("a") == {"1": ("web", "x"), "2": (None, "y"), "3": ("B", "z")}
    assert (set(world.rows("b")), result.changed) == ({"1", "2", "3"}, False)


def test_units_convert_exactly_or_not_at_all() -> None:
    """A rate between currencies is data; minutes do not convert to euros."""
    assert factor("min", "h", place=NOWHERE) == Fraction(1, 60)
    assert factor("cent", "EUR", place=NOWHERE) == Fraction(1, 100)
    assert (decimal_text(Fraction(1, 100)), decimal_text(Fraction(3600)), decimal_text(Fraction(1, 60))) == ("0.01", "3600", None)
    with pytest.raises(MapError, match="does not convert"):
        factor("min", "kg", place=NOWHERE)
    with pytest.raises(MapError, match="cannot be converted"):
        factor("USD", "EUR", place=NOWHERE)
