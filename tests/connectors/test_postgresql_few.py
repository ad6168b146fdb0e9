"""Few rows in one statement, many compared and changed in one step: the same outcome as the long way, also when others write then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from accord.connectors import postgresql_few
from accord.connectors.protocol import ApplyResult, ChangeBatch


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The database as another program has it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(12,2) CHECK (n > -100), u text UNIQUE)")
        connection.execute("INSERT INTO t SELECT i, 'v', i, 'u' || i FROM generate_series(1, 9) i")
        yield connection


def mixed() -> ChangeBatch:
    """Every outcome there is: (op, id, v, n, expected v, expected n)."""
    rows = [
        ("update", 1, "new", 10, "v", 1),
        ("update", 2, "new", 10, "else", 2),
        ("update", 3, "v", 3, "before", 0),
        ("update", 90, "new", 1, "v", 1),
        ("insert", 4, "v", 4, None, None),
        ("insert", 5, "other", 5, None, None),
        ("insert", 91, "made", 1, None, None),
        ("insert", 92, None, None, None, None),
        ("delete", 6, "v", 6, "v", 6),
        ("delete", 7, "v", 7, "else", 7),
        ("delete", 93, "v", 1, "v", 1),
    ]
    op, key, v, n, old_v, old_n = zip(*rows, strict=True)
    number = pa.decimal128(12, 2)
    data = {"_op": op, "id": pa.array(key, pa.int64()), "v": v, "n": pa.array([None if x is None else Decimal(x) for x in n], number)}
    data |= {"_old_v": old_v, "_old_n": pa.array([None if x is None else Decimal(x) for x in old_n], number)}
    return ChangeBatch("t", ("id",), ("v", "n"), pa.table({k: x if isinstance(x, pa.Array) else pa.array(x) for k, x in data.items()}), "b")


def told(result: ApplyResult) -> tuple[Any, ...]:
    stale, refused = ([] if table is None else table.to_pylist() for table in (result.stale, result.refused))
    return (result.inserted, result.updated, result.deleted, result.unchanged, stale, refused)


def long_way(*_: Any) -> Any:
    raise AssertionError("the long way")


def take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every batch go this way, and fail when it does not."""
    if way == "few":
        monkeypatch.setattr("accord.connectors.postgresql_write.write", long_way)
        return
    monkeypatch.setattr(postgresql_few, "FEW", 0)
    if way == "many":
        monkeypatch.setattr("accord.connectors.postgresql_write.apply_in_halves", long_way)
    else:
        monkeypatch.setattr("accord.connectors.postgresql_write.write_many", lambda *_: False)


