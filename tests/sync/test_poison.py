"""Poison rows of every sort: each is held back with its reason, and every good row passes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FIELDS = {
    "id": Field("id", required=True),
    "name": Field("name", required=True),
    "code": Field("code", pattern="C[0-9]+", unique=True),
    "amount": Field("amount", "number(12,2)", minimum="0", maximum="1000000"),
    "state": Field("state", values=("open", "done")),
    "due": Field("due", "date"),
    "done": Field("done", "date"),
    "parent": Field("parent", references="thing"),
}
RULE = Rule("order", "done >= due", reason="done before due")
# For n % 1000 = each of these (1 % of the rows together): what is wrong, and what the reason must say.
POISON = {
    1: ("name", "NULL", "name: is required and missing"),
    101: ("code", "'X'", "does not match"),
    201: ("code", "'C1'", "stands in"),
    301: ("amount", "'many'", "is no number"),
    401: ("amount", "'-1'", "is below 0"),
    501: ("amount", "'1000001'", "is above 1000000"),
    601: ("state", "'lost'", "is not one of"),
    701: ("due", "'2026-02-30'", "is no date"),
    801: ("done", "'2025-01-01'", "done before due"),
    901: ("parent", "'nobody'", "no thing 'nobody'"),
}


def poisoned(rows: int) -> str:
    """A DuckDB query of text columns in which one row of a hundred is bad."""
    good = {
        "id": "CAST(n AS VARCHAR)", "name": "'name ' || n", "code": "'C' || (n + 1000)", "amount": "CAST(n % 1000 AS VARCHAR)",
        "state": "'open'", "due": "'2026-01-01'", "done": "'2026-01-02'", "parent": "'0'",
    }  # fmt: skip
    columns = []
    for name, value in good.items():
        cases = " ".join(f"WHEN n % 1000 = {k} THEN {bad}" for k, (field, bad, _) in POISON.items() if field == name)
        columns.append(f"CASE {cases} ELSE {value} END AS {name}" if cases else f"{value} AS {name}")
    return f"SELECT {', '.join(columns)} FROM range({rows}) t(n)"


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("csv", 5_000),
        pytest.param("parquet", 20_000, marks=pytest.mark.prove),
        pytest.param("parquet", 1_000_000, marks=pytest.mark.prove),
    ],
)
def test_one_percent_of_poison_costs_no_good_row_and_each_bad_one_is_explained(kind: str, rows: int, tmp_path: Path) -> None:
    """A contract that loses good rows is worse than none, and a bad row without a reason cannot be mended."""
    (tmp_path / "source").mkdir()
    form = "csv, HEADER" if kind == "csv" else "parquet"
    duckdb.sql(f"COPY ({poisoned(rows)}) TO '{tmp_path}/source/things.{kind}' (FORMAT {form})")
    mapped = {n: FieldMapping(n) for n in FIELDS}
    bindings: dict[str, Any] = {
        "a": Binding("a", "things", mapped, direction="read"),
        "b": Binding("b", "things", mapped, direction="write", create=True),
    }
    resources = {"things": Resource("things", key=("id",))}
    systems = {"a": System("a", kind, "source", resources=resources), "b": System("b", "parquet", "target", resources=resources)}
    entities = {"thing": Entity("thing", ("id",), FIELDS, rules={"order": RULE})}
    map_ = IntegrationMap("t", systems=systems, entities=entities, flows={"things": Flow("things", "thing", bindings)})
    connectors = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        run_flow(map_, "things", connectors, store, run="r1", now=NOW)
        held = [str(store.read_segment(sha)) for sha in store.flow_state("things")["quarantine"]]
        found = duckdb.sql(f"SELECT CAST(key ->> 'id' AS BIGINT) AS n, reasons FROM read_parquet({held})").fetchall()
        passed = duckdb.sql(
            f"SELECT count(*), count(*) FILTER (CAST(id AS BIGINT) % 100 <> 1) FROM '{tmp_path}/target/*.parquet'"
        ).fetchone()

    assert passed == (rows - rows // 100, rows - rows // 100)
    assert len(found) == rows // 100
    unexplained = [(n, reasons) for n, reasons in found if not any(POISON[n % 1000][2] in reason for reason in reasons)]
    assert unexplained == []
