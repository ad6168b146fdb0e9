"""Reading PostgreSQL by key over a connection that is kept: odd types, changed tables, broken links."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors import postgresql_keys
from accord.connectors.duck import borrowed_duck
from accord.model.errors import SystemUnreachable, UnknownName


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The database as another program has it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 9) i")
        yield connection


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Where rows are read into, with the keys 2 and 3."""
    with borrowed_duck(threads=2) as opened:
        opened.execute("CREATE TABLE keys AS SELECT unnest([2, 3]) AS id")
        yield opened


def read(con: duckdb.DuckDBPyConnection, connector: Any, keys: str = "keys", resource: str = "t") -> list[dict[str, Any]]:
    found = con.execute(f"SELECT * FROM {connector.scan_keys(con, resource, keys)} ORDER BY ALL")
    return [dict(zip([c[0] for c in found.description], row, strict=True)) for row in found.fetchall()]


def test_a_table_that_changes_its_columns_is_read_as_it_is_now(db: Any, con: Any, postgres_url: str, opened: Any) -> None:
    """The statement is prepared once; a column added, dropped, retyped or a table made anew must still be seen at the next look."""
    connector = opened("postgresql", postgres_url)
    before = read(con, connector)

    db.execute("ALTER TABLE t ADD COLUMN w numeric DEFAULT 1.5")
    added = read(con, connector)
    db.execute("ALTER TABLE t DROP COLUMN v")
    read(con, connector)
    db.execute("ALTER TABLE t ALTER COLUMN id TYPE text")
    retyped = read(con, connector)
    db.execute("DROP TABLE t; CREATE TABLE t (id bigint, v text); INSERT INTO t VALUES (2, 'new')")
    anew = read(con, connector)
    db.execute("DROP TABLE t")

    assert before == [{"id": 2, "v": "v2"}, {"id": 3, "v": "v3"}]
    assert added == [{"id": 2, "v": "v2", "w": Decimal("1.5")}, {"id": 3, "v": "v3", "w": Decimal("1.5")}]
    assert retyped == [{"id": "2", "w": Decimal("1.5")}, {"id": "3", "w": Decimal("1.5")}]
    assert anew == [{"id": 2, "v": "new"}]
    with pytest.raises(UnknownName):
        read(con, connector)


def test_a_connection_that_was_ended_is_made_anew(db: Any, con: Any, postgres_url: str, opened: Any) -> None:
    """The server was restarted between two looks: nobody needs to hear of it."""
    connector = opened("postgresql", postgres_url)
    read(con, connector)

    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")

    assert len(read(con, connector)) == 2


def test_a_server_that_is_gone_is_unreachable_and_is_found_again(
    db: Any, con: Any, postgres_url: str, postgres_server: str, opened: Any
) -> None:
    """A failed call leaves no broken connection behind."""
    connector = opened("postgresql", postgres_url)
    read(con, connector)
    name = db.info.dbname
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        with pytest.raises(SystemUnreachable):
            read(con, connector)
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert len(read(con, connector)) == 2


def test_values_python_cannot_hold_are_read_all_the_same(db: Any, con: Any, postgres_url: str, opened: Any) -> None:
    """Dates before Christ and without end, NaN, and digits beyond the canonical ones: as a scan reads them."""
    db.execute("CREATE TABLE odd (id int PRIMARY KEY, d date, at timestamptz, n numeric, m numeric(12,2), f float8, j json)")
    db.execute(
        "INSERT INTO odd VALUES (2, '0044-03-15 BC', 'infinity', 'NaN', 'NaN', 'NaN', '{\"a\": 1e999}'), (3, NULL, NULL, 1, 1, 1, '1')"
    )
    connector = opened("postgresql", postgres_url)

    keyed, scanned = connector.scan_keys(con, "odd", "keys"), connector.scan(con, "odd")

    rows = [con.execute(f"SELECT columns(*)::VARCHAR FROM {view} ORDER BY id").fetchall() for view in (keyed, scanned)]
    assert rows[0] == rows[1]
    assert rows[0][0][3] == "NaN"
    assert con.execute(f"DESCRIBE {keyed}").fetchall() == con.execute(f"DESCRIBE {scanned}").fetchall()


def test_no_row_shows_the_columns_as_a_row_does(db: Any, con: Any, postgres_url: str, opened: Any) -> None:
    """What a flow does with a column is decided by its type, also before any row is read."""
    db.execute(
        "CREATE TABLE every (id int PRIMARY KEY, t text, n numeric(12,2), m numeric, f float4, b bool, d date, at timestamptz, "
        "here timestamp, u uuid, j jsonb, y bytea, a int[], c char(3), of time)"
    )
    connector = opened("postgresql", postgres_url)
    none = con.execute(f"DESCRIBE {connector.scan_keys(con, 'every', 'keys')}").fetchall()
    versioned = con.execute(f"DESCRIBE {connector.scan_versions(con, 'every', 'keys')[1]}").fetchall()

    db.execute(
        "INSERT INTO every VALUES (2, '', 1, 1, 1, true, '2020-01-01', now(), now(), gen_random_uuid(), '{}', '', '{1}', '', '10:00')"
    )

    assert none == con.execute(f"DESCRIBE {connector.scan_keys(con, 'every', 'keys')}").fetchall()
    assert versioned == con.execute(f"DESCRIBE {connector.scan_versions(con, 'every', 'keys')[1]}").fetchall()


@pytest.mark.parametrize("few", [1_000, 0])
def test_a_text_that_is_no_value_of_an_enum_or_a_domain_is_absent(
    db: Any, con: Any, postgres_url: str, opened: Any, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of another system are looked for here, and most of them may be none of ours."""
    monkeypatch.setattr(postgresql_keys, "FEW", few)
    db.execute("CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')")
    db.execute(
        "CREATE TABLE m (mood mood, mail mail, fixed char(4), PRIMARY KEY (mood, mail, fixed)); INSERT INTO m VALUES ('bad', 'a@b', 'x')"
    )
    con.execute(
        "CREATE TABLE odd AS SELECT * FROM (VALUES ('bad', 'a@b', 'x'), ('worse', 'a@b', 'x'), ('bad', 'ab', 'x')) v(mood, mail, fixed)"
    )

    assert read(con, opened("postgresql", postgres_url), "odd", "m") == [{"mood": "bad", "mail": "a@b", "fixed": "x"}]
    con.execute("DELETE FROM odd WHERE mood = 'worse'")  # either of the two alone, as the server tells only of the first it meets
    assert read(con, opened("postgresql", postgres_url), "odd", "m") == [{"mood": "bad", "mail": "a@b", "fixed": "x"}]


def test_more_keys_than_a_statement_should_hold_are_chosen_from_a_scan(
    db: Any, con: Any, postgres_url: str, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows in the same types."""
    monkeypatch.setattr(postgresql_keys, "FEW", 0)
    monkeypatch.setattr(postgresql_keys, "MANY", 1)

    assert read(con, opened("postgresql", postgres_url)) == [{"id": 2, "v": "v2"}, {"id": 3, "v": "v3"}]
