"""Values made of pieces (parts, sets, codes of a table): written and read back they are what they were, or they are not written at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.connectors.duck import open_duck
from accord.connectors.types import duckdb_type, quote
from accord.model.entity import Entity, Field
from accord.model.errors import MapError, Place, UnknownName
from accord.model.flow import Binding, FieldMapping, Flow, Join, Lookup, Split
from accord.model.types import CanonicalType
from accord.sync.mapping.fields import column_writes, compile_field
from accord.sync.merge.conflict_list import open_conflicts
from accord.sync.merge.decide import decide

ID = Field("id", required=True)
TEXT = st.text(alphabet="abZ ;,|/ü'\"\n", max_size=8)
PLAIN = {"id": FieldMapping("id")}


@pytest.fixture(scope="module")
def con() -> Any:
    made = open_duck(threads=1)
    yield made
    made.close()


def there_and_back(
    con: duckdb.DuckDBPyConnection,
    fields: Sequence[Field],
    mappings: Sequence[FieldMapping],
    columns: dict[str, str],
    rows: list[tuple[Any, ...]],
) -> list[tuple[tuple[Any, ...], bool, tuple[Any, ...]]]:
    """Rows written to a system's columns and read again: (what was given, whether it was refused, what came back)."""
    binding = Binding("b", "r", {m.name: m for m in mappings})
    codes = [compile_field(f, m, binding, columns) for f, m in zip(fields, mappings, strict=True)]
    types = ["VARCHAR" if f.type == "json" else duckdb_type(CanonicalType.parse(f.type)) for f in fields]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE given (n INTEGER, {', '.join(f'{quote(f.name)} {t}' for f, t in zip(fields, types, strict=True))})"
    )
    con.executemany(f"INSERT INTO given VALUES (?{', ?' * len(fields)})", [(n, *row) for n, row in enumerate(rows)])
    writes = column_writes(codes)
    native = ", ".join(f"CAST({sql} AS {columns[c]}) AS {quote(c)}" for c, (sql, _) in writes.items())
    unfit = " OR ".join(f"({quote(c.name)} IS NOT NULL AND {quote('column ' + c.column)} IS NULL)" for c in codes)
    named = ", ".join(f"{quote(c)} AS {quote('column ' + c)}" for c in writes)
    read = ", ".join(f"CAST({c.read} AS {t}) AS {quote(c.name)}" for c, t in zip(codes, types, strict=True))
    con.execute(f"CREATE OR REPLACE TEMP TABLE native AS SELECT n AS native_n, {native} FROM given")
    con.execute(f"CREATE OR REPLACE TEMP TABLE shown AS SELECT native_n, {read} FROM native")
    con.execute(f"CREATE OR REPLACE TEMP TABLE raw AS SELECT native_n, {named} FROM native")
    kept = ", ".join(f"s.{quote(f.name)}" for f in fields)
    refused = con.execute(f"SELECT {unfit} FROM given JOIN raw ON n = native_n ORDER BY n").fetchall()
    back = con.execute(f"SELECT {kept} FROM given JOIN shown s ON n = native_n ORDER BY n").fetchall()
    return [(row, bool(no[0]), came) for row, no, came in zip(rows, refused, back, strict=True)]


