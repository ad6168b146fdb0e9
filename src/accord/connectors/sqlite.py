"""SQLite files: read through DuckDB's scanner, written in one immediate transaction."""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import duckdb

from accord.connectors import decide, sqlite_bulk, sqlite_cascades, sqlite_feed, sqlite_keys, sqlite_marker, sqlite_write
from accord.connectors.column_names import COMPUTED
from accord.connectors.duck import borrowed_duck, load_scanner
from accord.connectors.feed_state import FeedState
from accord.connectors.files import last_written, passable, written_earlier
from accord.connectors.keys import chosen, taken
from accord.connectors.marker import FORBIDDEN, TABLE, note_before_commit, older_batch
from accord.connectors.protocol import ApplyResult, Capabilities, Carried, ChangeBatch, Feed, Noting
from accord.connectors.sqlite_feed import FeedTable, SqliteFeed
from accord.connectors.sqlite_text import NOT_UTF8, as_bytes
from accord.connectors.sqlite_types import as_text, canonical_type, declared_type
from accord.connectors.text_values import readable_types
from accord.connectors.types import literal, quote
from accord.connectors.unreadable import ANEW, flags, of_bytes
from accord.model.errors import DataRefused, StorageFull, SystemChanged, SystemUnreachable, UnknownName
from accord.model.system import ColumnDescription, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType
from accord.store.room import without_room

