"""What the connector suite shares: a fresh system of each kind, batches, and an oracle that reads without our code."""

from __future__ import annotations

import csv
import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pymysql
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import ApplyResult, ChangeBatch, Connector
from accord.connectors.registry import connector_kinds, open_connector
from accord.model.system import System
from accord.model.types import CanonicalType

COLUMNS = {
    "id": CanonicalType("text"),
    "name": CanonicalType("text"),
    "amount": CanonicalType("number", 12, 2),
    "at": CanonicalType("timestamp"),
}
NAMED = ("name", "amount", "at")
TYPES = {"id": pa.string(), "name": pa.string(), "amount": pa.decimal128(12, 2), "at": pa.timestamp("us", "UTC")}
Row = Mapping[str, Any]


@dataclass
class Bench:
    """One system of a kind, with the means to change it and to look at it."""

    connector: Connector
    at: str
    folder: Path

    @property
    def kind(self) -> str:
        return self.connector.kind

    def create(self) -> None:
        self.connector.create("items", COLUMNS, ["id"])

    def batch(
        self, op: str, rows: Sequence[Row], old: Sequence[Row] = (), columns: Sequence[str] = ("name", "amount", "at")
    ) -> ChangeBatch:
        data: dict[str, Any] = {"_op": pa.array([op] * len(rows)), "id": pa.array([row["id"] for row in rows], TYPES["id"])}
        for name in columns:
            data[name] = pa.array([row.get(name) for row in rows], TYPES[name])
            data["_old_" + name] = pa.array([before.get(name) for before in old] or [None] * len(rows), TYPES[name])
        return ChangeBatch("items", ("id",), tuple(columns), pa.table(data), f"{op}-{len(rows)}")

    def apply(
        self, op: str, rows: Sequence[Row], old: Sequence[Row] = (), columns: Sequence[str] = ("name", "amount", "at")
    ) -> ApplyResult:
        return self.connector.apply(self.batch(op, rows, old, columns))

    def scan(self, resource: str = "items") -> dict[str, dict[str, Any]]:
        """What our own code reads, as text."""
        with borrowed_duck(threads=2) as con:
            view = self.connector.scan(con, resource)
            names = [row[0] for row in con.execute(f"DESCRIBE {view}").fetchall()]
            rows = con.execute("SELECT " + ", ".join(f'CAST("{n}" AS VARCHAR)' for n in names) + f" FROM {view}").fetchall()
        return {row[names.index("id")]: dict(zip(names, row, strict=True)) for row in rows}

    def sql(self, statement: str) -> None:
        """Done in the database as any other program does it."""
        _SQL[self.kind](self.at, statement)

    def opened(self) -> Any:
        """A session of another program with the server, in a transaction that it has to commit."""
        return psycopg.connect(self.at) if self.kind == "postgresql" else _mysql_opened(self.at, autocommit=False)

    def waits(self) -> bool:
        """Whether somebody waits for a lock on the server, or is about to."""
        postgresql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        mysql = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '% FOR UPDATE'"
        with self.opened() as db, db.cursor() as cursor:
            cursor.execute(postgresql if self.kind == "postgresql" else mysql)
            return bool(cursor.fetchone()[0])

    @property
    def has_sql(self) -> bool:
        return self.kind in _SQL

    def oracle(self) -> dict[str, tuple[str | None, Decimal | None]]:
        """Name and amount by id as any other program reads them."""
        return {str(key): (name, None if amount is None else Decimal(str(amount))) for key, name, amount in _READERS[self.kind](self.at)}


