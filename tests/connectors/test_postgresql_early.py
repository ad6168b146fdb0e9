"""What a PostgreSQL feed tells early: the last word on each row, with its values where the log has all of them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from accord.connectors.direct import EarlyFeed, EarlyRows, LoggedRow, open_direct


@pytest.fixture
def early(logical_url: str, opened: Any) -> Any:
    """A connection of a user, and what reads the log of its table behind it."""
    connector = opened("postgresql", logical_url)
    with psycopg.connect(logical_url, autocommit=True) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text, b boolean, p numeric(8,2), at timestamptz)")
        db.execute("ALTER TABLE t ALTER v SET STORAGE EXTERNAL")
        db.execute("INSERT INTO t SELECT i, repeat('v', 9000), true, i, '2026-01-01 12:00+02' FROM generate_series(1, 5) i")
        feed = connector.open_feed("t", ("id",), name="f1", after=None)
        assert isinstance(feed, EarlyFeed)
        feed.read()
        yield db, feed, connector
        feed.close()
    connector.close()


def told(feed: Any) -> dict[Any, LoggedRow]:
    found = feed.read_early(wait_seconds=10.0)
    assert isinstance(found, EarlyRows)
    return dict(found.rows)


def test_the_last_word_on_each_row_of_a_transaction_counts(early: Any) -> None:
    """Who takes an earlier one writes a value that nobody holds any more."""
    db, feed, _ = early
    with db.transaction():
        db.execute("UPDATE t SET v = 'a', b = false WHERE id = 1")
        db.execute("UPDATE t SET v = 'z' WHERE id = 1")
        db.execute("DELETE FROM t WHERE id = 2")
        db.execute("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'again')")
        db.execute("UPDATE t SET id = 40, v = 'moved' WHERE id = 4")
        db.execute("UPDATE t SET p = 7 WHERE id = 5")

    rows = told(feed)

    assert {key: row.row and row.row["v"] for key, row in rows.items() if row.told} == {
        ("1",): "z",
        ("2",): None,
        ("3",): "again",
        ("4",): None,
        ("40",): "moved",
    }
    assert rows["2",].row is None
    assert not rows["5",].told  # its large value was not touched and is not in the log


def test_a_row_of_the_log_is_the_row_that_is_read(early: Any) -> None:
    """They are compared with each other: a difference in spelling would make every echo a change."""
    db, feed, connector = early
    db.execute("UPDATE t SET v = 'ü, ''x''', b = NOT b, at = at + interval '1 us' WHERE id = 1")
    db.execute("UPDATE t SET v = NULL, b = NULL, p = NULL, at = NULL WHERE id = 2")
    found = told(feed)
    while len(found) < 2:
        found |= told(feed)

    table = open_direct(connector, "t", ["id"], ["id", "v", "b", "p", "at"])
    assert table is not None

    assert {key: table.from_log(row.row or {}) for key, row in found.items()} == table.read([("1",), ("2",)])
    assert table.from_log({"id": "1", "v": None}) is None
    table.close()
