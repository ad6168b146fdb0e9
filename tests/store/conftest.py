"""One store on each of the two databases, and events to put into it."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MakeEvent = Callable[..., Event]
_schemas = itertools.count(1)


@pytest.fixture(scope="session")
def store_database(postgres_server: str) -> Iterator[str]:
    """One PostgreSQL database for all these tests: making and dropping one costs a checkpoint, a schema costs nothing."""
    name = f"stores_{os.getpid()}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    yield f"postgresql://postgres:@/{name}?host={quote(postgres_server.split('host=', 1)[1], safe='/')}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def new_schema(store_database: str) -> Callable[[], str]:
    """Make URLs of empty places for a store."""
    return lambda: f"{store_database}&options=-csearch_path%3Dstore{next(_schemas)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store goes: a file, and then a schema of PostgreSQL."""
    return str(tmp_path / "store.db") if request.param == "sqlite" else str(request.getfixturevalue("new_schema")())


@pytest.fixture
def new_folder() -> Iterator[Callable[[], Path]]:
    """Make empty folders, in memory where there is such a place: for generated histories, not for proofs of durability."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as top:
        numbers = itertools.count(1)

        def make() -> Path:
            folder = Path(top) / str(next(numbers))
            folder.mkdir()
            return folder

        yield make


@pytest.fixture
def open_here(store_url: str, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Open the same store as often as wanted; all are closed after the test."""
    opened: list[Store] = []

    def open_one(**options: Any) -> Store:
        opened.append(open_store(store_url, segments=tmp_path / "segments", **options))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_here: Callable[..., Store]) -> Store:
    """An empty store."""
    return open_here()


@pytest.fixture
def event() -> MakeEvent:
    """Make events with ids 1, 2, 3 … one minute apart."""
    numbers = itertools.count(1)

    def make(type_: str = "task.done", objects: tuple[ObjectRef, ...] = (), id_: str = "", **attributes: Any) -> Event:
        number = next(numbers)
        return Event(id_ or str(number), type_, START + timedelta(minutes=number), "test", attributes, objects)

    return make
