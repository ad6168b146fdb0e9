"""First loads of PostgreSQL: rows stream out of one COPY and into another, and are proven by the server's own record hash."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from accord.connectors.bulk import DIGEST, ODD, WRAP
from accord.connectors.duck import load_scanner
from accord.connectors.postgresql_json import Keys, canonical
from accord.connectors.postgresql_load_digest import changes_values, natives, row_digest
from accord.connectors.postgresql_pack import can_pack, packed
from accord.connectors.postgresql_types import PgColumn, is_exact
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.errors import DataRefused

_names = itertools.count(1)
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
            odd = " OR ".join(_odd(self._of[n]) for n in columns if _odd(self._of[n]))
            picked.append(f"CASE WHEN {odd or 'false'} THEN true END AS {ODD}")  # a null costs less to send
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

    def write(self, con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> None:
        """In COPY's binary form; whether the server understood each value as it was meant is what ``digest`` tells."""
        columns = ", ".join(map(quote, batches.schema.names))
        try:
            with self._db.cursor() as cursor, cursor.copy(f"COPY {self._table} ({columns}) FROM STDIN (FORMAT binary)") as copy:
                for part in packed(batches, self._of):
                    copy.write(memoryview(part))
        except ValueError as error:
            raise DataRefused(str(error).splitlines()[0], self._table, "values the columns have room for") from error

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
    if not all(n in kinds and can_pack(kinds[n]) for n in columns):
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
