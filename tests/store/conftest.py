"""One store on each of the two databases, and events to put into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MakeEvent = Callable[..., Event]


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store goes: a file, and then a PostgreSQL database."""
    return str(tmp_path / "store.db") if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


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
