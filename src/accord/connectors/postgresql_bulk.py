"""First loads of PostgreSQL: rows stream out of one COPY and into another, and are proven by the server's own record hash."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import duckdb
import psycopg

from accord.connectors.bulk import DIGEST, ODD, WRAP
from accord.connectors.duck import load_scanner
from accord.connectors.postgresql_json import Keys, canonical
from accord.connectors.postgresql_load_digest import changes_values, natives, row_digest
from accord.connectors.postgresql_types import PgColumn, is_exact
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.errors import DataRefused

_PIPE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 17  # as much as psycopg sends at once
_names = itertools.count(1)
# As COPY's binary form takes them; all others go the way of text, row by row judged.
_BINARY = {
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
    "bytea": "BLOB",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "json": "VARCHAR",
    "jsonb": "VARCHAR",
}
_AS_IT_IS = ("integer", "smallint", "jsonb", "json")  # the scanner reads them exactly, and a cast costs the server more than us
_ENDLESS = ("date", "timestamp", "timestamptz")
_PLAIN_TABLE = """
    SELECT c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT c.relrowsecurity FROM pg_class c WHERE c.oid = %s::regclass"""


class PgStream:
    """A table or view of PostgreSQL about to be read by one COPY."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        dsn: str,
        server: int,
        table: str,
        columns: Sequence[PgColumn],
        watch: AbstractContextManager[None],
        documents: Mapping[str, tuple[Keys, ...]],
    ) -> None:
        self._con, self._dsn, self._table, self._alias = con, dsn, table, ""
        self._watch, self._server = watch, server
        self._open, self._documents = ExitStack(), documents
        self._of = {c.name: c for c in columns if c.base != "numeric" or c.is_array or is_exact(c)}
        self.columns: Mapping[str, str] = {name: duckdb_type(c.type) for name, c in self._of.items()}
        self.columns = {
            n: "TIMESTAMP" if self._of[n].base == "timestamp" and not self._of[n].is_array else t for n, t in self.columns.items()
        }
        self.natives: Mapping[str, str] = natives(server, columns)
        self.canonical: Mapping[str, str] = {n: f"{n}:canonical" for n in documents if f"{n}:canonical" not in self._of}

    def read(self, columns: Sequence[str], digest: Sequence[str], *, wary: bool = False) -> str:
        """A view over one statement of the server."""
        load_scanner(self._con, "postgres")
        number = next(_names)
        alias, view = f"stream_{number}", f"streamed_{number}"
        self._alias = alias
        shown: list[str] = []
        picked = [f"{_read(self._of[name])} AS {quote(name)}" for name in columns]
        if digest:
            picked.append(f"{row_digest(self._server, self._of, digest, wary=wary)} AS {DIGEST}")
        else:
            picked.append(f"({' OR '.join(_odd(self._of[n]) for n in columns if _odd(self._of[n])) or 'false'}) AS {ODD}")
            # The scanner reads these as what they are, so it need not be the server that looks at each, which costs more.
            endless = [f"NOT isfinite({quote(n)})" for n in columns if self._of[n].base in _ENDLESS and not self._of[n].is_array]
            shown = [f"coalesce({' OR '.join([ODD, *endless])}, false) AS {ODD}"]
        query = f"SELECT {', '.join(picked)} FROM {self._table}"
        self._open.enter_context(self._watch)
        shown += [f"CAST({quote(name)} AS BIGINT) AS {quote(name)}" for name in columns if self._of[name].cast in ("integer", "smallint")]
        self._con.execute(f"ATTACH {literal(self._dsn)} AS {alias} (TYPE postgres, READ_ONLY)")
        rows = f"* REPLACE ({', '.join(shown)})" if shown else "*"
        read = f"(SELECT {rows} FROM postgres_query({literal(alias)}, {literal(query)}))"
        texts = {column: name for column, name in self.canonical.items() if column in columns}
        self._con.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {canonical(read, self._documents, texts)}")
        return view

    def close(self) -> None:
        """Ends the scanner's connection."""
        with self._open:
            if self._alias:
                alias, self._alias = self._alias, ""
                self._con.execute(f"DETACH {alias}")


def _read(column: PgColumn) -> str:
    return quote(column.name) if is_exact(column) or column.cast in _AS_IT_IS else column.read


def _odd(column: PgColumn) -> str:
    """SQL on the server: a value DuckDB has no room for, which its scanner would change in silence."""
    return f"{quote(column.name)} = 'NaN'" if column.base == "numeric" and not column.is_array else ""


