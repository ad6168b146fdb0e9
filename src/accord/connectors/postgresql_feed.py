"""The changed keys of one PostgreSQL table, from the server's own log.

A position is all that the caller stores, so everything that proves that the log goes on without a gap is in it: the place in the log, the
server, the publication and the shape of the table.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors

from accord.connectors.direct import EarlyChanges, EarlyRows, Key, LoggedRow
from accord.connectors.feed_state import FeedState
from accord.connectors.pglog import (
    AGAIN_BYTES,
    LogBatch,
    LogCapture,
    LogSource,
    LogStream,
    Position,
    SchemaChanged,
    SlotLost,
    Table,
    TableChanges,
    Truncated,
    begin_capture,
    capture_name,
    drop_capture,
    open_stream,
    slots,
)
from accord.connectors.pglog.changes import EPOCH_MICROSECONDS, Values
from accord.connectors.postgresql_keys import Shape, shape_of
from accord.connectors.postgresql_types import PgColumn
from accord.connectors.postgresql_visible import wait_until_seen
from accord.connectors.protocol import KeyChanges
from accord.model.errors import DataRefused, SystemUnreachable

CHANGED_AT: Final = "_changed_at"
LOOK_SECONDS: Final = 1.0
"""How often the table's columns are looked at: the log says nothing of a changed table until a row of it changes."""
AT_ONCE_SECONDS: Final = 0.05
PAUSE_SECONDS: Final = 0.01
SILENT_SECONDS: Final = 20.0
"""How long a server may decode without a word; a log that does not move for so long is an error and not an empty answer."""
STRIDE_BYTES: Final = 16 << 20
"""After so much log of other tables a position without keys is handed out, so that the server need not keep that log for us."""
SINGLES: Final = 2_000
"""Changes up to which whoever waits for them gets the rows themselves: to read so many by key costs more."""
_PLAIN: Final = frozenset({"int2", "int4", "int8", "text", "varchar", "uuid"})
"""Types of keys of which every text in the log is a value, and the only one for it."""
_ARROW: Final = {"integer": pa.int64(), "double": pa.float64(), "date": pa.date32()}
_IDENTITY = """
    SELECT c.relreplident, array_agg(a.attname)
    FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid
        AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE c.oid = %s::regclass GROUP BY c.oid, c.relreplident"""
Sessions = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


@dataclass(frozen=True, slots=True)
class FeedTable:
    """The table whose log is read: its exact names, its key, and how to ask the server about it."""

    source: LogSource
    table: Table
    key: tuple[str, ...]
    sessions: Sessions

    def shape(self) -> Shape:
        """The columns as they are now."""
        with self.sessions() as db:
            return shape_of(db, self.table.quoted)


