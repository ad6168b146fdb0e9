"""The changed keys of a PostgreSQL table from the server's log: none missing, and a full comparison wherever the log cannot tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from accord.connectors.duck import open_duck
from accord.connectors.postgresql_feed import slot_name
from accord.connectors.protocol import Feed, KeyChanges, Logged
from accord.model.errors import DataRefused

OpenFeed = Callable[..., Feed]


@pytest.fixture
def db(logical_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Another program's connection, with a table of ten rows."""
    with psycopg.connect(logical_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i")
        yield connection


@pytest.fixture
def connector(logical_url: str, opened: Any) -> Iterator[Any]:
    """The connector of that database."""
    made = opened("postgresql", logical_url)
    assert isinstance(made, Logged)
    yield made
    made.close()


@pytest.fixture
def open_feed(connector: Any) -> Iterator[OpenFeed]:
    """Opens feeds of the table; closed afterwards."""
    feeds: list[Feed] = []

    def make(after: str | None, *, key: Sequence[str] = ("id",), resource: str = "t") -> Feed:
        for feed in feeds:
            feed.close()
        feeds.append(connector.open_feed(resource, key, name="f1", after=after))
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.close()


def begun(open_feed: OpenFeed, **given: Any) -> tuple[Feed, str]:
    """A new feed past its first answer."""
    feed = open_feed(None, **given)
    first = feed.read()
    assert first is not None
    assert first.keys is None
    assert "new" in first.reason
    return feed, first.position


def keys(found: KeyChanges | None, *names: str) -> list[Any]:
    assert found is not None
    assert found.keys is not None
    return sorted(tuple(row[name] for name in names or ("id",)) for row in found.keys.to_pylist())


def test_a_new_feed_asks_for_everything_and_then_tells_what_changed(db: Any, open_feed: OpenFeed) -> None:
    """The slot is there before the first full read, so a change during that read is in the feed."""
    feed, _ = begun(open_feed)

    before = datetime.now(UTC)
    db.execute("INSERT INTO t VALUES (11, 'new'); UPDATE t SET v = 'x' WHERE id IN (3, 4); DELETE FROM t WHERE id = 5")
    found = feed.read()
    db.execute("UPDATE t SET v = 'y' WHERE id = 3")
    again = feed.read()

    assert keys(found) == [(3,), (4,), (5,), (11,)]
    assert keys(again) == [(3,)]
    assert found is not None
    assert found.keys is not None
    assert found.keys.schema.field("id").type == "int64"
    assert all(abs((row["_changed_at"] - before).total_seconds()) < 60 for row in found.keys.to_pylist())
    assert feed.read() is None


def test_an_update_of_the_key_is_a_change_of_both_rows(db: Any, open_feed: OpenFeed) -> None:
    """The old row is gone and the new one is there."""
    feed, _ = begun(open_feed)

    db.execute("UPDATE t SET id = 100 WHERE id = 7")

    assert keys(feed.read()) == [(7,), (100,)]


def test_what_was_not_acknowledged_comes_again_and_what_was_stored_does_not(db: Any, open_feed: OpenFeed) -> None:
    """A process killed between reading and storing loses nothing."""
    feed, start = begun(open_feed)
    db.execute("UPDATE t SET v = 'x' WHERE id = 1")
    first = feed.read()
    assert first is not None
    again = open_feed(start)
    repeated = again.read()
    assert repeated is not None
    again.acknowledge(repeated.position)  # not the first's, which may be further on: others of the server write to its log, too

    db.execute("UPDATE t SET v = 'x' WHERE id = 2")
    later = open_feed(repeated.position).read()

    assert keys(repeated) == [(1,)]
    assert keys(later) == [(2,)]


def test_a_feed_that_waits_answers_as_soon_as_a_transaction_is_committed(db: Any, open_feed: OpenFeed) -> None:
    """Not after a pause of polling."""
    feed, _ = begun(open_feed)
    feed.read()
    told: list[float] = []

    def write() -> None:
        time.sleep(0.3)
        db.execute("UPDATE t SET v = 'x' WHERE id = 1")
        told.append(time.perf_counter())

    thread = threading.Thread(target=write)
    thread.start()
    found = feed.read(wait_seconds=20)
    seen = time.perf_counter()
    thread.join()

    assert keys(found) == [(1,)]
    assert seen - told[0] < 0.5


def test_many_changes_come_in_parts_and_say_so(db: Any, open_feed: OpenFeed) -> None:
    """The caller stores each part before the next."""
    feed, _ = begun(open_feed)
    for start in (1000, 2000, 3000):
        db.execute("INSERT INTO t SELECT i, 'n' FROM generate_series(%s::int, %s::int) i", (start, start + 499))

    parts = []
    while (found := feed.read(limit=400)) is not None:
        parts.append(found)
        feed.acknowledge(found.position)

    assert sum(len(keys(part)) for part in parts) == 1500
    assert len(parts) > 2
    assert parts[0].more
    assert not parts[-1].more


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("TRUNCATE t; INSERT INTO t VALUES (1, 'after')", "truncated"),
        ("ALTER TABLE t ADD COLUMN w int; UPDATE t SET w = 1 WHERE id = 1", "columns"),
    ],
)
def test_where_keys_cannot_tell_everything_is_compared_from_a_safe_place(db: Any, open_feed: OpenFeed, what: str, reason: str) -> None:
    """After it, the feed goes on as before."""
    feed, _ = begun(open_feed)
    db.execute("UPDATE t SET v = 'x' WHERE id = 2")
    assert keys(feed.read()) == [(2,)]

    db.execute(what)
    found = feed.read()

    assert found is not None
    assert found.keys is None
    assert reason in found.reason
    later = open_feed(found.position)
    db.execute("UPDATE t SET v = 'z' WHERE id = 1")
    assert keys(later.read()) == [(1,)]


