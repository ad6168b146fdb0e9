"""The store's database as a schema of a PostgreSQL server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accord.model.errors import AccordError, DataRefused, LeaseHeld, StorageFull, SystemUnreachable, UsageError
from accord.store.alive import LINK, Watched
from accord.store.database import BUSY_SECONDS, NUL_SHOWN, Query, Row, Transaction, Value, bindable, quote
from accord.store.pipeline import Pipeline

SCHEMA = "accord"
_CONNECT_SECONDS = 10
_FEW = 3  # rows up to which each goes as a statement of its own
# The same meaning as SQLite's BEGIN IMMEDIATE: one writer per store, and it sees what the last one committed.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('accord.store'), hashtext(current_schema()))"
_INSERT = re.compile(r"INSERT INTO (\S+) \(([^()]*)\) VALUES \([?, ]*\)(?: (ON CONFLICT \(([^()]*)\) .*))?", re.DOTALL)


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
        self._line: Pipeline | None = None  # that of the transaction that is open
        self._lines: WeakKeyDictionary[psycopg.Connection[Row], Pipeline] = WeakKeyDictionary()
        with self._errors():
            self._open()

    def _open(self) -> psycopg.Connection[Row]:
        # Never a new connection inside a transaction: its statements would be committed one by one.
        if self._connection is not None and (self._line is not None or not self._connection.closed):
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
        """Carry out one statement; within ``write`` its error may only show with a later one."""
        with self._lock, self._errors():
            if self._line is not None:
                self._line.put(sql, values)
            else:
                self._open().execute(_placeholders(sql), bindable(values))

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Carry out one statement for each row of values, in order."""
        if not rows:
            return
        with self._lock, self._errors():
            if self._line is None:
                with self._open().cursor() as cursor:
                    cursor.executemany(_placeholders(sql), [bindable(row) for row in rows])
            elif len(rows) > _FEW and (whole := _at_once(sql, rows)) is not None:
                self._line.put(*whole)
            else:
                for row in rows:
                    self._line.put(sql, row)

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """All rows of a query."""
        with self._lock, self._errors():
            if self._line is not None:
                return self._line.ask([(sql, values)])[0]
            return self._open().execute(_placeholders(sql), bindable(values)).fetchall()

    def several(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries; within ``write`` in one round trip."""
        with self._lock, self._errors():
            if self._line is not None:
                return _ask(self._line, queries)
            return [self.rows(sql, *values) for sql, values in queries]

    def script(self, text: str) -> None:
        """Carry out several statements without values."""
        with self._lock, self._errors():
            if self._line is None:
                self._open().execute(text.encode())
                return
            # Several statements in one text cannot stand in line.
            self._line.wait()
            self._line.close()
            try:
                self._open().execute(text.encode())
            finally:
                self._line.open()

    @contextmanager
    def write(self, *, at_once: bool = True) -> Iterator[Transaction]:
        """The one writing transaction; its lock is taken with the first query where ``at_once`` is not asked for."""
        with self._lock, self._errors():
            connection = self._open()
            line = self._lines.get(connection) or self._lines.setdefault(connection, Pipeline(connection))
            line.open()
            self._line = line
            try:
                line.put("BEGIN")
                line.put(_LOCK)
                if at_once:
                    line.wait()
                yield self
                line.put("COMMIT")
                line.wait()
                line.close()
            except BaseException:
                _back_out(connection, line)
                raise
            finally:
                self._line = None

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


def _back_out(connection: psycopg.Connection[Row], line: Pipeline) -> None:
    """Undo what was begun; a connection on which that cannot be done is closed, which undoes it, too."""
    try:
        line.back_out()
    except BaseException:  # noqa: BLE001 - not swallowed: the caller raises what made it back out
        connection.close()


def _ask(line: Pipeline, queries: Sequence[Query]) -> list[list[Row]]:
    """The rows of queries; those of the same text with one text as value are one statement for all values."""
    places: dict[str, list[int]] = {}
    for place, (sql, _) in enumerate(queries):
        places.setdefault(sql, []).append(place)
    alike = {sql: found for sql, found in places.items() if len(found) > _FEW and all(_one_text(queries[n][1]) for n in found)}
    asked: list[Query] = [query for query in queries if query[0] not in alike]
    alone = [place for place, query in enumerate(queries) if query[0] not in alike]
    asked += [
        (_for_each(sql), (_PACKED.encode([queries[n][1][0] for n in found]).replace("\\u0000", NUL_SHOWN),)) for sql, found in alike.items()
    ]
    answers = line.ask(asked)
    rows: list[list[Row]] = [[] for _ in queries]
    for place, answer in zip(alone, answers, strict=False):
        rows[place] = answer
    for found, answer in zip(alike.values(), answers[len(alone) :], strict=True):
        for number, *row in answer:
            rows[found[number - 1]].append(tuple(row))
    return rows


def _one_text(values: Sequence[Value]) -> bool:
    return len(values) == 1 and isinstance(values[0], str)


@lru_cache(maxsize=256)
def _for_each(sql: str) -> str:
    # OFFSET 0 keeps it a query for each value, by its index, whatever the server believes about the size of the table.
    each = sql.replace("?", "g.v")
    return f"SELECT g.n, q.* FROM json_array_elements_text(CAST(? AS json)) WITH ORDINALITY g(v, n) CROSS JOIN LATERAL ({each} OFFSET 0) q"


def _at_once(sql: str, rows: Sequence[Sequence[Value]]) -> tuple[str, tuple[str]] | None:
    """One statement that adds all rows, where ``sql`` adds one; ``None`` when it is another statement, or rows may meet each other."""
    kinds = tuple(_kind(column) for column in zip(*rows, strict=True))
    made = _set_based(sql, kinds) if "" not in kinds else None
    if made is None:
        return None
    whole, key = made
    if key and len({tuple(row[n] for n in key) for row in rows}) < len(rows):
        return None  # PostgreSQL does not touch a row twice in one statement
    try:
        packed = _PACKED.encode(rows)
    except ValueError:  # a number that is none
        return None
    return whole, (packed.replace("\\u0000", NUL_SHOWN),)


_PACKED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _kind(column: Sequence[Value]) -> str:
    """SQL type that holds all values of a column, ``NULL`` where there are none; empty when no type does."""
    kinds = {type(value) for value in column}
    kinds.discard(type(None))
    if not kinds:
        return "NULL"
    return _TYPES.get(kinds.pop(), "") if len(kinds) == 1 else ""


_TYPES: dict[type, str] = {str: "TEXT", int: "BIGINT", float: "DOUBLE PRECISION"}


def _bare(name: str) -> str:
    return name.strip().strip('"')


@lru_cache(maxsize=1024)
def _set_based(sql: str, kinds: tuple[str, ...]) -> tuple[str, tuple[int, ...]] | None:
    found = _INSERT.fullmatch(sql.strip())
    if found is None:
        return None
    table, names, conflict, keys = found.groups()
    columns = [_bare(name) for name in names.split(",")]
    values = ", ".join(kind if kind == "NULL" else f"CAST(v->>{n} AS {kind})" for n, kind in enumerate(kinds))
    key = tuple(columns.index(_bare(name)) for name in keys.split(",")) if keys else ()
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM json_array_elements(CAST(? AS json)) v {conflict or ''}", key
