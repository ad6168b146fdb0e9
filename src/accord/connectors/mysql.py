"""MySQL and MariaDB: read by one SELECT, written from a staged batch in one transaction, followed by their binlog."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import duckdb

from accord.connectors import (
    decide,
    mysql_binlog,
    mysql_cascades,
    mysql_feed,
    mysql_keys,
    mysql_marker,
    mysql_reached,
    mysql_read,
    mysql_write,
)
from accord.connectors.duck import borrowed_duck
from accord.connectors.keys import chosen, taken
from accord.connectors.marker import FORBIDDEN, TABLE, note_before_commit
from accord.connectors.mysql_link import Link, address_of, rows, run, version
from accord.connectors.mysql_types import MyColumn, columns_of, declaration
from accord.connectors.protocol import ApplyResult, Capabilities, Carried, ChangeBatch, Feed, Noting
from accord.connectors.types import quote
from accord.model.errors import DataRefused, UnknownName
from accord.model.system import ColumnDescription, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType

if TYPE_CHECKING:
    import pymysql

VIEW_SECONDS: Final = 5
_RESOURCES = f"""
    SELECT t.TABLE_NAME, t.TABLE_TYPE LIKE '%%VIEW', coalesce(e.TRANSACTIONS, 'NO'), coalesce(t.ENGINE, '')
    FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
    WHERE t.TABLE_SCHEMA = %s AND t.TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')
        AND t.TABLE_NAME <> '{TABLE}' ORDER BY t.TABLE_NAME"""
_KEYS = """
    SELECT s.INDEX_NAME, s.COLUMN_NAME, s.SUB_PART IS NOT NULL FROM information_schema.STATISTICS s
    WHERE s.TABLE_SCHEMA = %s AND s.TABLE_NAME = %s AND s.NON_UNIQUE = 0
    ORDER BY s.INDEX_NAME <> 'PRIMARY', s.INDEX_NAME, s.SEQ_IN_INDEX"""
_EXTRA: Final = "SELECT EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s"
_COLLATIONS: Final = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")
_DENIED: Final = (1142, 1143, 1370)
_NO_DEFAULT: Final = 1364  # of a column that has to have a value and was given none
_BROKEN_VIEW: Final = (1356, 1054, 1146, 1449, 1969, 3024, 1370, 4031)


class MysqlConnector:
    """A database of a MySQL or MariaDB server; a resource is a table or view of it.

    ``at`` is ``mysql://user:password@host:3306/database``, or with ``?unix_socket=/path``. Passwords never stand in errors.
    """

    kind: ClassVar[str] = "mysql"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True, typed=True, keys_declared=True)

    def __init__(self, system: System, *, base: Path) -> None:
        self.address = address_of(system)
        self.where = self.address.shown
        self.system = replace(system, at=self.where)
        self._link = Link(system.name, self.address)

    def __repr__(self) -> str:
        return f"MysqlConnector({self.address.shown!r})"

    def describe(self) -> SystemDescription:
        """Tables and views with native types, primary or unique key, exact row count and this user's rights."""
        start = time.perf_counter()
        with self._link.session() as db:
            server = version(db)
            read_only = rows(db, "SELECT @@global.read_only")[0][0] not in ("0", "OFF")
            run(db, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
            described = [self._describe_one(db, row, read_only) for row in rows(db, _RESOURCES, self.address.database)]
            run(db, "ROLLBACK")
        found = tuple(resource for resource in described if resource is not None)
        name = "MariaDB" if "MariaDB" in server else "MySQL"
        return SystemDescription(self.system.name, self.kind, found, (time.perf_counter() - start) * 1000, f"{name} {server}")

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """One statement on the server reads the table, so it is one snapshot of it."""
        with self._reading(resource) as (db, table, columns):
            picked = ", ".join(f"{c.read()} AS {quote(c.name)}" for c in columns)
            raw = mysql_read.fetch(con, db, [f"SELECT {picked} FROM {quote(table)}"], [c.name for c in columns])
        return mysql_read.view(con, raw, columns)

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """Looked up through the server's index where it can compare them, and chosen exactly here."""
        with self._link.session() as db:
            columns = {c.name: c for c in self._columns(db, resource)}
        holder = f"the keys for '{self.system.name}.{resource}'"
        asked = taken(con, keys, {n: c.type for n, c in columns.items()}, few=0, holder=holder)
        number = con.execute(f"SELECT count(*) FROM {keys}").fetchone()
        few = number is not None and number[0] <= mysql_keys.MANY
        if not few or not all(mysql_keys.comparable(columns[name]) for name in asked.names):
            return chosen(con, self.scan(con, resource), asked)
        try:
            with self._reading(resource) as (db, table, now):
                raw = mysql_keys.read(con, db, quote(table), {c.name: c for c in now}, asked)
        except DataRefused:
            # A key with characters that the column's character set does not have cannot be compared there.
            return chosen(con, self.scan(con, resource), asked)
        return chosen(con, mysql_read.view(con, raw, now), asked)

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """As the server writes them, with length, precision and sign."""
        with self._link.session() as db:
            return {c.name: c.native for c in self._columns(db, resource)}

    def reached(self, resource: str) -> str | None:
        """As the whole server has."""
        with self._link.session() as db:
            return mysql_reached.reached(db)

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """By the numbers of its transactions."""
        return mysql_reached.set_back(before, now)

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the table, where texts are told apart by every character."""
        table = quote(self._table(resource))
        with self._link.session() as db:
            known = {
                row[0] for row in rows(db, "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME='utf8mb4'")
            }
            collation = next(name for name in _COLLATIONS if name in known)
            options = f"ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}"
            run(db, f"CREATE TABLE IF NOT EXISTS {table} ({declaration(columns, key, collation)}) {options}")

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """One transaction: staged in a temporary table, its rows locked, judged and carried out."""
        return self._write(batch, None)

    def apply_noted(self, batch: ChangeBatch, noting: Noting) -> ApplyResult:
        """The batch is named in a row of the same transaction."""
        return self._write(batch, noting)

    def was_committed(self, receipt: str) -> bool | None:
        """Says the row that names the last batch."""
        with self._link.session() as db:
            return mysql_marker.stands(db, receipt)

    def gives_key(self, resource: str, column: str) -> str:
        """An auto-increment."""
        with self._link.session() as db:
            found = rows(db, _EXTRA, self.address.database, self._table(resource), column)
        return "" if found and "auto_increment" in found[0][0].lower() else "it has no AUTO_INCREMENT"

    def _write(self, batch: ChangeBatch, noting: Noting | None) -> ApplyResult:
        with borrowed_duck() as con, self._link.session() as db:
            table = self._table(batch.resource)
            columns = {c.name: c for c in self._columns(db, batch.resource)}
            for name in (*batch.key, *batch.columns):
                if name not in columns:
                    raise UnknownName("column", name, columns, holder=f"the batch for '{self.system.name}.{batch.resource}'")
            self._checked(db, table)
            staged = decide.stage(con, batch, {name: c.type for name, c in columns.items()})
            keys = partial(mysql_cascades.keys_of, db, self.address.database, table)
            if noting is None:
                return mysql_write.write(db, con, quote(table), staged, columns, keys)
            why = mysql_marker.prepare(db) if noting.marker else FORBIDDEN
            note = note_before_commit(noting, why, lambda receipt: mysql_marker.put(db, noting, receipt))
            return mysql_write.write(db, con, quote(table), staged, columns, keys, note)

    def carried_on(self, batch: ChangeBatch) -> tuple[Carried, ...]:
        """By the foreign keys of all tables this user knows of."""
        table = self._table(batch.resource)
        with borrowed_duck() as con, self._link.session() as db:
            keys = mysql_cascades.keys_of(db, self.address.database, table)
            if not keys:
                return ()
            columns = {c.name: c for c in self._columns(db, batch.resource)}
            staged = decide.stage(con, batch, {name: c.type for name, c in columns.items()})
            return mysql_write.look(db, con, quote(table), staged, columns, keys)

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """The server's own binlog; the position alone says where to go on, so the name is not needed."""
        with self._link.session() as db:
            self._columns(db, resource)
        return mysql_feed.MysqlFeed(mysql_feed.FeedTable(self._link, self._table(resource), tuple(key)), after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Nothing to do: the server keeps nothing for a feed."""

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        """Bytes of log."""
        stored = mysql_feed.parsed(after) if after else None
        return mysql_binlog.lag(self._link, stored[0]) if stored else None

    def close(self) -> None:
        """Ends the connection that is kept between calls."""
        self._link.close()

    def _table(self, resource: str) -> str:
        given = self.system.resources.get(resource)
        return given.path if given and given.path else resource

    def _columns(self, db: pymysql.Connection[Any], resource: str) -> tuple[MyColumn, ...]:
        columns = columns_of(db, self.address.database, self._table(resource))
        if not columns:
            renamed = {r.path: name for name, r in self.system.resources.items() if r.path}
            known = [renamed.get(row[0], row[0]) for row in rows(db, _RESOURCES, self.address.database)]
            raise UnknownName("resource", resource, known, place=self.system.place, holder=f"system '{self.system.name}'")
        return columns

    @contextmanager
    def _reading(self, resource: str) -> Iterator[tuple[pymysql.Connection[Any], str, tuple[MyColumn, ...]]]:
        """A session in which every statement sees one state, with the table's name and columns."""
        with self._link.session() as db:
            columns = self._columns(db, resource)
            run(db, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield db, self._table(resource), columns
            run(db, "ROLLBACK")

    def _checked(self, db: pymysql.Connection[Any], table: str) -> None:
        """That a batch can be taken back as a whole.

        Raises:
            DataRefused: the table's engine has no transactions.
        """
        for name, is_view, transactions, engine in rows(db, _RESOURCES, self.address.database):
            if name == table and is_view == "0" and transactions != "YES":
                where = f"{self.address.shown}, table {table}"
                raise DataRefused(f"its engine {engine} has no transactions, so no batch could be taken back", where, "ENGINE=InnoDB")

    def _describe_one(self, db: pymysql.Connection[Any], row: tuple[Any, ...], read_only: bool) -> ResourceDescription | None:
        """None for a view that cannot be read or takes too long, which must not hide all the others."""
        import pymysql

        name, is_view, transactions, _ = row
        renamed = {r.path: r for r in self.system.resources.values() if r.path}
        given = renamed.get(name) or self.system.resources.get(name)
        columns = columns_of(db, self.address.database, name)
        readable, count = True, 0
        try:
            count = int(rows(db, self._counting(db, name, is_view == "1"))[0][0])
        except pymysql.err.Error as error:
            code = error.args[0] if error.args else 0
            if code not in _DENIED and not (is_view == "1" and code in _BROKEN_VIEW):
                raise
            if is_view == "1" and code not in (1142, 1143):
                return None
            readable = False
        writable = is_view == "0" and transactions == "YES" and not read_only and self._may_write(db, name, columns)
        return ResourceDescription(
            given.name if given else name,
            tuple(ColumnDescription(c.name, c.native, c.type, c.nullable) for c in columns),
            key=given.key if given and given.key else self._key(db, name),
            row_count=count,
            writable=writable,
            readable=readable,
        )

    @staticmethod
    def _counting(db: pymysql.Connection[Any], name: str, is_view: bool) -> str:
        if not is_view:
            return f"SELECT count(*) FROM {quote(name)}"
        if "MariaDB" in version(db):
            return f"SET STATEMENT max_statement_time = {VIEW_SECONDS} FOR SELECT count(*) FROM {quote(name)}"
        return f"SELECT /*+ MAX_EXECUTION_TIME({VIEW_SECONDS * 1000}) */ count(*) FROM {quote(name)}"

    @staticmethod
    def _may_write(db: pymysql.Connection[Any], name: str, columns: Sequence[MyColumn]) -> bool:
        """Asked of the server itself, which checks rights also when it only explains: roles and grants by pattern are its own affair."""
        import pymysql

        table, column = quote(name), next((quote(c.name) for c in columns if not c.generated), "")
        if not column:
            return False
        for statement in (
            f"INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE false",
            f"UPDATE {table} SET {column} = {column} WHERE false",
            f"DELETE FROM {table} WHERE false",
        ):
            try:
                rows(db, f"EXPLAIN {statement}")
            except pymysql.err.Error as error:
                code = error.args[0] if error.args else 0
                if code == _NO_DEFAULT:
                    continue  # rights are checked before that
                if code not in _DENIED:
                    raise
                return False
        return True

    def _key(self, db: pymysql.Connection[Any], table: str) -> tuple[str, ...]:
        """The primary key, or the first unique index over whole columns."""
        indexes: dict[str, list[str]] = {}
        partial = set()
        for index, column, is_part in rows(db, _KEYS, self.address.database, table):
            indexes.setdefault(index, []).append(column)
            if is_part == "1" or column is None:
                partial.add(index)
        return next((tuple(columns) for index, columns in indexes.items() if index not in partial), ())
