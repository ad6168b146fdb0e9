"""The same engine between different kinds of systems."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIELDS = {
    "id": Field("id", required=True),
    "name": Field("name"),
    "budget": Field("budget", "number(12,2)"),
    "due": Field("due", "timestamp"),
    "done": Field("done", "boolean"),
    "extra": Field("extra", "json"),
}


def test_postgresql_csv_json_lines_and_xlsx_agree_and_rest(tmp_path: Path, postgres_url: str) -> None:
    """Four kinds that write the same value in four ways must not see differences that are none."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE things (id text PRIMARY KEY, name text, budget numeric, due timestamptz, done boolean, extra jsonb)")
        db.execute("""INSERT INTO things VALUES ('1', E'two\nlines', 12.30, '2026-01-01 10:00:00.123456+01', true, '{"b": 1, "a": 2}')""")
        db.execute("INSERT INTO things VALUES ('2', NULL, NULL, NULL, NULL, NULL)")
    for folder in ("csv", "jsonl"):
        (tmp_path / folder).mkdir()
    (tmp_path / "csv" / "things.csv").write_text("id,name,budget,due,done,extra\n3,x,7,2026-02-01T00:00:00Z,false,\n")
    resources = {"things": Resource("things", key=("id",))}
    systems = {
        "pg": System("pg", "postgresql", postgres_url),
        "csv": System("csv", "csv", "csv", resources=resources),
        "jsonl": System("jsonl", "jsonl", "jsonl", resources=resources),
        "xlsx": System("xlsx", "xlsx", "book.xlsx", resources=resources),
    }
    mapped = {n: FieldMapping(n) for n in FIELDS}
    bindings = {n: Binding(n, "things", mapped, create=n in ("jsonl", "xlsx")) for n in systems}
    map_ = IntegrationMap(
        "test", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": Flow("things", "thing", bindings)}
    )
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        first, second = (run_flow(map_, "things", connectors, store, run=f"r{n}", now=NOW) for n in (1, 2))
        proof = reconcile(map_, "things", connectors, store, run="r3", now=NOW)
        with psycopg.connect(postgres_url, autocommit=True) as db:
            db.execute("UPDATE things SET name = 'changed', due = '2026-05-01 00:00:00.5+00' WHERE id = '3'")
        third, fourth = (run_flow(map_, "things", connectors, store, run=f"r{n}", now=NOW) for n in (4, 5))
    for connector in connectors.values():
        connector.close()

    with (tmp_path / "csv" / "things.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "jsonl" / "things.jsonl").read_text().splitlines()]
    assert (first.status, first.counts["inserted"], second.changed) == ("done", 1 + 2 + 3 + 3, False)
    assert proof.agrees, proof.differences.to_pylist()
    assert (third.counts["updated"], fourth.changed) == (3, False)
    assert {r["id"]: r["name"] for r in rows} == {"1": "two\nlines", "2": "", "3": "changed"}
    assert {r["id"]: r["name"] for r in lines} == {"1": "two\nlines", "2": None, "3": "changed"}
    values = {r["id"]: (r["budget"], r["done"], r["extra"]) for r in lines}
    assert values == {"1": (12.3, True, {"a": 2, "b": 1}), "2": (None, None, None), "3": (7, False, None)}  # not as texts


def test_what_a_calendar_has_no_four_digits_for_stays_what_it_is(tmp_path: Path, postgres_url: str) -> None:
    """A moment before the year 1, or without end, that comes back as another one or as text would be taken for an edit of its row."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE moments (id text PRIMARY KEY, at timestamptz, day date)")
        db.execute("""INSERT INTO moments VALUES ('bc', '0044-03-15 12:30:00.5+00 BC', '0044-03-15 BC'), ('end', 'infinity', 'infinity'),
            ('begin', '-infinity', '-infinity'),
            ('far', '10000-01-01 00:00:00+00', '10000-01-01'), ('last', '9999-12-31 23:59:59.9+00', NULL)""")
    names = ("csv", "jsonl", "xlsx", "lite", "duck")
    for folder in ("csv", "jsonl"):
        (tmp_path / folder).mkdir()
    places = {
        "csv": ("csv", "csv"),
        "jsonl": ("jsonl", "jsonl"),
        "xlsx": ("xlsx", "b.xlsx"),
        "lite": ("sqlite", "l.db"),
        "duck": ("duckdb", "d.db"),
    }
    resources = {"moments": Resource("moments", key=("id",))}
    systems = {"pg": System("pg", "postgresql", postgres_url)} | {n: System(n, *places[n], resources=resources) for n in names}
    fields = {"id": Field("id"), "at": Field("at", "timestamp"), "day": Field("day", "date")}
    bindings = {n: Binding(n, "moments", {f: FieldMapping(f) for f in fields}, create=n != "pg") for n in systems}
    map_ = IntegrationMap(
        "test",
        systems=systems,
        entities={"moment": Entity("moment", ("id",), fields)},
        flows={"moments": Flow("moments", "moment", bindings)},
    )
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        first, second = (run_flow(map_, "moments", connectors, store, run=f"r{n}", now=NOW, whole=True) for n in (1, 2))
        proof = reconcile(map_, "moments", connectors, store, run="r3", now=NOW)

    assert (first.counts["inserted"], first.counts["verified"], first.counts["refused"]) == (25, 25, 0)
    assert not any(second.counts.values())
    assert proof.agrees, (proof.differences.to_pylist(), proof.quarantined)


def test_a_value_that_a_system_cannot_hold_is_refused_there_and_stays_elsewhere(tmp_path: Path, postgres_url: str) -> None:
    """SQLite stores NaN as null without a word; read back, that null would be an edit, and the value gone everywhere."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE readings (id text PRIMARY KEY, v double precision)")
        db.execute("INSERT INTO readings VALUES ('1', 1.5), ('2', 'NaN'), ('3', '-Infinity')")
    systems = {"pg": System("pg", "postgresql", postgres_url), "lite": System("lite", "sqlite", "l.db")}
    fields = {"id": Field("id"), "v": Field("v", "double")}
    bindings = {n: Binding(n, "readings", {f: FieldMapping(f) for f in fields}, create=n == "lite") for n in systems}
    map_ = IntegrationMap(
        "test",
        systems=systems,
        entities={"reading": Entity("reading", ("id",), fields)},
        flows={"readings": Flow("readings", "reading", bindings)},
    )
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        results = [run_flow(map_, "readings", connectors, store, run=f"r{n}", now=NOW, whole=True) for n in (1, 2)]
        with psycopg.connect(postgres_url, autocommit=True) as db:
            db.execute("UPDATE readings SET v = 'NaN' WHERE id = '1'")
        results.append(run_flow(map_, "readings", connectors, store, run="r3", now=NOW, whole=True))
        with psycopg.connect(postgres_url) as db:
            held = dict(db.execute("SELECT id, v::text FROM readings").fetchall())

    assert [(r.counts["inserted"], r.counts["updated"], r.counts["refused"]) for r in results] == [(2, 0, 1), (0, 0, 1), (0, 0, 2)]
    assert any("SQLite has no NaN" in f.sentence for f in results[0].findings)
    assert held == {"1": "NaN", "2": "NaN", "3": "-Infinity"}


