"""A field more in the map: targets that Accord made itself are given the column, others are not, and nobody's values are emptied."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import GuardStopped
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import FlowResult, run_flow

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WIDE = {"id": Field("id", required=True), "name": Field("name"), "size": Field("size", "integer")}
NARROW = {n: f for n, f in WIDE.items() if n != "size"}
Run = Callable[..., FlowResult]


class World:
    """A table in SQLite, and a target of another kind that Accord makes."""

    def __init__(self, folder: Path, store: Any, kind: str, url: str) -> None:
        self.folder, self.store, self.kind, self.url, self.runs = folder, store, kind, url, 0
        at = {"postgresql": url, "sqlite": "target.db"}.get(kind, "target")
        resources = {"things": Resource("things", key=("id",))} if kind == "csv" else {}
        self.systems = {"a": System("a", "sqlite", "a.db"), "b": System("b", kind, at, resources=resources)}
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in self.systems.items()}
        self.sql("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
        self.sql("INSERT INTO things VALUES ('1', 'one, with a comma', 5), ('2', NULL, 6)")

    def sql(self, statement: str) -> list[Any]:
        with sqlite3.connect(self.folder / "a.db") as db:
            found = db.execute(statement).fetchall()
        db.close()
        return found

    def target(self, statement: str) -> list[Any]:
        """Carry out a statement where the target is."""
        if self.kind == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as db:
                cursor = db.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
        if self.kind == "sqlite":
            with sqlite3.connect(self.folder / "target.db") as file:
                found = file.execute(statement).fetchall()
            file.close()
            return found
        table = f"read_csv('{self.folder}/target/things.csv', all_varchar = true)"
        return duckdb.sql(statement.replace("FROM things", f"FROM {table}")).fetchall()

    def run(self, fields: dict[str, Field], *, drift: Any = "evolve", create: bool = True, version: str = "1.0.0") -> FlowResult:
        self.runs += 1
        mapped = {n: FieldMapping(n) for n in fields}
        bindings = {"a": Binding("a", "things", mapped), "b": Binding("b", "things", mapped, create=create)}
        entity = Entity("thing", ("id",), {n: replace(f, description=version) for n, f in fields.items()})
        flow = Flow("things", "thing", bindings, drift=drift)
        map_ = IntegrationMap("t", systems=self.systems, entities={"thing": entity}, flows={"things": flow})
        return run_flow(map_, "things", self.connectors, self.store, run=f"r{self.runs}", now=NOW)


@pytest.fixture
def make_pair(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    made: list[World] = []
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:

        def build(kind: str) -> World:
            made.append(World(tmp_path, store, kind, request.getfixturevalue("postgres_url") if kind == "postgresql" else ""))
            return made[-1]

        yield build
        for world in made:
            for connector in world.connectors.values():
                connector.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "csv"])
def test_a_new_field_of_the_map_becomes_a_column_of_a_target_accord_made(kind: str, make_pair: Callable[[str], World]) -> None:
    """Evolve means that nobody has to alter tables by hand that nobody made by hand; the rows of both sides stay as they were."""
    world = make_pair(kind)
    world.run(NARROW)
    before = world.sql("SELECT * FROM things ORDER BY id")

    result = world.run(WIDE)
    again = world.run(WIDE)

    assert [f.kind for f in result.findings if f.severity == "info"] == ["added_column"]
    rows = [(str(k), n, int(s)) for k, n, s in world.target("SELECT id, name, size FROM things ORDER BY id")]
    assert rows == [("1", "one, with a comma", 5), ("2", None, 6)]
    assert world.sql("SELECT * FROM things ORDER BY id") == before
    assert not again.changed


def test_no_column_is_added_without_evolve_or_to_a_table_of_others(make_pair: Callable[[str], World]) -> None:
    """Whose table it is decides who alters it."""
    world = make_pair("sqlite")
    world.run(NARROW)

    with pytest.raises(GuardStopped, match="'size'"):
        world.run(WIDE, drift="stop")
    kept = world.run(WIDE, create=False)

    assert "added_column" not in {f.kind for f in kept.findings}
    assert world.target("SELECT * FROM things ORDER BY id") == [("1", "one, with a comma"), ("2", None)]


def test_a_column_its_owner_took_away_is_not_put_back_empty(make_pair: Callable[[str], World]) -> None:
    """An empty column in the place of agreed values would be taken for an edit that empties every row of every system."""
    world = make_pair("sqlite")
    world.run(WIDE)
    world.target("ALTER TABLE things DROP COLUMN size")
    world.run(WIDE)

    world.run(WIDE, version="1.1.0")
    world.run(WIDE, version="1.2.0")

    assert world.target("SELECT * FROM things ORDER BY id") == [("1", "one, with a comma"), ("2", None)]
    assert world.sql("SELECT size FROM things ORDER BY id") == [(5,), (6,)]
