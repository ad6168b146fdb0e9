"""Reading a slot: batches out, acknowledgements back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType

import psycopg
from psycopg import errors

from accord.connectors.pglog.changes import LogBatch, Relation
from accord.connectors.pglog.connection import LogSource, ReplicationConnection
from accord.connectors.pglog.decoder import Decoder
from accord.connectors.pglog.errors import SlotLost
from accord.connectors.pglog.position import Position, format_lsn
from accord.connectors.pglog.slot import BUSY_SECONDS, LogCapture, check_capture
from accord.connectors.types import literal, quote
from accord.model.errors import SystemUnreachable, UsageError

BATCH_ROWS = 50_000
BATCH_BYTES = 64 << 20
AGAIN_BYTES = 1 << 20
"""From so much log on that would be decoded once more it is worth a step of its own that it is not."""
_PAUSE_SECONDS = 0.1
_STREAMING_SINCE = 140000
_ORIGIN_SINCE = 160000


class LogStream:
    """An open stream of one slot. Read, store the effect of a batch together with ``batch.end``, then acknowledge it; again.

    What was read and not acknowledged is sent again to the next stream, with the same positions. A process that is killed at any point
    therefore loses nothing and recognizes what it already has.
    """

    def __init__(
        self,
        connection: ReplicationConnection,
        capture: LogCapture,
        *,
        after: Position,
        keys: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
        known: Iterable[Relation] = (),
        streaming: bool = True,
        foreign: bool = True,
        kept_bytes: int = 0,
    ) -> None:
        """Start streaming; see ``open_stream``, which also proves that nothing is missing.

        Raises:
            psycopg.Error: the server refuses.
        """
        self._connection = connection
        self._capture = capture
        self._reached = after
        self._acknowledged = after
        self._decoder = Decoder(after=after, keys=keys, known=known, where=f"system '{connection.source.system}', slot '{capture.slot}'")
        self._open = True
        self.received = 0
        """Messages so far; grows also while nothing can be handed out, as amid a transaction that is left out."""
        self.kept_bytes = kept_bytes
        """Log that the server reads again from the slot's beginning, at each start of the stream."""
        connection.start(capture.slot, _command(connection, capture, after, streaming=streaming, foreign=foreign))

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Tables as they were at their last change; give them as ``known`` to the next stream."""
        return self._decoder.relations

    def read(
        self, *, wait_seconds: float = 1.0, linger_seconds: float = 0.0, rows: int = BATCH_ROWS, size_bytes: int = BATCH_BYTES
    ) -> LogBatch:
        """The changes that are there: at once when there are any, else after the first one or the time given.

        A batch ends between transactions, except that one of more rows or bytes than asked for is spread over several batches.

        Args:
            wait_seconds: for the first change; 0 only looks.
            linger_seconds: for one more transaction when none is there: fewer and fuller batches for so much later an answer. With many
                small transactions some milliseconds save much of the processor's time.
            rows: the largest number of changes wanted, at least 1.
            size_bytes: of messages; one more row may come on top.

        Raises:
            SystemUnreachable: the connection broke or the server fell silent; open a new stream after the last acknowledged position.
            SlotLost: changes may be missing.
            DataRefused: the server sends what no pgoutput of PostgreSQL 14 to 18 does.
        """
        decoder, receive = self._decoder, self._connection.receive
        until = time.monotonic() + wait_seconds
        while decoder.rows < rows and decoder.bytes < size_bytes:
            if decoder.replaying:
                decoder.advance(rows, size_bytes)
                continue
            message = receive(0.0)
            if message is None:
                # Half a transaction is worth waiting for: the rest is on its way.
                whole = decoder.rows and decoder.idle
                message = receive(linger_seconds if whole else max(0.0, until - time.monotonic()))
            if message is None:
                break
            if isinstance(message, bytes):
                decoder.feed(message)
                self.received += 1
            else:
                decoder.reached(message.lsn)
        self._warned()
        batch = decoder.take()
        self._reached = batch.end
        return batch

    def batches(self, *, wait_seconds: float = 1.0, rows: int = BATCH_ROWS, size_bytes: int = BATCH_BYTES) -> Iterator[LogBatch]:
        """Batches without end, empty ones when nothing happens for ``wait_seconds``; errors as in ``read``."""
        while True:
            yield self.read(wait_seconds=wait_seconds, rows=rows, size_bytes=size_bytes)

    def acknowledge(self, position: Position) -> None:
        """Let the server forget what came before: only after effect and position are stored together and committed.

        Raises:
            UsageError: the position was not read in this stream.
            SystemUnreachable: the connection broke; what was stored stands.
        """
        if position > self._reached:
            raise UsageError(f"position {position} was not read yet; the stream is at {self._reached}.")
        if position > self._acknowledged:
            self._acknowledged = position
            self._connection.confirm(position.lsn)

    def leave_out(self, transactions: Iterable[int]) -> None:
        """Pass over the rows of these transactions; for what the reader wrote itself and knows.

        Args:
            transactions: their ids as the log has them, which come round after 2^32: only those just behind the position may be given.
        """
        self._decoder.left_out = frozenset(transactions)

    def ask(self) -> None:
        """Ask the server to say at once how far it has sent, where it would stay silent because nothing of interest happened.

        Raises:
            SystemUnreachable: the connection broke.
        """
        self._connection.confirm(self._acknowledged.lsn, reply=True)

    def patience(self, seconds: float) -> float:
        """How long to wait for the server, where it would be ``seconds``: less when it was found silent since this stream was opened."""
        return self._connection.patience(seconds)

    def heartbeat(self) -> None:
        """A word to the server amid long work, at least every few minutes, so that it does not take this reader for dead.

        Raises:
            SystemUnreachable: the connection broke.
        """
        self._connection.confirm(self._acknowledged.lsn)

    def close(self) -> None:
        """End the stream; the slot stays at what was acknowledged."""
        if self._open:
            self._open = False
            self._decoder.close()
            self._connection.finish()

    def __enter__(self) -> LogStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _warned(self) -> None:
        for notice in self._connection.notices:
            # Since PostgreSQL 18 a missing publication is a warning, and its changes are left out.
            if "publication" in notice:
                raise SlotLost(self._connection.source.system, self._capture.slot, notice)


def open_stream(
    source: LogSource,
    capture: LogCapture,
    *,
    after: Position,
    keys: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
    known: Iterable[Relation] = (),
    streaming: bool = True,
    foreign: bool = True,
    busy_seconds: float = BUSY_SECONDS,
) -> LogStream:
    """Go on reading a capture exactly behind a position.

    Args:
        source: the database.
        capture: as it began.
        after: what the caller has stored; ``capture.start`` after the snapshot. Changes up to it are left out when sent again.
        keys: columns by which rows are known, per (schema, table); needed where a table logs full rows.
        known: tables as they were last seen, so that a change of schema between two streams is noticed.
        streaming: let the server send large transactions before they end; they wait here, not in its memory and on its disk.
        foreign: also read transactions that were applied from elsewhere (with a replication origin); needs PostgreSQL 16 to leave out.
        busy_seconds: how long to wait for a slot that is still read, as it is right after its reader was killed.

    Raises:
        SlotLost: there may be a gap; a new snapshot is needed.
        SystemUnreachable: no answer, or another process reads the slot.
    """
    until = time.monotonic() + busy_seconds
    while True:
        try:
            with contextlib.ExitStack() as failed:
                connection = ReplicationConnection(source)
                failed.callback(connection.finish)
                kept = _prepared(connection, capture, after)
                stream = LogStream(
                    connection, capture, after=after, keys=keys, known=known, streaming=streaming, foreign=foreign, kept_bytes=kept
                )
                failed.pop_all()
                return stream
        except errors.ObjectInUse as error:
            if time.monotonic() > until:
                raise SystemUnreachable(source.system, source.where, str(error).strip().splitlines()[0]) from None
            time.sleep(_PAUSE_SECONDS)
        except (errors.UndefinedObject, errors.ObjectNotInPrerequisiteState) as error:
            raise SlotLost(source.system, capture.slot, str(error).strip().splitlines()[0]) from None
        except psycopg.Error as error:
            raise source.translated(error) from None


def _prepared(connection: ReplicationConnection, capture: LogCapture, after: Position) -> int:
    """Prove that nothing is missing; returns the bytes of log that the server is going to read."""
    slot = check_capture(connection, capture, after)
    here = slot.confirmed.lsn + slot.lag_bytes
    if after.lsn - (here - slot.kept_bytes) < AGAIN_BYTES:
        return slot.kept_bytes
    # Where it may not, or only for so long, it decodes once more what was read.
    with contextlib.suppress(errors.InsufficientPrivilege, errors.UndefinedFunction, errors.QueryCanceled):
        connection.forget(slot.name, format_lsn(after.lsn))
    return check_capture(connection, capture, after).kept_bytes


def _command(connection: ReplicationConnection, capture: LogCapture, after: Position, *, streaming: bool, foreign: bool) -> str:
    version = connection.server_version
    options = {"proto_version": "1", "publication_names": quote(capture.publication)}
    if version >= _STREAMING_SINCE:
        options["proto_version"] = "2"
        options["streaming"] = "on" if streaming else "off"
        options["messages"] = "true" if capture.messages else "false"
    if version >= _ORIGIN_SINCE:
        options["proto_version"] = "4"
        options["origin"] = "any" if foreign else "none"
    given = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
    return f"START_REPLICATION SLOT {quote(capture.slot)} LOGICAL {format_lsn(after.lsn)} ({given})"