SPLIT = [FieldMapping(n, column="whole", split=Split(p)) for n, p in (("first", 1), ("middle", 2), ("last", 3))]
CASES: dict[str, tuple[list[Field], list[FieldMapping], dict[str, str], Any]] = {
    "split": ([Field(m.name) for m in SPLIT], SPLIT, {"whole": "VARCHAR"}, st.tuples(*[st.none() | TEXT.filter(bool)] * 3)),
    "join": (
        [Field("v")],
        [FieldMapping("v", join=Join(("given", "family", "suffix")))],
        dict.fromkeys(("given", "family", "suffix"), "VARCHAR"),
        st.tuples(st.none() | TEXT.filter(bool)),
    ),
    "set": (
        [Field("v", separator=";")],
        [FieldMapping("v", separator=",")],
        {"v": "VARCHAR"},
        st.tuples(st.sets(st.text(alphabet="ab,/ü'", min_size=1, max_size=3)).map(lambda s: ";".join(sorted(s)) or None)),
    ),
    "array": (
        [Field("v", "json")],
        [FieldMapping("v", separator="|")],
        {"v": "VARCHAR"},
        st.tuples(
            st.sets(st.sampled_from(["a", "b c", "ü", "x|y", " lead", "q'"])).map(lambda s: json.dumps(sorted(s), separators=(",", ":")))
        ),
    ),
    "default": ([Field("v", "integer")], [FieldMapping("v", default="7")], {"v": "INTEGER"}, st.tuples(st.integers(-9, 9))),
    "checked constant": (
        [Field("v")],
        [FieldMapping("v", column="v", value="EUR")],
        {"v": "VARCHAR"},
        st.tuples(st.sampled_from(["EUR", "USD"])),
    ),
    "codes": (
        [Field("v")],
        [FieldMapping("v", codes={"o": "open", "c": "closed"})],
        {"v": "VARCHAR"},
        st.tuples(st.sampled_from(["open", "closed", "lost"])),
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_is_written_reads_back_the_same_or_is_refused(con: Any, kind: str) -> None:
    """The law of every mapping: read(write(x)) = x. A value that would break it is not written."""
    fields, mappings, columns, values = CASES[kind]

    @settings(max_examples=12, deadline=None)
    @given(rows=st.lists(values, min_size=1, max_size=30))
    def law(rows: list[tuple[Any, ...]]) -> None:
        wrong = [(row, back) for row, refused, back in there_and_back(con, fields, mappings, columns, rows) if not refused and row != back]
        assert wrong == []

    law()


@pytest.mark.parametrize(
    ("kind", "row", "refused"),
    [
        ("split", ("Ann", "B.", "van der Velde"), False),
        ("split", (None, None, None), False),
        ("split", ("Mary Ann", None, "Smith"), True),
        ("join", ("Ann B. van der Velde",), False),
        ("join", (" Ann",), True),
        ("set", ("a;b,c",), True),
        ("array", ('["x|y"]',), True),
        ("array", ("[]",), False),
        ("checked constant", ("USD",), True),
        ("codes", ("lost",), True),
    ],
)
def test_ordinary_values_pass_and_ambiguous_ones_are_refused(con: Any, kind: str, row: tuple[Any, ...], refused: bool) -> None:
    """A law that refuses everything would hold too."""
    fields, mappings, columns, _ = CASES[kind]

    ((_, was_refused, back),) = there_and_back(con, fields, mappings, columns, [row])

    assert (was_refused, refused or back == row) == (refused, True)


def mapped(*mappings: FieldMapping) -> dict[str, Any]:
    return {"fields": {**PLAIN, **{m.name: m for m in mappings}}}


@pytest.fixture
def people(make_world: Any) -> Any:
    """System a holds first and last name, b one column with both, c three columns that are one name for nobody else."""
    tables = {
        "a": "CREATE TABLE things (id TEXT PRIMARY KEY, first TEXT, last TEXT)",
        "b": "CREATE TABLE things (id TEXT PRIMARY KEY, whole TEXT)",
    }
    parts = mapped(*(FieldMapping(n, column="whole", split=Split(p)) for n, p in (("first", 1), ("last", 2))))
    return make_world(tables, [ID, Field("first"), Field("last")], {"b": parts})


def test_one_column_is_two_fields_and_back(people: Any) -> None:
    """An edit of either part writes the whole once, and an edit of the whole writes both parts."""
    people.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'van der Velde'), ('2', 'Bo', NULL)")
    people.sync()
    first = people.rows("b")
    people.sql("a", "UPDATE things SET last = 'Smith' WHERE id = '1'")
    people.sql("b", "UPDATE things SET whole = 'Bo Li' WHERE id = '2'")
    people.sync()

    assert first == {"1": ("Ann van der Velde",), "2": ("Bo",)}
    assert people.rows("b") == {"1": ("Ann Smith",), "2": ("Bo Li",)}
    assert people.rows("a") == {"1": ("Ann", "Smith"), "2": ("Bo", "Li")}
    assert not people.sync().changed
    assert people.reconcile().agrees


def test_empty_parts_are_written_and_are_no_difference(people: Any) -> None:
    """Forms leave empty texts behind; a row of nothing else must arrive too, and the proof must not call it other than it is."""
    people.sql("a", "INSERT INTO things VALUES ('1', 'Ann', ''), ('2', '', 'Li'), ('3', '', ''), ('4', NULL, NULL)")

    result = people.sync()

    assert (result.status, people.rows("b")) == ("done", {"1": ("Ann",), "2": (" Li",), "3": ("",), "4": (None,)})
    assert people.rows("a") == {"1": ("Ann", ""), "2": ("", "Li"), "3": ("", ""), "4": (None, None)}
    assert not people.sync().changed
    assert people.reconcile().agrees


def test_edits_of_both_parts_in_two_systems_are_both_kept(people: Any) -> None:
    """They share a column there, and are two fields all the same."""
    people.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'Old')")
    people.sync()
    people.sql("a", "UPDATE things SET first = 'Anna'")
    people.sql("b", "UPDATE things SET whole = 'Ann New'")

    people.sync()

    assert (people.rows("a"), people.rows("b")) == ({"1": ("Anna", "New")}, {"1": ("Anna New",)})


