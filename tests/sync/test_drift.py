"""Schema drift: what became of a column is seen before the first wrong write, and the map says what follows."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import GuardStopped, SystemChanged
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow
from accord.sync.capture.retyped import changed_types

FIELDS = {"id": Field("id", "integer", required=True), "name": Field("name"), "cents": Field("cents", "integer")}
GOOD = {1: ("one", 100), 2: ("two", 200), 3: ("three", 300)}
POLICIES = ("stop", "quarantine", "evolve")


class Source:
    """One table of one kind, and how its owner changes it behind our back."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        at = {"postgresql": url, "sqlite": "source.db", "duckdb": "source.duckdb"}.get(kind, "source")
        resources = {} if kind in ("postgresql", "sqlite", "duckdb") else {"things": Resource("things", key=("id",))}
        self.system = System("a", kind, at, resources=resources)
        (folder / "source").mkdir()
        self.write("SELECT * FROM (VALUES (1,'one',100),(2,'two',200),(3,'three',300)) t(id, name, cents)")

    def write(self, query: str) -> None:
        """Put the rows of a DuckDB query in the table's place, with its columns and types."""
        path = self.folder / "source" / "things"
        if self.kind in ("csv", "jsonl", "parquet"):
            form = {"csv": "csv, HEADER", "jsonl": "json", "parquet": "parquet"}[self.kind]
            duckdb.sql(f"COPY ({query}) TO '{path}.{self.kind}' (FORMAT {form})")
            return
        if self.kind == "duckdb":
            with duckdb.connect(str(self.folder / "source.duckdb")) as file:
                file.execute(f"CREATE OR REPLACE TABLE things AS {query}")
            return
        rows = duckdb.sql(query)
        types = {"INTEGER": "integer", "BIGINT": "bigint", "VARCHAR": "text", "DECIMAL(5,2)": "numeric(5,2)", "SMALLINT": "smallint"}
        columns = ", ".join(f"{n} {types[str(t)]}" for n, t in zip(rows.columns, rows.types, strict=True))
        values = rows.fetchall()
        if self.kind == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as db:
                db.execute("DROP TABLE IF EXISTS things")
                db.execute(f"CREATE TABLE things ({columns})")
                for row in values:
                    db.execute(f"INSERT INTO things VALUES ({', '.join(['%s'] * len(row))})", row)
            return
        with sqlite3.connect(self.folder / "source.db") as db:
            db.execute("DROP TABLE IF EXISTS things")
            db.execute(f"CREATE TABLE things ({columns})")
            db.executemany(f"INSERT INTO things VALUES ({', '.join('?' * len(rows.columns))})", [tuple(map(plain, row)) for row in values])
        db.close()


def plain(value: Any) -> Any:
    return float(value) if type(value).__name__ == "Decimal" else value


ROWS = "(VALUES (1,'one',100),(2,'TWO',200),(3,'three',300),(4,'four',400)) t(id, name, cents)"
DRIFTS = {
    "new": f"SELECT id, name, cents, 'x' AS note FROM {ROWS}",
    "dropped": f"SELECT id, name FROM {ROWS}",
    "renamed": f"SELECT id, name, cents AS amount FROM {ROWS}",
    "retyped": f"SELECT id, name, CAST(cents / 100 AS DECIMAL(5,2)) AS cents FROM {ROWS}",
    "retyped_text": f"SELECT id, name, cents || ' ct' AS cents FROM {ROWS}",
    "narrowed": f"SELECT id, name, CAST(cents AS SMALLINT) AS cents FROM {ROWS}",
    "widened": f"SELECT id, name, CAST(cents AS BIGINT) AS cents FROM {ROWS}",
}
DECLARING = ("sqlite", "postgresql", "parquet", "duckdb")
# After which every value is known; a value of a hundredth would be the wrong write.
RIGHT = ("new", "widened")


# The short form: each drift and each policy once, and of each other kind what may differ by kind.
SHORT = {
    ("sqlite", "new", "stop"),
    ("sqlite", "widened", "stop"),
    ("sqlite", "dropped", "stop"),
    ("sqlite", "renamed", "quarantine"),
    ("sqlite", "retyped", "stop"),
    ("sqlite", "retyped_text", "evolve"),
    ("sqlite", "narrowed", "quarantine"),
    ("postgresql", "retyped", "quarantine"),
    ("parquet", "retyped", "quarantine"),
    ("duckdb", "retyped", "quarantine"),
    ("csv", "dropped", "quarantine"),
    ("jsonl", "dropped", "quarantine"),
}
CASES = [
    pytest.param(*case, marks=() if case in SHORT else pytest.mark.prove)
    for case in itertools.product(("sqlite", "postgresql", "csv", "jsonl", "parquet", "duckdb"), DRIFTS, POLICIES)
]


