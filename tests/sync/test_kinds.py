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
