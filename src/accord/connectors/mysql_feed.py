"""The changed keys of one MySQL table, from the server's own binlog. The server keeps nothing for it: its files end by age."""

from __future__ import annotations

import re
import struct
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.mysql_binlog import BinlogStream, LogGone, Place, beginning, check, status, visible
from accord.connectors.mysql_link import Link
from accord.connectors.mysql_read import readings
from accord.connectors.mysql_types import MyColumn, columns_of
from accord.connectors.protocol import KeyChanges
from accord.connectors.types import quote
from accord.model.errors import DataRefused, SystemUnreachable, UnknownName
from accord.store.suspicion import silence

CHANGED_AT: Final = "_changed_at"
AT_ONCE_SECONDS: Final = 0.05
SILENT_SECONDS: Final = 20.0
STRIDE_BYTES: Final = 16 << 20
"""After so much log of other tables a position without keys is handed out, so that the log may be removed up to it."""
_WHOLE: Final = {"tinyint", "smallint", "mediumint", "int", "bigint", "year"}
_TEXTS: Final = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_BYTES: Final = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_FOLLOWED: Final = _WHOLE | _TEXTS | _BYTES | {"decimal", "date", "datetime", "timestamp", "bit", "enum"}
_CODECS: Final = {"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii", "latin1": "cp1252"}
_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# Events that hold rows or statements in a form that is not decoded here, and the one that says that events were lost.
_CLOSED: Final = {26: "the server lost events of its log", 40: "a transaction is compressed in the log"} | dict.fromkeys(
    range(165, 172), "a row is compressed in the log"
)
_STATEMENT = re.compile(r"\s*(?:/\*.*?\*/\s*)*(\w+)(?:\s+(\w+))?", re.DOTALL)
_DML: Final = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "SET"}
_UNDECODABLE = (ValueError, struct.error, LookupError, TypeError, AssertionError, NotImplementedError, OverflowError)


@dataclass(frozen=True, slots=True)
class FeedTable:
    """The table whose log is read, and its key."""

    link: Link
    table: str
    key: tuple[str, ...]

    @property
    def schema(self) -> str:
        """The database."""
        return self.link.address.database

    def columns(self) -> dict[str, MyColumn]:
        """As they are now.

        Raises:
            UnknownName: a key column that is not there.
            DataRefused: one whose values the log has in a form of its own.
        """
        with self.link.session() as db:
            found = {c.name: c for c in columns_of(db, self.schema, self.table)}
        for name in self.key:
            if name not in found:
                raise UnknownName("column", name, found, holder=f"the feed of '{self.link.system}.{self.table}'")
            column = found[name]
            if column.base not in _FOLLOWED or (column.charset and column.charset not in _CODECS):
                where = f"{self.link.address.shown}, table {self.table}"
                what = f"key column {name} is {column.native} {column.charset}".strip()
                raise DataRefused(f"{what}, which cannot be followed in the binlog", where, "another key, or capture: sweep")
        return found