@pytest.mark.parametrize(("kind", "drift", "policy"), CASES)
def test_no_drift_leads_to_a_wrong_write(kind: str, drift: str, policy: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A column that means something else now must never overwrite what all systems agreed on, unless the map says so (evolve)."""
    source = Source(kind, tmp_path, request.getfixturevalue("postgres_url") if kind == "postgresql" else "")
    target = System("b", "sqlite", "target.db")
    mapped = {n: FieldMapping(n) for n in FIELDS}
    bindings = {"a": Binding("a", "things", mapped, direction="read"), "b": Binding("b", "things", mapped, direction="write", create=True)}
    flow = Flow("things", "thing", bindings, drift=policy)
    map_ = IntegrationMap(
        "t", systems={"a": source.system, "b": target}, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow}
    )
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in map_.systems.items()}
    stopped, kinds, last = "", set(), ""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        now = datetime(2026, 3, 2, tzinfo=UTC)
        run_flow(map_, "things", connectors, store, run="r1", now=now)
        source.write(DRIFTS[drift])
        for run in ("r2", "r3"):
            try:
                findings = run_flow(map_, "things", connectors, store, run=run, now=now).findings
                kinds, last = kinds | {f.kind for f in findings}, " ".join(f.sentence for f in findings)
            except GuardStopped as error:
                stopped = str(error)
    for connector in connectors.values():
        connector.close()

    with sqlite3.connect(tmp_path / "target.db") as db:
        rows = {row[0]: row[1:] for row in db.execute("SELECT id, name, cents FROM things")}
    db.close()
    typed = kind in DECLARING
    changed = drift in ("retyped", "retyped_text", "narrowed") and typed and not (kind == "parquet" and drift == "widened")
    if policy == "stop" and (drift in ("dropped", "renamed") or changed):
        assert "schema drift" in stopped
        assert rows == GOOD
        return
    assert not stopped
    if drift in RIGHT or (drift == "narrowed" and not (typed and policy == "quarantine")):
        assert rows == {1: ("one", 100), 2: ("TWO", 200), 3: ("three", 300), 4: ("four", 400)}
    elif drift in ("dropped", "renamed") or (policy == "quarantine" and changed):
        assert {k: v[1] for k, v in rows.items()} == {1: 100, 2: 200, 3: 300, 4: None}
        assert rows[2][0] == "TWO"
    elif drift == "retyped_text":
        assert rows == GOOD, "values that cannot be read are quarantined whatever the policy"
    if drift == "new":
        assert kinds == {"new_column"}
    if drift == "renamed":
        assert "'cents' seems to be called 'amount' now" in last, "in every run until it is settled"


def under(two: Any, drift: Any) -> None:
    """Let the flow have that policy."""
    two.map = replace(two.map, flows={"things": replace(two.map.flows["things"], drift=drift)})


def test_a_renamed_column_is_named_by_the_values_it_holds(two: Any) -> None:
    """A name alone would suggest nothing here."""
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',7)")
    two.sync()
    two.sql("a", "ALTER TABLE things ADD COLUMN other INTEGER")
    two.sql("a", "ALTER TABLE things RENAME COLUMN size TO volume")

    with pytest.raises(GuardStopped, match=r"'size' seems to be called 'volume' now: 100% of the agreed values of 'size' stand there"):
        two.sync()


@pytest.mark.parametrize("drift", ["stop", "evolve", pytest.param("quarantine", marks=pytest.mark.prove)])
def test_a_column_whose_name_a_new_one_took_is_not_read_there(two: Any, drift: Any) -> None:
    """What stands under the old name is nobody's edit; three rows are too few for the guard of emptied fields."""
    under(two, drift)
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',6)")
    two.sync()
    two.sql("a", "ALTER TABLE things RENAME COLUMN size TO volume")
    two.sql("a", "ALTER TABLE things ADD COLUMN size INTEGER DEFAULT 6")
    if drift == "stop":
        with pytest.raises(GuardStopped, match=r"is another one .* 'size' seems to be called 'volume' now: 100% .* Map 'size' to 'volume'"):
            two.sync()
        return
    for name in ("Y", "YY"):  # also once the new columns are known
        two.sql("a", "UPDATE things SET name = ?, volume = 60 WHERE id = '2'", name)
        two.sql("b", "UPDATE things SET size = 70 WHERE id = '3'")

        assert "renamed_column" in {f.kind for f in two.sync().findings}

        assert two.rows("b") == {"1": ("x", 5), "2": (name, 6), "3": ("z", 70)}
    assert {row[3] for row in two.sql("a", "SELECT * FROM things")} == {6}
    flow = two.map.flows["things"]
    fields = {**flow.bindings["a"].fields, "size": FieldMapping("size", column="volume")}
    mapped = {**flow.bindings, "a": replace(flow.bindings["a"], fields=fields)}
    two.map = replace(two.map, flows={"things": replace(flow, bindings=mapped)})

    two.sync()

    assert two.rows("b") == {"1": ("x", 5), "2": ("YY", 60), "3": ("z", 70)}
    assert two.sql("a", "SELECT volume FROM things ORDER BY id") == [(5,), (60,), (70,)]
    assert not two.sync().changed


@pytest.mark.parametrize("drift", ["stop", "evolve"])
def test_a_column_that_is_made_anew_with_a_default_overwrites_nothing(two: Any, drift: Any) -> None:
    """Called and typed as before, and full of values that nobody gave; only its place and the values tell."""
    under(two, drift)
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',7)")
    two.sync()
    two.sql("a", "ALTER TABLE things DROP COLUMN name")
    two.sql("a", "ALTER TABLE things ADD COLUMN name TEXT DEFAULT 'x'")
    if drift == "stop":
        with pytest.raises(GuardStopped, match=r"made anew.*: 33% of the agreed values of 'name' stand there"):
            two.sync()
        return
    for size in (50, 51):
        two.sql("a", "UPDATE things SET size = ? WHERE id = '1'", size)

        assert [f.kind for f in two.sync().findings] == ["renamed_column"]

        assert two.rows("b") == {"1": ("x", size), "2": ("y", 6), "3": ("z", 7)}
    two.sql("a", "UPDATE things SET name = CASE id WHEN '1' THEN 'x' WHEN '2' THEN 'y' ELSE 'new' END")

    two.sync()

    assert two.rows("b") == {"1": ("x", 51), "2": ("y", 6), "3": ("new", 7)}
    assert not two.sync().findings


def test_columns_that_exchanged_their_names_are_not_taken_for_each_other(two: Any) -> None:
    """Both are there, of the type they had; each field would get the values of the other."""
    two.sql("a", "INSERT INTO things VALUES ('1','4',5), ('2','5',6)")
    two.sync()
    for old, new in (("name", "x"), ("size", "name"), ("x", "size")):
        two.sql("a", f"ALTER TABLE things RENAME COLUMN {old} TO {new}")

    with pytest.raises(GuardStopped, match=r"'(name|size)' of a/things is another one .* or to have got another's name: 0%"):
        two.sync()


def test_a_copy_of_a_column_is_not_taken_for_its_new_name(two: Any) -> None:
    """Whoever keeps the old values beside those they edit changes nothing about which column is which."""
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',7)")
    two.sync()
    two.sql("a", "ALTER TABLE things ADD COLUMN size_before INTEGER")
    two.sql("a", "UPDATE things SET size_before = size, size = size * 10")

    two.sync()

    assert two.rows("b") == {"1": ("x", 50), "2": ("y", 60), "3": ("z", 70)}


@pytest.mark.parametrize("drift", ["evolve", pytest.param("quarantine", marks=pytest.mark.prove)])
def test_a_column_that_was_away_and_is_made_anew_empties_nothing_elsewhere(two: Any, drift: Any) -> None:
    """Nobody emptied those values: they were agreed all the while, and are filled in where the column is back."""
    under(two, drift)
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',7)")
    two.sync()
    two.sql("b", "ALTER TABLE things DROP COLUMN size")
    two.sql("a", "UPDATE things SET size = 50 WHERE id = '1'")
    two.sync()
    two.sql("b", "ALTER TABLE things ADD COLUMN size INTEGER")

    two.sync()

    assert two.rows("b") == two.rows("a") == {"1": ("x", 50), "2": ("y", 6), "3": ("z", 7)}
    assert not two.sync().changed


def test_a_column_that_got_its_type_back_gets_what_was_agreed_without_it(make_world: Any) -> None:
    """Nobody edited those rows since, so that a run that asks for edits alone would never look at them."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
    fields, log = [Field("id", required=True), Field("size", "integer")], {"a": {"capture": "cdc"}}
    two = make_world(dict.fromkeys("ab", table), fields, log, drift="quarantine")
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6)")
    for _ in range(2):
        two.sync()
    for type_ in ("SMALLINT", "INTEGER"):
        two.sql("b", f"ALTER TABLE things ADD COLUMN s {type_}")
        two.sql("b", "UPDATE things SET s = size")
        two.sql("b", "ALTER TABLE things DROP COLUMN size")
        two.sql("b", "ALTER TABLE things RENAME COLUMN s TO size")
        two.sync()
        if type_ == "SMALLINT":
            two.sql("a", "UPDATE things SET size = 50 WHERE id = '1'")
            two.sync()

    assert {row[0]: row[2] for row in two.sql("b", "SELECT * FROM things")} == {"1": 50, "2": 6}
    assert not two.sync().changed


def test_what_a_dead_run_brought_elsewhere_is_not_taken_back_when_its_source_loses_the_column(two: Any) -> None:
    """Only the other system still shows the edit then; nobody edited it there, and what was agreed before is older."""
    under(two, "evolve")
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6)")
    two.sync()
    two.sql("a", "INSERT INTO things VALUES ('3','z',7)")
    two.sql("a", "UPDATE things SET size = 50 WHERE id = '1'")
    two.crash("reading back b")
    two.sql("a", "ALTER TABLE things RENAME COLUMN size TO volume")
    two.sql("b", "UPDATE things SET name = 'yy' WHERE id = '2'")

    two.sync()

    assert two.rows("b") == {"1": ("x", 50), "2": ("yy", 6), "3": ("z", 7)}
    two.sql("a", "ALTER TABLE things RENAME COLUMN volume TO size")
    two.sync()
    assert two.rows("a") == two.rows("b") == {"1": ("x", 50), "2": ("yy", 6), "3": ("z", 7)}
    assert not two.sync().changed


TAKEN = ["RENAME COLUMN size TO volume", "ADD COLUMN size INTEGER DEFAULT 4"]
NARROWED = ["ADD COLUMN s SMALLINT DEFAULT 4", "DROP COLUMN size", "RENAME COLUMN s TO size"]


@pytest.mark.parametrize(
    ("drift", "changes"),
    [
        ("stop", TAKEN),
        pytest.param("evolve", TAKEN, marks=pytest.mark.prove),
        pytest.param("evolve", ["DROP COLUMN name", "ADD COLUMN name TEXT DEFAULT 'x'"], marks=pytest.mark.prove),
        pytest.param("stop", NARROWED, marks=pytest.mark.prove),
        pytest.param("quarantine", NARROWED, marks=pytest.mark.prove),
    ],
)
def test_columns_that_change_while_a_run_writes_end_it(two: Any, changes: list[str], drift: Any) -> None:
    """What is read back under their names is neither what was written nor an edit, and would be spread in the run's next round."""
    under(two, drift)
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6)")
    two.sync()
    two.sql("b", "UPDATE things SET size = 50, name = 'xx' WHERE id = '1'")

    def meanwhile(said: str) -> None:
        if said.endswith("writing a"):
            for change in changes:
                two.sql("a", f"ALTER TABLE things {change}")

    with pytest.raises(SystemChanged, match=r"'a', resource 'things' changed while it was read: its columns are others.*Run again"):
        two.sync(progress=meanwhile)

    if drift == "stop":
        with pytest.raises(GuardStopped, match="schema drift"):
            two.sync()
    else:
        two.sync()
    assert two.rows("b") == {"1": ("xx", 50), "2": ("y", 6)}


