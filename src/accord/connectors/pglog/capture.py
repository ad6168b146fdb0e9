"""The start of a capture: publish, make the slot, open the snapshot that ends where the slot begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from accord.connectors.pglog.connection import LogSource, ReplicationConnection
from accord.connectors.pglog.position import Position
from accord.connectors.pglog.publication import Table, create_publication
from accord.connectors.pglog.slot import LogCapture, drop_capture
from accord.connectors.pglog.stream import LogStream
from accord.connectors.types import literal, quote
from accord.model.errors import AccordError, DataRefused

SLOT_SECONDS = 120
"""How long to wait for transactions that were open when the slot was asked for; it cannot start before they end."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A capture that has begun: read the tables through ``snapshot``, then the stream from ``capture.start``.

    ``snapshot`` is a connection in a read-only transaction that sees exactly the transactions that are *not* in the stream; other
    connections can share its view by ``pg_export_snapshot``. Its search path is empty: name tables with their schema, or use
    ``read_table``. ``session`` is the connection that owns a temporary slot.
    """

    capture: LogCapture
    snapshot: psycopg.Connection[Any]
    session: ReplicationConnection

    def stream(
        self, *, keys: Mapping[tuple[str, str], tuple[str, ...]] | None = None, streaming: bool = True, foreign: bool = True
    ) -> LogStream:
        """The changes behind the snapshot, over the connection that made the slot: the only way for a temporary one, and only inside the
        block of ``begin_capture``. Arguments as in ``open_stream``.

        Raises:
            SystemUnreachable: the connection broke.
            DataRefused: the server refuses.
        """
        try:
            return LogStream(self.session, self.capture, after=self.capture.start, keys=keys, streaming=streaming, foreign=foreign)
        except psycopg.Error as error:
            raise self.session.source.translated(error) from None


@contextmanager
def begin_capture(
    source: LogSource, tables: Sequence[Table], *, name: str, temporary: bool = False, messages: bool = False, seconds: float = SLOT_SECONDS
) -> Iterator[Begun]:
    """Publish the tables, make a slot, and open the snapshot that the slot starts behind: in this order, so nothing falls between.

    Slot and publication of this name that are still there are replaced. If the block fails, both are removed again; if the
    process dies in it, the next call replaces them. After the block a lasting slot stays and is read with ``open_stream``; a temporary
    one must be read inside the block.

    Args:
        source: the database.
        tables: those whose changes are wanted; the source logs nothing more for us than it does anyway.
        name: of slot and publication; see ``capture_name`` and ``temporary_name``.
        temporary: the server drops the slot when the connection ends.
        messages: include messages of applications.
        seconds: how long to wait for transactions that are open now.

    Raises:
        SystemUnreachable: no answer, another process reads the slot, or transactions stayed open too long.
        DataRefused: the server does not log for decoding (``wal_level``), has no slot left, or a table cannot be published.
    """
    db = source.connect()
    session: ReplicationConnection | None = None
    snapshot: psycopg.Connection[Any] | None = None
    try:
        drop_capture(source, name)
        published = create_publication(db, source, name, tables)
        session = ReplicationConnection(source)
        try:
            system_id = session.execute("IDENTIFY_SYSTEM")[0] or ""
            kind = "TEMPORARY LOGICAL" if temporary else "LOGICAL"
            made = session.execute(f"CREATE_REPLICATION_SLOT {quote(name)} {kind} pgoutput (SNAPSHOT 'export')", seconds=seconds)
        except DataRefused as error:
            raise _explained(error, db, source) from None
        snapshot = _at_snapshot(source, made[2] or "")
        capture = LogCapture(name, name, system_id, published, Position.parse(made[1] or ""), messages)
        yield Begun(capture, snapshot, session)
    except BaseException:
        if session is not None:
            session.finish()
        with suppress(AccordError, psycopg.Error):
            # What failed is what the caller must hear; leftovers are replaced by the next attempt.
            drop_capture(source, name)
        raise
    finally:
        db.close()
        if snapshot is not None:
            snapshot.close()
        if session is not None:
            session.finish()
    if temporary:
        drop_capture(source, name)


def _at_snapshot(source: LogSource, snapshot: str) -> psycopg.Connection[Any]:
    db = source.connect()
    try:
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        db.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}".encode())
    except psycopg.Error as error:
        db.close()
        raise source.translated(error) from None
    return db


def _explained(error: DataRefused, db: psycopg.Connection[Any], source: LogSource) -> DataRefused:
    level = db.execute("SHOW wal_level").fetchone()
    if level and level[0] != "logical":
        return DataRefused(f"wal_level is '{level[0]}'", source.where, "wal_level = logical (ALTER SYSTEM SET, then restart the server)")
    if "all replication slots are in use" in error.what:
        return DataRefused(error.what, source.where, "a free slot: raise max_replication_slots, or drop one that nobody reads")
    return error