class MysqlFeed:
    """See ``protocol.Feed``."""

    def __init__(self, table: FeedTable, after: str | None) -> None:
        """Go on after a position, or begin anew where there is none or the log no longer reaches back to it.

        Raises:
            SystemUnreachable: no answer.
            DataRefused: the log does not tell every change of this table; the message says what to set.
        """
        self._table = table
        self._stream: BinlogStream | None = None
        self._since = time.monotonic()  # of the stream
        self._whole, self._gtid, self._inside = "", "", False
        self._marks: dict[str, str] = {}
        self._gtids: set[str] = set()
        self._last = Place(0, 0, "")
        self._open: dict[tuple[Any, ...], int] = {}
        self._found: dict[tuple[Any, ...], int] = {}
        check(table.link, table.schema, table.table, table.key)
        self._columns = table.columns()
        stored = parsed(after) if after else None
        if after is None:
            self._begin("the feed is new")
        elif stored is None:
            self._begin("the stored position is none of this log")
        else:
            self._go(*stored)

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        """See ``protocol.Feed``."""
        if not self._whole:
            try:
                found = self._looked(wait_seconds, limit)
            except LogGone as gone:
                self._begin(f"the log does not reach back to the position ({gone})")
            else:
                if not self._whole:
                    return found
        if not self._columns:
            check(self._table.link, self._table.schema, self._table.table, self._table.key)
            self._columns = self._table.columns()
        reason, self._whole = self._whole, ""
        self._forget()
        return KeyChanges(None, self._position(), reason)

    def acknowledge(self, position: str) -> None:
        """Nothing to do: the server removes its log by age, whoever read it."""

    def close(self) -> None:
        """See ``protocol.Feed``; another read opens it again behind what was handed out last."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._forget()
        self._boundary = self._given

    def _forget(self) -> None:
        self._open, self._found, self._gtids = {}, {}, set()

    def _begin(self, reason: str) -> None:
        """At a place before which everything is visible; what is read from now on covers all up to there."""
        self._go(beginning(self._table.link), "")
        try:
            while self._given.file not in self._marks:
                self._take(self._opened().next())
        except LogGone as gone:
            self.close()
            raise SystemUnreachable(self._table.link.system, self._table.link.address.shown, f"its log moved away ({gone})") from None
        self._whole = reason

    def _go(self, place: Place, mark: str) -> None:
        self._given = place
        self.close()
        self._marks = {place.file: mark} if mark else {}

    def _opened(self) -> BinlogStream:
        if self._stream is None:
            self._inside, self._known = False, self._marks.get(self._given.file, "")  # the file has to be the one it was
            self._since = time.monotonic()
            self._stream = BinlogStream(self._table.link, self._table.schema, self._table.table, self._given)
        return self._stream

    def _looked(self, wait_seconds: float, limit: int) -> KeyChanges | None:
        link = self._table.link
        try:
            goal = status(link) if wait_seconds < AT_ONCE_SECONDS else None
            if goal is not None and goal < self._given:
                raise LogGone(f"it ends at {goal.file}:{goal.offset}, before {self._given.file}:{self._given.offset}")
            stream = self._opened()
            patience = silence(link.address.shown, SILENT_SECONDS, self._since)
            until = time.monotonic() + (patience if goal else wait_seconds)
            while not self._whole and len(self._found) + len(self._open) < limit:
                reached = goal is not None and self._boundary >= goal
                if reached or (self._found and not self._open and not stream.waiting(0.0)):
                    break
                if not stream.waiting(max(0.0, until - time.monotonic())):
                    if goal is not None:
                        raise SystemUnreachable(link.system, link.address.shown, f"its log stands still before {goal.file}:{goal.offset}")
                    break
                self._take(stream.next())
        except BaseException:
            self.close()
            raise
        return None if self._whole else self._taken(limit)

    def _taken(self, limit: int) -> KeyChanges | None:
        found, upto = dict(self._found), self._last
        more = len(self._found) + len(self._open) >= limit
        if more and self._open:
            # A part of a large transaction; the position is still the one before it.
            found |= {key: max(at, found.get(key, 0)) for key, at in self._open.items()}
            self._open, upto = {}, self._opened().place
        if found:
            visible(self._table.link, upto, self._gtids)
        elif self._boundary.number == self._given.number and self._boundary.offset - self._given.offset < STRIDE_BYTES:
            return None
        self._found, self._gtids = {}, {self._gtid} if self._inside else set()
        self._given = self._boundary
        try:
            keys = _arrow(found, [self._columns[name] for name in self._table.key])
        except _UNDECODABLE:
            self._whole = "a row changed whose key has no place in its type"
            return None
        return KeyChanges(keys, self._position(), more=more)

    def _position(self) -> str:
        return f"{self._given.file} {self._given.offset} {self._marks.get(self._given.file, '')}"

    def _take(self, event: Any) -> None:
        """Note what an event says."""
        kind, stream = type(event).__name__, self._opened()
        if kind == "FormatDescriptionEvent":
            mark = f"{event.timestamp:x}"
            if self._known and mark != self._known:
                raise LogGone("another log has its name now")
            self._marks[stream.place.file], self._known = mark, ""
        elif kind == "TableMapEvent":
            self._described(event)
        elif kind in ("WriteRowsEvent", "UpdateRowsEvent", "DeleteRowsEvent", "PartialUpdateRowsEvent"):
            self._rows(event)
        elif kind in ("GtidEvent", "MariadbGtidEvent"):
            self._gtid, self._inside = str(event.gtid), True
        elif kind == "XidEvent":
            self._ended(event.timestamp)
        elif kind == "QueryEvent":
            self._statement(event)
        elif kind == "ExecuteLoadQueryEvent":
            self._whole = "a file was loaded by a statement that stands in the log as such"
        elif event.event_type in _CLOSED:
            self._whole = _CLOSED[event.event_type]
        if not self._inside:
            self._boundary = max(self._boundary, stream.place)
        if self._whole:
            self._boundary = self._given = max(self._given, stream.place)

    def _ended(self, at: int) -> None:
        """A transaction is complete."""
        if self._open:
            self._found |= {key: max(at, self._found.get(key, 0)) for key in self._open}
            self._open, self._last = {}, self._opened().place
        self._inside = False

    def _statement(self, event: Any) -> None:
        """A transaction's begin or end, a change of a table's columns, or a statement that changed rows and stands there as such."""
        words = _STATEMENT.match(event.query)
        first, second = (str(word or "").upper() for word in words.groups()) if words else ("", "")
        if first in ("BEGIN", "START", "SAVEPOINT") or (first, second) == ("ROLLBACK", "TO"):
            self._inside = True
            return
        name = self._table.table
        spelled = "|".join({re.escape(name), re.escape(name.replace("`", "``")), re.escape(name.replace('"', '""'))})
        named = re.search(rf"(?<![\w$])(?:{spelled})(?![\w$])", event.query, re.IGNORECASE)
        if first in _DML:
            self._whole = "a statement changed rows and stands in the log as such (binlog_format of a session)"
        elif first == "XA" and second == "COMMIT":
            self._whole = "a distributed transaction was committed, whose rows stand earlier in the log"
        elif first == "TRUNCATE" and named:
            self._whole = "the table was truncated"
        elif (first == "DROP" and second in ("DATABASE", "SCHEMA")) or (named and first not in ("COMMIT", "ROLLBACK")):
            self._whole = "the columns of the table changed"
        if self._whole and named:
            self._columns = {}
        self._ended(event.timestamp)

    def _described(self, event: Any) -> None:
        """Tell the decoder what the log leaves out: names, signs and character sets; texts come as the bytes they are."""
        if not self._columns:
            check(self._table.link, self._table.schema, self._table.table, self._table.key)
            self._columns = self._table.columns()
        if len(event.columns) != len(self._columns):
            self._whole = "the columns of the table changed"
            self._columns = {}
            return
        for logged, column in zip(event.columns, self._columns.values(), strict=True):
            logged.name = column.name
            logged.unsigned = False
            logged.character_set_name = "binary"
            if column.base == "enum":
                logged.enum_values = ["", *_members(column.native)]

    def _rows(self, event: Any) -> None:
        if self._whole or not self._columns:
            return
        of = [self._columns[name] for name in self._table.key]
        try:
            for row in event.rows:
                before = row["values"] if "values" in row else row["before_values"]
                after = row.get("after_values", {})
                # Of a row image that is not full only what changed is there, and a key column that is not there did not change.
                for image in (before, {name: before[name] if value is None else value for name, value in after.items()}):
                    if image:
                        self._open[tuple(_text(image[c.name], c) for c in of)] = event.timestamp
            self._gtids.add(self._gtid)
        except _UNDECODABLE:
            self._whole = "a row changed whose key is null or could not be read from the log"


def parsed(position: str) -> tuple[Place, str] | None:
    """The place in a position, and the mark of the file it is in; ``None`` for a text that is none."""
    parts = position.split(" ")
    if len(parts) != 3 or not parts[1].isdigit() or not parts[0].rpartition(".")[2].isdigit():
        return None
    return Place.of(parts[0], int(parts[1])), parts[2]


def _members(native: str) -> list[str]:
    """Of an ENUM, as it is declared."""
    return [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", native)]


def _text(value: Any, column: MyColumn) -> str:
    """A value as decoded, as the text that the server would write for ``MyColumn.read``.

    Raises:
        ValueError: it is null.
    """
    if value is None:
        raise ValueError(column.name)
    if column.base in _TEXTS:
        return str(value, _CODECS[column.charset]) if isinstance(value, bytes) else str(value)
    if column.base in _BYTES:
        length = re.fullmatch(r"binary\((\d+)\)", column.native.lower())
        value = value.encode() if isinstance(value, str) else value  # the decoder makes a text of no bytes
        return bytes(value).ljust(int(length[1]) if length else 0, b"\0").hex().upper()
    if column.base in _WHOLE:
        number = int(value)
        if column.base == "year":
            return "0" if number == 1900 else str(number)
        return str(number + (1 << _BITS[column.base]) if number < 0 and "unsigned" in column.native.lower() else number)
    if column.base == "bit":
        return str(int(value, 2))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") + ("+00" if column.zoned else "")
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if column.base == "decimal" else str(value)


def _arrow(keys: Mapping[tuple[Any, ...], int], columns: Sequence[MyColumn]) -> pa.Table:
    """Each key once in the types in which ``scan`` gives them, with its last change.

    Raises:
        ValueError: a value that its column could not have.
    """
    values = list(zip(*keys, strict=True)) or [()] * len(columns)
    texts = {c.name: pa.array(found, pa.string()) for c, found in zip(columns, values, strict=True)}
    moments = pa.array([datetime.fromtimestamp(at, UTC) for at in keys.values()], pa.timestamp("us", "UTC"))
    with borrowed_duck() as con:
        con.register("changed", pa.table({CHANGED_AT: moments} | texts))
        read = readings(con, "changed", columns)
        picked = ", ".join(f"{sql} AS {quote(name)}" for name, sql in read.items())
        kinds = {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT {picked} FROM changed").fetchall()}
        found = con.execute(f"SELECT {picked}, max({CHANGED_AT}) AS {CHANGED_AT} FROM changed GROUP BY ALL").to_arrow_table()
    for position, column in enumerate(columns):
        if kinds[column.name] == "UUID":  # DuckDB hands UUIDs out as texts
            made = pa.array([uuid.UUID(text).bytes for text in found[column.name].to_pylist()], pa.uuid())
            found = found.set_column(position, column.name, made)
    return found
