"""Agreed rows that are taken from a side of which nothing moved are those of the segment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.postgresql import PostgresConnector
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.store.folding import parquet
from accord.sync import run_flow
from accord.sync.capture import lent, scope
from accord.sync.cycle import Cycle, Side, names
from accord.sync.state.base import MARKS

FIELDS = {"id": Field("id", "integer"), "name": Field("name", pattern="[^!]*"), "size": Field("size", "number(8,2)"), "note": Field("note")}
COLUMNS = "id bigint PRIMARY KEY, name text, size numeric(8,2), note char(8)"
Run = Callable[[], Any]


@pytest.fixture
def world(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[psycopg.Connection[Any], Run]]:
    """Two tables of 40 rows that are kept equal, and a run; every way that is for many rows is taken."""
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    monkeypatch.setattr("accord.sync.capture.lent.LENT_FROM", 1)
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_FROM", 1)
    monkeypatch.setattr("accord.sync.capture.idle.change_token", lambda connector, resource: None)
    mapped = {f: FieldMapping(f) for f in FIELDS}
    bindings = {name: Binding(name, table, mapped, system="pg") for name, table in (("source", "src"), ("target", "tgt"))}
    flow = Flow("things", "thing", bindings, authority={"*": "source", "note": "human"}, delete_guard="100%", empty_guard="100%")
    systems = {"pg": System("pg", "postgresql", postgres_url)}
    map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
    connector: Any = open_connector(systems["pg"], base=tmp_path)
    number = iter(range(1000))
    with psycopg.connect(postgres_url, autocommit=True) as db, open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        for table in ("src", "tgt"):
            db.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({COLUMNS})".encode())
        db.execute("INSERT INTO src SELECT i, 'n' || i, i / 4.0, 'x' FROM generate_series(1, 40) i")

        def run() -> Any:
            n = next(number)
            return run_flow(map_, flow, {"pg": connector}, store, run=f"r{n}", now=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=n))

        yield db, run
        connector.close()


@pytest.fixture
def lendings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The side of each lending, each checked against the segment."""
    found: list[str] = []
    real = lent.lend

    def checked(cycle: Cycle, side: Side) -> dict[Path, str]:
        given = real(cycle, side)
        for path, table in given.items():
            columns = names((*cycle.fields, *MARKS))
            held = f"SELECT {columns} FROM {parquet([path])} SEMI JOIN ({lent._needed(cycle, path)}) USING (id)"
            lends = f"SELECT {columns} FROM {table}"
            assert cycle.sql(f"({held} EXCEPT ALL {lends}) UNION ALL ({lends} EXCEPT ALL {held})") == []
            found.append(side.name)
        return given

    monkeypatch.setattr(scope, "lend", checked)
    return found


def _rows(db: psycopg.Connection[Any], table: str) -> list[Any]:
    return db.execute(f"SELECT * FROM {table} ORDER BY id".encode()).fetchall()


def _edit(db: psycopg.Connection[Any], table: str, chance: random.Random) -> None:
    """One to three edits; some break the contract, some rows come again."""
    for _ in range(chance.randint(1, 3)):
        row = chance.randint(1, 44)
        values = (row, chance.choice(["a", "b", "no!", None]), chance.choice([1, 2.25]), chance.choice(["y", "z", None]))
        column = chance.choice(["name", "size", "note"])
        do = "NOTHING" if chance.random() < 0.3 else f"UPDATE SET {column} = excluded.{column}"
        if chance.random() < 0.15:
            db.execute(f"DELETE FROM {table} WHERE id = %s".encode(), (row,))
        else:
            db.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO {do}".encode(), values)


@pytest.mark.parametrize("steps", [5, pytest.param(100, marks=pytest.mark.prove)])
def test_lent_rows_are_those_of_the_segment_in_any_history(
    world: tuple[psycopg.Connection[Any], Run], lendings: list[str], steps: int
) -> None:
    """Rows in quarantine, open conflicts, deletes and re-creations among them; nobody edits both tables each time."""
    db, run = world
    run(), run()
    chance = random.Random(steps)
    for step in range(steps):
        for table in [("src",), ("tgt",), ("src", "tgt")][step % 3]:
            _edit(db, table, chance)
        run()

    assert {"source", "target"} <= set(lendings)
    db.execute("UPDATE src SET name = 'good' WHERE name LIKE '%!'; DELETE FROM tgt WHERE name LIKE '%!'")
    run(), run()
    assert run().changed is False


@pytest.mark.usefixtures("lendings")
def test_an_edit_between_what_a_side_says_and_the_look_at_its_rows_is_no_agreed_value(
    world: tuple[psycopg.Connection[Any], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row has another version by then. Lent, it would be taken for what was agreed, and the edit for none."""
    db, run = world
    run(), run()
    db.execute("UPDATE src SET note = 'ours' WHERE id = 1; UPDATE src SET name = 'new' WHERE id = 2")
    real = PostgresConnector.scan_versions

    def edited(self: Any, con: Any, resource: str, keys: str) -> tuple[str, str]:
        db.execute("UPDATE tgt SET note = 'theirs' WHERE id = 1")
        return real(self, con, resource, keys)

    monkeypatch.setattr(PostgresConnector, "scan_versions", edited)
    first = run()
    monkeypatch.setattr(PostgresConnector, "scan_versions", real)

    assert first.open_conflicts == 1
    assert [row[3].strip() for row in (_rows(db, "src")[0], _rows(db, "tgt")[0])] == ["ours", "theirs"]
    assert _rows(db, "tgt")[1][1] == "new"
