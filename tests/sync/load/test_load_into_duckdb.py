"""A first load of a DuckDB file from PostgreSQL leaves what the ordinary way leaves, or nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync.load import first

ROWS = 300
TYPES = {
    "id": "integer", "small": "integer", "amount": "number(12,2)", "ratio": "double", "name": "text", "active": "boolean", "day": "date",
    "moment": "timestamp", "ref": "uuid", "doc": "json", "bin": "binary",
}  # fmt: skip
SOURCE = (
    "id bigint, small int, amount numeric(12,2), ratio double precision, name text, active boolean, day date, moment timestamptz, "
    "ref uuid, doc jsonb, bin bytea"
)
TARGET = (
    "id BIGINT PRIMARY KEY, small BIGINT, amount DECIMAL(12,2), ratio DOUBLE, name VARCHAR, active BOOLEAN, day DATE, "
    "moment TIMESTAMPTZ, ref UUID, doc JSON, bin BLOB"
)
FILL = f"""
    INSERT INTO src SELECT i, CASE WHEN i % 50 = 7 THEN -i ELSE i % 100 END, i * 1.37, i / 7.0, CASE WHEN i % 9 > 0 THEN 'é \\ ''' || i END,
        i % 2 = 0, date '2020-01-01' - i::int * 2000, timestamptz '2024-01-01 00:00:00.123456Z' + i * interval '1 s', md5(i::text)::uuid,
        CASE WHEN i % 11 > 0 THEN jsonb_build_object('b', i, 'aa', i * 1.50, 'list', '[1, {{"x": null}}]'::jsonb) END,
        decode(md5(i::text) || '5c27', 'hex')
    FROM generate_series(1, {ROWS}) i"""


@pytest.fixture
def source(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"CREATE TABLE src ({SOURCE})".encode())
        db.execute(FILL.encode())
        yield db


@pytest.fixture
def make(postgres_url: str, tmp_path: Path, world_class: Any) -> Any:
    def made(name: str = "world") -> Any:
        folder = tmp_path / name
        folder.mkdir()
        with duckdb.connect(str(folder / "b.duckdb")) as con:
            con.execute(f"CREATE TABLE tgt ({TARGET})")
        systems = {"a": System("a", "postgresql", postgres_url), "b": System("b", "duckdb", "b.duckdb")}
        fields = {n: Field(n, t, minimum="0" if n == "small" else "") for n, t in TYPES.items()}
        entity = Entity("thing", ("id",), fields, rules={"even": Rule("even", "id <> 13 OR active", "thirteen is never right")})
        mapped = {n: FieldMapping(n) for n in TYPES}
        bindings = {"a": Binding("a", "src", mapped, direction="read"), "b": Binding("b", "tgt", mapped)}
        map_ = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": Flow("things", "thing", bindings)})
        store = open_store(folder / "store.db", segments=folder / "segments")
        return world_class(folder, store, map_, {n: open_connector(s, base=folder) for n, s in systems.items()})

    return made


def held(world: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(world.folder / "b.duckdb"), read_only=True) as con:
        return con.execute("SELECT * FROM tgt ORDER BY id").fetchall()


def left_behind(world: Any) -> dict[str, list[str]]:
    """What a run leaves in the store, without its name and the time."""
    timeless = {"run", "captured_at", "verified_at", "freshness_seconds", "since", "_gone", "_settled"}
    roles = [r for r in world.store.flow_state("things") if not r.startswith("digest:")]
    return {
        role: sorted(repr(sorted((k, v) for k, v in row.items() if k not in timeless)) for row in world.segments(role)) for role in roles
    }


def test_a_first_load_leaves_what_the_ordinary_way_leaves(
    source: psycopg.Connection[Any], make: Any, went_directly: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every type, nulls, refused rows with their reasons and own columns."""
    world = make("direct")
    result = world.sync()
    ordinary = make("ordinary")
    with monkeypatch.context() as patch:
        patch.setattr(first, "understood", lambda cycle: False)
        expected = ordinary.sync()

    assert went_directly == [True]
    assert dict(result.counts) == dict(expected.counts)
    assert [f.sentence for f in result.findings] == [f.sentence for f in expected.findings]
    assert held(world) == held(ordinary)
    assert left_behind(world) == left_behind(ordinary)
    assert not world.sync().changed
    assert world.reconcile().pairs[0].agrees
    source.execute("UPDATE src SET name = 'new' WHERE id = 5")
    assert world.sync().counts["updated"] == 1


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE src SET amount = 'NaN' WHERE id = 200",
        pytest.param("UPDATE src SET day = '-infinity' WHERE id = 201", marks=pytest.mark.prove),
        "INSERT INTO src SELECT * FROM src WHERE id = 200",
        "INSERT INTO src SELECT 200, -1",  # refused, and its key is another row's
        pytest.param("INSERT INTO src SELECT 400, -1 FROM generate_series(1, 2)", marks=pytest.mark.prove),
    ],
)
def test_what_is_more_than_an_insert_is_left_to_the_ordinary_way(
    source: psycopg.Connection[Any], make: Any, went_directly: list[bool], spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of which it takes more than one look to tell what is to become are for the way that looks at each."""
    source.execute(spoil.encode())
    world, ordinary = make(), make("ordinary")

    result = world.sync()

    assert went_directly == [False]
    monkeypatch.setattr(first, "understood", lambda cycle: False)
    assert dict(result.counts) == dict(ordinary.sync().counts)
    assert held(world) == held(ordinary)
    assert not world.sync().changed


def test_values_that_the_file_does_not_show_are_noticed_before_the_commit(
    source: psycopg.Connection[Any], make: Any, went_directly: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is what the file shows, so it is held against what was sent."""
    world, read_back = make(), first.read_back

    def spoiled(cycle: Any, con: Any, fill: Any, *rest: Any) -> Any:
        con.execute(f"UPDATE {fill.table} SET name = 'other' WHERE id = 5")
        return read_back(cycle, con, fill, *rest)

    monkeypatch.setattr(first, "read_back", spoiled)

    result = world.sync()

    assert went_directly == [False]
    assert result.counts["inserted"] == ROWS - 7
    assert dict(row[::4][:2] for row in held(world))[5] == "é \\ '5"


def test_a_process_that_dies_before_the_commit_leaves_the_file_empty(
    source: psycopg.Connection[Any], make: Any, went_directly: list[bool]
) -> None:
    """The rows are in the file by then, and no transaction says that they count; the next run finds it as it was."""
    world = make()
    program = f"""
import os
from pathlib import Path
from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import open_connector
from accord.model.system import System
connector = open_connector(System("b", "duckdb", "b.duckdb"), base=Path({str(world.folder)!r}))
with borrowed_duck() as con, connector.fill("tgt", ["id"]) as fill:
    fill.write(con.cursor(), con.execute("SELECT range AS id FROM range(300000)").to_arrow_reader())
    os._exit(9)
"""

    died = subprocess.run([sys.executable, "-c", program], check=False).returncode

    assert died == 9
    assert held(world) == []
    assert world.sync().counts["inserted"] == len(held(world)) == ROWS - 7
    assert went_directly == [True]
