"""The digest of first loads tells values apart that the server's own hashes do not, in both of its forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from accord.connectors.postgresql_load_digest import changes_values, natives, row_digest
from accord.connectors.postgresql_types import columns_of

FORMS = (140000, 180000)  # of a record, and of every value


@pytest.fixture(scope="module")
def db(postgres_server: str) -> Iterator[psycopg.Connection[Any]]:
    """One schema for all these tests."""
    with psycopg.connect(postgres_server, autocommit=True) as open_:
        open_.execute("DROP SCHEMA IF EXISTS load_digest CASCADE; CREATE SCHEMA load_digest; SET search_path = load_digest")
        open_.execute(
            "CREATE TABLE every (s int2, i int4, b bigint, n numeric, d double precision, f boolean, day date, t timestamp, "
            "tz timestamptz, u uuid, y bytea, x text, v varchar(9), j jsonb)"
        )
        yield open_
        open_.execute("DROP SCHEMA load_digest CASCADE")


def digests(db: psycopg.Connection[Any], form: int, column: str, values: list[str], *, wary: bool = False) -> list[int]:
    """One for each value of a column."""
    columns = {c.name: c for c in columns_of(db, "every")}
    db.execute("TRUNCATE every")
    for value in values:
        db.execute(f"INSERT INTO every ({column}) VALUES ({value})".encode())
    found = db.execute(f"SELECT {row_digest(form, columns, [column, 's'], wary=wary)} FROM every ORDER BY ctid".encode()).fetchall()
    return [row[0] for row in found]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("i", ["0", "NULL", "-1"]),
        ("b", ["5", "-5", "5 # 4294967297", "NULL"]),
        ("n", ["5", "-5", "0.05", "'NaN'", "NULL"]),
        ("d", ["5", "-5", "0", "'NaN'", "NULL"]),
        ("f", ["true", "false", "NULL"]),
        ("day", ["'2026-01-01'", "'2026-01-02'", "'infinity'"]),
        ("t", ["'2026-01-01'", "'2026-01-01 00:00:00.000001'"]),
        ("tz", ["'2026-01-01Z'", "'2026-01-01 00:00:00.000001Z'"]),
        ("u", ["'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"]),
        ("y", ["''", "'\\x00'", "NULL"]),
        ("x", ["''", "'a'", "NULL"]),
        ("v", ["''", "'a'", "NULL"]),
        ("j", ["'1'", "'\"1\"'", "'null'", "NULL"]),
    ],
)
def test_different_values_have_different_digests(db: psycopg.Connection[Any], form: int, column: str, values: list[str]) -> None:
    """Signs and the upper halves of numbers included, which the server's functions leave out."""
    found = digests(db, form, column, values)

    assert len(set(found)) == len(values)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "values"),
    [("j", ["'{\"n\": 5}'", "'{\"n\": -5}'"]), ("tz", ["timestamptz '2026-01-01Z'", "timestamptz '2026-01-01Z' + {}"])],
)
def test_where_values_may_change_nothing_is_left_out(db: psycopg.Connection[Any], form: int, column: str, values: list[str]) -> None:
    """A trigger could make one of the other, and the cheap digest would not show it."""
    # Microseconds since 2000 with bits 0 and 32 turned, so that the fold of both halves is the same.
    since = int(db.execute("SELECT extract(epoch FROM timestamptz '2026-01-01Z' - timestamptz '2000-01-01Z')").fetchone()[0]) * 10**6  # type: ignore[index]
    values = [v.format(f"{(since ^ 4294967297) - since} * interval '1 us'") if column == "tz" else v for v in values]

    assert len(set(digests(db, form, column, values))) == 1
    assert len(set(digests(db, form, column, values, wary=True))) == 2


@pytest.mark.parametrize("form", FORMS)
def test_two_rows_that_exchanged_a_value_show_in_the_sum(db: psycopg.Connection[Any], form: int) -> None:
    """As when the values of one column arrive in another order than the rest; a sum of sums would be the same."""
    columns = {c.name: c for c in columns_of(db, "every")}
    sums = set()
    for order in ("i", "101 - i"):
        db.execute("TRUNCATE every")
        db.execute(f"INSERT INTO every (i, x) SELECT i, 'value ' || {order} FROM generate_series(1, 100) i".encode())
        found = db.execute(f"SELECT sum({row_digest(form, columns, ['i', 'x'], wary=False)}) FROM every".encode()).fetchone()
        sums.add(found[0] if found else None)

    assert len(sums) == 2


def test_natives_of_servers_with_other_digests_are_not_the_same(db: psycopg.Connection[Any]) -> None:
    """Else two servers of different versions would never agree on a row, and every load would be tried in vain."""
    columns = columns_of(db, "every")
    old, new = (natives(form, columns) for form in FORMS)

    assert set(old) == set(new) == {c.name for c in columns}
    assert not set(old.values()) & set(new.values())
    assert not natives(130000, columns)


@pytest.mark.parametrize(("on", "changes"), [("", False), ("parent", True), ("part", True)])
def test_a_trigger_on_a_table_or_a_part_of_it_may_change_values(db: psycopg.Connection[Any], on: str, changes: bool) -> None:
    """Rows go through the triggers of the partition they land in. Foreign keys are kept by triggers, too, but change nothing."""
    db.execute("DROP TABLE IF EXISTS part, parent, other; DROP FUNCTION IF EXISTS keep")
    db.execute("CREATE TABLE other (id int PRIMARY KEY)")
    db.execute("CREATE TABLE parent (id int REFERENCES other) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parent DEFAULT")
    db.execute("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    if on:
        db.execute(f"CREATE TRIGGER keeping BEFORE INSERT ON {on} FOR EACH ROW EXECUTE FUNCTION keep()".encode())

    assert changes_values(db, "parent") is changes