def _sqlite(at: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(at)
    try:
        return db.execute("SELECT id, name, amount FROM items").fetchall()
    finally:
        db.close()


def _postgresql(at: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(at) as db:
        return db.execute("SELECT id, name, amount FROM items").fetchall()


def _of_duckdb(at: str, statement: str) -> None:
    with duckdb.connect(at) as db:
        db.execute(statement)


def _of_sqlite(at: str, statement: str) -> None:
    with closing(sqlite3.connect(at, isolation_level=None)) as db:
        db.execute(statement)


def _of_postgresql(at: str, statement: str) -> None:
    with psycopg.connect(at) as db:
        db.execute(statement.encode())


def _of_mysql(at: str, statement: str) -> None:
    with _mysql_opened(at) as db, db.cursor() as cursor:
        cursor.execute(statement)


_SQL: dict[str, Callable[[str, str], None]] = {
    "sqlite": _of_sqlite,
    "postgresql": _of_postgresql,
    "mysql": _of_mysql,
    "duckdb": _of_duckdb,
}


def _csv(at: str) -> list[tuple[Any, ...]]:
    # The csv module cannot tell "" from nothing; the tests of that difference look at the bytes.
    with Path(at, "items.csv").open(newline="") as file:
        return [(row["id"], row["name"] or None, row["amount"] or None) for row in csv.DictReader(file)]


def _jsonl(at: str) -> list[tuple[Any, ...]]:
    rows = [json.loads(line, parse_float=Decimal) for line in Path(at, "items.jsonl").read_text().splitlines()]
    return [(row["id"], row.get("name"), row.get("amount")) for row in rows]


def _parquet(at: str) -> list[tuple[Any, ...]]:
    table = pyarrow.parquet.read_table(Path(at, "items.parquet"))
    return [(row["id"], row["name"], row["amount"]) for row in table.to_pylist()]


def _xlsx(at: str) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(at)
    return [row[:3] for row in book["items"].iter_rows(min_row=2, values_only=True)]


def _duckdb(at: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(at, read_only=True) as db:
        return db.execute("SELECT id, name, amount FROM items").fetchall()


def _mysql_opened(at: str, *, autocommit: bool = True) -> pymysql.Connection[Any]:
    parts = urlsplit(at)
    return pymysql.connect(
        unix_socket=parse_qs(parts.query)["unix_socket"][0], user=parts.username, database=parts.path[1:], autocommit=autocommit
    )


def _mysql(at: str) -> list[tuple[Any, ...]]:
    with _mysql_opened(at) as db, db.cursor() as cursor:
        cursor.execute("SELECT id, name, amount FROM items")
        return list(cursor.fetchall())


def _rest(at: str) -> list[tuple[Any, ...]]:
    with urllib.request.urlopen(f"{at}/items?limit=1000") as answer:
        rows = json.loads(answer.read(), parse_float=Decimal)["data"]
    return [(row["id"], row.get("name"), row.get("amount")) for row in rows]


_READERS: dict[str, Callable[[str], list[tuple[Any, ...]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "xlsx": _xlsx,
    "duckdb": _duckdb,
    "rest": _rest,
}


@pytest.fixture(params=sorted(connector_kinds()))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """A system of each kind there is, not yet made."""
    kind = request.param
    if kind == "rest":
        made: Bench = request.getfixturevalue("rest_bench")
        return made
    if kind in ("postgresql", "mysql"):
        at = request.getfixturevalue({"postgresql": "postgres_url"}.get(kind, "mysql_url"))
    else:
        at = str(tmp_path / {"sqlite": "system.db", "duckdb": "system.duckdb", "xlsx": "system.xlsx"}.get(kind, "system"))
    return Bench(open_connector(System("under_test", kind, at), base=tmp_path), at, tmp_path)


@pytest.fixture
def bench_of() -> type[Bench]:
    """Makes a bench of a connector."""
    return Bench


@pytest.fixture
def rest_bench(rest_api: Any, tmp_path: Path) -> Iterator[Bench]:
    """An API has every collection that is asked for; which members are the key of a new one it has to be told."""
    options = {"items": "data", "total": "total", "page_size": "1000", "retry_seconds": "0.01", "retries": "1"}
    connector = open_connector(System("under_test", "rest", rest_api.url, options=options), base=tmp_path)
    create = connector.create

    def create_there(resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        rest_api.keys[resource] = tuple(key)
        create(resource, columns, key)

    connector.create = create_there  # type: ignore[method-assign]
    yield Bench(connector, rest_api.url, tmp_path)
    connector.close()


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection as Accord opens it."""
    with borrowed_duck(threads=2) as con:
        yield con
