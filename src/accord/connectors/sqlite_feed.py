"""The changed keys of one SQLite table, from an outbox in the same file that triggers fill within the writers' own transactions.

The triggers only add rows to a table of their own, so they cannot fail where the write itself does not. SQLite removes rows without a
trigger in one case: a row that is in the way of a REPLACE. Under the key itself the insert marks it; a row that is in the way because of
another unique index is marked by a trigger that runs before.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.feed_state import FeedState
from accord.connectors.protocol import KeyChanges
from accord.connectors.sqlite_types import as_text, canonical_type
from accord.connectors.text_values import readable_types
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused, SystemChanged, UnknownName

PREFIX: Final = "_accord_outbox_"
LOOK_SECONDS: Final = 0.002
"""How often the file's times are looked at; that costs no more than a system call."""
SURE_SECONDS: Final = 0.1
"""How often the outbox itself is read: two writes can fall into one tick of the file's time."""
CHANGED_AT: Final = "_changed_at"
_SCHEMA = """
    SELECT type, name, sql FROM sqlite_schema
    WHERE (tbl_name = ? AND type IN ('table', 'index')) OR name IN (?, ?, ?, ?, ?, ?) ORDER BY type, name"""
_MOMENTS = ("insert", "update", "delete", "before_insert", "before_update")
Sessions = Callable[..., AbstractContextManager[sqlite3.Connection]]


@dataclass(frozen=True, slots=True)
class FeedTable:
    """The table whose changes are written down, its key, and how to open the file (``write=True`` to write)."""

    system: str
    path: Path
    table: str
    key: tuple[str, ...]
    name: str
    sessions: Sessions

    @property
    def outbox(self) -> str:
        """The table that the triggers fill."""
        return PREFIX + self.name

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.path} {self.table}"


class SqliteFeed:
    """See ``protocol.Feed``."""

    def __init__(self, table: FeedTable, after: str | None) -> None:
        """Go on after a position, or begin anew where there is none or it is none of this outbox.

        Raises:
            SystemUnreachable: the file is not there.
            DataRefused: it may not be written, or is a view.
            UnknownName: a key column that the table does not have.
        """
        self._table = table
        self._whole = self._earlier = ""
        with table.sessions() as db:
            _checked(db, table)
            self._mark = _mark(db, table)
            counted = _counted(db, table)
        place, _, mark = (after or "").partition(" ")
        if after and mark == self._mark and place.isdigit():
            self._seq = int(place)
            self._compare(counted)
        else:
            if after and counted is None:
                self._earlier = "its outbox is gone"
            self._begin("the feed is new" if after is None else "the table, its triggers or the outbox changed")

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        """See ``protocol.Feed``."""
        if self._whole:
            return self._everything()
        until = time.monotonic() + wait_seconds
        while True:
            looked, times = time.monotonic(), self._times()
            found = self._look(limit)
            if found is not None:
                return found
            while self._times() == times and time.monotonic() - looked < SURE_SECONDS:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                time.sleep(min(LOOK_SECONDS, left))

    def acknowledge(self, position: str) -> None:
        """See ``protocol.Feed``. Where the file is locked the rows stay; the next acknowledgement covers them too."""
        place, _, mark = position.partition(" ")
        if mark != self._mark:
            return  # of an outbox that is no more
        outbox = quote(self._table.outbox)
        try:
            with self._table.sessions() as db:
                if db.execute(f"SELECT 1 FROM {outbox} WHERE seq <= ? LIMIT 1", (int(place),)).fetchone() is None:
                    return
            with self._table.sessions(write=True) as db:
                db.execute(f"DELETE FROM {outbox} WHERE seq <= ?", (int(place),))
        except SystemChanged:
            return

    def close(self) -> None:
        """Nothing is held open."""

    def _look(self, limit: int) -> KeyChanges | None:
        table = self._table
        with table.sessions() as db:
            db.execute("BEGIN")  # schema and rows of one state
            mark = _mark(db, table)
            if mark == self._mark:
                counted = _counted(db, table)
                declared = _declared(db, table.table)
                # Sorted as written; the texts are those that scan takes from the table.
                picked = ", ".join(as_text(f"k{i}", declared[name]) for i, name in enumerate(table.key))
                query = f"SELECT seq, at, {picked} FROM {quote(table.outbox)} WHERE seq > ? ORDER BY seq LIMIT ?"
                db.text_factory = _text_or_bytes
                rows = db.execute(query, (self._seq, limit + 1)).fetchall()
            db.execute("ROLLBACK")
        if mark != self._mark:
            self._begin("the table, its triggers or the outbox changed")
            return self._everything()
        self._compare(counted)
        if self._whole:
            return self._everything()
        if not rows:
            return None
        more, rows = len(rows) > limit, rows[:limit]
        self._seq = int(rows[-1][0])
        keys = _keys(rows, table.key, declared)
        if keys is None:
            self._whole = "a row changed whose key is null or holds bytes that are no text"
            return self._everything()
        return KeyChanges(keys, self._position(), more=more)

    def _compare(self, counted: int | None) -> None:
        """Begin again with what the outbox has counted, where that is less than was read from it: the file is an older one."""
        if (counted or 0) < self._seq:
            self._earlier = f"its outbox has counted {counted or 0} changes, of which {self._seq} were read before"
            self._seq, self._whole = counted or 0, "it was set back"

    def _begin(self, reason: str) -> None:
        with self._table.sessions(write=True) as db:
            db.execute("BEGIN IMMEDIATE")
            _install(db, self._table)
            self._mark = _mark(db, self._table)
            db.execute("COMMIT")
        self._seq, self._whole = 0, reason

    def _everything(self) -> KeyChanges:
        reason, earlier, self._whole, self._earlier = self._whole, self._earlier, "", ""
        return KeyChanges(None, self._position(), reason, earlier=earlier)

    def _position(self) -> str:
        return f"{self._seq} {self._mark}"

    def _times(self) -> tuple[tuple[int, int, int], ...]:
        """What a write changes of the file and its log, without opening either: closing a handle would drop others' locks."""
        found = []
        for path in (self._table.path, self._table.path.with_name(self._table.path.name + "-wal")):
            try:
                status = path.stat()
            except FileNotFoundError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


