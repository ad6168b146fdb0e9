"""Two tables compared: every difference is named, by whatever way the digests were computed."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.errors import DataRefused, UnknownName
from accord.model.system import System
from accord.sync.proof.diff import compare_resources

COLUMNS = ("name", "amount", "active", "seen", "data")
CREATE = """
    CREATE TABLE {} (id bigint PRIMARY KEY, name text, amount numeric(12,2), active boolean, seen timestamptz, data jsonb);
    INSERT INTO {} SELECT i, 'name ' || i, i / 100.0, i % 2 = 0, timestamptz '2026-01-01 00:00+00' + i * interval '1 hour',
        jsonb_build_object('n', i) FROM generate_series(1, 400) i"""


def connector(name: str, kind: str, at: str, base: Path) -> Any:
    return open_connector(System(name, kind, at), base=base)


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Any:
    """Two tables of 400 rows in PostgreSQL, alike; (connector, database)."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(CREATE.format("l", "l"))
        db.execute(CREATE.format("r", "r"))
        yield connector("p", "postgresql", postgres_url, tmp_path), db


def told(comparison: Any) -> list[tuple[Any, ...]]:
    return [tuple(d.values()) for d in comparison.differences.to_pylist()]


@pytest.mark.parametrize("portable", [True, False])
def test_equal_tables_have_no_difference_and_one_digest(pair: Any, portable: bool) -> None:
    """Zero differences and equal digests say the same."""
    c, _ = pair

    found = compare_resources(c, "l", c, "r", key=["id"], columns=COLUMNS, portable=portable)

    assert found.agrees
    assert (found.left_rows, found.right_rows, found.both) == (400, 400, 400)
    assert found.left_digest == found.right_digest
    assert found.method == ("portable" if portable else "pushed down")


@pytest.mark.parametrize("portable", [True, False])
def test_every_difference_is_named_with_both_values(pair: Any, portable: bool) -> None:
    """A difference in any type, in any direction, null included."""
    c, db = pair
    db.execute("UPDATE r SET amount = 99.99 WHERE id = 7; UPDATE r SET seen = NULL, active = true WHERE id = 9")
    db.execute("UPDATE l SET data = '{\"n\": 0}' WHERE id = 11; DELETE FROM r WHERE id = 13; DELETE FROM l WHERE id = 15")

    found = compare_resources(c, "l", c, "r", key=["id"], columns=COLUMNS, portable=portable)

    assert told(found) == [
        ('{"id":"11"}', "different", "data", '{"n":0}', '{"n":11}'),
        ('{"id":"13"}', "missing", "", None, None),
        ('{"id":"15"}', "extra", "", None, None),
        ('{"id":"7"}', "different", "amount", "0.07", "99.99"),
        ('{"id":"9"}', "different", "active", "false", "true"),
        ('{"id":"9"}', "different", "seen", "2026-01-01 09:00:00+00", None),
    ]
    assert (found.both, found.missing, found.extra, found.different) == (398, 1, 1, 3)
    assert found.left_digest != found.right_digest


TWINS = {
    "amount": ("numeric(12,2)", "5", "-5"),
    "count": ("bigint", "1", "4294967296"),
    "moment": (
        "timestamptz",
        "timestamptz '2000-01-01 00:00+00' + interval '1 microsecond'",
        "timestamptz '2000-01-01 01:11:34.967296+00'",
    ),
    "data": ("jsonb", "'5'", "'-5'"),
    "text": ("text", "'a'", "'A'"),
}


@pytest.mark.parametrize("column", TWINS)
@pytest.mark.parametrize("portable", [True, False])
def test_values_that_a_hash_table_may_confuse_are_told_apart(pair: Any, portable: bool, column: str) -> None:
    """A server's hash of a number leaves out the sign, that of a bigint folds its halves: here that would hide a change."""
    c, db = pair
    kind, mine, theirs = TWINS[column]
    for table, value in (("l", mine), ("r", theirs)):
        db.execute(f"ALTER TABLE {table} ADD COLUMN twin {kind}; UPDATE {table} SET twin = {value} WHERE id = 3")

    found = compare_resources(c, "l", c, "r", key=["id"], columns=["name", "twin"], portable=portable)

    assert (found.different, found.method) == (1, "portable" if portable else "pushed down")


def test_both_ways_name_the_same_random_differences(pair: Any) -> None:
    """Where the digest is computed must not be visible in the answer."""
    c, db = pair
    chosen = random.Random(7)
    for _ in range(60):
        table, id_ = chosen.choice("lr"), chosen.randint(1, 450)
        change = chosen.choice(
            ["UPDATE {} SET name = name || '!' WHERE id = {}", "UPDATE {} SET amount = NULL WHERE id = {}", "DELETE FROM {} WHERE id = {}"]
        )
        db.execute(change.format(table, id_))
    left, right = ({r[0]: r[1:] for r in db.execute(f"SELECT id, name, amount::text FROM {t}").fetchall()} for t in "lr")

    ways = [compare_resources(c, "l", c, "r", key=["id"], columns=["name", "amount"], portable=p) for p in (True, False)]

    assert told(ways[0]) == told(ways[1])
    assert ways[0].missing == len(left.keys() - right.keys())
    assert ways[0].extra == len(right.keys() - left.keys())
    assert ways[0].different == sum(left[k] != right[k] for k in left.keys() & right.keys())


def test_rows_that_changed_places_are_a_difference(pair: Any) -> None:
    """The same values under other keys are other rows."""
    c, db = pair
    db.execute("UPDATE r SET name = CASE id WHEN 1 THEN 'name 2' ELSE 'name 1' END WHERE id IN (1, 2)")

    found = compare_resources(c, "l", c, "r", key=["id"], columns=["name"])

    assert found.different == 2
    assert found.left_digest != found.right_digest


def test_systems_of_different_kinds_are_compared_by_value(pair: Any, tmp_path: Path) -> None:
    """A number is the same number in both."""
    c, _ = pair
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("CREATE TABLE s (id INTEGER PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO s VALUES (?, ?)", [(i, f"name {i}" if i != 5 else "other") for i in range(1, 401)])
    db.close()

    found = compare_resources(c, "l", connector("s", "sqlite", "s.db", tmp_path), "s", key=["id"], columns=["name"])

    assert told(found) == [('{"id":"5"}', "different", "name", "name 5", "other")]
    assert found.method == "portable"


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Which of the two rows should agree cannot be told."""
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("CREATE TABLE l (id INTEGER, name TEXT)")
        db.execute("CREATE TABLE r (id INTEGER, name TEXT)")
        db.execute("INSERT INTO l VALUES (1, 'x'), (2, 'x'), (2, 'y')")
        db.execute("INSERT INTO r VALUES (1, 'x'), (2, 'x')")
    db.close()
    c = connector("s", "sqlite", "s.db", tmp_path)

    with pytest.raises(DataRefused, match="stands twice"):
        compare_resources(c, "l", c, "r", key=["id"])


def test_an_unknown_column_is_named_with_those_there_are(pair: Any) -> None:
    """The message must be enough to mend the call."""
    c, _ = pair

    with pytest.raises(UnknownName, match="nmae"):
        compare_resources(c, "l", c, "r", key=["id"], columns=["nmae"])
