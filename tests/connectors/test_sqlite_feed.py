"""The changed keys of a SQLite table from triggers: every way to change a row is marked, and no user's write is hindered."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.duck import open_duck
from accord.connectors.protocol import Feed, KeyChanges, Logged
from accord.model.errors import DataRefused, UnknownName

ODD = 'o";dd'
OpenFeed = Callable[..., Feed]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection, each statement its own transaction."""
    connection = sqlite3.connect(tmp_path / "system.db", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE, v TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?, 'v')", [(i, f"{i}@x") for i in range(1, 11)])
    yield connection
    connection.close()


@pytest.fixture
def connector(db: sqlite3.Connection, opened: Any) -> Any:
    """The connector of that file."""
    made = opened("sqlite", "system.db")
    assert isinstance(made, Logged)
    return made


@pytest.fixture
def open_feed(connector: Any) -> OpenFeed:
    """Opens feeds of a table."""

    def make(after: str | None = None, *, key: Sequence[str] = ("id",), resource: str = "t") -> Feed:
        feed: Feed = connector.open_feed(resource, key, name="f1", after=after)
        return feed

    return make


def begun(feed: Feed) -> Feed:
    everything(feed.read(), "new")
    return feed


def everything(found: KeyChanges | None, reason: str) -> str:
    assert found is not None
    assert found.keys is None
    assert reason in found.reason
    return found.position


def keys(found: KeyChanges | None) -> list[Any]:
    assert found is not None
    assert found.keys is not None
    return sorted(tuple(v for name, v in row.items() if name != "_changed_at") for row in found.keys.to_pylist())


CASES = {
    "INSERT INTO t VALUES (11, 'n', 'v')": [11],
    "INSERT INTO t (v) VALUES ('a'), ('b')": [11, 12],
    "UPDATE t SET v = 'x' WHERE id IN (2, 3)": [2, 3],
    "UPDATE t SET id = 50 WHERE id = 4": [4, 50],
    "DELETE FROM t WHERE id = 5": [5],
    "DELETE FROM t": list(range(1, 11)),
    "INSERT OR REPLACE INTO t VALUES (6, '6@x', 'r')": [6],
    "INSERT OR REPLACE INTO t VALUES (7, '8@x', 'r')": [7, 8],
    "INSERT OR REPLACE INTO t VALUES (NULL, '9@x', 'r')": [9, 11],
    "UPDATE OR REPLACE t SET email = '2@x' WHERE id = 1": [1, 2],
    "UPDATE OR REPLACE t SET id = 3 WHERE id = 1": [1, 3],
    "INSERT INTO t VALUES (1, 'q', 'u') ON CONFLICT (id) DO UPDATE SET v = 'u'": [1],
    "INSERT OR IGNORE INTO t VALUES (1, 'q', 'u')": [],
}


@pytest.mark.parametrize("recursive", [0, 1])
@pytest.mark.parametrize("statement", CASES)
def test_every_way_to_change_a_row_is_marked(db: sqlite3.Connection, open_feed: OpenFeed, statement: str, recursive: int) -> None:
    """A row that REPLACE removes fires no delete trigger unless recursive triggers are on; the oracle compares all rows."""
    feed = begun(open_feed())
    db.execute(f"PRAGMA recursive_triggers = {recursive}")
    before = {row[0]: row for row in db.execute("SELECT * FROM t").fetchall()}
    db.execute(statement)
    after = {row[0]: row for row in db.execute("SELECT * FROM t").fetchall()}
    changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}

    found = feed.read()

    marked = {key for (key,) in keys(found)} if found is not None else set()
    assert changed == set(CASES[statement])
    assert changed <= marked
    assert len(marked - changed) <= 1


def test_what_was_not_acknowledged_comes_again_and_what_was_is_forgotten(db: sqlite3.Connection, open_feed: OpenFeed) -> None:
    """The outbox does not grow without end, and nothing leaves it before it is stored."""
    feed = open_feed()
    start = everything(feed.read(), "new")
    db.execute("UPDATE t SET v = 'x' WHERE id = 1")
    first = feed.read()
    assert first is not None
    again = open_feed(start).read()
    feed.acknowledge(first.position)
    db.execute("UPDATE t SET v = 'x' WHERE id = 2")

    assert keys(again) == keys(first) == [(1,)]
    assert keys(open_feed(first.position).read()) == [(2,)]
    assert db.execute("SELECT count(*) FROM _accord_outbox_f1").fetchone() == (1,)
    assert open_feed(first.position).read(limit=1) is not None
    assert feed.read() is not None
    assert feed.read() is None