def test_a_table_that_changed_while_nobody_read_is_compared_in_full(db: Any, open_feed: OpenFeed) -> None:
    """Rewriting a column changes rows without a word in the log."""
    feed, position = begun(open_feed)
    feed.close()

    db.execute("ALTER TABLE t ALTER COLUMN v TYPE text USING v || '!'")
    found = open_feed(position).read()

    assert found is not None
    assert found.keys is None
    assert "columns" in found.reason


def test_a_table_that_changes_while_a_feed_waits_is_noticed(db: Any, open_feed: OpenFeed) -> None:
    """Also when no row changes afterwards."""
    feed, _ = begun(open_feed)
    assert feed.read() is None

    db.execute("ALTER TABLE t ALTER COLUMN v TYPE text USING v || '!'")
    found = feed.read(wait_seconds=5)

    assert found is not None
    assert found.keys is None
    assert "columns" in found.reason


@pytest.mark.parametrize("what", ["slot", "publication", "anew", "taken"])
def test_a_log_with_a_gap_is_never_read_past_it(db: Any, connector: Any, open_feed: OpenFeed, what: str) -> None:
    """Whoever dropped, made anew or read the slot: everything is compared, and a new slot takes over."""
    feed, position = begun(open_feed)
    feed.close()
    slot = slot_name("f1")

    if what == "publication":
        db.execute(f"DROP PUBLICATION {slot}")
    elif what == "taken":
        db.execute("UPDATE t SET v = 'unseen' WHERE id = 9")
        db.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", (slot,))
    else:
        db.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    if what == "anew":
        db.execute("UPDATE t SET v = 'unseen' WHERE id = 9")
        db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    later = open_feed(position)
    found = later.read()

    assert found is not None
    assert found.keys is None
    assert found.reason
    db.execute("UPDATE t SET v = 'z' WHERE id = 1")
    assert keys(later.read()) == [(1,)]


def test_a_position_of_another_kind_is_compared_in_full(db: Any, open_feed: OpenFeed) -> None:
    """A store that was used with another connector before."""
    found = open_feed("12345").read()

    assert found is not None
    assert found.keys is None
    assert "position" in found.reason