class PostgresFeed:
    """See ``protocol.Feed``."""

    _given: Position

    def __init__(self, table: FeedTable, name: str, after: str | None) -> None:
        """Go on after a position, or begin anew where there is none or the log no longer reaches back to it.

        Raises:
            SystemUnreachable: no answer, or another process reads this feed.
            DataRefused: the server cannot log, or the table has no key that its log knows.
        """
        self._table, self._name = table, name
        self._stream: LogStream | None = None
        self._shape = _checked(table)
        self._looked = time.monotonic()
        self._whole = ""
        self._left_out: frozenset[int] = frozenset()
        stored = _parsed(after) if after else None
        if after is None:
            self._begin("the feed is new")
        elif stored is None:
            self._begin("the stored position is none of this log")
        else:
            self._resume(*stored)

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        """See ``protocol.Feed``."""
        before = self._given
        early = self.read_early(wait_seconds=wait_seconds, limit=limit)
        found = early.changes() if isinstance(early, EarlyRows) else early
        if isinstance(found, EarlyChanges):
            try:
                self.wait(found.unseen)
            except SystemUnreachable:
                self._given = before  # nobody was told of these changes
                raise
        return found

    def read_early(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | EarlyRows | None:
        """See ``direct.EarlyFeed``."""
        if self._whole:
            return self._everything()
        try:
            if wait_seconds < AT_ONCE_SECONDS:
                return self._up_to_now(limit)
            until = time.monotonic() + wait_seconds
            while True:
                left = until - time.monotonic()
                batch = self._opened().read(wait_seconds=min(max(left, 0.0), LOOK_SECONDS), rows=limit)
                found = self._taken(batch, limit, singles=SINGLES)
                if found is not None or left <= 0:
                    return found
        except SlotLost as error:
            self.close()
            self._begin(error.reason)
            return self._everything()

    def _up_to_now(self, limit: int) -> KeyChanges | EarlyRows | None:
        """What was committed before this call: that the server needs some milliseconds to begin sending does not mean there is nothing."""
        stream = self._opened()
        much = stream.kept_bytes >= AGAIN_BYTES
        here = self._end_of_log(marked=much)
        reached, until = (self._given, stream.received), time.monotonic() + stream.patience(SILENT_SECONDS)
        while True:
            stream.ask()
            batch = stream.read(wait_seconds=PAUSE_SECONDS, rows=limit)
            found = self._taken(batch, limit)
            if found is not None and batch.end < here:
                return replace(found, more=True)  # what was committed before this call is not all in it
            if found is not None:
                return found
            if batch.end >= here:
                return self._onward(batch.end) if much else None
            if (batch.end, stream.received) > reached:
                reached, until = (batch.end, stream.received), time.monotonic() + stream.patience(SILENT_SECONDS)
            if time.monotonic() > until:
                raise SystemUnreachable(
                    self._table.source.system, self._table.source.where, f"its log stands still at {reached[0]}, before {here}"
                )

    def _end_of_log(self, *, marked: bool) -> Position:
        """Where the log ends now; with a mark behind which the server may begin to read next time, where it lets us set one.

        Without it the server sets one itself within a quarter of a minute, if anything is written.
        """
        with self._table.sessions() as db:
            row = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()
            here = Position.parse(str(row[0]) if row else "0/0")
            if marked:
                with contextlib.suppress(errors.InsufficientPrivilege, errors.UndefinedFunction):
                    row = db.execute("SELECT pg_log_standby_snapshot()::text").fetchone()
                    here = max(here, Position.parse(str(row[0]) if row else "0/0"))
        return here

    def _onward(self, end: Position) -> KeyChanges | None:
        """A position behind log without a change for us, lest the server read again at every start what comes before it."""
        if end <= self._given:
            return None
        self._given = end
        return KeyChanges(_empty(self._table.key, self._shape), self._position())

    def leave_out(self, stamp: str) -> None:
        """See ``protocol.Sparing``."""
        self._left_out = frozenset({int(stamp)})
        if self._stream is not None:
            self._stream.leave_out(self._left_out)

    def acknowledge(self, position: str) -> None:
        """See ``protocol.Feed``."""
        stored = _parsed(position)
        if stored is None or stored[0].published != self._capture.published:
            return  # of a slot that was lost: nothing is kept for it any more
        if self._stream is not None:
            self._stream.acknowledge(stored[0].start)

    def close(self) -> None:
        """See ``protocol.Feed``; another read opens it again behind what was handed out last."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _opened(self) -> LogStream:
        if self._stream is None:
            keys = {(self._table.table.schema, self._table.table.name): self._table.key}
            self._stream = open_stream(self._table.source, self._capture, after=self._given, keys=keys)
            self._stream.leave_out(self._left_out)
        return self._stream

    def _begin(self, reason: str) -> None:
        """A new slot; what is read from now on covers everything after it."""
        self._shape = _checked(self._table)
        with begin_capture(self._table.source, [self._table.table], name=self._name) as begun:
            self._capture = begun.capture
        self._given, self._whole = self._capture.start, reason

    def _resume(self, capture: LogCapture, mark: str) -> None:
        self._capture = replace(capture, slot=self._name, publication=self._name)
        self._given = capture.start
        try:
            self._opened()
        except SlotLost as error:
            self._begin(error.reason)
        if mark != _digest(self._shape):
            self._whole = self._whole or "the columns of the table changed"

    def _everything(self) -> KeyChanges:
        """Every row has to be compared: what is read after this call covers all up to the position."""
        reason, self._whole = self._whole, ""
        return KeyChanges(None, self._position(), reason)

    def _position(self) -> str:
        return f"{self._given} {self._capture.system_id} {self._capture.published} {_digest(self._shape)}"

    def _table_of(self, rows: Mapping[Key, LoggedRow]) -> pa.Table:
        return _table_of_few(rows, self._table.key, {c.name: c for c in self._shape.columns})

    def wait(self, unseen: Collection[int]) -> None:
        """See ``direct.EarlyFeed``."""
        if not unseen:
            return
        with self._table.sessions() as db:
            seen = wait_until_seen(db, unseen, seconds=SILENT_SECONDS)
        if not seen:
            self.close()  # the next read begins again before these changes
            raise SystemUnreachable(
                self._table.source.system,
                self._table.source.where,
                f"a transaction in its log cannot be seen after {SILENT_SECONDS:g} s; does a synchronous standby not answer?",
            )

    def _taken(self, batch: LogBatch, limit: int, *, singles: int = 0) -> KeyChanges | EarlyRows | None:
        """What a batch tells; of at most ``singles`` changes with the rows."""
        parts = list(batch.tables())
        if not parts and not batch.parts and batch.end.lsn - self._given.lsn < STRIDE_BYTES and not self._due():
            return None
        before, moved = self._given, batch.end.lsn - self._given.lsn
        unseen = frozenset[int]().union(*(part.transactions for part in parts))
        if any(isinstance(part, (Truncated, SchemaChanged)) for part in batch.parts) or self._keyed_otherwise(parts):
            self.wait(unseen)  # of a truncation or a changed table the lock lasts until it can be seen
            self._given = batch.end
        elif parts:
            self._given = batch.end
        reason = self._upheaval(batch)
        if reason:
            self._given, self._whole = batch.end, reason
            return self._everything()
        if parts:
            columns, more = {c.name: c for c in self._shape.columns}, batch.rows >= limit or not batch.whole
            few = _few_rows(parts, self._table.key, columns) if batch.rows <= singles or all(p.few for p in parts) else None
            if few is not None:
                return EarlyRows(self._table.key, few, self._position(), self._table_of, more, unseen)
            keys = _keys(parts, self._table.key, columns)
            if keys is None:
                self._given = before
                self.wait(unseen)
                self._given = batch.end
                self._whole = "a row changed whose key is null or has no place in its type"
                return self._everything()
            return EarlyChanges(keys, self._position(), more=more, unseen=unseen)
        if moved < STRIDE_BYTES:
            return None
        return self._onward(batch.end)

    def _keyed_otherwise(self, parts: Iterable[TableChanges]) -> bool:
        """Whether rows are told under another key than the table has now."""
        return any(part.relation.key != self._table.key for part in parts)

    def _due(self) -> bool:
        return time.monotonic() - self._looked >= LOOK_SECONDS

    def _upheaval(self, batch: LogBatch) -> str:
        """Why keys do not tell what happened; empty when they do."""
        reason = ""
        for part in batch.parts:
            if isinstance(part, Truncated):
                reason = "the table was truncated"
            elif isinstance(part, SchemaChanged):
                self._looked = 0.0
                reason = reason or "the columns of the table changed"
        if self._keyed_otherwise(batch.tables()):
            reason = reason or "its key was another when a row changed"
        if self._due():
            self._looked = time.monotonic()
            shape = self._table.shape()
            if shape != self._shape:
                self._shape, reason = shape, reason or "the columns of the table changed"
        return reason


def drop(source: LogSource, name: str) -> None:
    """Remove slot and publication of a feed where they are there."""
    drop_capture(source, name)


def lag(source: LogSource, name: str, after: str | None) -> int | None:
    """Bytes of log behind a position, or behind what was acknowledged; ``None`` when there is no such feed."""
    found = [slot for slot in slots(source, prefix=name) if slot.name == name]
    stored = _parsed(after) if after else None
    if not found or found[0].lost:
        return None
    return max(0, found[0].confirmed.lsn + found[0].lag_bytes - stored[0].start.lsn) if stored else found[0].lag_bytes


def states(source: LogSource) -> tuple[FeedState, ...]:
    """Every feed in this database, with the bytes of log the server cannot remove because of it."""
    with source.session() as db:
        name = db.info.dbname
    return tuple(FeedState(s.name, s.kept_bytes, "bytes", s.active, s.lost) for s in slots(source) if s.database == name)


def slot_name(name: str) -> str:
    """Of the slot and the publication of a feed."""
    return capture_name(name)


def _checked(table: FeedTable) -> Shape:
    """The table's columns, when its log can be read and knows the key.

    Raises:
        DataRefused: with what to set.
    """
    with table.sessions() as db:
        level = db.execute("SHOW wal_level").fetchone()
        identity = db.execute(_IDENTITY, (table.table.quoted,)).fetchone()
        shape = shape_of(db, table.table.quoted)
    where = f"{table.source.where}, table {table.table}"
    if not level or level[0] != "logical":
        found = f"wal_level is '{level[0] if level else ''}'"
        todo = "wal_level = logical (ALTER SYSTEM SET, then restart the server), or capture: sweep"
        raise DataRefused(found, table.source.where, todo)
    logged = [name for name in (identity[1] if identity else ()) if name]
    if identity and identity[0] != "f" and logged and (missing := [name for name in table.key if name not in logged]):
        raise DataRefused(
            f"key column {', '.join(missing)} is not part of the replica identity, so deletes could not be matched",
            where,
            f"a key within {', '.join(logged)}, or ALTER TABLE … REPLICA IDENTITY FULL",
        )
    return shape


def _parsed(position: str) -> tuple[LogCapture, str] | None:
    """What a position proves (its start is the place reached), and the mark of the table's shape."""
    parts = position.split(" ")
    if len(parts) != 4:
        return None
    try:
        return LogCapture("", "", parts[1], parts[2], Position.parse(parts[0])), parts[3]
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _digest(shape: Shape) -> str:
    return hashlib.sha256(f"{shape.table} {shape.mark}".encode()).hexdigest()[:16]


def _empty(key: Sequence[str], shape: Shape) -> pa.Table:
    of = {column.name: column for column in shape.columns}
    return pa.table(
        {name: _typed(pa.array([], pa.string()), of[name]) for name in key} | {CHANGED_AT: pa.array([], pa.timestamp("us", "UTC"))}
    )


def _keys(parts: Sequence[TableChanges], key: Sequence[str], columns: Mapping[str, PgColumn]) -> pa.Table | None:
    """Every key before and after the changes once, with its last commit; ``None`` when one of them cannot be given as a key."""
    if any(name not in columns for name in key):
        return None
    texts = []
    for part in parts:
        rows = part.rows
        texts.append(_texts(rows["key"].combine_chunks(), rows["commit_time"], key))
        # Where the key itself was changed, the row is there under another key now.
        moved = pc.and_(pc.equal(rows["op"], "update"), pc.is_valid(rows["old"]))
        if pc.any(moved).as_py():
            new = rows.filter(moved)
            after = _texts(new["new"].combine_chunks(), new["commit_time"], key)
            left_out = pc.fill_null(pc.list_value_length(new["unchanged"]), 0)
            texts.append(after.filter(_complete(after, key)) if pc.any(pc.greater(left_out, 0)).as_py() else after)
    found = pa.concat_tables(texts)
    if not pc.all(_complete(found, key)).as_py():
        return None
    names = [f"k{i}" for i in range(len(key))]
    once = found.group_by(names).aggregate([(CHANGED_AT, "max")])
    return _typed_keys([once[name].combine_chunks() for name in names], once[f"{CHANGED_AT}_max"], key, columns)


def _few_rows(parts: Sequence[TableChanges], key: Sequence[str], columns: Mapping[str, PgColumn]) -> dict[Key, LoggedRow] | None:
    """The same with the rows, one by one; ``None`` where a key is null or its text may be no value of its type."""
    if any(name not in columns or columns[name].base not in _PLAIN or columns[name].is_array for name in key):
        return None
    found: dict[Key, LoggedRow] = {}
    for key_before, new, unchanged, microseconds in (change for part in parts for change in _singles(part)):
        before = tuple(key_before[name] for name in key)
        # A value that the log leaves out was not touched, in the key as elsewhere.
        after = before if new is None else tuple((key_before if n in unchanged else new)[n] for n in key)
        if None in before or None in after:
            return None
        if before != after:
            found[before] = LoggedRow(microseconds, None)  # type: ignore[index]  # no null is in it
        found[after] = LoggedRow(microseconds, new, told=not unchanged)  # type: ignore[index]
    return found


def _singles(part: TableChanges) -> Iterator[tuple[Values, Values | None, Collection[str], int]]:
    """Of each change the key before it, the row after it, the columns the log leaves out of that, and when it was committed."""
    if part.few is not None:
        for change in part.few:
            yield change.key, change.new, change.unchanged, change.microseconds + EPOCH_MICROSECONDS
        return
    moments = part.rows["commit_time"].cast(pa.int64()).to_pylist()
    for row, moment in zip(part.rows.select(["key", "new", "unchanged"]).to_pylist(), moments, strict=True):
        yield row["key"], row["new"], row["unchanged"] or (), moment


def _table_of_few(rows: Mapping[Key, LoggedRow], key: Sequence[str], columns: Mapping[str, PgColumn]) -> pa.Table:
    """Of ``_few_rows`` what ``_keys`` gives."""
    at = pa.array([row.microseconds for row in rows.values()], pa.int64()).cast(pa.timestamp("us", "UTC"))
    texts = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    return pa.table({name: _typed(values, columns[name]) for values, name in zip(texts, key, strict=True)} | {CHANGED_AT: at})


def _typed_keys(texts: Sequence[pa.Array], at: pa.Array, key: Sequence[str], columns: Mapping[str, PgColumn]) -> pa.Table | None:
    try:
        typed = {name: _typed(values, columns[name]) for values, name in zip(texts, key, strict=True)}
    except (pa.ArrowInvalid, ValueError):
        return None
    return pa.table(typed | {CHANGED_AT: at})


def _texts(struct: pa.StructArray, at: pa.ChunkedArray, key: Sequence[str]) -> pa.Table:
    return pa.table({f"k{i}": pc.struct_field(struct, name) for i, name in enumerate(key)} | {CHANGED_AT: at})


def _complete(table: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    valid = pc.is_valid(table["k0"])
    for i in range(1, len(key)):
        valid = pc.and_(valid, pc.is_valid(table[f"k{i}"]))
    return valid


def _typed(texts: pa.Array, column: PgColumn) -> pa.Array:
    """The server's texts in the type in which ``scan`` gives the column.

    Raises:
        pa.ArrowInvalid: a text that is no such value, such as a date without end.
        ValueError: the same, or a type whose values have no single text.
    """
    kind = column.type
    if kind.name in ("json", "binary"):
        raise ValueError(column.native)
    if kind.name == "boolean":
        return pc.equal(texts, "t")
    if kind.name == "number":
        return pc.cast(texts, pa.decimal128(kind.precision, kind.scale))
    if kind.name == "timestamp":
        return pc.cast(texts, pa.timestamp("us", "UTC" if column.base == "timestamptz" else None))
    if kind.name == "uuid":
        return pa.array([uuid.UUID(text).bytes for text in texts.to_pylist()], pa.uuid())
    if kind.name == "text":
        return pc.utf8_rtrim(texts, " ") if column.base == "bpchar" else texts
    return pc.cast(texts, _ARROW[kind.name])