def test_a_first_name_with_a_space_is_refused_where_it_could_not_be_told_apart(people: Any) -> None:
    """Written, it would come back as another name; the reason names the part that is in the way, and what can be done."""
    people.sql("a", "INSERT INTO things VALUES ('1', 'Mary Ann', 'van Smith')")

    result = people.sync()

    assert (result.status, people.rows("b")) == ("partial", {})
    assert result.findings[0].examples == (
        "first: 'Mary Ann' holds ' ', which separates the parts of column whole: "
        "change the value, or map the column to one field and join the parts of other systems",
    )


def test_a_part_that_waits_for_a_person_is_not_overwritten_with_the_other(make_world: Any) -> None:
    """The column is written as a whole, and with it what somebody has to decide about."""
    whole = mapped(FieldMapping("first", column="whole", split=Split(1)), FieldMapping("last", column="whole", split=Split(2)))
    tables = {"a": "CREATE TABLE things (id TEXT PRIMARY KEY, first TEXT, last TEXT)", "b": "CREATE TABLE things (id TEXT, whole TEXT)"}
    world = make_world(tables, [ID, Field("first"), Field("last")], {"b": whole}, authority={"*": "a", "last": "human"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'Old')")
    world.sync()
    world.sql("a", "UPDATE things SET first = 'Anna', last = 'Lee'")
    world.sql("b", "UPDATE things SET whole = 'Ann Fox'")

    world.sync()

    assert (world.rows("a"), world.rows("b")) == ({"1": ("Anna", "Lee")}, {"1": ("Ann Fox",)})
    assert not world.sync().changed
    conflict = open_conflicts(world.store, ["things"])[0]
    decide(world.map, world.connectors, world.store, conflict.id, take="b", by="Ann", run="decided", now=world.now)
    world.sync()
    assert (world.rows("a"), world.rows("b")) == ({"1": ("Anna", "Fox")}, {"1": ("Anna Fox",)})


def test_a_part_edited_in_a_row_that_breaks_the_contract_is_not_overwritten_with_the_other(make_world: Any) -> None:
    """Nobody else changed it, and its row waits for its users."""
    whole = mapped(FieldMapping("first", column="whole", split=Split(1)), FieldMapping("last", column="whole", split=Split(2)))
    tables = {"a": "CREATE TABLE things (id TEXT, first TEXT, last TEXT, n TEXT)", "b": "CREATE TABLE things (id TEXT, whole TEXT, n TEXT)"}
    whole["fields"]["n"] = FieldMapping("n")
    world = make_world(tables, [ID, Field("first"), Field("last"), Field("n", "integer")], {"b": whole})
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann', 'Old', '1')")
    world.sync()
    world.sql("b", "UPDATE things SET whole = 'Ann New', n = 'bad'")
    world.sql("a", "UPDATE things SET first = 'Anna'")
    world.sync()
    waiting = world.rows("b")
    world.sql("b", "UPDATE things SET n = '2'")

    world.sync()

    assert (waiting, world.rows("b")) == ({"1": ("Ann New", "bad")}, {"1": ("Anna New", "2")})
    assert world.rows("a") == {"1": ("Anna", "New", "2")}


def test_several_columns_are_one_field_and_back(make_world: Any) -> None:
    """The other way around: the system has the parts, everybody else the whole."""
    tables = {
        "a": "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)",
        "b": "CREATE TABLE things (id TEXT PRIMARY KEY, given TEXT, family TEXT)",
    }
    world = make_world(tables, [ID, Field("name")], {"b": mapped(FieldMapping("name", join=Join(("given", "family"))))})
    world.sql("a", "INSERT INTO things VALUES ('1', 'Ann van der Velde'), ('2', 'Bo'), ('3', '')")
    world.sync()
    first = world.rows("b")
    world.sql("b", "UPDATE things SET family = 'Smith' WHERE id = '1'")
    world.sql("a", "UPDATE things SET name = 'Bo Li' WHERE id = '2'")
    world.sync()

    assert first == {"1": ("Ann", "van der Velde"), "2": ("Bo", None), "3": ("", None)}
    assert world.rows("a") == {"1": ("Ann Smith",), "2": ("Bo Li",), "3": ("",)}
    assert world.rows("b") == {"1": ("Ann", "Smith"), "2": ("Bo", "Li"), "3": ("", None)}
    assert not world.sync().changed
    assert world.reconcile().agrees


def looked_up(make_world: Any, lookup: Lookup, **more: Any) -> Any:
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, team TEXT)"
    return make_world({"a": table, "b": table}, [ID, Field("team")], {"b": mapped(FieldMapping("team", lookup=lookup))}, **more)


