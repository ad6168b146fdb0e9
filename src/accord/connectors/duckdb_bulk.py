"""First loads of DuckDB files: the rows of the stream go straight into the file, in the engine that makes them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors.bulk import WRAP, arrived
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused

_names = itertools.count(1)


class DuckdbFill:
    """A table of a DuckDB file about to be filled in one transaction, which begins with the first write.

    Until then the file is not open: the engine that has it open is the one that makes the rows.
    """

    def __init__(self, path: str, table: str, read: Mapping[str, str], hashed: Mapping[str, str]) -> None:
        self._path, self._name, self.read = path, table, read
        self._con: duckdb.DuckDBPyConnection | None = None
        self._alias = ""
        self.natives: Mapping[str, str] = {}
        self.hashed = hashed
        self.stamp, self.wary = "", False

    def write(self, con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> None:
        """In one statement."""
        self.insert(con, batches.schema.names, f"SELECT * FROM {arrived(con, batches)}")

    def insert(self, con: duckdb.DuckDBPyConnection, columns: Sequence[str], query: str) -> None:
        """In one statement; its columns are in the order of ``columns``."""
        self._alias = f"duckdb_fill_{next(_names)}"
        con.execute(f"ATTACH {literal(self._path)} AS {self._alias} (TYPE duckdb)")
        con.execute("BEGIN")
        self._con = con
        if self._ask(f"SELECT count(*) FROM (SELECT 1 FROM {self.table} LIMIT 1)") != (0,):
            raise DataRefused("it is no longer empty", self._name, "a table without rows")
        con.execute(f"INSERT INTO {self.table} ({', '.join(map(quote, columns))}) {query}")

    def digest(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """DuckDB's own hash of what is stored."""
        hashed = ", ".join(f"CAST({self.read[name]} AS {self.hashed[name]})" for name in columns)
        rows, sum_ = self._ask(f"SELECT count(*), coalesce(sum(hash({hashed})), 0) FROM {self.table}")
        return int(rows), int(sum_) % WRAP

    def commit(self) -> None:
        """Durable when it returns."""
        assert self._con is not None
        self._con.execute("COMMIT")
        self._leave()

    def close(self) -> None:
        """Undo what was not committed."""
        if self._con is not None:
            self._con.execute("ROLLBACK")
            self._leave()

    @property
    def table(self) -> str:
        """The table as the engine knows it."""
        return f"{self._alias}.{self._name}"

    def _ask(self, query: str) -> tuple[Any, ...]:
        assert self._con is not None
        row = self._con.execute(query).fetchone()
        assert row is not None
        return tuple(row)

    def _leave(self) -> None:
        con, self._con = self._con, None
        assert con is not None
        con.execute(f"DETACH {self._alias}")
