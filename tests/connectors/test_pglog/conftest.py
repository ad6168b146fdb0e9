"""Short ways to read a log to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from accord.connectors.pglog import Change, LogSource, LogStream, Position


@pytest.fixture
def url(logical_url: str) -> str:
    """The URL of a fresh, empty database; its slots are dropped with it."""
    return logical_url


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