def test_a_file_says_what_codes_mean_in_both_directions(make_world: Any, tmp_path: Path) -> None:
    """Codes that change too often for the map stand in a table; what it does not know, or not for sure, is refused."""
    (tmp_path / "teams.csv").write_text("code,name\n1,Sales\n2,Support\n3,Twins\n4,Twins\n")
    world = looked_up(make_world, Lookup("code", "name", file="teams.csv", place=Place(str(tmp_path / "map.yaml"))))
    world.sql("a", "INSERT INTO things VALUES ('1', 'Sales'), ('2', 'Nobody'), ('3', 'Twins')")
    world.sql("b", "INSERT INTO things VALUES ('8', '2'), ('9', '77')")

    result = world.sync()

    assert world.rows("b") == {"1": ("1",), "8": ("2",), "9": ("77",)}
    assert world.rows("a") == {"1": ("Sales",), "2": ("Nobody",), "3": ("Twins",), "8": ("Support",)}
    assert result.counts["refused"] == 2
    assert world.reasons() == {("b", "9"): ["team: '77' is no known code of teams.csv"]}


def test_a_table_of_codes_that_changes_is_looked_at_again(make_world: Any, tmp_path: Path) -> None:
    """No system was written, and yet there is something to do."""
    (tmp_path / "teams.csv").write_text("code,name\n1,Sales\n")
    world = looked_up(make_world, Lookup("code", "name", file="teams.csv", place=Place(str(tmp_path / "map.yaml"))))
    world.sql("b", "INSERT INTO things VALUES ('8', '2')")
    world.sync()
    world.sync()
    (tmp_path / "teams.csv").write_text("code,name\n1,Sales\n2,Support\n")

    world.sync()

    assert world.rows("a") == {"8": ("Support",)}


