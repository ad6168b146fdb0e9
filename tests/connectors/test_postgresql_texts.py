"""Types of PostgreSQL that are texts or lists to everybody else: what is read can be written back, compared and changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

# Type: a value of it, and the texts of that and of another value, as the server shows them.
TYPES = {
    "bit(8)": ("'10101010'", "10101010", "11110000"),
    "bit varying(9)": ("'101'", "101", "1"),
    "inet": ("'10.0.0.1'", "10.0.0.1", "10.0.0.2"),
    "cidr": ("'10.1.0.0/16'", "10.1.0.0/16", "10.2.0.0/16"),
    "money": ("12.5", "$12.50", "$13.50"),
    "interval": ("'1 day 2 hours'", "1 day 02:00:00", "2 days"),
    "time with time zone": ("'12:00+02'", "12:00:00+02", "13:00:00+01"),
    "point": ("'(1,2)'", "(1,2)", "(3,4)"),
    "jsonpath": ("'$.a'", '$."a"', '$."b"'),
    "tsvector": ("'a b'", "'a' 'b'", "'c' 'd'"),
    "int4range": ("'[1,5)'", "[1,5)", "[2,9)"),
    "pair": ("'(1,x)'", "(1,x)", "(2,y)"),
    "short": ("'ab'", "ab", "abc"),
    "character(3)[]": ("'{abc}'", '["abc"]', '["abd"]'),
    "bit(3)[]": ("'{101}'", '["101"]', '["110"]'),
    "integer[][]": ("'{{1,2},{3,4}}'", "[[1,2],[3,4]]", "[[1,2],[5,6]]"),
    "text[][]": ("'{{a,b}}'", '[["a","b"]]', '[["a","c \\"d"]]'),
    "uuid[]": ("'{}'", "[]", '["6a2f41a3-c54c-fce8-32d2-0324e1c32e23"]'),
}


@pytest.fixture
def db(postgres_url: str) -> Iterator[Any]:
    """The database as another program has it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TYPE pair AS (a int, b text); CREATE DOMAIN short AS character(3)")
        yield connection


@pytest.mark.parametrize("rows", [1, 150])
def test_a_text_that_was_read_is_the_same_when_it_is_written(
    db: Any, postgres_url: str, opened: Any, change: Any, rows_of: Any, rows: int
) -> None:
    """A few rows and many go different ways; the value expected has to be found equal before the new one is set."""
    columns = {f"c{i}": (declared, *values) for i, (declared, values) in enumerate(TYPES.items())}
    db.execute(f"CREATE TABLE t (id text PRIMARY KEY, {', '.join(f'{c} {v[0]}' for c, v in columns.items())})")
    db.execute(f"INSERT INTO t SELECT i, {', '.join(v[1] for v in columns.values())} FROM generate_series(1, {rows}) i")
    connector = opened("postgresql", postgres_url)

    read = rows_of(connector, "t")
    kept = {c: str(read[0][c]) for c in columns}
    wanted = {c: v[3] for c, v in columns.items()}
    result = change(connector, "t", "update", [{"id": row["id"], **wanted} for row in read], [kept] * rows)

    assert kept == {c: v[2] for c, v in columns.items()}
    assert (result.updated, result.refused) == (rows, None)
    assert {c: str(v) for c, v in rows_of(connector, "t")[-1].items() if c != "id"} == wanted


@pytest.mark.parametrize(
    ("declared", "text", "why"),
    [
        ("short", "abcd", "too long"),
        ("bit(3)", "1010", "does not match type bit"),
        ("character(3)[]", '["abcd"]', "too long"),
        ("text[]", '[[["a"]]]', "more than two dimensions"),
    ],
)
def test_what_the_server_would_refuse_is_not_cut_to_fit(
    db: Any, postgres_url: str, opened: Any, change: Any, declared: str, text: str, why: str
) -> None:
    """A cast cuts where an assignment refuses."""
    db.execute(f"CREATE TABLE t (id text PRIMARY KEY, v {declared})")

    result = change(opened("postgresql", postgres_url), "t", "insert", [{"id": "1", "v": text}])

    assert [why in row["reason"] for row in result.refused.to_pylist()] == [True]
    assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize("rows", [1, 150])
def test_rows_bring_their_keys_to_a_table_that_gives_keys_itself(db: Any, postgres_url: str, opened: Any, change: Any, rows: int) -> None:
    """A column GENERATED ALWAYS AS IDENTITY takes a given number only when the statement says so, as it is for a first load."""
    db.execute("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)")

    result = change(opened("postgresql", postgres_url), "t", "insert", [{"id": str(i), "v": "x"} for i in range(rows)])

    assert (result.inserted, result.refused) == (rows, None)
