"""The store's database as a schema of a PostgreSQL server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accord.model.errors import AccordError, DataRefused, LeaseHeld, StorageFull, SystemUnreachable, UsageError
from accord.store.alive import LINK, Watched
from accord.store.database import BUSY_SECONDS, Row, Transaction, Value, bindable, quote

SCHEMA = "accord"
_CONNECT_SECONDS = 10


class PostgresDatabase:
    """A schema of its own (``accord``, or the first of the URL's ``options=-csearch_path=…``) with ``synchronous_commit=on``.

    A connection that broke is opened again by the next call. When it breaks during a commit nobody can know whether that
    happened; appending the same events again is harmless either way.
    """

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str) -> None:
        self.where = _without_password(url)
        given = conninfo_to_dict(url)
        link = {name: value for name, value in LINK.items() if name not in given}
        self._conninfo = make_conninfo(url, connect_timeout=_CONNECT_SECONDS, client_encoding="UTF8", **link)
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Row] | None = None
        self._writing = False
        with self._errors():
            self._open()

    def _open(self) -> psycopg.Connection[Row]:
        # Never a new connection inside a transaction: its statements would be committed one by one.
        if self._connection is not None and (self._writing or not self._connection.closed):
            return self._connection
        connection: psycopg.Connection[Row] = Watched.open(self._conninfo)
        try:
            _configure(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def run(self, sql: str, *values: Value) -> None:
        """Carry out one statement."""
        with self._lock, self._errors():
            self._open().execute(_placeholders(sql), bindable(values))

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Carry out one statement for each row of values, in order."""
        if not rows:
            return
        with self._lock, self._errors(), self._open().cursor() as cursor:
            cursor.executemany(_placeholders(sql), [bindable(row) for row in rows])

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """All rows of a query."""
        with self._lock, self._errors():
            return self._open().execute(_placeholders(sql), bindable(values)).fetchall()

    def script(self, text: str) -> None:
        """Carry out several statements without values."""
        with self._lock, self._errors():
            self._open().execute(text.encode())

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """The one writing transaction."""
        with self._lock, self._errors(), self._open().transaction():
            self._writing = True
            try:
                # The same meaning as SQLite's BEGIN IMMEDIATE: one writer per store, and it sees what the last one committed.
                self.run("SELECT pg_advisory_xact_lock(hashtext('accord.store'), hashtext(current_schema()))")
                yield self
            finally:
                self._writing = False

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: psycopg.Error) -> AccordError | psycopg.Error:
        if isinstance(error, psycopg.errors.DiskFull):
            return StorageFull(self.where, str(error).strip())
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return LeaseHeld(f"another process, which did not let go of the write lock in {BUSY_SECONDS} s", self.where)
        if isinstance(error, psycopg.errors.ProgramLimitExceeded):
            return DataRefused(" ".join(str(error).split()), self.where, "names and ids of less than 2,500 bytes")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.InsufficientPrivilege):
            reason = " ".join(str(error).split()) or type(error).__name__
            return SystemUnreachable("store", self.where, reason, "Start the server, or give a URL that reaches it.")
        return error


def _configure(connection: psycopg.Connection[Row]) -> None:
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise DataRefused(
            f"the database has the encoding {connection.info.parameter_status('server_encoding')}",
            f"postgresql://{connection.info.host}/{connection.info.dbname}",
            "UTF8, which holds every text",
        )
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{BUSY_SECONDS}s"])
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
    )
    found = connection.execute("SHOW search_path").fetchone()
    first = str(found[0] if found else "").split(",")[0].strip().strip('"')
    schema = SCHEMA if first in ("", "$user", "public") else first
    connection.execute("SELECT set_config('search_path', %s, false)", [quote(schema)])
    there = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone()
    if there is None:
        # Two processes may open a new store at once, and IF NOT EXISTS alone can still collide in the catalog.
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('accord.schema'))")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())


def _without_password(url: str) -> str:
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's own words repeat the URL, password included.
        raise UsageError("the URL of the store cannot be read.", expected="Expected postgresql://user@host:port/database.") from None
    host, port, name = parts.get("host", "localhost"), parts.get("port"), parts.get("dbname", "")
    return f"postgresql://{host}" + (f":{port}" if port else "") + f"/{name}"


@lru_cache(maxsize=512)
def _placeholders(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()