def test_a_whole_number_of_more_digits_than_ours_waits_and_all_other_rows_pass(tmp_path: Path) -> None:
    """A HUGEINT of DuckDB may have 39 digits; the cast that refused one of them ended its whole flow."""
    for name, value in (("a", 10**38), ("b", 7)):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as db:
            db.execute("CREATE TABLE things (id TEXT PRIMARY KEY, v HUGEINT)")
            db.execute("INSERT INTO things VALUES (?, ?), (?, 5)", [name, value, name + "5"])
    systems = {name: System(name, "duckdb", f"{name}.duckdb") for name in "ab"}
    fields = {"id": Field("id"), "v": Field("v", "number(38,0)")}
    bindings = {n: Binding(n, "things", {f: FieldMapping(f) for f in fields}) for n in systems}
    flows = {"things": Flow("things", "thing", bindings)}
    map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows=flows)
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        first, second = (run_flow(map_, "things", connectors, store, run=f"r{n}", now=NOW) for n in (1, 2))
        proof = reconcile(map_, "things", connectors, store, run="r3", now=NOW)
        with duckdb.connect(str(tmp_path / "a.duckdb")) as db:
            db.execute("UPDATE things SET v = 9 WHERE id = 'a'")
        third = run_flow(map_, "things", connectors, store, run="r4", now=NOW)
    with duckdb.connect(str(tmp_path / "b.duckdb")) as db:
        there = db.execute("SELECT id, v FROM things ORDER BY id").fetchall()

    assert (first.counts["inserted"], first.waiting, second.counts["inserted"], second.waiting) == (3, 1, 0, 1)
    assert (dict(proof.quarantined)["a"], proof.differences.num_rows) == (1, 0)
    assert (third.counts["released"], third.waiting) == (1, 0)
    assert there == [("a", 9), ("a5", 5), ("b", 7), ("b5", 5)]