def drop(db: sqlite3.Connection, name: str) -> None:
    """Remove triggers and outbox of a feed where they are there."""
    for moment in _MOMENTS:
        db.execute(f"DROP TRIGGER IF EXISTS {quote(_trigger(PREFIX + name, moment))}")
    db.execute(f"DROP TABLE IF EXISTS {quote(PREFIX + name)}")


def lag(db: sqlite3.Connection, name: str, after: str | None) -> int | None:
    """Changes in the outbox behind a position; ``None`` when there is no such feed."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (PREFIX + name,)).fetchone() is None:
        return None
    place = (after or "").partition(" ")[0]
    row = db.execute(f"SELECT count(*) FROM {quote(PREFIX + name)} WHERE seq > ?", (int(place) if place.isdigit() else 0,)).fetchone()
    return int(row[0])


def states(db: sqlite3.Connection) -> tuple[FeedState, ...]:
    """Every outbox of the file, with the rows that wait in it."""
    found = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    names = [name for (name,) in found if name.startswith(PREFIX)]
    counts = [db.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0] for name in names]
    return tuple(FeedState(name, int(count), "changes") for name, count in zip(names, counts, strict=True))


def _checked(db: sqlite3.Connection, table: FeedTable) -> None:
    kind = db.execute("SELECT type, sql FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')", (table.table,)).fetchone()
    declared = _declared(db, table.table)
    for name in table.key:
        if name not in declared:
            raise UnknownName("column", name, declared, holder=f"the feed of '{table.system}.{table.table}'")
    if kind and (kind[0] == "view" or str(kind[1]).upper().startswith("CREATE VIRTUAL")):
        raise DataRefused("changes of a view or a virtual table cannot be written down", table.where, "a table, or capture: sweep")
    if not os.access(table.path, os.W_OK) or not os.access(table.path.parent, os.W_OK):
        raise DataRefused("the file is read-only, so no triggers can be made", table.where, "the right to write it, or capture: sweep")
    for (index,) in db.execute('SELECT name FROM pragma_index_list(?) WHERE "unique"', (table.table,)).fetchall():
        if db.execute("SELECT 1 FROM pragma_index_xinfo(?) WHERE cid = -2", (index,)).fetchone():
            what = f"the unique index {index} is over an expression, so rows that a REPLACE removes would not be noticed"
            raise DataRefused(what, table.where, "capture: sweep")


def _declared(db: sqlite3.Connection, table: str) -> dict[str, str]:
    """Declared types by column; a row id counts as text, which needs no care for doubles."""
    rows = db.execute("SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1", (table,)).fetchall()
    return {name: kind or "" for name, kind, _ in rows}


def _trigger(outbox: str, moment: str) -> str:
    return f"{outbox}_{moment}"


def _mark(db: sqlite3.Connection, table: FeedTable) -> str:
    """A hash of the definitions of table, indexes, outbox and triggers; empty when the outbox or a trigger is missing."""
    names = [table.outbox, *(_trigger(table.outbox, moment) for moment in _MOMENTS)]
    rows = db.execute(_SCHEMA, (table.table, *names)).fetchall()
    there = {row[1] for row in rows}
    if any(name not in there for name in names[:4]):
        return ""
    return hashlib.sha256(repr((table.key, rows)).encode()).hexdigest()[:24]


def _counted(db: sqlite3.Connection, table: FeedTable) -> int | None:
    """How many changes were ever written to the outbox; ``None`` when it is not there."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table.outbox,)).fetchone() is None:
        return None
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.outbox,)).fetchone()
    return int(row[0]) if row else 0


