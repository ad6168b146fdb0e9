"""A clock that stands until it is moved, and work on both databases."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.work import Work, open_work

HEAD = "name: test\nteams: {marketing: {owner: Mia}, studio: {owner: Sam, backup: Sue}, legal: {owner: Lea}}\n"
_numbers = itertools.count(1)


class Clock:
    """A Monday morning, until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """The clock of this test."""
    return Clock()


@pytest.fixture(scope="session")
def work_database(postgres_server: str) -> Iterator[str]:
    """One database for these tests; each takes a schema of its own."""
    name = f"work_{os.getpid()}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    yield f"postgresql://postgres:@/{name}?host={quote(postgres_server.split('host=', 1)[1], safe='/')}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store on each database."""
    if request.param == "sqlite":
        url = str(tmp_path / "store.db")
    else:
        url = f"{request.getfixturevalue('work_database')}&options=-csearch_path%3Dwork{next(_numbers)}"
    opened = open_store(url, segments=tmp_path / "segments")
    yield opened
    opened.close()


@pytest.fixture
def work_with(store: Store, tmp_path: Path, clock: Clock) -> Callable[..., Work]:
    """Work on processes given as YAML, below ``processes:`` unless it has sections of its own."""

    def make(text: str, **more: Any) -> Work:
        path = tmp_path / f"map{next(_numbers)}.yaml"
        path.write_text(HEAD + text, encoding="utf-8")
        return open_work(load_map(path), store, clock=clock, folder=tmp_path, **more)

    return make
