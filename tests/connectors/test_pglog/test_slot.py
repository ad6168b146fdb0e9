"""Slots: no gap and no double between snapshot and stream, nothing lost by a kill, and every way to lose a slot is noticed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.pglog import (
    AGAIN_BYTES,
    Change,
    LogCapture,
    LogSource,
    LogStream,
    Position,
    SlotLost,
    Table,
    begin_capture,
    capture_name,
    drop_capture,
    open_stream,
    read_table,
    slots,
    temporary_name,
)
from accord.model.errors import DataRefused, SystemUnreachable, UnknownName, UsageError

Drain = Callable[..., list[Change]]
Db = psycopg.Connection[Any]

# A consumer that stores effect and position in one transaction, as a sync does, and is killed at any point of it.
CONSUMER = """
import json, sqlite3, sys
from accord.connectors.pglog import LogCapture, LogSource, Position, open_stream
url, capture, path = sys.argv[1], LogCapture.from_dict(json.loads(sys.argv[2])), sys.argv[3]
store = sqlite3.connect(path, isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute("PRAGMA synchronous = NORMAL")
store.execute("CREATE TABLE IF NOT EXISTS item (id PRIMARY KEY, name)")
store.execute("CREATE TABLE IF NOT EXISTS applied (position PRIMARY KEY)")
store.execute("CREATE TABLE IF NOT EXISTS place (position)")
row = store.execute("SELECT position FROM place").fetchone()
after = Position.parse(row[0]) if row else capture.start
with open_stream(LogSource("shop", url), capture, after=after) as stream:
    for batch in stream.batches(wait_seconds=0.1, rows=60):
        store.execute("BEGIN IMMEDIATE")
        for change in batch.changes():
            store.execute("INSERT INTO applied VALUES (?)", (str(change.position),))
            store.execute("DELETE FROM item WHERE id = ?", (change.key["id"],))
            if change.new is not None:
                store.execute("INSERT INTO item VALUES (?, ?)", (change.new["id"], change.new["name"]))
        store.execute("DELETE FROM place")
        store.execute("INSERT INTO place VALUES (?)", (str(batch.end),))
        store.execute("COMMIT")
        stream.acknowledge(batch.end)
"""


def test_snapshot_and_stream_have_no_gap_and_no_double_while_others_write(db: Db, source: LogSource, url: str, drain: Drain) -> None:
    """The one moment at which captures lose rows: what commits between the copy and the start of the log."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
    stop = threading.Event()

    def write(worker: int) -> None:
        with psycopg.connect(url, autocommit=True) as own:
            for number in range(10_000):
                if stop.is_set():
                    return
                with own.transaction():
                    own.execute("INSERT INTO item VALUES (%s, %s)", (number * 4 + worker, f"{worker}-{number}"))
                    if number:
                        own.execute("UPDATE item SET name = name || '!' WHERE id = %s", ((number - 1) * 4 + worker,))
                    if number % 3 == 2:
                        own.execute("DELETE FROM item WHERE id = %s", ((number - 2) * 4 + worker,))

    workers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    try:
        time.sleep(0.2)
        with begin_capture(source, [Table("item")], name="accord_a") as begun:
            time.sleep(0.2)
            rows = {r["id"]: r["name"] for part in read_table(begun.snapshot, Table("item"), size_bytes=999) for r in part.to_pylist()}
        time.sleep(0.2)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        changes = drain(stream, rows=50)

    assert rows
    assert changes
    for change in changes:
        # Not one change may be of a transaction that the snapshot saw, and none may be of a row that it missed.
        assert (change.key["id"] in rows) == (change.op != "insert"), change
        rows.pop(change.key["id"] or "", None)
        if change.new is not None:
            rows[str(change.new["id"])] = change.new["name"]
    assert rows == dict(db.execute("SELECT id::text, name FROM item").fetchall())


def test_a_consumer_killed_anywhere_loses_nothing_and_applies_nothing_twice(db: Db, source: LogSource, url: str, tmp_path: Path) -> None:
    """``position`` and effect are one commit, so a replay is recognized; the log is kept until acknowledged, so nothing is lost."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass
    store = tmp_path / "store.db"
    command = [sys.executable, "-c", CONSUMER, url, json.dumps(begun.capture.to_dict()), str(store)]
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as own:
            for number in range(100_000):
                if stop.is_set():
                    return
                first = number * 100
                own.execute("INSERT INTO item SELECT i, 'n' FROM generate_series(%s::int, %s::int) i", (first, first + 99))
                own.execute("UPDATE item SET name = name || %s::text WHERE id BETWEEN %s AND %s", (str(number), first - 50, first + 10))
                own.execute("DELETE FROM item WHERE id %% 7 = 3 AND id BETWEEN %s AND %s", (first - 300, first - 200))
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for kill in range(6):
            child = subprocess.Popen(command, stderr=subprocess.PIPE)
            time.sleep(0.9 + kill * 0.13)
            child.send_signal(signal.SIGKILL)
            _, complaint = child.communicate()
            assert child.returncode == -signal.SIGKILL, complaint.decode()
    finally:
        stop.set()
        writer.join()
    end = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()[0]  # type: ignore[index]  # one row always
    child = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    try:
        while _place(store) < Position.parse(end):
            assert child.poll() is None, (child.communicate()[1] or b"").decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        child.kill()
        child.communicate()

    assert _stored(store, "SELECT id, name FROM item ORDER BY id::int") == [
        tuple(row) for row in db.execute("SELECT id::text, name FROM item ORDER BY item.id").fetchall()
    ]
    assert _stored(store, "SELECT count(*) FROM applied")[0][0] > 500


def _stored(store: Path, query: str) -> list[tuple[Any, ...]]:
    import sqlite3

    with sqlite3.connect(store, timeout=30) as con:
        found = con.execute(query.replace("id::int", "CAST(id AS INTEGER)")).fetchall()
    con.close()
    return found


def _place(store: Path) -> Position:
    found: list[tuple[Any, ...]] = []
    with suppress(Exception):
        found = _stored(store, "SELECT position FROM place")
    return Position.parse(found[0][0]) if found else Position(0)


def test_what_was_read_and_not_acknowledged_comes_again_at_the_same_positions(db: Db, source: LogSource, drain: Drain) -> None:
    """A replay must be recognizable, also when a transaction was cut in the middle."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass
    start = begun.capture.start
    db.execute("INSERT INTO item SELECT generate_series(1, 10)")
    db.execute("INSERT INTO item VALUES (11)")

    with open_stream(source, begun.capture, after=start) as stream:
        first = drain(stream, rows=4, acknowledge=False)
    with open_stream(source, begun.capture, after=start) as stream:
        batch = stream.read(rows=4, wait_seconds=10)
        cut = [c.position for c in batch.changes()]
        stream.acknowledge(batch.end)
    with open_stream(source, begun.capture, after=batch.end) as stream:
        rest = drain(stream, acknowledge=False)
    with open_stream(source, begun.capture, after=first[-1].position) as stream:
        nothing = drain(stream)

    assert not batch.whole
    assert len(cut) == 4
    assert [c.position for c in first] == cut + [c.position for c in rest]
    assert [c.key["id"] for c in first] == [str(n) for n in range(1, 12)]
    assert nothing == []


def test_large_transactions_arrive_once_they_commit_without_what_was_rolled_back(db: Db, source: LogSource, url: str, drain: Drain) -> None:
    """The server sends them before their end and out of order; until it says commit they are nobody's changes."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY, name text); CREATE TABLE other (LIKE item INCLUDING ALL)")
    with begin_capture(source, [Table("item"), Table("other")], name="accord_a") as begun:
        pass
    insert = "INSERT INTO item SELECT i, repeat('x', 200) FROM generate_series(%s::int, %s::int) i"
    parts: list[Any] = []

    with (
        psycopg.connect(url) as gone,
        psycopg.connect(url) as large,
        open_stream(source, begun.capture, after=begun.capture.start) as stream,
    ):
        large.execute(insert, (1, 1000))
        gone.execute(insert.replace("item", "other"), (1, 1000))
        assert stream.read(wait_seconds=0.5).rows == 0
        large.execute("SAVEPOINT a")
        large.execute("ALTER TABLE item ADD extra text")
        large.execute(insert, (2001, 3000))
        large.execute("SAVEPOINT b")
        large.execute(insert, (3001, 4000))
        large.execute("ROLLBACK TO a")
        large.execute("UPDATE item SET name = 'y' WHERE id = 1")
        large.execute(insert, (4001, 5000))
        gone.rollback()
        large.commit()
        db.execute("INSERT INTO item VALUES (6000, 'small')")
        streamed = drain(stream, rows=300, acknowledge=False, parts=parts)
    with open_stream(source, begun.capture, after=begun.capture.start, streaming=False) as stream:
        plain = drain(stream)

    assert [c.key["id"] for c in streamed] == [str(n) for n in (*range(1, 1001), 1, *range(4001, 5001), 6000)]
    # The order and the positions are those of a transaction that is sent in one piece.
    assert [(c.op, c.key, c.new, c.position, c.commit_time) for c in streamed] == [
        (c.op, c.key, c.new, c.position, c.commit_time) for c in plain
    ]
    assert max(part.rows.num_rows for part in parts if hasattr(part, "rows")) <= 300
    # Without this the test could pass although nothing was ever sent early.
    assert db.execute("SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = 'accord_a'").fetchone() == (True,)


def test_a_reader_that_lingers_takes_several_transactions_at_once(db: Db, source: LogSource) -> None:
    """One batch per commit would make a busy source cost more in batches than in changes."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass
    for number in range(5):
        db.execute("INSERT INTO item VALUES (%s)", (number,))

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        batch = stream.read(wait_seconds=10, linger_seconds=1)

    assert (batch.rows, batch.transactions, batch.whole) == (5, 5, True)


def test_a_stream_is_read_in_a_process_that_holds_a_thousand_files_open(db: Db, source: LogSource, drain: Drain) -> None:
    """Many flows over many systems need as many descriptors, and the system call for a few of them knows none above 1,023."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with ExitStack() as held:
        for _ in range(1_024):
            held.enter_context(Path(os.devnull).open("rb"))
        with begin_capture(source, [Table("item")], name="accord_a") as begun:
            pass
        with open_stream(source, begun.capture, after=begun.capture.start) as stream:
            db.execute("INSERT INTO item VALUES (1)")

            assert [c.key for c in drain(stream)] == [{"id": "1"}]


def test_an_idle_log_moves_on_so_that_the_server_can_forget(db: Db, source: LogSource, drain: Drain) -> None:
    """A table at rest in a busy database must not keep the whole log on the source's disk."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("INSERT INTO other SELECT generate_series(1, 10000)")
        before = slots(source)[0]
        assert drain(stream) == []
        time.sleep(0.2)
        after = slots(source)[0]

    assert before.lag_bytes > 100_000
    assert after.lag_bytes < 10_000
    assert after.active
    assert after.lost == ""
    assert after.safe_bytes is None


@pytest.mark.parametrize("may", [True, False])
def test_log_that_was_read_is_not_decoded_again_by_the_next_stream(may: bool, db: Db, source: LogSource, drain: Drain) -> None:
    """The server moves the beginning of its reading only once per acknowledgement, so half of a large batch would come again each time.

    A reader who may not ask it for more reads on all the same.
    """
    db.execute("CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (v text)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass
    for _ in range(2):
        db.execute("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 2500)")
        db.execute("SELECT pg_log_standby_snapshot()")
    db.execute("INSERT INTO item VALUES (1)")
    ends: list[Position] = []
    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        assert [c.key for c in drain(stream, ends=ends)] == [{"id": "1"}]
    _free(db)
    db.execute("INSERT INTO item VALUES (2)")

    if not may:
        db.execute("CREATE ROLE reader LOGIN REPLICATION; REVOKE EXECUTE ON FUNCTION pg_replication_slot_advance FROM PUBLIC")
        source = _as(source, "reader")

    try:
        with open_stream(source, begun.capture, after=ends[-1]) as stream:
            assert (stream.kept_bytes < AGAIN_BYTES) == may
            assert [c.key for c in drain(stream)] == [{"id": "2"}]
    finally:
        db.execute("DROP ROLE IF EXISTS reader")


def test_a_lasting_capture_is_replaced_and_a_temporary_one_leaves_nothing(db: Db, source: LogSource, drain: Drain) -> None:
    """A slot that nobody reads keeps the log until the source's disk is full, so none may be left behind."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    name = capture_name("Store 1", "Flow/ä", "shop")

    with begin_capture(source, [Table("item")], name=name):
        pass
    with begin_capture(source, [Table("item")], name=name) as again:
        pass
    assert [s.name for s in slots(source)] == [name]
    with open_stream(source, again.capture, after=again.capture.start):
        pass
    with pytest.raises(RuntimeError), begin_capture(source, [Table("item")], name=name):
        raise RuntimeError("the copy failed")
    assert slots(source) == ()
    with begin_capture(source, [Table("item")], name=temporary_name(), temporary=True) as brief:
        assert [(s.name, s.temporary) for s in slots(source)] == [(brief.capture.slot, True)]
        db.execute("INSERT INTO item VALUES (1)")
        with brief.stream() as stream:
            assert [c.key for c in drain(stream)] == [{"id": "1"}]

    drop_capture(source, name)
    assert slots(source) == ()
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)
    assert len(capture_name("x" * 100, "y")) <= 63
    assert capture_name("ab", "c") != capture_name("a", "bc")


@pytest.mark.parametrize(
    "way", ["dropped", "made anew", "others read", "published less", "unpublished", "given up", "set back", "another server"]
)
def test_every_gap_is_noticed_before_anything_is_read_past_it(way: str, db: Db, source: LogSource, drain: Drain) -> None:
    """Each of these loses changes without any error of the server, so going on would leave systems apart in silence."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)")
    with begin_capture(source, [Table("item"), Table("other")], name="accord_a") as begun:
        pass
    capture, ends = begun.capture, []
    db.execute("INSERT INTO item VALUES (1)")
    with open_stream(source, capture, after=capture.start) as stream:
        drain(stream, ends=ends)
    position = ends[-1]

    if way in ("dropped", "made anew"):
        _free(db)
        db.execute("SELECT pg_drop_replication_slot('accord_a')")
    db.execute("INSERT INTO item VALUES (2)")
    if way == "made anew":
        db.execute("SELECT pg_create_logical_replication_slot('accord_a', 'pgoutput')")
    if way == "others read":
        _free(db)
        db.execute("SELECT pg_replication_slot_advance('accord_a', pg_current_wal_lsn())")
    if way == "published less":
        db.execute("ALTER PUBLICATION accord_a DROP TABLE other; ALTER PUBLICATION accord_a ADD TABLE other")
    if way == "unpublished":
        db.execute("DROP PUBLICATION accord_a")
    if way == "given up":
        _free(db)
        _invalidate(db)
    if way == "set back":
        position = Position(position.lsn + (1 << 40))
    if way == "another server":
        capture = replace(capture, system_id="7")

    with pytest.raises(SlotLost, match="take a new snapshot") as caught:
        open_stream(source, capture, after=position)
    assert caught.value.slot == "accord_a"
    assert caught.value.exit_code == 1


def _read_on(stream: LogStream) -> None:
    for _ in range(50):
        stream.read(wait_seconds=0.2)


def _free(db: Db) -> None:
    """Waits until the slot's last reader is gone."""
    for _ in range(100):
        if db.execute("SELECT bool_or(active) FROM pg_replication_slots WHERE database = current_database()").fetchone() != (True,):
            return
        time.sleep(0.05)


def _invalidate(db: Db) -> None:
    db.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    db.execute("SELECT pg_reload_conf()")
    try:
        for _ in range(50):
            db.execute("CREATE TABLE IF NOT EXISTS filler (t text)")
            db.execute("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
            db.execute("SELECT pg_switch_wal()")
            db.execute("CHECKPOINT")
            row = db.execute("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'accord_a'").fetchone()
            if row == ("lost",):
                return
        raise AssertionError(f"the slot is still {row}")
    finally:
        db.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        db.execute("SELECT pg_reload_conf()")


def test_a_publication_dropped_under_an_open_stream_ends_it(db: Db, source: LogSource) -> None:
    """PostgreSQL 18 only warns and leaves the changes out; older ones end the stream. Neither may pass for an idle log."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        stream.read(wait_seconds=0.2)
        db.execute("DROP PUBLICATION accord_a")
        db.execute("INSERT INTO item VALUES (1)")
        with pytest.raises(SlotLost, match="publication"):
            _read_on(stream)


def test_a_slot_has_one_reader_and_a_broken_stream_says_so(db: Db, source: LogSource) -> None:
    """Two readers would each see half; an end of the connection is no end of the log."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        with pytest.raises(SystemUnreachable, match="active"):
            open_stream(source, begun.capture, after=begun.capture.start, busy_seconds=0.3)
        with pytest.raises(SystemUnreachable, match="active"):
            drop_capture(source, "accord_a", busy_seconds=0.3)
        with pytest.raises(UsageError, match="was not read yet"):
            stream.acknowledge(Position(begun.capture.start.lsn + 1_000_000))
        db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'accord_a'")
        with pytest.raises(SystemUnreachable):
            _read_on(stream)


def test_a_transaction_left_open_is_waited_for_only_so_long(db: Db, source: LogSource, url: str) -> None:
    """A slot cannot start before it ends; someone's forgotten session must not hang a sync for ever, nor leave half a slot."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with psycopg.connect(url) as forgotten:
        forgotten.execute("INSERT INTO item VALUES (1)")
        begun = begin_capture(source, [Table("item")], name="accord_a", seconds=1)
        with pytest.raises(SystemUnreachable, match="no answer to CREATE_REPLICATION_SLOT in 1 seconds"):
            begun.__enter__()

    assert slots(source) == ()
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_what_cannot_be_captured_is_refused_before_anything_is_made(db: Db, source: LogSource, postgres_url: str) -> None:
    """Publishing a table without identity would make the *source's* own updates fail; a server that does not log must be said so."""
    db.execute("CREATE TABLE bare (a int); CREATE UNLOGGED TABLE brief (id int PRIMARY KEY); CREATE TABLE item (id int PRIMARY KEY)")
    db.execute("CREATE ROLE guest LOGIN")
    refused = [
        ([Table("bare")], DataRefused, "no primary key"),
        ([Table("brief")], DataRefused, "no log of its changes"),
        ([Table("items")], UnknownName, "Did you mean 'public.item'"),
        ([], UsageError, "at least one table"),
    ]
    for tables, kind, words in refused:
        with pytest.raises(kind, match=words), begin_capture(source, tables, name="accord_a"):
            pass
    with pytest.raises(DataRefused, match="REPLICATION"), begin_capture(_as(source, "guest"), [Table("item")], name="accord_a"):
        pass
    with psycopg.connect(postgres_url, autocommit=True) as plain:
        plain.execute("CREATE TABLE item (id int PRIMARY KEY)")
    with (
        pytest.raises(DataRefused, match="wal_level = logical"),
        begin_capture(LogSource("shop", postgres_url), [Table("item")], name="accord_a"),
    ):
        pass
    nowhere = LogSource("shop", f"postgresql://u:s3cret@127.0.0.1:{_free_port()}/x")
    with pytest.raises(SystemUnreachable) as caught:
        slots(nowhere)

    assert "s3cret" not in str(caught.value) + repr(nowhere)
    db.execute("UPDATE bare SET a = 1")
    db.execute("DROP ROLE guest")
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def _as(source: LogSource, user: str) -> LogSource:
    return LogSource(source.system, source.conninfo.replace("postgres:@", f"{user}:@"))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_is_remembered_of_a_capture_survives_as_plain_values() -> None:
    """It is stored in an event and read by another process."""
    capture = LogCapture("s", "p", "7", "f", Position((1 << 40) + 5, 3), messages=True)

    assert LogCapture.from_dict(json.loads(json.dumps(capture.to_dict()))) == capture