class PgFill:
    """One COPY into a table that was empty when the transaction began."""

    def __init__(self, db: psycopg.Connection[Any], table: str, columns: Sequence[PgColumn]) -> None:
        self._db, self._table = db, table
        self._of = {c.name: c for c in columns}
        self.hashed: Mapping[str, str] = {}
        self.stamp = ""
        self.natives: Mapping[str, str] = natives(db.info.server_version, columns)
        self.wary = changes_values(db, table)

    def write(self, con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> None:
        """DuckDB encodes in a thread of its own, this one sends."""
        load_scanner(con, "postgres")  # it brings COPY's binary form
        picked = ", ".join(f"{self._encoded(name)} AS {quote(name)}" for name in columns)
        receive, send = os.pipe()
        _widen(send)
        failures: list[duckdb.Error] = []

        def encode() -> None:
            try:
                # With the order kept, DuckDB gathers rows in memory before it encodes them, however slow the server is to take them.
                form = "FORMAT postgres_binary, PRESERVE_ORDER false"
                con.execute(f"COPY (SELECT {picked} FROM {relation}) TO '/dev/fd/{send}' ({form})")
            except duckdb.Error as error:
                failures.append(error)
            finally:
                os.close(send)

        thread = threading.Thread(target=encode, name="accord-encode")
        thread.start()
        try:
            with (
                self._db.cursor() as cursor,
                cursor.copy(f"COPY {self._table} ({', '.join(map(quote, columns))}) FROM STDIN (FORMAT binary)") as copy,
            ):
                room = memoryview(bytearray(_CHUNK_BYTES))
                while count := os.readv(receive, [room]):
                    copy.write(room[:count])
                thread.join()
                if failures:
                    raise DataRefused(str(failures[0]).splitlines()[0], self._table, "values the columns have room for") from failures[0]
        finally:
            os.close(receive)  # first: an encoder that still writes must not wait for ever
            thread.join()

    def _encoded(self, name: str) -> str:
        column, value = self._of[name], quote(name)
        if column.base == "numeric":
            return f"CAST({value} AS {duckdb_type(column.type)})"
        cast = f"CAST({value} AS {_BINARY[column.base]})"
        return f"chr(1) || {cast}" if column.base == "jsonb" else cast  # the version its binary form begins with

    def digest(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """Computed by the server in one scan."""
        if not set(columns) <= set(self.natives):
            return None
        row = row_digest(self._db.info.server_version, self._of, columns, wary=self.wary)
        # With one helper: the load is over but for this, nobody else may write here, and all that is left to do waits for it.
        self._db.execute("SET LOCAL max_parallel_workers_per_gather = 1")
        found = self._db.execute(f"SELECT count(*), coalesce(sum({row}), 0) FROM {self._table}".encode()).fetchone()
        return (int(found[0]), int(found[1]) % WRAP) if found else None

    def commit(self) -> None:
        """Durable when it returns."""
        found = self._db.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
        self._db.execute("COMMIT")
        self.stamp = str(found[0]) if found else ""


def _widen(pipe: int) -> None:
    """Let a pipe hold a whole chunk: with the usual 64 KB the two threads at its ends wake each other for every few hundred rows."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # more than an ordinary user may have here
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


@contextmanager
def fill(db: psycopg.Connection[Any], table: str, of: Sequence[PgColumn], columns: Sequence[str]) -> Iterator[PgFill | None]:
    """A transaction in which nobody else writes to the table; rolled back unless it was committed.

    Args:
        db: in autocommit.
        table: quoted name.
        of: the table's columns.
        columns: those to be written.
    """
    kinds = {c.name: c for c in of}
    known = all(not kinds[n].is_array and (is_exact(kinds[n]) or kinds[n].base in _BINARY) for n in columns if n in kinds)
    if os.name == "nt" or not known or not set(columns) <= set(kinds):
        yield None
        return
    db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")  # so that the look after the lock sees what was committed before it
    try:
        db.execute("SET LOCAL synchronous_commit = on")
        db.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE".encode())
        plain = db.execute(_PLAIN_TABLE, (table,)).fetchone()
        held = db.execute(f"SELECT 1 FROM {table} LIMIT 1".encode()).fetchone()
        yield PgFill(db, table, of) if plain and plain[0] and held is None else None
    finally:
        if not db.closed and db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            db.execute("ROLLBACK")