def test_a_workbook_shows_numbers_and_dates_where_a_cell_holds_all_of_them(tmp_path: Path) -> None:
    """Texts that look like numbers do not sum; a number with more digits than Excel has would come back as another one."""
    kinds = {
        "id": "text", "n": "integer", "amount": "number(12,2)", "long": "number(30,2)", "d": "double", "due": "date", "at": "timestamp",
        "done": "boolean", "code": "text", "label": "number(9,3)",
    }  # fmt: skip
    rows = [
        ("007", 5, "12.50", "12345678901234.50", 0.1 + 0.2, "2024-02-29", "2024-02-29 10:00:00", 1, "00123", "1.5"),
        ("2", 9007199254740993, "0.10", "1234567890123456.70", 3.0, "1890-01-01", "2024-02-29 23:59:59.123456", 0, "12.50", "2"),
        ("3", None, "-1000000.00", "1000000000000000000.00", -1e300, "9999-12-31", "1999-12-31 00:00:00", None, "2024-01-01", None),
    ]
    with sqlite3.connect(tmp_path / "l.db") as db:
        db.execute(
            "CREATE TABLE things (id TEXT PRIMARY KEY, n, amount TEXT, long TEXT, d DOUBLE, due TEXT, at TEXT, done, code TEXT, label TEXT)"
        )
        db.executemany(f"INSERT INTO things VALUES ({', '.join('?' * len(kinds))})", rows)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "things"
    sheet.append(list(kinds))
    sheet.append(["007", 5, None, None, 1.1, *[None] * 4, "1"])
    sheet["I2"].number_format, sheet["J2"].number_format, sheet["C2"].number_format = "yyyy-mm-dd", "@", "yyyy-mm-dd"
    other = book.create_sheet("other")
    other.append([0, 0])
    other["A1"]._value, other["B1"]._value = "0.30000000000000004", "12345678901234567"  # as other programs write them
    book.save(tmp_path / "b.xlsx")
    columns = {"n": "integer", "done": "boolean"}
    systems = {
        "lite": System("lite", "sqlite", "l.db", resources={"things": Resource("things", columns=columns)}),
        "book": System("book", "xlsx", "b.xlsx", resources={"things": Resource("things", key=("id",))}),
    }
    fields = {n: Field(n, kind) for n, kind in kinds.items()}
    bindings = {n: Binding(n, "things", {f: FieldMapping(f) for f in fields}) for n in systems}
    entity = Entity("thing", ("id",), fields)
    map_ = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": Flow("things", "thing", bindings)})
    connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        results = [run_flow(map_, "things", connectors, store, run=f"r{n}", now=NOW, whole=True) for n in (1, 2)]
        proof = reconcile(map_, "things", connectors, store, run="r3", now=NOW)

    after = openpyxl.load_workbook(tmp_path / "b.xlsx")
    cells = [list(row) for row in after["things"].iter_rows(min_row=2, values_only=True)]
    assert cells == [
        ["007", 5, 12.5, 12345678901234.5, 0.1 + 0.2, datetime(2024, 2, 29), datetime(2024, 2, 29, 10), True, "00123", "1.500"],
        ["2", "9007199254740993", 0.1, "1234567890123456.70", 3, "1890-01-01", "2024-02-29T23:59:59.123456Z", False, "12.50", "2.000"],
        ["3", None, -1000000, 1e18, -1e300, datetime(9999, 12, 31), datetime(1999, 12, 31), None, "2024-01-01", None],
    ]
    assert [cell.value for cell in after["other"][1]] == [0.1 + 0.2, 12345678901234567]
    assert [r.counts["verified"] for r in results] == [3, 0]
    assert not any(results[1].counts.values())
    assert proof.agrees, proof.differences.to_pylist()


