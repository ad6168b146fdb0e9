"""The five validations on an organization with planted defects: each found in its dimension, none besides, scores as an oracle has them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import AggregateCheck, Entity, Field, Rule
from accord.model.errors import UnknownName
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.model.values import Duration
from accord.store import Store, open_store
from accord.sync import run_flow
from accord.sync.quality import Quality, quality

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROWS = 400
FIELDS = {
    "id": Field("id", required=True),
    "name": Field("name", required=True),
    "code": Field("code", pattern="C[0-9]+", unique=True),
    "amount": Field("amount", "number(12,2)", minimum="0", maximum="1000"),
    "state": Field("state", values=("open", "done")),
    "at": Field("at", "timestamp", freshness=Duration(86_400)),
    "parent": Field("parent", references="thing"),
}
RULES = {
    "open_is_small": Rule("open_is_small", "state <> 'open' OR amount NOT BETWEEN 900 AND 1000", severity="report"),
    "named": Rule("named", "name <> 'tbd'", severity="report", dimension="completeness"),
}
CHECKS = {"enough": AggregateCheck("enough", "count(*)", at_least="1000", dimension="completeness")}
# Row number → (column, value planted in a, dimension and check it must be found in).
PLANTED: dict[int, tuple[str, Any, str, str]] = {
    10: ("name", None, "completeness", "required"),
    11: ("name", "tbd", "completeness", "named"),
    20: ("code", "X20", "accuracy", "pattern"),
    21: ("amount", -1, "accuracy", "minimum"),
    22: ("amount", 1001, "accuracy", "maximum"),
    23: ("state", "lost", "accuracy", "values"),
    24: ("amount", 950, "accuracy", "open_is_small"),
    30: ("code", "C1031", "consistency", "unique"),
    32: ("parent", "nobody", "consistency", "references"),
    40: ("amount", "many", "mapping", "readable"),
    41: ("at", "soon", "mapping", "readable"),
}


def row(n: int) -> dict[str, Any]:
    """A good row."""
    moment = (NOW - timedelta(hours=n % 20)).isoformat()
    return {"id": str(n), "name": f"n{n}", "code": f"C{1000 + n}", "amount": n % 100, "state": "open", "at": moment, "parent": "1"}


class World:
    """Two SQLite files and a flow from a to b and back; b holds what a held before the defects came."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        mapped = {n: FieldMapping(n) for n in FIELDS}
        bindings = {"a": Binding("a", "things", mapped), "b": Binding("b", "things", mapped, create=True)}
        systems = {"a": System("a", "sqlite", "a.db", owner="alpha"), "b": System("b", "sqlite", "b.db")}
        entity = Entity("thing", ("id",), FIELDS, owner="data", rules=RULES, checks=CHECKS)
        flows = {"things": Flow("things", "thing", bindings, freshness=Duration(60))}
        self.map = IntegrationMap("t", systems=systems, entities={"thing": entity}, flows=flows)
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.sql("a", f"CREATE TABLE things ({', '.join(FIELDS)})")

    def sql(self, system: str, statement: str, *values: Any) -> list[dict[str, Any]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            db.row_factory = sqlite3.Row
            found = [dict(r) for r in db.execute(statement, values).fetchall()]
        db.close()
        return found

    def fill(self, numbers: range) -> None:
        for n in numbers:
            self.sql_many("a", [row(n)])

    def sql_many(self, system: str, rows: list[dict[str, Any]]) -> None:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            db.executemany(f"INSERT INTO things VALUES ({', '.join(f':{c}' for c in FIELDS)})", rows)
        db.close()

    def sync(self, run: str, now: datetime = NOW) -> None:
        run_flow(self.map, "things", self.connectors, self.store, run=run, now=now)

    def quality(self, **options: Any) -> Quality:
        return quality(self.map, self.connectors, self.store, run="q", now=NOW, **options)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        made = World(tmp_path, store)
        yield made
        for connector in made.connectors.values():
            connector.close()


def found_at(result: Quality) -> dict[tuple[str, str, str], set[str]]:
    """(dimension, check, binding) → ids of the rows its gaps name."""
    places: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for gap in result.gaps.to_pylist():
        places[gap["dimension"], gap["check"], gap["binding"]].add(json.loads(gap["key"])["id"] if gap["key"] else "")
    return places


def test_every_planted_defect_is_found_in_its_dimension_and_nothing_else_is(world: World) -> None:
    """A defect in the wrong drawer is mended by the wrong people; one that is invented costs their trust."""
    world.sql_many("a", [row(n) for n in range(ROWS)])
    world.sync("r1")
    before = world.quality()
    for n, (column, value, _, _) in PLANTED.items():
        world.sql("a", f"UPDATE things SET {column} = ? WHERE id = ?", value, str(n))
    world.sql("b", "UPDATE things SET name = 'other' WHERE id = '50'")
    world.sql("b", "DELETE FROM things WHERE id = '51'")
    world.sql_many("a", [row(52)])

    after = found_at(world.quality())

    assert {k: v for k, v in found_at(before).items() if k[1] != "enough"} == {}
    expected: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for n, (_, _, dimension, check) in PLANTED.items():
        expected[dimension, check, "a"].add(str(n))
    expected["consistency", "unique", "a"].add("31")
    expected["consistency", "one row per key", "a"] = {"52"}
    # The rule that reports lets row 11 and 24 through, so they differ from b; all others wait and are no part of the comparison.
    expected["consistency", "same in both", "a ~ b"] = {"11", "24", "50", "51"}
    expected["accuracy", "as a has it", "b"] = {"11", "24", "50"}
    expected["completeness", "records of a", "b"] = {"51"}
    expected["completeness", "enough", "a"] = expected["completeness", "enough", "b"] = {""}
    assert after == expected


def test_the_scores_are_those_of_an_oracle_that_reads_the_files_itself(world: World) -> None:
    """Good over asked, counted by plain Python over the rows as sqlite3 gives them."""
    world.sql_many("a", [row(n) for n in range(ROWS)])
    world.sync("r1")
    for n, (column, value, _, _) in PLANTED.items():
        world.sql("a", f"UPDATE things SET {column} = ? WHERE id = ?", value, str(n))

    scores = {(c.dimension, c.check, c.field): (c.bad, c.asked) for c in world.quality().checks if c.binding == "a"}

    rows = world.sql("a", "SELECT * FROM things")
    amounts = [float(r["amount"]) for r in rows if r["amount"] != "many"]
    codes = [r["code"] for r in rows]
    assert scores["completeness", "required", "name"] == (sum(r["name"] is None for r in rows), len(rows))
    assert scores["accuracy", "minimum", "amount"] == (sum(a < 0 for a in amounts), len(amounts))
    assert scores["accuracy", "maximum", "amount"] == (sum(a > 1000 for a in amounts), len(amounts))
    assert scores["accuracy", "values", "state"] == (sum(r["state"] not in ("open", "done") for r in rows), len(rows))
    assert scores["accuracy", "pattern", "code"] == (sum(not c[1:].isdigit() or c[0] != "C" for c in codes), len(rows))
    assert scores["consistency", "unique", "code"] == (sum(codes.count(c) > 1 for c in codes), len(rows))
    assert scores["consistency", "references", "parent"] == (1, len(rows))
    assert scores["mapping", "readable", "amount"] == (1, len(rows))
    assert scores["mapping", "readable", "at"] == (1, len(rows))
    assert scores["mapping", "there and back", "amount"] == (0, len(amounts))
    assert scores["mapping", "required fields mapped", ""] == (0, 2)
    assert scores["timeliness", "newest value", "at"] == (0, 1)


def test_silence_and_lateness_lower_timeliness(world: World) -> None:
    """A source that brings nothing new and a change that came too late are both stale data."""
    world.sql_many("a", [row(n) for n in range(4)])
    world.sync("r1")
    world.sql("a", "UPDATE things SET at = '2026-02-20T00:00:00Z'")
    world.sync("r2")
    world.sql("b", "CREATE TRIGGER no BEFORE UPDATE ON things WHEN old.id = '2' BEGIN SELECT RAISE(ABORT, 'no'); END")
    world.sql("a", "UPDATE things SET name = name || '!' WHERE id IN ('1', '2')")
    world.sync("r3")
    world.sql("b", "DROP TRIGGER no")
    world.sync("r4", NOW + timedelta(hours=1))

    result = world.quality(dimensions=["timeliness"])

    silent = {(c.binding, c.bad, c.asked) for c in result.checks if c.check == "newest value"}
    assert silent == {("a", 1, 1), ("b", 1, 1)}
    (late,) = [c for c in result.checks if c.check == "changes in time" and c.binding == "b"]
    assert (late.bad, late.asked) == (1, 10)
    assert re.search(r"change in \w+, seen [\d-]{10} [\d:]{8}: took 36\d\d s, promised", late.examples[0])
    assert {g["dimension"] for g in result.gaps.to_pylist()} == {"timeliness"}


def test_a_mapping_that_loses_and_a_field_without_a_column_lower_mapping(tmp_path: Path) -> None:
    """What is cut on the way there cannot come back; nobody sees it until the other system is asked."""
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("CREATE TABLE things (id TEXT, size REAL, spare TEXT)")
        db.executemany("INSERT INTO things VALUES (?, ?, 'x')", [("1", 1.0), ("2", 2.5)])
    db.close()
    fields = {"id": Field("id", required=True), "size": Field("size", "double"), "name": Field("name", required=True)}
    mapped = {"id": FieldMapping("id"), "size": FieldMapping("size", "size", read="size", write="floor(size)")}
    system = System("a", "sqlite", "a.db")
    flow = Flow("things", "thing", {"a": Binding("a", "things", mapped)}, owner="ops")
    map_ = IntegrationMap("t", systems={"a": system}, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow})

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        result = quality(map_, {"a": open_connector(system, base=tmp_path)}, store, run="q", now=NOW, dimensions=["mapping"])

    bad = {(c.check, c.field): (c.bad, c.asked, c.owner) for c in result.checks if c.bad}
    assert bad == {
        ("there and back", "size"): (1, 2, "ops"),
        ("required fields mapped", ""): (1, 2, "ops"),
        ("columns mapped", ""): (1, 3, "ops"),
    }
    reasons = {g["reason"] for g in result.gaps.to_pylist()}
    assert "size: 2.5 → 2.0 once written and read again" in reasons


def test_the_log_keeps_the_counts_and_the_whole_list_of_gaps(world: World) -> None:
    """A score nobody can look up later proves nothing."""
    world.sql_many("a", [row(n) for n in range(40)])
    world.sync("r1")
    world.sql("a", "UPDATE things SET state = 'lost'")

    result = world.quality(flows=["things"])

    (event,) = [e.event for e in world.store.read(types=["check.evaluated"])]
    kept = duckdb.sql(f"SELECT count(*) FROM read_parquet('{world.store.read_segment(event.attributes['gaps'])}')").fetchone()
    assert kept == (result.gaps.num_rows,)
    assert sum(c["bad"] for c in event.attributes["checks"]) == sum(c.bad for c in result.checks) >= 40
    assert {g["owner"] for g in result.gaps.to_pylist() if g["check"] == "values"} == {"alpha"}
    assert any(s["use"] == "check.evaluated gaps" for s in world.store.table("segment").to_pylist())


def test_unknown_names_are_told_with_what_there_is(world: World) -> None:
    """A typo must not give a perfect score."""
    with pytest.raises(UnknownName, match="accuracy"):
        world.quality(dimensions=["acuracy"])
    with pytest.raises(UnknownName, match="things"):
        world.quality(flows=["thing"])
