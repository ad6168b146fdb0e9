"""One connection to PostgreSQL that is kept between calls, because opening one costs more than most of what is done over it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq

from accord.connectors.postgresql_scan import Peer, peer_of
from accord.store.alive import Watched

# How values are written as text, whatever the server, the database or the user would have: the scanner's connections need it too.
FORMS = ("TimeZone=UTC", "DateStyle=ISO,YMD", "IntervalStyle=postgres", "extra_float_digits=3")
_SETTINGS = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; "
    "SET client_encoding = 'UTF8'; SET synchronous_commit = on"  # again: a pooler may leave out what a connection begins with
)
_NEVER = 1 << 30  # psycopg prepares after so many uses; here only what asks for it is prepared


class Link:
    """A connection made when it is first needed, made anew when it broke, and never shared by two calls or two processes at once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kept: list[psycopg.Connection[Any]] = []
        self._process = os.getpid()
        self.peer: Peer = ""
        weakref.finalize(self, _close, self._kept, self._process)

    @contextmanager
    def session(self, dsn: Callable[[], str]) -> Iterator[psycopg.Connection[Any]]:
        """The connection, in autocommit and outside of any transaction; other threads wait for their turn.

        Args:
            dsn: says where to connect, when that is needed.

        Raises:
            psycopg.Error: no connection could be made, or what the caller does with it failed.
        """
        with self._lock:
            db = self._alive(dsn)
            try:
                yield db
            finally:
                # A call that failed half way leaves nothing behind for the next one.
                if db.closed or db.info.transaction_status != pq.TransactionStatus.IDLE:
                    self.close()

    def close(self) -> None:
        """Let go of the connection; the next call makes another."""
        with self._lock:
            _close(self._kept, self._process)

    def _alive(self, dsn: Callable[[], str]) -> psycopg.Connection[Any]:
        if self._process != os.getpid():
            # The parent's socket: to say goodbye over it would end the parent's session.
            self._kept, self._process = [], os.getpid()
            weakref.finalize(self, _close, self._kept, self._process)
        if self._kept and (self._kept[0].closed or _spoken(self._kept[0])):
            self.close()
        if not self._kept:
            db = Watched.open(dsn(), prepare_threshold=_NEVER)
            self._kept.append(db)
            self.peer = peer_of(db)
            try:
                db.execute(_SETTINGS)
            except psycopg.Error:
                self.close()
                raise
        return self._kept[0]


def _spoken(db: psycopg.Connection[Any]) -> bool:
    """Whether the server said something while nobody asked: in an idle session that is its end."""
    poll = select.poll()
    poll.register(db.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _close(kept: list[psycopg.Connection[Any]], process: int) -> None:
    while kept:
        db = kept.pop()
        if process == os.getpid():
            with contextlib.suppress(psycopg.Error):  # it is gone in any case
                db.close()
