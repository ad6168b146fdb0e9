"""The store's database as an SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from accord.model.errors import AccordError, DataRefused, LeaseHeld, StorageFull, SystemUnreachable
from accord.store.database import BUSY_SECONDS, Query, Row, Transaction, Value, bindable
from accord.store.room import no_room, without_room

_PREPARED = 512  # statements kept ready; the projections of one step need more than the 128 of the default


class SqliteDatabase:
    """A file in WAL mode with ``synchronous=FULL``: what was committed survives a power cut."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._lock = threading.RLock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Several threads may use it: the lock above, not the connection's owner check, keeps them apart.
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=_PREPARED
            )
            try:
                self._configure()
            except BaseException:
                self._connection.close()
                raise

    def _configure(self) -> None:
        (mode,) = self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise DataRefused(f"the file system gives journal mode '{mode}'", self.where, "a local disk on which SQLite can use WAL")
        # NORMAL loses acknowledged transactions at a power cut; fullfsync is what FULL needs to mean it on macOS.
        for pragma in ("synchronous=FULL", "fullfsync=ON", "foreign_keys=ON", "trusted_schema=OFF"):
            self._connection.execute(f"PRAGMA {pragma}")

    def run(self, sql: str, *values: Value) -> None:
        """Carry out one statement."""
        self._execute(sql, values)

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Carry out one statement for each row of values, in order."""
        if len(rows) == 1:  # the same, and half the price
            self._execute(sql, rows[0])
        elif rows:
            with self._lock, self._errors():
                self._connection.executemany(sql, [bindable(row) for row in rows])

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """All rows of a query."""
        with self._lock:
            try:
                return self._connection.execute(sql, bindable(values)).fetchall()
            except sqlite3.Error as error:
                raise self._translated(error) from error

    def several(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries."""
        return [self.rows(sql, *values) for sql, values in queries]

    def _execute(self, sql: str, values: Sequence[Value]) -> None:
        # Not through ``_errors``: this is called for each row of a step, and a context manager costs more than the statement.
        with self._lock:
            try:
                self._connection.execute(sql, bindable(values))
            except sqlite3.Error as error:
                raise self._translated(error) from error

    def script(self, text: str) -> None:
        """Carry out several statements without values."""
        # Not executescript(): it would commit the transaction it is called in.
        statement = ""
        for line in text.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self.run(statement)
                statement = ""

    @contextmanager
    def write(self, *, at_once: bool = True) -> Iterator[Transaction]:
        """The one writing transaction."""
        with self._lock:
            try:
                self._execute("BEGIN IMMEDIATE", ())
                yield self
                self._execute("COMMIT", ())
            except BaseException:
                # SQLite itself rolls back on some errors, a full disk among them.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except OSError as error:
            if full := no_room(error, self.where):
                raise full from error
            raise SystemUnreachable("store", self.where, str(error), "Give a folder that can be written to.") from error

    def _translated(self, error: sqlite3.Error) -> AccordError | sqlite3.Error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the class of an extended code
        if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and without_room(Path(self.where))):
            return StorageFull(self.where, str(error))
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return LeaseHeld(f"another process, which did not let go of the write lock in {BUSY_SECONDS} s", self.where)
        if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return DataRefused(str(error), self.where, "an SQLite file written by Accord", left="the file was not changed")
        if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            return SystemUnreachable("store", self.where, str(error), "Give a file that can be written to.")
        return error
