"""Messages of pgoutput in, batches of changes out. No input or output of its own, except that large open transactions wait in a spool.

Source: PostgreSQL documentation, Logical Replication Message Formats; protocol versions 1 to 4 without parallel apply.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from accord.connectors.pglog.changes import (
    EPOCH,
    EPOCH_MICROSECONDS,
    LogBatch,
    LogMessage,
    Part,
    Relation,
    RowChange,
    SchemaChanged,
    TableChanges,
    Truncated,
)
from accord.connectors.pglog.messages import read_relation, read_text
from accord.connectors.pglog.position import START, Position
from accord.connectors.pglog.spool import Spool
from accord.connectors.pglog.tuples import FEW, decode_rows, walk
from accord.model.errors import DataRefused

_BEGIN = struct.Struct(">qqI")
_COMMIT = struct.Struct(">bqqq")
_STREAM_COMMIT = struct.Struct(">Ibqqq")
_ALL = 1 << 62


class _Transaction(NamedTuple):
    lsn: int
    microseconds: int
    xid: int
    origin: str | None


class _Run:
    """Row messages of one relation with one schema that wait to be decoded together."""

    __slots__ = ("indexes", "messages", "relation", "started", "transaction", "transactions")

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self.messages: list[bytes] = []
        self.indexes: list[int] = []
        self.transaction: _Transaction | None = None
        self.transactions: list[_Transaction] = []
        self.started: list[int] = []


class Decoder:
    """Turns a stream of pgoutput messages into ``LogBatch``es.

    Args:
        after: changes up to and including this position were delivered before and are left out.
        keys: columns by which the rows of a table are known, per ``(schema, table)``; the identity columns where none are given.
        known: relations as the caller saw them last, so that a change of schema between two streams is noticed.
        where: names the system in errors.
    """

    def __init__(
        self,
        *,
        after: Position = START,
        keys: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
        known: Iterable[Relation] = (),
        where: str = "the log",
    ) -> None:
        self._after = after
        self._keys = keys or {}
        self._where = where
        self._types: dict[int, str] = {}
        self._relations: dict[bytes, Relation] = {}
        self._shown: dict[int, Relation] = {relation.oid: relation for relation in known}
        self._runs: dict[bytes, _Run] = {}
        self._parts: list[Part] = []
        self._transaction: _Transaction | None = None
        self._index = 0
        self._skip = 0
        self._block: bytes | None = None
        self._spools: dict[bytes, Spool] = {}
        self._replay: Iterator[bytes] | None = None
        self._replayed: tuple[bytes, bytes] = (b"", b"")
        self._end = after
        self._transactions = 0
        self._last_commit: int | None = None
        self.rows = 0
        self.bytes = 0
        self.left_out: frozenset[int] = frozenset()
        """Ids of transactions whose rows are passed over."""
        self._handlers: dict[int, Callable[[bytes], None]] = {
            kind[0]: handler
            for kind, handler in (
                (b"B", self._begin), (b"C", self._commit), (b"R", self._relation), (b"Y", self._type), (b"T", self._truncate),
                (b"O", self._origin), (b"M", self._message), (b"S", self._stream_start), (b"E", self._stream_stop),
                (b"c", self._stream_commit), (b"A", self._stream_abort), (b"I", self._row), (b"U", self._row), (b"D", self._row),
            )
        }  # fmt: skip

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The tables seen, as they were at their last change; to be kept and given as ``known`` next time."""
        return tuple(self._shown.values())

    @property
    def replaying(self) -> bool:
        """Whether a large transaction has committed and is being handed on; ``advance`` goes on with it, ``feed`` may not."""
        return self._replay is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: every transaction that was received is in a batch or in the next one, whole."""
        return self._transaction is None and self._block is None and self._replay is None

    def feed(self, message: bytes) -> None:
        """Take the next message.

        Raises:
            DataRefused: it is none that the protocol knows, or not at this point.
            StorageFull: there is no room for a large transaction to wait in.
        """
        if self._replay is not None:
            raise self._refused("a message amid a large transaction that is being handed on")
        if self._block is not None:
            self._streamed(self._block, message)
        else:
            self._dispatch(message)

    def advance(self, rows: int, size_bytes: int) -> None:
        """Hand on a committed large transaction until the batch holds so many rows or bytes, or the transaction ends."""
        if self._replay is None:
            return
        for message in self._replay:
            self._dispatch(message)
            if self.rows >= rows or self.bytes >= size_bytes:
                return
        self._replay = None
        xid, commit = self._replayed
        self._spools.pop(xid).close()
        self._commit(commit)

    def reached(self, lsn: int) -> None:
        """The server has nothing that commits before ``lsn`` and was not sent; counts only between transactions."""
        if self.idle and lsn > self._end.lsn:
            self._end = Position(lsn)

    def take(self) -> LogBatch:
        """What was decoded since the last call.

        Raises:
            DataRefused: a row message is not what the protocol says.
        """
        for oid in list(self._runs):
            self._close(oid)
        parts = self._parts
        if len(parts) > 1:
            parts = sorted(parts, key=lambda part: (part.position, isinstance(part, TableChanges)))
        whole = self._transaction is None
        if not whole and self._transaction is not None and self._index > self._skip:
            # Never backwards: a transaction that is sent again is not reached anew by its first messages.
            self._end = max(self._end, Position(self._transaction.lsn, self._index))
        last = None if self._last_commit is None else EPOCH + timedelta(microseconds=self._last_commit)
        batch = LogBatch(tuple(parts), self._end, self.rows, self._transactions, whole, last)
        self._parts, self.rows, self.bytes, self._transactions, self._last_commit = [], 0, 0, 0, None
        return batch

    def close(self) -> None:
        """Let go of what waits for the end of its transaction; the server sends it again."""
        for spool in self._spools.values():
            spool.close()
        self._spools.clear()

    def _dispatch(self, message: bytes) -> None:
        handler = self._handlers.get(message[0]) if message else None
        if handler is None:
            raise self._refused(f"a message of the unknown kind {message[:1]!r}")
        try:
            handler(message)
        except (struct.error, IndexError, UnicodeDecodeError):
            raise self._refused(f"a message of kind {message[:1]!r} that ends too early or is no text") from None

    def _begin(self, message: bytes) -> None:
        lsn, microseconds, xid = _BEGIN.unpack_from(message, 1)
        self._start(_Transaction(lsn, microseconds, xid, None))

    def _start(self, transaction: _Transaction) -> None:
        if self._transaction is not None:
            raise self._refused("the start of a transaction before the last one ended")
        self._transaction = transaction
        self._index = 0
        if transaction.lsn < self._after.lsn or transaction.xid in self.left_out:
            self._skip = _ALL
        else:
            self._skip = self._after.index if transaction.lsn == self._after.lsn else 0

    def _commit(self, message: bytes) -> None:
        _, lsn, end, microseconds = _COMMIT.unpack_from(message, 1)
        if self._transaction is None or self._transaction.lsn != lsn:
            raise self._refused("the end of a transaction that did not start")
        if self._index > self._skip:
            self._transactions += 1
            self._last_commit = microseconds
        if end > self._end.lsn:
            self._end = Position(end)
        self._transaction = None

    def _row(self, message: bytes) -> None:
        self._index += 1
        if self._index <= self._skip:
            return
        oid = message[1:5]
        run = self._runs.get(oid)
        if run is None or run.transaction is not self._transaction:
            if self._transaction is None:
                raise self._refused("a row outside of any transaction")
            if run is None:
                run = self._runs[oid] = _Run(self._described(oid))
            run.transaction = self._transaction
            run.transactions.append(self._transaction)
            run.started.append(len(run.messages))
        run.messages.append(message)
        run.indexes.append(self._index)
        self.rows += 1
        self.bytes += len(message)

    def _described(self, oid: bytes) -> Relation:
        """The relation of the change at hand; one that looks different than at its last change becomes an event first."""
        relation = self._relations.get(oid)
        if relation is None:
            raise self._refused(f"a change of a table (oid {int.from_bytes(oid)}) that was not described")
        before = self._shown.get(relation.oid)
        if before is not None and before != relation:
            self._parts.append(SchemaChanged(before, relation, self._position()))
        self._shown[relation.oid] = relation
        return relation

    def _relation(self, message: bytes) -> None:
        relation = read_relation(message, self._types, self._keys, self._where)
        oid = message[1:5]
        if self._relations.get(oid) != relation:
            self._close(oid)
            self._relations[oid] = relation

    def _type(self, message: bytes) -> None:
        oid = int.from_bytes(message[1:5])
        schema, at = read_text(message, 5)
        name, _ = read_text(message, at)
        self._types[oid] = f"{schema or 'pg_catalog'}.{name}"

    def _truncate(self, message: bytes) -> None:
        self._index += 1
        if self._index <= self._skip:
            return
        count, options = struct.unpack_from(">Ib", message, 1)
        if len(message) != 6 + 4 * count:
            raise IndexError("more tables than the message holds")
        oids = [message[at : at + 4] for at in range(6, 6 + 4 * count, 4)]
        for oid in oids:
            self._close(oid)
        relations = tuple(self._described(oid) for oid in oids)
        self._parts.append(Truncated(relations, self._position(), self._time(), bool(options & 1), bool(options & 2)))
        self.rows += 1

    def _origin(self, message: bytes) -> None:
        if self._transaction is None:
            raise self._refused("an origin outside of any transaction")
        self._transaction = self._transaction._replace(origin=read_text(message, 9)[0])

    def _message(self, message: bytes) -> None:
        flags, lsn = struct.unpack_from(">bq", message, 1)
        prefix, at = read_text(message, 10)
        (size,) = struct.unpack_from(">I", message, at)
        transactional = bool(flags & 1)
        if transactional:
            self._index += 1
            if self._index <= self._skip:
                return
        position = self._position() if transactional else Position(lsn)
        self._parts.append(LogMessage(prefix, message[at + 4 : at + 4 + size], position, transactional))
        self.rows += 1

    def _stream_start(self, message: bytes) -> None:
        self._block = message[1:5]
        if message[5]:
            self._spools[self._block] = Spool()
        elif self._block not in self._spools:
            raise self._refused("the middle of a large transaction without its start")

    def _stream_stop(self, _: bytes) -> None:
        raise self._refused("the end of a part of a large transaction that did not start")

    def _streamed(self, xid: bytes, message: bytes) -> None:
        kind = message[:1]
        if kind == b"E":
            self._block = None
        elif kind == b"O":
            self._spools[xid].add(xid, message)
        elif kind in (b"I", b"U", b"D") and int.from_bytes(xid) in self.left_out:
            return  # nothing of it has to wait for the end
        elif kind in (b"I", b"U", b"D", b"T", b"R", b"Y", b"M"):
            self._spools[xid].add(message[1:5], kind + message[5:])
        else:
            raise self._refused(f"a message of kind {kind!r} within a part of a large transaction")

    def _stream_commit(self, message: bytes) -> None:
        xid, _, lsn, end, microseconds = _STREAM_COMMIT.unpack_from(message, 1)
        spool = self._spools.get(message[1:5])
        if spool is None:
            raise self._refused("the end of a large transaction that did not start")
        self._start(_Transaction(lsn, microseconds, xid, None))
        self._replay = spool.messages()
        self._replayed = (message[1:5], b"C" + _COMMIT.pack(0, lsn, end, microseconds))

    def _stream_abort(self, message: bytes) -> None:
        xid, subxid = message[1:5], message[5:9]
        spool = self._spools.get(xid)
        if spool is None:
            return  # rolled back before anything of it was sent in this session
        if xid == subxid:
            self._spools.pop(xid).close()
        else:
            spool.abort(subxid)

    def _position(self) -> Position:
        if self._transaction is None:
            raise self._refused("a change outside of any transaction")
        return Position(self._transaction.lsn, self._index)

    def _time(self) -> datetime:
        assert self._transaction is not None
        return EPOCH + timedelta(microseconds=self._transaction.microseconds)

    def _close(self, oid: bytes) -> None:
        run = self._runs.pop(oid, None)
        if run is not None:
            self._parts.append(_decoded(run, self._where))

    def _refused(self, what: str) -> DataRefused:
        return DataRefused(what, self._where, "messages of pgoutput as PostgreSQL 14 to 18 write them")


def _decoded(run: _Run, where: str) -> TableChanges:
    if len(run.messages) <= FEW:
        return TableChanges(run.relation, few=_walked(run, where))
    rows = decode_rows(run.relation, run.messages, where)
    counts = np.diff([*run.started, len(run.messages)])
    which = np.repeat(np.arange(len(counts)), counts)
    transactions = run.transactions
    commit_time = np.array([t.microseconds + EPOCH_MICROSECONDS for t in transactions], np.int64)
    arrays = [
        rows.op,
        pa.array(np.array([t.lsn for t in transactions], np.uint64)[which]),
        pa.array(run.indexes, pa.uint32()),
        pa.array(commit_time[which]).cast(pa.timestamp("us", "UTC")),
        pa.array(np.array([t.xid for t in transactions], np.uint32)[which]),
        pa.array([t.origin for t in transactions], pa.string()).take(pa.array(which)),
        rows.key,
        rows.old,
        rows.new,
        rows.unchanged,
    ]
    return TableChanges(run.relation, pa.Table.from_arrays(arrays, schema=run.relation.arrow_schema()))


def _walked(run: _Run, where: str) -> list[RowChange]:
    found, number, t = [], -1, run.transactions[0]
    for at, row in enumerate(walk(run.relation, run.messages, f"{where}, table {run.relation}")):
        if number + 1 < len(run.started) and run.started[number + 1] == at:
            number += 1
            t = run.transactions[number]
        found.append(RowChange(*row, Position(t.lsn, run.indexes[at]), t.microseconds, t.xid, t.origin))
    return found