@pytest.mark.prove
def test_a_column_that_was_called_otherwise_for_a_while_tells_edits_when_it_is_back(two: Any) -> None:
    """Most of its values are those that were agreed, so it is the same column, and people went on in it."""
    under(two, "evolve")
    two.sql("a", "INSERT INTO things VALUES ('1','x',5), ('2','y',6), ('3','z',7)")
    two.sync()
    two.sql("b", "ALTER TABLE things RENAME COLUMN name TO title")
    two.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
    two.sync()
    two.sql("b", "UPDATE things SET title = 'Z' WHERE id = '3'")
    two.sql("b", "ALTER TABLE things RENAME COLUMN title TO name")

    two.sync()

    assert two.rows("b") == two.rows("a") == {"1": ("X", 5), "2": ("y", 6), "3": ("Z", 7)}


def test_an_edit_of_the_map_accepts_a_retyped_column(two: Any) -> None:
    """The person who read the message must be able to say: it is right so."""
    two.sql("a", "INSERT INTO things VALUES ('1','x',5)")
    two.sync()
    two.sql("a", "ALTER TABLE things ADD COLUMN s2 TEXT")
    two.sql("a", "UPDATE things SET s2 = '6'")
    two.sql("a", "ALTER TABLE things DROP COLUMN size")
    two.sql("a", "ALTER TABLE things RENAME COLUMN s2 TO size")
    with pytest.raises(GuardStopped, match="was INTEGER and is now TEXT"):
        two.sync()
    flow = two.map.flows["things"]
    binding = replace(
        flow.bindings["a"], fields={**flow.bindings["a"].fields, "size": FieldMapping("size", read="CAST(size AS INTEGER)", write="size")}
    )
    two.map = replace(two.map, flows={"things": replace(flow, bindings={**flow.bindings, "a": binding})})

    two.sync()

    assert two.rows("b") == {"1": ("x", 6)}


