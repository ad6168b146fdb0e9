"""First loads of DuckDB files: the rows of the stream go straight into the file, in the engine that makes them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
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
        self._path, self._table, self._read = path, table, read
        self._con: duckdb.DuckDBPyConnection | None = None
        self._alias = ""
        self.natives: Mapping[str, str] = {}
        self.hashed = hashed
        self.stamp, self.wary = "", False

    def write(self, con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader, uuids: Collection[str]) -> None:
        """In one statement."""
        relation = arrived(con, batches, uuids)
        self._alias = f"duckdb_fill_{next(_names)}"
        con.execute(f"ATTACH {literal(self._path)} AS {self._alias} (TYPE duckdb)")
        con.execute("BEGIN")
        self._con = con
        if self._ask(f"SELECT count(*) FROM (SELECT 1 FROM {self._full} LIMIT 1)") != (0,):
            raise DataRefused("it is no longer empty", self._table, "a table without rows")
        named = ", ".join(map(quote, batches.schema.names))
        con.execute(f"INSERT INTO {self._full} ({named}) SELECT {named} FROM {relation}")

    def digest(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """DuckDB's own hash of what is stored."""
        hashed = ", ".join(f"CAST({self._read[name]} AS {self.hashed[name]})" for name in columns)
        rows, sum_ = self._ask(f"SELECT count(*), coalesce(sum(hash({hashed})), 0) FROM {self._full}")
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
    def _full(self) -> str:
        return f"{self._alias}.{self._table}"

    def _ask(self, query: str) -> tuple[Any, ...]:
        assert self._con is not None
        row = self._con.execute(query).fetchone()
        assert row is not None
        return tuple(row)

    def _leave(self) -> None:
        con, self._con = self._con, None
        assert con is not None
        con.execute(f"DETACH {self._alias}")