def test_the_agreed_rows_of_another_entity_say_what_codes_mean(make_world: Any) -> None:
    """The tracker holds team numbers, the others team names, and both are right."""
    team = Entity("team", ("no",), {"no": Field("no"), "title": Field("title")})
    teams = Flow(
        "teams",
        "team",
        {
            "b": Binding("b", "teams", {n: FieldMapping(n) for n in ("no", "title")}),
            "copy": Binding("copy", "teams_copy", {n: FieldMapping(n) for n in ("no", "title")}, system="a", direction="write"),
        },
    )
    more = {"entities": {"team": team}, "flows": {"teams": teams}}
    world = looked_up(make_world, Lookup("no", "title", entity="team"), map_more=more)
    world.sql("b", "CREATE TABLE teams (no TEXT PRIMARY KEY, title TEXT)")
    world.sql("a", "CREATE TABLE teams_copy (no TEXT PRIMARY KEY, title TEXT)")
    world.sql("b", "INSERT INTO teams VALUES ('10', 'Sales'), ('20', 'Support')")
    world.sql("a", "INSERT INTO things VALUES ('1', 'Support')")
    world.flow = "teams"
    world.sync()
    world.flow = "things"

    world.sync()

    assert world.rows("b") == {"1": ("20",)}


@pytest.mark.parametrize(
    ("lookup", "error", "message"),
    [
        (Lookup("code", "name", file="../secret.csv"), MapError, "outside of the map's folder"),
        (Lookup("code", "name", file="none.csv"), MapError, "is not there"),
        (Lookup("code", "title", file="teams.csv"), MapError, "has no column 'title'"),
        (Lookup("code", "name", entity="nothing"), UnknownName, "nothing"),
    ],
)
def test_a_table_of_codes_that_cannot_be_used_is_refused_by_name(
    make_world: Any, tmp_path: Path, lookup: Lookup, error: type[Exception], message: str
) -> None:
    """A map may read what lies beside it, and nothing else on the machine."""
    (tmp_path / "teams.csv").write_text("code,name\n1,Sales\n")
    at = Lookup(lookup.code, lookup.value, lookup.entity, lookup.file, place=Place(str(tmp_path / "map.yaml")))
    world = looked_up(make_world, at)

    with pytest.raises(error, match=message):
        world.sync()


def test_a_default_stands_for_what_a_system_does_not_say_and_is_not_written_into_it(make_world: Any) -> None:
    """Others see the default; the system that says nothing is left as it is."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": table}, [ID, Field("v")], {"a": mapped(FieldMapping("v", default="normal"))})
    world.sql("a", "INSERT INTO things VALUES ('1', NULL), ('2', 'high')")

    results = [world.sync() for _ in range(2)]

    assert (world.rows("a"), world.rows("b")) == ({"1": (None,), "2": ("high",)}, {"1": ("normal",), "2": ("high",)})
    assert not results[1].changed


def test_a_constant_with_a_column_is_written_there_and_nothing_else_is_believed(make_world: Any) -> None:
    """A price in another currency in a system that only knows euros is a mistake, and not a price."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT)"
    world = make_world({"a": table, "b": table}, [ID, Field("v")], {"b": mapped(FieldMapping("v", column="v", value="EUR"))})
    world.sql("a", "INSERT INTO things VALUES ('1', 'EUR'), ('2', 'USD')")
    world.sql("b", "INSERT INTO things VALUES ('3', 'USD')")

    world.sync()

    assert world.rows("b") == {"1": ("EUR",), "3": ("USD",)}
    assert world.reasons() == {("b", "3"): ["v: 'USD' is not EUR, which always stands here"]}
