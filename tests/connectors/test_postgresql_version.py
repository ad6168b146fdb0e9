"""Versions of rows in PostgreSQL."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors import postgresql_keys, postgresql_packed, postgresql_version
from accord.connectors.duck import borrowed_duck
from accord.connectors.postgresql import PostgresConnector
from accord.connectors.postgresql_version import expression, untouched
from accord.model.system import System

Versions = Callable[..., dict[object, int]]


@pytest.fixture
def connector(postgres_url: str, tmp_path: Path) -> Iterator[PostgresConnector]:
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS versioned CASCADE; DROP TYPE IF EXISTS mood")
        db.execute("CREATE TABLE versioned (id bigint PRIMARY KEY, name text)")
        db.execute("INSERT INTO versioned SELECT i, 'n' || i FROM generate_series(1, 50) i")
    made = PostgresConnector(System("pg", "postgresql", postgres_url), base=tmp_path)
    yield made
    made.close()


@pytest.fixture
def versions(connector: PostgresConnector) -> Versions:
    def read(where: str = "", keys: str = "") -> dict[object, int]:
        with borrowed_duck() as con:
            if keys:
                con.execute(f"CREATE TABLE wanted AS SELECT unnest([{keys}]) AS id")
                plain, with_versions = connector.scan_versions(con, "versioned", "wanted")
                shown = con.execute(f"SELECT * EXCLUDE (_version), _version FROM {with_versions} ORDER BY id").fetchall()
                assert [row[:-1] for row in shown] == con.execute(f"SELECT * FROM {plain} ORDER BY id").fetchall()
                return {row[0]: row[-1] for row in shown}
            relation = connector.version_rows(con, "versioned", ("id",), where)
            return dict(con.execute(f"SELECT id, _digest FROM {relation}").fetchall())

    return read


def test_only_rows_that_were_written_have_another_version(connector: PostgresConnector, versions: Versions, postgres_url: str) -> None:
    """An update, also to the same value, and a row made anew are told; a rolled back write, a lock and a vacuum are none."""
    mark, before = connector.version_mark("versioned", ("id", "name")), versions()

    with psycopg.connect(postgres_url) as db:
        db.execute("UPDATE versioned SET name = 'never' WHERE id = 4")
        db.rollback()
        db.execute("SELECT * FROM versioned WHERE id = 5 FOR UPDATE")
        db.execute("UPDATE versioned SET name = 'x' WHERE id = 1; UPDATE versioned SET name = name WHERE id = 2")
        db.execute("DELETE FROM versioned WHERE id IN (3, 6); INSERT INTO versioned VALUES (3, 'n3'), (99, 'new')")
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("VACUUM (FREEZE) versioned")
    after = versions()

    assert {key for key in before | after if before.get(key) != after.get(key)} == {1, 2, 3, 6, 99}
    assert connector.version_mark("versioned", ("id", "name")) == mark


@pytest.mark.parametrize(("few", "many"), [(1000, 1000), (0, 1000), (0, 0)])
def test_some_keys_have_the_versions_they_have_among_all(versions: Versions, monkeypatch: pytest.MonkeyPatch, few: int, many: int) -> None:
    """Rows read back are compared with rows of a full look, whichever way so many keys are read."""
    monkeypatch.setattr(postgresql_keys, "FEW", few)
    monkeypatch.setattr(postgresql_keys, "MANY", many)
    everything = versions()

    assert versions(keys="7, 9, 1000") == {key: everything[key] for key in (7, 9)}


def test_a_column_called_as_the_version_is_shown_as_it_is(connector: PostgresConnector, postgres_url: str) -> None:
    """The table's own column comes first; its rows are then without versions."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("ALTER TABLE versioned ADD COLUMN _version int DEFAULT 7")
    with borrowed_duck() as con:
        con.execute("CREATE TABLE wanted AS SELECT 7 AS id")
        plain, with_versions = connector.scan_versions(con, "versioned", "wanted")

        assert (con.execute(f"SELECT * FROM {plain}").fetchall(), with_versions) == ([(7, "n7", 7)], "")


@pytest.mark.parametrize("where", ["", "name <> 'n9'", "name = 'nobody'"])
def test_the_sum_of_versions_is_that_of_the_versions_of_rows(
    connector: PostgresConnector, versions: Versions, postgres_url: str, where: str
) -> None:
    """For an even number of rows, an odd one and none: what the server adds up is compared with what was added up here."""
    shown = versions(where)

    assert connector.version_sum("versioned", where) == (len(shown), functools.reduce(operator.xor, shown.values(), 0))


def test_a_write_of_any_kind_moves_the_sum(connector: PostgresConnector, postgres_url: str) -> None:
    """Also one after which there are as many rows with the same values."""
    seen = [connector.version_sum("versioned")]
    with psycopg.connect(postgres_url, autocommit=True) as db:
        for write in (
            "UPDATE versioned SET name = name WHERE id = 1",
            "DELETE FROM versioned WHERE id = 2",
            "INSERT INTO versioned VALUES (2, 'n2')",
        ):
            db.execute(write.encode())
            seen.append(connector.version_sum("versioned"))

    assert len(set(seen)) == 4