@pytest.mark.parametrize("way", ["few", "many", "long"])
def test_all_ways_come_to_the_same(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short ways are only shorter; repeated, nothing changes any more."""
    take(way, monkeypatch)
    connector = opened("postgresql", postgres_url)

    first, again = connector.apply(mixed()), connector.apply(mixed())

    assert told(first) == (2, 1, 1, 3, [{"id": 2}, {"id": 90}, {"id": 5}, {"id": 7}], [])
    assert told(again)[:4] == (0, 0, 0, 7)
    rows = db.execute("SELECT id, v, n FROM t ORDER BY id").fetchall()
    assert [row for row in rows if row[0] in (1, 2, 91, 92)] == [(1, "new", 10), (2, "v", 2), (91, "made", 1), (92, None, None)]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 7, 8, 9, 91, 92]


def one(op: str, key: int, v: str, old: str | None, n: str = "1.00") -> ChangeBatch:
    data = {"_op": [op], "id": pa.array([key], pa.int64()), "v": [v], "n": [n], "_old_v": pa.array([old], pa.string()), "_old_n": [n]}
    return ChangeBatch("t", ("id",), ("v", "n"), pa.table(data), "b")


@pytest.mark.parametrize("op", ["update", "delete"])
@pytest.mark.parametrize("way", ["few", "many"])
def test_an_edit_that_is_committed_while_we_wait_for_its_row_is_not_overwritten(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any, way: str, op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is made again on the row as the other session left it."""
    take(way, monkeypatch)
    connector = opened("postgresql", postgres_url)
    results: list[ApplyResult] = []
    with psycopg.connect(postgres_url) as other:
        other.execute("UPDATE t SET v = 'theirs' WHERE id = 1")
        threads = [threading.Thread(target=lambda: results.append(connector.apply(one(op, 1, "ours", "v"))))]
        threads[0].start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while db.execute(waiting).fetchone() == (0,):
            assert threads[0].is_alive()
        other.commit()
        threads[0].join()

    assert told(results[0])[:5] == (0, 0, 0, 0, [{"id": 1}])
    assert db.execute("SELECT v FROM t WHERE id = 1").fetchone() == ("theirs",)


def test_a_key_that_stands_twice_in_a_batch_goes_the_long_way(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of its rows does, the other would be judged by."""
    take("many", monkeypatch)
    rows = pa.concat_tables([one("update", 1, "x", "v").rows, one("update", 1, "y", "v").rows])

    with pytest.raises(AssertionError, match="the long way"):
        opened("postgresql", postgres_url).apply(ChangeBatch("t", ("id",), ("v", "n"), rows, "b"))

    assert db.execute("SELECT v FROM t WHERE id = 1").fetchone() == ("v",)


def test_what_a_delete_sets_off_is_no_edit_of_a_row_of_the_same_batch(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """A row whose parent goes in the same batch ends with the value that was agreed, whatever its foreign key would do to it."""
    db.execute(
        "CREATE TABLE c (id int PRIMARY KEY, up int REFERENCES c ON DELETE SET NULL); INSERT INTO c VALUES (1, NULL), (2, 1), (3, NULL)"
    )
    data = {"_op": ["delete", "update"], "id": [1, 2], "up": [None, 3], "_old_up": [None, 1]}

    result = opened("postgresql", postgres_url).apply(ChangeBatch("c", ("id",), ("up",), pa.table(data), "b"))

    assert db.execute("SELECT id, up FROM c ORDER BY id").fetchall() == [(2, 3), (3, None)]
    assert told(result)[:5] == (0, 1, 1, 0, [])


def test_a_value_that_a_delete_sets_free_can_be_given_to_another_row(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """In one step the update comes first and is refused; the long way carries out both."""
    data = {"_op": ["delete", "update"], "id": [1, 2], "u": [None, "u1"], "_old_u": ["u1", "u2"]}

    result = opened("postgresql", postgres_url).apply(ChangeBatch("t", ("id",), ("u",), pa.table(data), "b"))

    assert db.execute("SELECT id, u FROM t WHERE id < 3").fetchall() == [(2, "u1")]
    assert told(result)[:5] == (0, 1, 1, 0, [])


def test_a_refused_row_is_named_and_the_others_go_in(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """The short way gives up as a whole, and the long way finds the row."""
    rows = pa.concat_tables([one("update", 1, "x", "v").rows, one("update", 2, "x", "v", "2.00").rows])
    bad = rows.set_column(rows.column_names.index("n"), "n", pa.array(["1.00", "2.005"]))

    result = opened("postgresql", postgres_url).apply(ChangeBatch("t", ("id",), ("v", "n"), bad, "b"))

    assert result.updated == 1
    assert "does not fit numeric(12,2)" in result.refused.to_pylist()[0]["reason"]


def test_a_column_that_was_retyped_meanwhile_rounds_nothing(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """The statement was made for the table as it was; the mark of its columns makes it do nothing now."""
    connector = opened("postgresql", postgres_url)
    assert connector.apply(one("update", 1, "x", "v")).updated == 1

    db.execute("ALTER TABLE t ALTER COLUMN n TYPE numeric(12,1)")
    batch = one("insert", 50, "x", None, "1.25")
    result = connector.apply(batch)

    assert "does not fit numeric(12,1)" in result.refused.to_pylist()[0]["reason"]
    assert db.execute("SELECT count(*) FROM t WHERE id = 50").fetchone() == (0,)


def test_a_key_that_is_not_unique_is_judged_with_all_its_rows(db: psycopg.Connection[Any], postgres_url: str, opened: Any) -> None:
    """All of them must be as expected, which one statement per row cannot see."""
    db.execute("CREATE TABLE d (id int, v text, n numeric(12,2)); INSERT INTO d VALUES (1, 'v', 1), (1, 'other', 1)")
    batch = one("update", 1, "x", "v")

    result = opened("postgresql", postgres_url).apply(ChangeBatch("d", batch.key, batch.columns, batch.rows, "b"))

    assert told(result)[:5] == (0, 0, 0, 0, [{"id": 1}])


def test_nothing_is_deleted_where_the_rows_that_would_go_along_cannot_be_looked_at(
    db: psycopg.Connection[Any], postgres_url: str, opened: Any
) -> None:
    """No right to read them, row-level security, a view: none found is then no proof that there are none."""
    db.execute("CREATE TABLE c (t int REFERENCES t ON DELETE SET NULL); INSERT INTO c VALUES (1); CREATE VIEW v AS SELECT id FROM t")
    db.execute("CREATE ROLE cascade_reader LOGIN; GRANT ALL ON t TO cascade_reader")
    theirs, ours = (opened("postgresql", postgres_url.replace("postgres:@", f"{user}:@")) for user in ("cascade_reader", "postgres"))
    doomed = pa.table({"_op": ["delete"], "id": [2]})
    reasons = []

    try:
        for connector, table, first in (
            (theirs, "t", "SELECT"),
            (theirs, "t", "GRANT SELECT ON c TO cascade_reader; ALTER TABLE c ENABLE ROW LEVEL SECURITY"),
            (ours, "v", "SELECT"),
        ):
            db.execute(first.encode())
            refused = connector.apply(ChangeBatch(table, ("id",), (), doomed, "b")).refused
            reasons.append(refused.to_pylist()[0]["reason"].partition(":")[0])
    finally:
        theirs.close()
        db.execute("DROP OWNED BY cascade_reader; DROP ROLE cascade_reader")

    assert reasons == [
        "this user may not read rows of 'c' that may point at it (ON DELETE SET NULL)",
        "row-level security may hide rows of 'c' that may point at it (ON DELETE SET NULL)",
        "the view shows rows of 't', with which the database may delete or empty rows of 'c'",
    ]
    assert db.execute("SELECT count(*) FROM t").fetchone() == (9,)