@pytest.mark.parametrize("drift", ["stop", "evolve"])
def test_a_binding_that_seems_to_be_renamed_is_no_first_contact_without_a_word(two: Any, drift: Any) -> None:
    """What is agreed is kept under the binding's name: a row deleted there since would come back, and an edit lose."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 5), ('2', 'y', 6)")
    two.sync()
    two.sql("b", "DELETE FROM things WHERE id = '2'")
    flow = two.map.flows["things"]
    renamed = replace(flow.bindings["b"], name="desk", system="b")
    bindings = {"a": flow.bindings["a"], "desk": renamed}
    two.map = replace(two.map, flows={"things": replace(flow, drift=drift, bindings=bindings)})

    if drift == "stop":
        with pytest.raises(GuardStopped, match="call it 'b' and say system: b"):
            two.sync()
        assert set(two.rows("b")) == {"1"}
        return
    told = two.sync()

    assert [f.kind for f in told.findings] == ["renamed_binding"]
    assert set(two.rows("b")) == {"1", "2"}


@pytest.mark.parametrize(
    ("was", "is_", "kind"),
    [
        ("integer", "bigint", "widened"),
        ("int8", "integer", "narrowed"),
        ("character varying(20)", "varchar(30)", "widened"),
        ("character varying(20)", "character varying(10)", "narrowed"),
        ("character varying(20)", "text", "widened"),
        ("text", "character varying(20)", "narrowed"),
        ("numeric(12,2)", "numeric(14,3)", "widened"),
        ("numeric(12,2)", "numeric(12,4)", "narrowed"),
        ("numeric(12,2)", "numeric", "widened"),
        ("timestamp without time zone", "timestamp(3) without time zone", "narrowed"),
        ("timestamp with time zone", "timestamp without time zone", "retyped"),
        ("integer", "text", "retyped"),
        ("enum('x','y')", "enum('x','y','Y')", "widened"),
        ("enum('x','y','Y')", "enum('x','y')", "narrowed"),
        ("int(10) unsigned", "bigint(20) unsigned", "widened"),
        ("int(11)", "int(10) unsigned", "retyped"),
        ("text", "longtext", "widened"),
        ("datetime", "datetime(6)", "widened"),
        ("null", "string", "widened"),
        ("decimal128(12, 2)", "decimal128(6, 2)", ""),
        ("decimal128(12, 2)", "decimal128(12, 1)", "narrowed"),
        ("string", "dictionary<values=string, indices=int32, ordered=0>", ""),
        ("timestamp[us, tz=UTC]", "timestamp[ns, tz=UTC]", "widened"),
        ("timestamp[us, tz=UTC]", "timestamp[ms, tz=UTC]", "narrowed"),
        ("timestamp[us, tz=UTC]", "timestamp[us]", "retyped"),
        ("int4", "INTEGER", ""),
        ("decimal(5, 2)", "NUMERIC(5,2)", ""),
    ],
)
def test_a_change_of_type_is_told_by_whether_all_old_values_fit(was: str, is_: str, kind: str) -> None:
    """Only a type that may not hold what it held is a danger."""
    assert [c[3] for c in changed_types({"c": was}, {"c": is_})] == ([kind] if kind else [])


def test_who_changed_a_row_is_not_asked_of_a_column_that_is_not_there(make_world: Any) -> None:
    """A mistyped name would leave every lost value without its author, and nobody would know why."""
    table = "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, editor TEXT)"
    world = make_world(dict.fromkeys("ab", table), [Field("id", "integer"), Field("name")], {"a": {"changed_by": "edtor"}})
    world.sql("a", "INSERT INTO things VALUES (1, 'one', 'ann')")

    (found,) = world.sync().findings

    assert (found.kind, found.severity) == ("missing_column", "warning")
    assert "no column 'edtor', which changed_by names" in found.sentence
    assert "Did you mean 'editor'?" in found.sentence