CHANGING: dict[str, tuple[Any, ...]] = {
    "text": ("plain", "007", "=1+1", None),
    "integer": (0, 9007199254740993, None, 5),
    "number(12,2)": ("0.10", "9999999999.99", "-1.00", None),
    "number(38,9)": ("99999999999999999999999999999.999999999", "0.000000001", None, "-99999999999999999999999999999.5"),
    "number(38,38)": ("0.5", "-0.125", None, "0.00000000000000000000000000000000000001"),
    "double": (0.1, None, 1e300, 1 / 3),
    "boolean": (1, 0, None, 1),
    "date": ("2024-02-29", None, "1899-12-31", "2026-01-01"),
    "timestamp": ("2024-02-29T23:59:59.123456Z", "1999-12-31T00:00:00Z", None, "2024-03-31T01:30:00.5Z"),
    "uuid": ("c0ffee00-1234-4321-abcd-0123456789ab", None, "00000000-0000-0000-0000-000000000000", None),
    "json": ('"1"', '{"a": [1, 2.50]}', "null", '"two words"'),
    "binary": (b"\x00\xff", b"abc", None, b"\x01"),
}

STORED = {"integer": "INTEGER", "boolean": "INTEGER", "double": "DOUBLE", "binary": "BLOB"}  # in SQLite; all else as text


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx", "parquet"])
def test_a_value_of_any_type_can_be_changed_again_and_again(tmp_path: Path, kind: str) -> None:
    """What a system shows of a value we wrote is what the next change expects there, and no edit that goes back."""
    columns = {f"c{i}": type_ for i, type_ in enumerate(CHANGING)}
    with closing(sqlite3.connect(tmp_path / "l.db", isolation_level=None)) as db:
        db.execute(f"CREATE TABLE things (id TEXT PRIMARY KEY, {', '.join(c + ' ' + STORED.get(t, 'TEXT') for c, t in columns.items())})")
        db.execute("INSERT INTO things (id) VALUES ('1')")
        systems = {
            "lite": System("lite", "sqlite", "l.db"),
            "other": System("other", kind, f"there.{kind}", resources={"things": Resource("things", key=("id",))}),
        }
        fields = {"id": Field("id")} | {n: Field(n, t) for n, t in columns.items()}
        bindings = {n: Binding(n, "things", {f: FieldMapping(f) for f in fields}, create=n == "other") for n in systems}
        flows = {"things": Flow("things", "thing", bindings)}
        map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows=flows)
        connectors: dict[str, Any] = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

        with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
            for number, values in enumerate(zip(*CHANGING.values(), strict=True)):
                db.execute(f"UPDATE things SET {', '.join(f'{c} = ?' for c in columns)}", values)
                changed, quiet = (run_flow(map_, "things", connectors, store, run=f"r{number}{n}", now=NOW) for n in "ab")
                assert not changed.findings
                assert changed.counts["verified"] == changed.counts["changes"] == 1
                assert not any(quiet.counts.values())
                assert db.execute("SELECT * FROM things").fetchall() == [("1", *values)]
            proof = reconcile(map_, "things", connectors, store, run="end", now=NOW)

    assert proof.agrees, proof.differences.to_pylist()
    if kind == "jsonl":
        shown = json.loads((tmp_path / "there.jsonl" / "things.jsonl").read_text())
        numbers = [column for column, type_ in columns.items() if type_.startswith(("integer", "number", "double"))]
        assert not [shown[column] for column in numbers if isinstance(shown[column], str)]
