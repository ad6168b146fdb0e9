"""Digests by PostgreSQL: what its own hashes leave out would hide a difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Digested
from accord.model.errors import UnknownName, UsageError

PAIRS = [
    ("bigint", "1", "4294967296"),
    ("bigint", "-1", "0"),
    ("numeric(12,2)", "5", "-5"),
    ("numeric", "1", "10000"),
    ("timestamptz", "2000-01-01 00:00:00.000001+00", "2000-01-01 01:11:34.967296+00"),
    ("timestamp", "2024-01-01", "infinity"),
    ("text", "a", "A"),
    ("citext", "a", "A"),
    ("interval", "1 day", "24:00"),
    ("json", '{"a": 1}', '{"a": 2}'),
    ("jsonb", '{"a": 1}', '{"a": -1}'),
    ("jsonb", "[1, [2]]", "[[1], 2]"),
    ("text[]", "{a,b}", "{ab}"),
    ("float8", "0.1", "0.10000000000000002"),
    ("bytea", "\\x00", "\\x"),
    ("text", "", None),
    ("boolean", "f", None),
    ("int", "0", None),
    ("float8", "0", None),
    ("real", "0", None),
    ("numeric", "0", None),
    ("date", "2000-01-01", None),
    ("timestamptz", "2000-01-01 00:00Z", None),
]


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The database, as another program has it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def digests(connector: Any, key: list[str], columns: list[str], where: str = "", resource: str = "t") -> dict[Any, int]:
    with borrowed_duck(threads=2) as con:
        rows = con.execute(f"SELECT * FROM {connector.digest_rows(con, resource, key, columns, where)}").fetchall()
    return {row[0] if len(key) == 1 else row[:-1]: row[-1] for row in rows}


@pytest.mark.parametrize(("type_", "one", "other"), PAIRS)
def test_different_values_have_different_digests(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any, type_: str, one: str, other: str | None
) -> None:
    """The server's hash functions fold halves, drop signs and take equal for same."""
    if type_ == "citext":
        if not db.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'").fetchone():
            pytest.skip("never: this server comes without citext")
        db.execute("CREATE EXTENSION citext")
    db.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {type_}, w int)".encode())
    db.execute("INSERT INTO t VALUES (1, %s, 7), (2, %s, 7), (3, %s, 7)", (one, other, one))
    connector = opened("postgresql", postgres_url)
    assert isinstance(connector, Digested)

    found = digests(connector, ["id"], ["v", "w"])

    assert found[1] == found[3]
    assert found[1] != found[2]
    assert digests(connector, ["id"], ["w"])[1] == digests(connector, ["id"], ["w"])[2]


def test_values_that_changed_places_are_a_difference(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """Between columns in a row, and between rows of a bucket."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text, w text); INSERT INTO t VALUES (1, 'a', 'b'), (2, 'b', 'a'), (3, 'a', NULL)")
    db.execute("CREATE TABLE u (id int PRIMARY KEY, v text, w text); INSERT INTO u VALUES (2, 'a', 'b'), (1, 'b', 'a'), (3, NULL, 'a')")
    connector = opened("postgresql", postgres_url)

    rows = digests(connector, ["id"], ["v", "w"])
    buckets = [connector.digest_buckets(resource, ["id"], ["v", "w"], 1).to_pylist() for resource in ("t", "u")]

    assert len(set(rows.values())) == 3
    assert digests(connector, ["id"], ["v", "w"], resource="u")[3] != rows[3]
    assert [found[0]["n"] for found in buckets] == [3, 3]
    assert buckets[0][0]["digest"] != buckets[1][0]["digest"]


def test_buckets_divide_by_key_and_name_the_one_that_differs(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """A bucket holds the same keys before and after a change of other columns."""
    db.execute("CREATE TABLE t (a bigint, b text, v numeric(12,2), PRIMARY KEY (a, b))")
    db.execute("INSERT INTO t SELECT i, 'b' || i, i FROM generate_series(1, 5000) i")
    connector = opened("postgresql", postgres_url)
    before = {r["bucket"]: r for r in connector.digest_buckets("t", ["a", "b"], ["a", "b", "v"], 16).to_pylist()}
    db.execute("UPDATE t SET v = -v WHERE a = 77")

    after = {r["bucket"]: r for r in connector.digest_buckets("t", ["a", "b"], ["a", "b", "v"], 16).to_pylist()}

    assert sorted(before) == list(range(16))
    assert sum(row["n"] for row in before.values()) == 5000
    assert min(row["n"] for row in before.values()) > 200
    assert sum(before[i] != after[i] for i in range(16)) == 1


def test_keys_come_in_the_types_of_a_scan_and_a_condition_is_judged_there(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any
) -> None:
    """What the server cannot judge alike is refused, and then the rows are read."""
    db.execute("CREATE TABLE t (id bigint, u numeric(10,2), made timestamptz, active boolean, v text, PRIMARY KEY (id, u, made))")
    db.execute("INSERT INTO t SELECT i, i / 4.0, '2024-01-01', i % 2 = 0, 'v''' || i FROM generate_series(1, 9) i")
    connector = opened("postgresql", postgres_url)
    key = ["id", "u", "made"]
    where = (
        "active AND (V IN ('v''2', 'v''4', 'v''6') OR id BETWEEN 7 AND 8) AND NOT u >= 1.75 AND made = '2024-01-01 00:00:00Z' AND v <> 'x'"
    )

    with borrowed_duck(threads=2) as con:
        relation = connector.digest_rows(con, "t", key, ["v"], where)
        scanned = connector.scan(con, "t")

        expected = con.execute(f"SELECT id FROM {scanned} WHERE {where} ORDER BY id").fetchall()
        assert con.execute(f"SELECT id FROM {relation} ORDER BY id").fetchall() == expected == [(2,), (4,), (6,)]
        types = [con.execute(f"DESCRIBE SELECT id, u, made FROM {name}").fetchall() for name in (relation, scanned)]
        assert types[0] == types[1]
        assert con.execute(f"SELECT typeof(_digest) FROM {relation} LIMIT 1").fetchone() == ("UBIGINT",)
        for refused in (
            "lower(v) = 'a'",
            "v > 'a'",
            "id / 2 = 1",
            "nowhere = 1",
            "id = 'x'",
            "made = 'yesterday'",
            "v LIKE 'a%'",
            "id = ",
            "1 = 1",
        ):
            with pytest.raises(UsageError):
                connector.digest_rows(con, "t", key, ["v"], refused)
        with pytest.raises(UnknownName):
            connector.digest_rows(con, "t", key, ["nowhere"])
