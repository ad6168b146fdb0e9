"""First loads of SQLite: all rows in one prepared statement, in one transaction."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors.bulk import arrived
from accord.connectors.sqlite_write import NO_NAN, encoded_value, not_held
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused

_CHUNK_ROWS = 10_000


class SqliteFill:
    """An open transaction on a table that was empty when it began. SQLite has no digest of rows: they are read back."""

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db, self._table = db, table
        self.natives: Mapping[str, str] = {}
        self.hashed: Mapping[str, str] = {}
        self.stamp, self.wary = "", False

    def write(self, con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> None:
        """In one statement for all rows."""
        relation, columns = arrived(con, batches), batches.schema.names
        kinds = {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
        picked = ", ".join(f"{self._held(c, kinds[c])} AS {quote(c)}" for c in columns)
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO main.{quote(self._table)} ({', '.join(map(quote, columns))}) VALUES ({marks})"
        try:
            self._db.executemany(statement, _rows(con.execute(f"SELECT {picked} FROM {relation}")))
        except sqlite3.IntegrityError as error:
            raise DataRefused(str(error), self._table, "rows that keep the table's own rules") from error
        except duckdb.InvalidInputException as error:
            if NO_NAN not in str(error):
                raise
            raise DataRefused(NO_NAN, self._table, "numbers") from error

    def _held(self, column: str, kind: str) -> str:
        """SQL of what is to be stored; it fails for a value that SQLite would make null of."""
        value, wrong = encoded_value(self._db, self._table, column, kind), not_held(quote(column), kind)
        return f"CASE WHEN {wrong} THEN error({literal(NO_NAN)}) ELSE {value} END" if wrong else value

    def digest(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """None: SQLite has no hash of rows."""
        return None

    def commit(self) -> None:
        """Durable when it returns."""
        self._db.execute("COMMIT")


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    return itertools.chain.from_iterable(iter(lambda: cursor.fetchmany(_CHUNK_ROWS), []))