BUSY_SECONDS = 10
_HEADER_BYTES = 100
_VIEW = re.compile("cannot modify (.*) because it is a view")
_STILL_NS = 2_500_000_000  # after so long without a write, the next one has another time stamp
_names = itertools.count(1)
# Python and DuckDB each bring their own copy of SQLite, and the locks of one are invisible to the other inside one process
# (POSIX locks belong to the process). So within the process we take turns ourselves; between processes SQLite's locks do.
_turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class SqliteConnector:
    """One SQLite file; a resource is a table or view. The file is never created by reading."""

    kind: ClassVar[str] = "sqlite"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True, typed=True, keys_declared=True, appends=True)

    def __init__(self, system: System, *, base: Path) -> None:
        self.system = system
        self.place = self.path = (base / system.at).absolute()

    def __repr__(self) -> str:
        return f"SqliteConnector({str(self.path)!r})"

    def describe(self) -> SystemDescription:
        """Tables and views with declared types, primary or unique key, exact row count and whether the file may be written."""
        start = time.perf_counter()
        with self._opened() as db, self._errors():
            db.execute("BEGIN")
            found = tuple(self._describe_one(db, name) for name in self._resources(db) if self._is_readable(db, name))
            db.execute("ROLLBACK")
        elapsed = (time.perf_counter() - start) * 1000
        return SystemDescription(self.system.name, self.kind, found, elapsed, f"SQLite {sqlite3.sqlite_version}")

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """One statement reads the whole table, so it is one state of it whoever writes meanwhile."""
        table = self._table(resource)
        with self._opened() as db, self._errors():
            columns = self._columns(db, table, resource)
        load_scanner(con, "sqlite")
        number = next(_names)
        alias, raw, view = f"sqlite_{number}", f"scan_{number}_raw", f"scan_{number}"
        selected = [f"{as_text(quote(n), 'TEXT' if rowid else d)} AS {quote(n)}" for n, d, _, rowid in columns]
        query = f"SELECT {', '.join(selected)} FROM {quote(table)}"
        marked: list[str] = []
        with _turns[str(self.path)]:
            try:
                con.execute(f"ATTACH {literal(str(self.path))} AS {alias} (TYPE sqlite, READ_ONLY, BUSY_TIMEOUT {BUSY_SECONDS * 1000})")
                try:
                    if not self._all_texts(con, alias, raw, query):
                        marked = self._marked(con, alias, raw, table, columns)
                finally:
                    con.execute(f"DETACH {alias}")
            except duckdb.Error as error:
                raise self._translated(error, resource) from error
        return self._readable(con, raw, view, columns, marked)

    @staticmethod
    def _all_texts(con: duckdb.DuckDBPyConnection, alias: str, raw: str, query: str) -> bool:
        """Fill ``raw`` with what a query gives; false when some value is no text. DuckDB looks at some of them only."""
        try:
            con.execute(f"CREATE TEMP TABLE {raw} AS SELECT * FROM sqlite_query({literal(alias)}, {literal(query)})")
        except duckdb.Error as error:
            if not _is_no_text(error):
                raise
            return False
        names = [quote(str(row[0])) for row in con.execute(f"DESCRIBE {raw}").fetchall()]
        wrong = " OR ".join(f"({n} IS NOT NULL AND TRY(decode(encode({n}))) IS NULL)" for n in names)
        return con.execute(f"SELECT 1 FROM {raw} WHERE {wrong} LIMIT 1").fetchone() is None

    @staticmethod
    def _marked(
        con: duckdb.DuckDBPyConnection, alias: str, raw: str, table: str, columns: Sequence[tuple[str, str, bool, bool]]
    ) -> list[str]:
        """Fill ``raw`` from bytes, some of which are no text; returns SQL of the columns that say where."""
        selected = [f"{as_bytes(as_text(quote(n), 'TEXT' if rowid else d))} AS {quote(n)}" for n, d, _, rowid in columns]
        query = f"SELECT {', '.join(selected)} FROM {quote(table)}"
        texts = ", ".join(f"{of_bytes(f'unhex({quote(n)})')} AS {quote(n)}" for n, *_ in columns)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {raw} AS SELECT {texts} FROM sqlite_query({literal(alias)}, {literal(query)})")
        return flags(con, raw, [n for n, *_ in columns])

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """Looked up in SQLite where equal keys are equal texts there; chosen from a whole scan where they need not be."""
        table, number = self._table(resource), next(_names)
        with self._opened() as db, self._errors():
            columns = self._columns(db, table, resource)
            declared = {name: kind for name, kind, _, _ in columns}
            types = {name: canonical_type(kind) for name, kind in declared.items()}
            asked = taken(con, keys, types, few=sqlite_keys.FEW, holder=f"the keys for '{self.system.name}.{resource}'")
            plain = db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
            found = None
            if asked.few is not None and plain and all(sqlite_keys.comparable(declared[name]) for name in asked.names):
                try:
                    found = sqlite_keys.read_keys(db, table, [(n, d, rowid) for n, d, _, rowid in columns], asked, declared)
                except sqlite3.OperationalError as error:
                    if not _is_no_text(error):
                        raise  # a scan says which rows those are
        if found is None:
            return chosen(con, self.scan(con, resource), asked)
        con.register(f"keys_{number}_raw", found)
        return self._readable(con, f"keys_{number}_raw", f"keys_{number}", columns)

    @staticmethod
    def _readable(
        con: duckdb.DuckDBPyConnection, raw: str, view: str, columns: Sequence[tuple[str, str, bool, bool]], more: Sequence[str] = ()
    ) -> str:
        """``raw`` holds texts; ``view`` shows them in the types of the columns, and ``more``, which is SQL over ``raw``."""
        types = {name: canonical_type(declared) for name, declared, _, _ in columns}
        readable = readable_types(con, raw, types)
        readings = [
            f"unhex({quote(n)}) AS {quote(n)}" if t.name == "binary" else f"CAST({quote(n)} AS {readable[n]}) AS {quote(n)}"
            for n, t in types.items()
        ]
        con.execute(f"CREATE TEMP VIEW {view} AS SELECT {', '.join([*readings, *more])} FROM {raw}")
        return view

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """As the table declares them; a column without a type is «»."""
        with self._opened() as db, self._errors():
            return {name: declared for name, declared, _, _ in self._columns(db, self._table(resource), resource)}

    def add_columns(self, resource: str, columns: Mapping[str, CanonicalType]) -> None:
        """One ALTER TABLE for each column that is not there, in one transaction."""
        table = self._table(resource)
        with self._opened(write=True) as db, self._errors():
            there = {name.lower() for name, *_ in self._columns(db, table, resource)}
            for name, type_ in columns.items():
                if name.lower() not in there:
                    db.execute(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(name)} {declared_type(type_)}")

    def change_token(self, resource: str) -> str | None:
        """The state of the whole file: its identity, size, times and SQLite's header.

        Sound with a rollback journal because SQLite raises the change counter in the header within every transaction that writes, and
        a reader that saw the counter before and after its reading has read that state; a file put in its place has another identity.
        In WAL mode the counter stands still: with a log beside the file nothing is promised, and without one the times decide, once
        they are old enough that another write could not bear the same (some file systems count in steps of two seconds).
        """
        log = self.path.with_name(self.path.name + "-wal")
        if not self.path.is_file():  # a pipe would wait for its writer
            return None
        try:
            # The log first: what was committed before it was seen empty is in the file by the time the file is looked at.
            logged = log.exists() and log.stat().st_size > 0
            # Closing any handle of a file drops this process's locks on it, so this takes its turn like every other access.
            with _turns[str(self.path)], self.path.open("rb") as file:
                header, status = file.read(_HEADER_BYTES), os.fstat(file.fileno())
        except OSError:
            return None
        wal = header[18:20] != b"\x01\x01"
        young = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _STILL_NS
        if len(header) < _HEADER_BYTES or logged or (wal and young):
            return None
        return f"{status.st_dev}.{status.st_ino}.{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}.{header[24:].hex()}"

    def reached(self, resource: str) -> str | None:
        """When the file was last written, how often, as its header says, and when our last batch was named in it."""
        when = last_written(self.path, self.path.with_name(self.path.name + "-wal"))
        if when is None or not self.path.is_file():
            return None
        with _turns[str(self.path)], self.path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        with self._opened() as db, self._errors():
            return f"{when} {int.from_bytes(header[24:28])} {sqlite_marker.latest(db)}"

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """By the time of the file and the batch; of one that we write also by the number of writes, which one made anew begins again."""
        (then, counted, named), (when, counts, named_now) = before.split(" ", 2), now.split(" ", 2)
        if named_now and named_now < named:
            return older_batch(named, named_now)
        if written and int(counts) < int(counted):
            return f"its file was written {counts} times, and {counted} times before"
        return written_earlier(then, when)

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the table, and the file when it is not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"{quote(n)} {declared_type(t)}{' NOT NULL' if n in key else ''}" for n, t in columns.items()]
        if key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
        with self._opened(write=True, create=True) as db, self._errors():
            db.execute(f"CREATE TABLE IF NOT EXISTS {quote(self._table(resource))} ({', '.join(parts)})")

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """One ``BEGIN IMMEDIATE``: nobody else writes between the comparison and the change."""
        return self._write(batch, None)

    def apply_noted(self, batch: ChangeBatch, noting: Noting) -> ApplyResult:
        """The batch is named in a row of the same transaction."""
        return self._write(batch, noting)

    def was_committed(self, receipt: str) -> bool | None:
        """Says the row that names the last batch."""
        with self._opened(write=True) as db, self._errors():
            return sqlite_marker.stands(db, receipt)

    def gives_key(self, resource: str, column: str) -> str:
        """The row id."""
        with self._opened() as db, self._errors():
            found = [rowid for name, _, _, rowid in self._columns(db, self._table(resource), resource) if name == column]
        return "" if found == [True] else "it is no INTEGER PRIMARY KEY"

    def _write(self, batch: ChangeBatch, noting: Noting | None) -> ApplyResult:
        table = self._table(batch.resource)
        with borrowed_duck() as con, self._opened(write=True) as db, self._errors():
            columns = self._columns(db, table, batch.resource)
            declared = {name: kind for name, kind, _, _ in columns}
            for name in (*batch.key, *batch.columns):
                if name not in declared:
                    raise UnknownName("column", name, declared, holder=f"the batch for '{self.system.name}.{batch.resource}'")
            staged = decide.stage(con, batch, {n: canonical_type(d) for n, d in declared.items()})
            if noting is None:
                return sqlite_write.write(db, con, table, staged, declared)
            why = sqlite_marker.prepare(db) if noting.marker else FORBIDDEN
            note = note_before_commit(noting, why, lambda receipt: sqlite_marker.put(db, noting, receipt))
            return sqlite_write.write(db, con, table, staged, declared, note)

    def carried_on(self, batch: ChangeBatch) -> tuple[Carried, ...]:
        """By the foreign keys of all tables of the file."""
        table = self._table(batch.resource)
        with self._opened() as db, self._errors():
            keys = sqlite_cascades.keys_of(db, table)
            if not keys:
                return ()
            with borrowed_duck() as con:
                declared = {name: canonical_type(kind) for name, kind, _, _ in self._columns(db, table, batch.resource)}
                staged = decide.stage(con, batch, declared)
                sqlite_write.encode(db, con, table, staged)
                return sqlite_cascades.look(db, con, table, staged.batch, keys)

    def is_empty(self, resource: str) -> bool:
        """Looks for a first row."""
        table = self._table(resource)
        with self._opened() as db, self._errors():
            self._columns(db, table, resource)
            return db.execute(f"SELECT 1 FROM {quote(table)} LIMIT 1").fetchone() is None

    def holds(self, resource: str, rows: int) -> bool:
        """Counts no further than it has to."""
        with self._opened() as db, self._errors():
            self._columns(db, self._table(resource), resource)
            some = f"SELECT count(*) FROM (SELECT 1 FROM {quote(self._table(resource))} LIMIT {rows:d})"
            return int(db.execute(some).fetchone()[0]) >= rows

    @contextmanager
    def fill(self, resource: str, columns: Sequence[str]) -> Iterator[sqlite_bulk.SqliteFill | None]:
        """One ``BEGIN IMMEDIATE``: nobody else writes until it ends."""
        table = self._table(resource)
        with self._opened(write=True) as db, self._errors():
            known = {name for name, *_ in self._columns(db, table, resource)}
            db.execute("BEGIN IMMEDIATE")
            try:
                held = db.execute(f"SELECT 1 FROM {quote(table)} LIMIT 1").fetchone()
                yield sqlite_bulk.SqliteFill(db, table) if held is None and set(columns) <= known else None
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """An outbox in the same file that triggers fill."""
        with self._opened() as db, self._errors():
            self._columns(db, self._table(resource), resource)
        return SqliteFeed(FeedTable(self.system.name, self.path, self._table(resource), tuple(key), name, self._opened), after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Triggers and outbox are removed."""
        with self._opened(write=True) as db, self._errors():
            sqlite_feed.drop(db, name)

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        """Changes in the outbox."""
        with self._opened() as db, self._errors():
            return sqlite_feed.lag(db, name, after)

    def feeds(self) -> tuple[FeedState, ...]:
        """The outboxes in this file."""
        with self._opened() as db, self._errors():
            return sqlite_feed.states(db)

    def feed_called(self, name: str) -> str:
        """The outbox."""
        return sqlite_feed.PREFIX + name

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _table(self, resource: str) -> str:
        given = self.system.resources.get(resource)
        return given.path if given and given.path else resource

    def _resources(self, db: sqlite3.Connection) -> list[str]:
        tables = [
            row[0]
            for row in db.execute(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            )
            if not row[0].startswith(sqlite_feed.PREFIX) and row[0] != TABLE
        ]
        renamed = {r.path: name for name, r in self.system.resources.items() if r.path}
        return [renamed.get(table, table) for table in tables]

    def _columns(self, db: sqlite3.Connection, table: str, resource: str) -> list[tuple[str, str, bool, bool]]:
        """Name, declared type, may be null, is the row id."""
        rows = db.execute('SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)', (table,)).fetchall()
        if not rows:
            raise UnknownName("resource", resource, self._resources(db), place=self.system.place, holder=f"system '{self.system.name}'")
        alone = sum(1 for row in rows if row[3]) == 1
        return [
            (n, d or "", not (notnull or pk), bool(pk and alone and d.upper() == "INTEGER"))
            for n, d, notnull, pk, hidden in rows
            if hidden != 1
        ]

    def _is_readable(self, db: sqlite3.Connection, resource: str) -> bool:
        """Whether its columns are known: not of a view over a table that is gone, nor of a virtual table of another program."""
        try:
            db.execute(f"SELECT 1 FROM {quote(self._table(resource))} LIMIT 0")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # locked, unreadable: the file's own trouble, not of this table
                raise
            return False
        return True

    def _describe_one(self, db: sqlite3.Connection, resource: str) -> ResourceDescription:
        table = self._table(resource)
        is_view = db.execute("SELECT type FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0] == "view"
        columns = tuple(ColumnDescription(n, d, canonical_type(d), nullable) for n, d, nullable, _ in self._columns(db, table, resource))
        given = self.system.resources.get(resource)
        return ResourceDescription(
            resource,
            columns,
            key=(given.key if given and given.key else _key(db, table)),
            row_count=int(db.execute(f"SELECT count(*) FROM {quote(table)}").fetchone()[0]),
            writable=not is_view and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK),
            last_change=self._last_change(),
        )

    def _last_change(self) -> datetime:
        log = self.path.with_name(self.path.name + "-wal")
        return max(datetime.fromtimestamp(p.stat().st_mtime, UTC) for p in (self.path, log) if p.exists())

    @contextmanager
    def _opened(self, *, write: bool = False, create: bool = False) -> Iterator[sqlite3.Connection]:
        where = str(self.path)
        passable(self.path, self.system.name)
        if self.path.is_dir():
            raise SystemUnreachable(self.system.name, where, "it is a folder, not a SQLite file")
        if not create and not self.path.exists():
            raise SystemUnreachable(self.system.name, where, "there is no such file", "Correct 'at:' in the map, or make the file.")
        if self.path.exists() and not self.path.is_file():
            raise SystemUnreachable(self.system.name, where, "it is no regular file")
        mode = "rwc" if create else "rw" if write else "ro"
        with _turns[where]:
            if not write:
                self._recover()
            try:
                db = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            except sqlite3.Error as error:
                raise SystemUnreachable(self.system.name, where, str(error)) from error
            try:
                if write:
                    db.execute("PRAGMA synchronous = EXTRA")  # with FULL, a commit may be undone by a power cut where the journal is a file
                    db.execute("PRAGMA foreign_keys = ON")
                yield db
            except sqlite3.Error as error:
                raise self._translated(error, "") from error
            finally:
                db.close()

    def _recover(self) -> None:
        """Let SQLite roll back what a writer left that died or found the disk full; a connection that only reads may not."""
        journal = self.path.with_name(self.path.name + "-journal")
        if journal.exists() and os.access(self.path, os.W_OK):
            with self._errors():
                db = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
                try:
                    db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                finally:
                    db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error, "") from error

    def _translated(self, error: Exception, resource: str) -> Exception:
        text, where = str(error).splitlines()[0], f"{self.path}{' ' + resource if resource else ''}"
        if "full" in text and ("disk" in text or "database" in text):
            return StorageFull(where, text)
        if "I/O error" in text and without_room(self.path):  # such as the shared memory of a database in WAL mode
            return StorageFull(where, f"{text}, and no room on the disk")
        if _is_no_text(error):
            return DataRefused(NOT_UTF8, where, "UTF-8 text, or a BLOB column for bytes")
        if "not a database" in text or "malformed" in text:
            return DataRefused("it is no SQLite database, or a damaged one", where, f"a file that begins with 'SQLite format 3'{ANEW}")
        if "locked" in text or "busy" in text:
            held = f"another program kept it locked for {BUSY_SECONDS} s"
            return SystemChanged(self.system.name, resource or self.path.name, held, in_use=True)
        if named := _VIEW.search(text):
            what = f"'{named[1]}' is a view, which cannot be written"
            return DataRefused(what, where, "a table, or direction: read for this system in the flow")
        if "generated column" in text:
            return DataRefused(text, where, COMPUTED)
        if "readonly" in text:
            expected = "the right to write the file and its folder, or direction: read for this system in the flow"
            return DataRefused(f"it may not be written ({text})", where, expected)
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR or "no such" in text:
            return DataRefused(text, where, "a table or view that SQLite can read")
        return SystemUnreachable(self.system.name, where, text)


def _is_no_text(error: Exception) -> bool:
    text = str(error)
    return "unicode" in text.lower() or "decode to UTF-8" in text


def _key(db: sqlite3.Connection, table: str) -> tuple[str, ...]:
    primary = db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)).fetchall()
    if primary:
        return tuple(row[0] for row in primary)
    unique = db.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial ORDER BY seq', (table,)).fetchall()
    for (index,) in unique:
        columns = tuple(row[0] for row in db.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)))
        if all(columns):
            return columns
    return ()
