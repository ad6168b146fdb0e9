"""A PostgreSQL server that refuses, waits or cuts: a clear error soon, and no password in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector
from accord.connectors.registry import open_connector
from accord.model.errors import AccordError, DataRefused, SystemChanged, SystemUnreachable
from accord.model.system import System


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(postgres_url, autocommit=True) as opened:
        opened.execute("CREATE TABLE items (id text PRIMARY KEY, name text)")
        opened.execute("INSERT INTO items SELECT 'K' || n, repeat('x', 200) FROM generate_series(1, 50) n")
        yield opened


def opened(url: str, tmp_path: Path) -> Connector:
    return open_connector(System("tracker", "postgresql", url), base=tmp_path)


def scan(connector: Connector, resource: str = "items") -> int:
    with borrowed_duck(threads=2) as con:
        row = con.execute(f"SELECT count(*) FROM {connector.scan(con, resource)}").fetchone()
        return int(row[0]) if row else 0


def test_a_locked_table_ends_the_waiting_with_a_word(db: psycopg.Connection[object], postgres_url: str, tmp_path: Path) -> None:
    """A migration holds a table for an hour; a run must not hang for an hour with it."""
    connector = opened(postgres_url, tmp_path)
    began = time.monotonic()

    with db.transaction():
        db.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SystemChanged, match="another session kept it locked"):
            scan(connector)
        with pytest.raises(SystemChanged, match="another session kept it locked"):
            connector.describe()

    assert time.monotonic() - began < 20
    assert scan(connector) == 50


def test_a_table_nobody_granted_is_refused_with_the_right_that_is_missing(
    db: psycopg.Connection[object], postgres_url: str, tmp_path: Path
) -> None:
    """Trying again does not help; a GRANT does. The password of the user stays where it is."""
    name = urlsplit(postgres_url).path[1:]
    role = f"weak_{name}"
    db.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2secret'")
    host = parse_qs(urlsplit(postgres_url).query)["host"][0]
    try:
        with pytest.raises(DataRefused, match=r"permission denied for table items.*GRANT SELECT") as caught:
            scan(opened(f"postgresql://{role}:hunter2secret@/{name}?host={host}", tmp_path))
    finally:
        db.execute(f"DROP ROLE {role}")

    assert "hunter2secret" not in str(caught.value)
    assert "COPY" not in str(caught.value)


def test_views_that_fail_or_take_too_long_do_not_hide_the_tables(db: psycopg.Connection[object], postgres_url: str, tmp_path: Path) -> None:
    """An analyst's view is not what the system is judged by; what comes after it is counted in peace."""
    db.execute("CREATE VIEW a_broken AS SELECT 1 / (length(current_user) - length(current_user)) AS x")
    db.execute("CREATE VIEW b_slow AS SELECT count(pg_sleep(60)) AS x")

    described = opened(postgres_url, tmp_path).describe()

    assert [(r.name, r.row_count) for r in described.resources if r.name == "items"] == [("items", 50)]
    assert "b_slow" not in [r.name for r in described.resources]


def test_a_connection_cut_while_reading_is_told_and_the_next_reading_is_whole(
    db: psycopg.Connection[object], postgres_url: str, tmp_path: Path
) -> None:
    """Half a table must never look like a whole one: the rest would be taken for deleted."""
    db.execute("INSERT INTO items SELECT 'L' || n, repeat('y', 500) FROM generate_series(1, 20000) n")
    connector, done = opened(postgres_url, tmp_path), threading.Event()

    def cut() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            while not done.wait(0.002):
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'accord'"
                )

    cutter = threading.Thread(target=cut)
    cutter.start()
    outcomes: list[object] = []
    try:
        for _ in range(5):
            try:
                outcomes.append(scan(connector))
            except AccordError as error:
                outcomes.append(type(error))
    finally:
        done.set()
        cutter.join()

    assert set(outcomes) <= {SystemUnreachable, 20_050}, outcomes
    assert SystemUnreachable in outcomes
    assert scan(connector) == 20_050
