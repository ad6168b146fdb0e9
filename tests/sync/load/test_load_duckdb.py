"""The first load of a DuckDB file in one pass leaves what the ordinary way leaves, or leaves it to the ordinary way."""

from __future__ import annotations

import sqlite3
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.duckdb_bulk import DuckdbFill
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync.load import first
from accord.sync.load.pour import pour

TYPES = {"id": "integer", "price": "number(12,2)", "name": "text", "moment": "timestamp", "doc": "json"}
SOURCE = "id INTEGER PRIMARY KEY, price NUMERIC(12,2), name TEXT, moment TIMESTAMP, doc JSON"
TARGET = "id INTEGER PRIMARY KEY, price DECIMAL(12,2), name VARCHAR, moment TIMESTAMP, doc JSON"


@pytest.fixture
def make(tmp_path: Path, world_class: Any) -> Any:
    def made(columns: str, rows: int = 300) -> Any:
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute(f"CREATE TABLE things ({SOURCE})")
            db.executemany(
                "INSERT INTO things VALUES (?, ?, ?, ?, ?)",
                [(i, i / 4, f"é {i}" if i % 9 else None, f"2026-01-01 00:{i % 60:02d}:00", f'{{"b": {i}, "a": 1}}') for i in range(rows)],
            )
        db.close()
        with duckdb.connect(str(tmp_path / "b.duckdb")) as con:
            con.execute(f"CREATE TABLE things ({columns})")
        systems = {"a": System("a", "sqlite", "a.db"), "b": System("b", "duckdb", "b.duckdb")}
        mapped = {n: FieldMapping(n) for n in TYPES}
        bindings = {"a": Binding("a", "things", mapped, direction="read"), "b": Binding("b", "things", mapped, direction="both")}
        fields = {n: Field(n, t, maximum="289" if n == "id" else "") for n, t in TYPES.items()}
        flows = {"things": Flow("things", "thing", bindings)}
        map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows=flows)
        store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
        return world_class(tmp_path, store, map_, {n: open_connector(s, base=tmp_path) for n, s in systems.items()})

    return made


def held(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "b.duckdb"), read_only=True) as con:
        return con.execute("SELECT * FROM things ORDER BY id").fetchall()


@pytest.mark.parametrize("columns", [TARGET, "id BIGINT, price DOUBLE, name VARCHAR, moment TIMESTAMP, doc VARCHAR"])
def test_a_file_is_filled_in_one_pass(make: Any, went_directly: list[bool], columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the types of the entity and in coarser ones; bad rows stay behind, nothing is read back and nothing is left to write."""
    world = make(columns)
    monkeypatch.setattr(first, "_read_back", lambda *arguments: pytest.fail("its own digest is proof enough"))

    result, again = world.sync(), world.sync()

    assert went_directly == [True]
    assert (result.counts["inserted"], result.counts["quarantined"], result.counts["verified"]) == (290, 10, 290)
    rows = held(world.folder)
    assert len(rows) == 290
    assert (rows[7][0], float(rows[7][1]), rows[7][2]) == (7, 1.75, "é 7")
    assert not again.changed
    assert world.reconcile().pairs[0].agrees


def test_a_file_that_refuses_a_row_is_left_to_the_ordinary_way(make: Any, went_directly: list[bool]) -> None:
    """One bad row must not cost the others their way in; nothing of the broken load stays."""
    world = make(TARGET.replace("name VARCHAR", "name VARCHAR CHECK (name <> 'é 7')"))

    result = world.sync()

    assert went_directly == [False]
    assert (result.counts["inserted"], result.counts["refused"]) == (289, 1)
    assert 7 not in [row[0] for row in held(world.folder)]


def test_a_load_that_fails_leaves_no_thread_waiting(make: Any) -> None:
    """Arrow reads ahead in a thread of its own; one that waits for a row that never comes keeps the process from ending."""
    world = make(TARGET.replace("name VARCHAR", "name VARCHAR CHECK (name <> 'é 7')"))
    world.sync()
    until = time.monotonic() + 60

    def waiting() -> bool:
        frames = (f for start in sys._current_frames().values() for f, _ in traceback.walk_stack(start))
        return any(f.f_code.co_filename == pour.__code__.co_filename for f in frames)

    while waiting():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_file_that_shows_other_values_is_noticed_before_the_commit(
    make: Any, went_directly: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the digest is taken of is what the file holds."""
    world = make(TARGET)
    digest = DuckdbFill.digest

    def spoiled(self: Any, columns: Any) -> Any:
        self._con.execute(f"UPDATE {self.table} SET name = 'other' WHERE id = 5")
        return digest(self, columns)

    monkeypatch.setattr(DuckdbFill, "digest", spoiled)

    result = world.sync()

    assert went_directly == [False]
    assert result.counts["inserted"] == 290
    assert held(world.folder)[5][2] == "é 5"


def test_a_load_that_breaks_off_leaves_the_file_empty(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the next run does it all."""
    world = make(TARGET)

    def broken(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DuckdbFill, "commit", broken)
    with pytest.raises(KeyboardInterrupt):
        world.sync()
    assert held(world.folder) == []
    monkeypatch.undo()

    assert world.sync().counts["inserted"] == 290
    assert len(held(world.folder)) == 290
    assert not world.sync().changed