def test_keys_come_in_the_types_of_a_scan(db: Any, connector: Any, open_feed: OpenFeed) -> None:
    """They are joined with scanned rows and given back to scan_keys."""
    columns = "a bigint, b uuid, c date, d timestamptz, e numeric(12,2), f boolean, g timestamp, h char(5), i text, j numeric"
    db.execute(f"CREATE TABLE k ({columns}, PRIMARY KEY (a, b, c, d, e, f, g, h, i, j))")
    feed, _ = begun(open_feed, key=list("abcdefghij"), resource="k")
    db.execute(
        "INSERT INTO k VALUES (9007199254740993, 'c0ffee00-1234-4321-abcd-0123456789ab', '2024-02-29', '2024-02-29 23:59:59.123456+00', "
        "10.5, false, '2024-01-01', 'ab', '\"x'' \\', 1.25), (1, gen_random_uuid(), '1970-01-01', now(), 0, true, now(), '', '', 0)"
    )
    found = feed.read()
    assert found is not None
    assert found.keys is not None

    con = open_duck()
    con.register("arrived", found.keys)
    con.execute("CREATE TABLE keys AS SELECT * EXCLUDE (_changed_at) FROM arrived")
    scanned = con.execute(f"DESCRIBE {connector.scan(con, 'k')}").fetchall()
    rows = con.execute(f"SELECT * FROM {connector.scan_keys(con, 'k', 'keys')} ORDER BY a DESC").fetchall()

    assert con.execute("DESCRIBE keys").fetchall() == scanned
    assert len(rows) == 2
    assert rows[0][4:] == (Decimal("10.50"), False, datetime(2024, 1, 1), "ab", "\"x' \\", Decimal("1.25"))


def test_a_key_without_a_place_in_its_type_is_a_reason_to_look_at_everything(db: Any, open_feed: OpenFeed) -> None:
    """Never a key that is silently left out."""
    db.execute("CREATE TABLE d (day date PRIMARY KEY)")
    feed, _ = begun(open_feed, key=["day"], resource="d")

    db.execute("INSERT INTO d VALUES ('infinity')")
    found = feed.read()

    assert found is not None
    assert found.keys is None
    assert "type" in found.reason


def test_a_row_without_a_key_is_a_reason_to_look_at_everything(db: Any, open_feed: OpenFeed) -> None:
    """It can only be in a table that logs full rows."""
    db.execute("CREATE TABLE n (code text, v text); ALTER TABLE n REPLICA IDENTITY FULL")
    feed, _ = begun(open_feed, key=["code"], resource="n")

    db.execute("INSERT INTO n VALUES ('a', '1')")
    named = feed.read()
    db.execute("UPDATE n SET code = 'b'")
    moved = feed.read()
    db.execute("INSERT INTO n VALUES (NULL, '1')")
    unnamed = feed.read()

    assert (keys(named, "code"), keys(moved, "code")) == ([("a",)], [("a",), ("b",)])
    assert unnamed is not None
    assert unnamed.keys is None


def test_a_key_that_had_another_name_when_rows_changed_is_a_reason_to_look_at_everything(db: Any, open_feed: OpenFeed) -> None:
    """The log tells of the table as it was then, and would otherwise end every run for ever."""
    _, start = begun(open_feed)
    db.execute("INSERT INTO t VALUES (70, 'before')")
    db.execute("ALTER TABLE t RENAME COLUMN id TO code")
    db.execute("INSERT INTO t VALUES (80, 'after')")
    feed = open_feed(start, key=["code"])

    while (found := feed.read()) is not None:
        assert found.keys is None

    db.execute("INSERT INTO t VALUES (90, 'now')")
    assert keys(feed.read(), "code") == [(90,)]