@pytest.mark.parametrize("key", ["id", "other", "small, id"])
def test_rows_travel_in_arrays_as_they_do_one_by_one(
    connector: PostgresConnector, postgres_url: str, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Keys of every type that has an array of fixed size, a null, and pages without a row; the table grows after its size was asked for."""
    names = tuple(key.split(", "))
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("ALTER TABLE versioned ADD COLUMN other uuid, ADD COLUMN small int2")
        db.execute("INSERT INTO versioned SELECT i, repeat('x', 900), md5(i::text)::uuid, i % 7 FROM generate_series(51, 90) i")
        db.execute("DELETE FROM versioned WHERE id BETWEEN 55 AND 75")

    def read(packed: Any) -> list[tuple[Any, ...]]:
        monkeypatch.setattr(postgresql_version, "packed", packed)
        with borrowed_duck() as con:
            relation = connector.version_rows(con, "versioned", names)
            described = con.execute(f"DESCRIBE {relation}").fetchall()
            return [*described, *con.execute(f"SELECT * FROM {relation} ORDER BY ALL").fetchall()]

    def grown(*arguments: Any) -> Any:
        found = postgresql_packed.packed(*arguments)
        with psycopg.connect(postgres_url, autocommit=True) as db:
            db.execute("INSERT INTO versioned SELECT i, repeat('y', 2000) FROM generate_series(100, 120) i")
        assert found is not None
        assert found[0].count("UNION ALL") > 2
        return found

    monkeypatch.setattr(postgresql_packed, "_STEP", 1)
    in_arrays = read(grown)

    assert in_arrays == read(lambda *arguments: None)
    assert len(in_arrays) == len(names) + 1 + 90


@pytest.mark.parametrize(
    "change",
    [
        "VACUUM FULL versioned",
        "TRUNCATE versioned",
        "ALTER TABLE versioned ADD COLUMN more text DEFAULT 'x'",
        "ALTER TABLE versioned ALTER COLUMN name TYPE varchar",
    ],
)
def test_what_rewrites_a_table_or_shows_its_rows_otherwise_ends_the_mark(
    connector: PostgresConnector, postgres_url: str, change: str
) -> None:
    """Versions from before say nothing about such a table, though some of them might be equal."""
    before = connector.version_mark("versioned", ("id", "name"))

    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(change.encode())

    assert connector.version_mark("versioned", ("id", "name")) not in (before, None)


@pytest.mark.parametrize(
    ("made", "column"),
    [
        ("CREATE TYPE mood AS ENUM ('a', 'b'); ALTER TABLE versioned ADD COLUMN odd mood DEFAULT 'a'", "odd"),
        ("ALTER TABLE versioned ADD COLUMN odd regclass DEFAULT 'versioned'", "odd"),
        ("CREATE TABLE heir () INHERITS (versioned)", "name"),
        ("ALTER TABLE versioned RENAME TO hidden; CREATE VIEW versioned AS SELECT * FROM hidden", "name"),
    ],
)
def test_rows_whose_values_may_change_unwritten_have_no_versions(
    connector: PostgresConnector, postgres_url: str, made: str, column: str
) -> None:
    """A label of an enum, or what a view shows, changes without any row being written."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(made.encode())

    mark = connector.version_mark("versioned", ("id", column))
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS heir, hidden CASCADE")
        assert mark is None


def test_rows_of_partitions_are_told_apart(connector: PostgresConnector, versions: Versions, postgres_url: str) -> None:
    """Two rows may stand at the same place of two partitions, written by one transaction."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("DROP TABLE versioned; CREATE TABLE versioned (id bigint PRIMARY KEY, name text) PARTITION BY RANGE (id)")
        db.execute("CREATE TABLE low PARTITION OF versioned FOR VALUES FROM (0) TO (10)")
        db.execute("CREATE TABLE high PARTITION OF versioned FOR VALUES FROM (10) TO (20)")
        db.execute("INSERT INTO versioned VALUES (1, 'x'), (11, 'x')")

    assert connector.version_mark("versioned", ("id", "name")) is not None
    assert len(set(versions().values())) == 2


def test_a_filled_table_is_untouched_until_somebody_writes(postgres_url: str, connector: PostgresConnector) -> None:
    """What a load wrote need not be read to know that it still stands there."""
    with psycopg.connect(postgres_url) as db:
        db.execute("DELETE FROM versioned; INSERT INTO versioned SELECT i, 'n' FROM generate_series(1, 9) i")
        stamp = db.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
    assert stamp is not None

    with psycopg.connect(postgres_url) as db:
        assert expression(db, "versioned", ("id",))
        assert untouched(db, "versioned", stamp[0], 9)
        db.execute("UPDATE versioned SET name = 'n' WHERE id = 3")
        assert not untouched(db, "versioned", stamp[0], 9)
        db.rollback()
        db.execute("DELETE FROM versioned WHERE id = 3")
        assert not untouched(db, "versioned", stamp[0], 9)