def test_changes_come_in_parts_with_the_time_they_were_made(db: sqlite3.Connection, open_feed: OpenFeed) -> None:
    """UTC, so that the latest of two systems can be told."""
    feed = begun(open_feed())
    db.executemany("UPDATE t SET v = 'y' WHERE id = ?", [(i,) for i in range(1, 6)])

    parts = [feed.read(limit=2) for _ in range(3)]

    assert [part.more for part in parts if part] == [True, True, False]
    assert [key for part in parts for key in keys(part)] == [(1,), (2,), (3,), (4,), (5,)]
    for part in parts:
        assert part is not None
        assert part.keys is not None
        assert all(abs((row["_changed_at"] - datetime.now(UTC)).total_seconds()) < 60 for row in part.keys.to_pylist())


def test_a_feed_that_waits_answers_soon_after_a_write(db: sqlite3.Connection, tmp_path: Path, open_feed: OpenFeed) -> None:
    """In either journal mode."""
    for mode in ("delete", "wal"):
        db.execute(f"PRAGMA journal_mode = {mode}")
        feed = begun(open_feed())
        told: list[float] = []

        def write(told: list[float] = told) -> None:
            other = sqlite3.connect(tmp_path / "system.db", isolation_level=None)
            time.sleep(0.25)
            other.execute("UPDATE t SET v = 'x' WHERE id = 1")
            told.append(time.perf_counter())
            other.close()

        thread = threading.Thread(target=write)
        thread.start()
        found = feed.read(wait_seconds=20)
        seen = time.perf_counter()
        thread.join()

        assert keys(found) == [(1,)]
        assert seen - told[0] < 0.5


UPHEAVALS = (
    "DROP TRIGGER _accord_outbox_f1_update",
    "DROP TRIGGER _accord_outbox_f1_before_insert",
    "DROP TRIGGER _accord_outbox_f1_insert; DROP TRIGGER _accord_outbox_f1_update; DROP TRIGGER _accord_outbox_f1_delete; "
    "DROP TRIGGER _accord_outbox_f1_before_insert; DROP TRIGGER _accord_outbox_f1_before_update; DROP TABLE _accord_outbox_f1",
    "CREATE UNIQUE INDEX later ON t (v, id)",
    "ALTER TABLE t ADD COLUMN w TEXT",
    "DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE, v TEXT); INSERT INTO t VALUES (1, 'a', 'b')",
)


@pytest.mark.parametrize("opened_before", [True, False])
@pytest.mark.parametrize("what", UPHEAVALS)
def test_a_trigger_or_table_that_was_changed_is_a_reason_to_compare_everything(
    db: sqlite3.Connection, open_feed: OpenFeed, what: str, opened_before: bool
) -> None:
    """Whether it happens while the feed is open or while nobody looks; afterwards the feed goes on."""
    feed = open_feed()
    position = everything(feed.read(), "new")

    db.executescript(what)
    db.execute("UPDATE t SET v = 'unseen'")
    feed = feed if opened_before else open_feed(position)
    position = everything(feed.read(), "changed")

    db.execute("UPDATE t SET v = 'seen' WHERE id = 1")
    assert keys(open_feed(position).read()) == [(1,)]


def test_an_outbox_made_anew_is_not_taken_for_the_one_before(db: sqlite3.Connection, open_feed: OpenFeed, connector: Any) -> None:
    """It counts from 1 again."""
    feed = begun(open_feed())
    db.execute("UPDATE t SET v = 'x' WHERE id = 1")
    found = feed.read()
    assert found is not None
    connector.drop_feed("t", name="f1")
    begun(open_feed())
    db.execute("UPDATE t SET v = 'x' WHERE id < 5")

    everything(open_feed(found.position).read(), "changed")