def _install(db: sqlite3.Connection, table: FeedTable) -> None:
    drop(db, table.name)
    outbox, target = quote(table.outbox), quote(table.table)
    shorts = [f"k{i}" for i in range(len(table.key))]
    # The name of this very outbox stands in its definition: one made anew counts from 1 again and must not be taken for it.
    made = f"made TEXT DEFAULT {literal(secrets.token_hex(8))}"
    db.execute(f"CREATE TABLE {outbox} (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, {made}, {', '.join(shorts)})")
    insert = f"INSERT INTO {outbox} (at, {', '.join(shorts)}) SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"

    def of(row: str) -> str:
        return ", ".join(f"{row}.{quote(name)}" for name in table.key)

    other = " OR ".join(f"NEW.{quote(name)} IS NOT OLD.{quote(name)}" for name in table.key)
    bodies = {
        "insert": [f"{insert}, {of('NEW')}"],
        "update": [f"{insert}, {of('OLD')}", f"{insert}, {of('NEW')} WHERE {other}"],
        "delete": [f"{insert}, {of('OLD')}"],
    }
    for columns in _others(db, table):
        # A REPLACE with the new row would remove these rows although their key is another one.
        same = " AND ".join(f"t.{quote(c)} = NEW.{quote(c)}" for c in columns)
        moved = " OR ".join(f"NEW.{quote(c)} IS NOT OLD.{quote(c)}" for c in columns)
        bodies.setdefault("before_insert", []).append(f"{insert}, {of('t')} FROM {target} t WHERE {same}")
        bodies.setdefault("before_update", []).append(f"{insert}, {of('t')} FROM {target} t WHERE {same} AND ({moved})")
    for moment, statements in bodies.items():
        when = moment.upper().replace("_", " ") if moment.startswith("before") else f"AFTER {moment.upper()}"
        name = quote(_trigger(table.outbox, moment))
        db.execute(f"CREATE TRIGGER {name} {when} ON {target} FOR EACH ROW BEGIN {'; '.join(statements)}; END")


def _others(db: sqlite3.Connection, table: FeedTable) -> list[list[str]]:
    """Sets of columns that are unique and do not contain the key."""
    sets = []
    for (index,) in db.execute('SELECT name FROM pragma_index_list(?) WHERE "unique"', (table.table,)).fetchall():
        sets.append([row[0] for row in db.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)).fetchall()])
    primary = [row[0] for row in db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table.table,)).fetchall()]
    if primary and primary not in sets:
        sets.append(primary)
    return [columns for columns in sets if not set(table.key) <= set(columns)]


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _keys(rows: Sequence[Sequence[Any]], key: Sequence[str], declared: Mapping[str, str]) -> pa.Table | None:
    """Each key once with its last change; ``None`` when one cannot be given as a key."""
    columns = list(zip(*rows, strict=True))
    if any(value is None or isinstance(value, bytes) for values in columns[2:] for value in values):
        return None
    texts = {
        name: pa.array([v if isinstance(v, str) else str(v) for v in c], pa.string()) for name, c in zip(key, columns[2:], strict=True)
    }
    with borrowed_duck() as con:
        con.register("outbox", pa.table({CHANGED_AT: pa.array(columns[1], pa.string())} | texts))
        types = {name: canonical_type(declared[name]) for name in key}
        readable = readable_types(con, "outbox", types)
        binary = [name for name in key if types[name].name == "binary"]
        read = {n: f"unhex({quote(n)})" if n in binary else f"CAST({quote(n)} AS {readable[n]})" for n in key}
        picked = ", ".join(f"{sql} AS {quote(n)}" for n, sql in read.items())
        found = con.execute(
            f"SELECT {picked}, max(CAST({CHANGED_AT} || '+00' AS TIMESTAMPTZ)) AS {CHANGED_AT} FROM outbox GROUP BY ALL"
        ).to_arrow_table()
    for position, name in enumerate(key):
        if readable[name] == "UUID":  # DuckDB hands UUIDs out as texts
            values = pa.array([uuid.UUID(text).bytes for text in found[name].to_pylist()], pa.uuid())
            found = found.set_column(position, name, values)
    return found
