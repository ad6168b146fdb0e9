"""The same engine between different kinds of systems."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

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