def test_odd_tables_have_feeds(db: sqlite3.Connection, open_feed: OpenFeed, connector: Any) -> None:
    """Without row ids, with quotes in their names, with several key columns of several types, without any declared key."""
    db.execute('CREATE TABLE "o"";dd" ("a "" b" TEXT, n REAL, u UUID, v, PRIMARY KEY ("a "" b", n, u)) WITHOUT ROWID')
    feed = begun(open_feed(key=['a " b', "n", "u"], resource=ODD))
    db.execute("INSERT INTO \"o\"\";dd\" VALUES ('x''\"', 0.1, 'C0FFEE00-1234-4321-abcd-0123456789ab', 1)")
    found = feed.read()
    assert found is not None
    con = open_duck()
    con.register("arrived", found.keys)
    con.execute("CREATE TABLE keys AS SELECT * EXCLUDE (_changed_at) FROM arrived")
    scanned = con.execute(f"SELECT * EXCLUDE v FROM {connector.scan(con, ODD)}").fetchall()

    assert con.execute("SELECT * FROM keys").fetchall() == scanned
    assert len(con.execute(f"SELECT * FROM {connector.scan_keys(con, ODD, 'keys')}").fetchall()) == 1
    db.execute("CREATE TABLE bare (code, v)")
    loose = begun(open_feed(key=["code"], resource="bare"))
    db.execute("INSERT INTO bare VALUES ('a', 1), (7, 2)")
    assert keys(loose.read()) == [("7",), ("a",)]
    db.execute("INSERT INTO bare VALUES (NULL, 1)")
    everything(loose.read(), "null")


def test_the_outbox_is_no_resource_and_goes_with_the_feed(db: sqlite3.Connection, open_feed: OpenFeed, connector: Any) -> None:
    """It is ours and nobody's data."""
    feed = begun(open_feed())
    shown = [resource.name for resource in connector.describe().resources]
    db.execute("UPDATE t SET v = 'x' WHERE id < 4")
    lag = connector.feed_lag("t", name="f1", after=None)
    found = feed.read()
    assert found is not None
    after = connector.feed_lag("t", name="f1", after=found.position)

    connector.drop_feed("t", name="f1")
    connector.drop_feed("t", name="f1")

    assert (shown, lag, after) == (["t"], 3, 0)
    assert connector.feed_lag("t", name="f1", after=found.position) is None
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%accord%'").fetchone() == (0,)


def test_what_cannot_be_written_down_is_refused_with_the_way_out(
    db: sqlite3.Connection, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view, an index over an expression, a column that is not there, a file that may only be read."""
    db.execute("CREATE VIEW v AS SELECT * FROM t")
    db.execute("CREATE TABLE e (id INTEGER PRIMARY KEY, v TEXT)")
    db.execute("CREATE UNIQUE INDEX lowered ON e (lower(v))")

    for resource, words in (("v", "view"), ("e", "expression")):
        with pytest.raises(DataRefused, match=words):
            open_feed(resource=resource)
    with pytest.raises(UnknownName):
        open_feed(key=["code"])
    monkeypatch.setattr("accord.connectors.sqlite_feed.os.access", lambda *_: False)
    with pytest.raises(DataRefused, match="capture: sweep"):
        open_feed()
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%accord%'").fetchone() == (0,)


def test_a_locked_file_keeps_the_rows_for_the_next_acknowledgement(
    db: sqlite3.Connection, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored is stored; tidying up can wait."""
    monkeypatch.setattr("accord.connectors.sqlite.BUSY_SECONDS", 0.05)
    feed = begun(open_feed())
    db.execute("UPDATE t SET v = 'x' WHERE id < 4")
    found = feed.read()
    assert found is not None

    db.execute("PRAGMA journal_mode = wal")
    db.execute("BEGIN IMMEDIATE")
    feed.acknowledge(found.position)
    db.execute("COMMIT")
    left = db.execute("SELECT count(*) FROM _accord_outbox_f1").fetchone()
    feed.acknowledge(found.position)

    assert left == (3,)
    assert db.execute("SELECT count(*) FROM _accord_outbox_f1").fetchone() == (0,)