def test_what_cannot_be_logged_is_refused_with_the_way_out(db: Any, open_feed: OpenFeed, postgres_url: str, opened: Any) -> None:
    """Before anything is made in the source."""
    db.execute("CREATE TABLE bare (id int); CREATE TABLE other (id int PRIMARY KEY, code text)")

    with pytest.raises(DataRefused, match="primary key"):
        open_feed(None, resource="bare")
    with pytest.raises(DataRefused, match="REPLICA IDENTITY FULL"):
        open_feed(None, resource="other", key=["code"])
    with psycopg.connect(postgres_url, autocommit=True) as plain:
        plain.execute("CREATE TABLE t (id int PRIMARY KEY)")
    with pytest.raises(DataRefused, match="wal_level = logical"):
        opened("postgresql", postgres_url).open_feed("t", ["id"], name="f1", after=None)
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_the_lag_is_what_the_server_keeps_for_us_and_goes_with_the_feed(db: Any, connector: Any, open_feed: OpenFeed) -> None:
    """A slot that nobody reads fills the disk of the source, so it is shown and can be dropped."""
    feed, position = begun(open_feed)
    small = connector.feed_lag("t", name="f1", after=position)

    db.execute("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(100, 2000) i")
    grown = connector.feed_lag("t", name="f1", after=position)
    found = feed.read()
    assert found is not None
    feed.acknowledge(found.position)
    caught_up = connector.feed_lag("t", name="f1", after=found.position)
    feed.close()
    connector.drop_feed("t", name="f1")
    connector.drop_feed("t", name="f1")

    assert small < 20_000 < 200_000 < grown
    assert caught_up < 20_000
    assert connector.feed_lag("t", name="f1", after=position) is None
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_much_log_of_other_tables_moves_the_position_on(db: Any, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the server would keep the log of a busy database for a quiet table."""
    monkeypatch.setattr("accord.connectors.postgresql_feed.STRIDE_BYTES", 1 << 20)
    db.execute("CREATE TABLE busy (v text)")
    feed, position = begun(open_feed)

    db.execute("INSERT INTO busy SELECT repeat('x', 500) FROM generate_series(1, 5000)")
    found = feed.read()

    assert keys(found) == []
    assert found is not None
    assert found.position != position
    feed.acknowledge(found.position)
    db.execute("UPDATE t SET v = 'z' WHERE id = 1")
    assert keys(open_feed(found.position).read()) == [(1,)]


def test_a_change_is_handed_out_only_once_it_can_be_read(db: Any, logical_url: str, open_feed: OpenFeed) -> None:
    """A commit stands in the log before other sessions see it; a synchronous standby that does not answer makes that moment long."""
    feed, _ = begun(open_feed)
    db.execute("CREATE TABLE other (id bigint)")
    db.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    db.execute("SELECT pg_reload_conf()")
    found: list[tuple[KeyChanges | None, int]] = []
    held = threading.Event()

    def write(statement: str) -> None:
        with psycopg.connect(logical_url, autocommit=True) as session:
            session.execute(statement.encode())
            while not held.is_set():  # the server's processes learn of a setting one after the other
                session.execute("INSERT INTO other VALUES (1)")

    def read() -> None:
        while not found:
            changes = feed.read(wait_seconds=0.2)
            if changes is not None:
                found.append((changes, db.execute("SELECT count(*) FROM t WHERE id = 77").fetchone()[0]))

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    first = threading.Thread(target=write, args=("SELECT 1",))
    threads = [first, threading.Thread(target=write, args=("INSERT INTO t VALUES (77, 'soon')",)), threading.Thread(target=read)]
    try:
        first.start()
        deadline = time.monotonic() + 30
        while db.execute(waiting).fetchone() != (1,) and time.monotonic() < deadline:
            time.sleep(0.02)
        held.set()
        for thread in threads[1:]:
            thread.start()
        time.sleep(1.0)
        early = list(found)
    finally:
        held.set()
        db.execute("ALTER SYSTEM RESET synchronous_standby_names")
        db.execute("SELECT pg_reload_conf()")
        for thread in threads:
            thread.join(10)

    assert early == []
    assert [(keys(changes), seen) for changes, seen in found] == [([(77,)], 1)]


@pytest.mark.parametrize("rows", [5, 20_000])
def test_one_transaction_can_be_left_out_and_no_other(db: Any, open_feed: OpenFeed, rows: int) -> None:
    """Whether the server sends it whole or, a large one, in parts before it ends; what others did to its rows is told."""
    feed, _ = begun(open_feed)
    with db.transaction():
        db.execute("INSERT INTO t SELECT i, repeat('v', 50) FROM generate_series(1000, 999 + %s::int) i", (rows,))
        (stamp,) = db.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
    db.execute("UPDATE t SET v = 'x' WHERE id IN (2, 1003)")

    feed.leave_out(stamp)  # type: ignore[attr-defined]
    found = feed.read()

    assert keys(found) == [(2,), (1003,)]


def test_a_position_moves_on_without_changes_where_the_server_would_read_much_again(
    db: Any, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every look after a large transaction would decode that transaction anew."""
    feed, _ = begun(open_feed)
    db.execute("UPDATE t SET v = 'x' WHERE id = 1")
    found = feed.read()
    assert found is not None
    monkeypatch.setattr("accord.connectors.postgresql_feed.AGAIN_BYTES", 1)
    db.execute("CREATE TABLE elsewhere AS SELECT 1")

    onward = open_feed(found.position).read()
    assert onward is not None

    assert keys(onward) == []
    assert onward.position != found.position
