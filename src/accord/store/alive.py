"""Whether a PostgreSQL that says nothing still works on what it was asked.

Silence alone is no fault: a server that sorts a large table says nothing for minutes. TCP notices a peer that vanished, and not a
server that hangs behind a proxy which takes everything. So after some silence the server is asked, over another connection.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any, Final, Self

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accord.store.suspicion import connected, connecting, fell_silent, silence

SILENT_SECONDS: Final = 10.0
"""After so long without a byte the server is asked."""
AGAIN_SECONDS: Final = 5.0
"""So much later it is asked again, before it is believed that it forgot the statement."""
PROBE_SECONDS: Final = 8
LINK: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""With these a peer that vanished is noticed by TCP itself, whatever is being waited for."""
_BY_PID = "SELECT state, wait_event FROM pg_stat_activity WHERE pid = %s"
_BY_MARK = "SELECT state, wait_event FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND position(%s IN query) > 0 LIMIT 1"


@lru_cache(maxsize=64)  # a run asks several times per connection, and taking a string apart costs as much as a question to the server
def _parts(conninfo: str) -> Mapping[str, Any]:
    return conninfo_to_dict(conninfo)


def place_of(conninfo: str) -> str:
    """The server of a connection string, as suspicion names it."""
    given = _parts(conninfo)
    return f"{given.get('hostaddr') or given.get('host') or ''}:{given.get('port') or ''}"


class _Asking(psycopg.Connection[Any]):
    """A connection that waits for nothing longer than ``seconds``."""

    seconds: float = PROBE_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return super().wait(gen, interval, self.seconds if timeout is None else timeout)


class Doubt:
    """What is known of a silent server; ``look`` asks it."""

    def __init__(self, conninfo: str, *, pid: int | None = None, mark: str = "") -> None:
        """Of one session.

        Args:
            conninfo: how it was reached; may hold a password.
            pid: of the session on the server; or
            mark: a text in the statement that runs; neither: only whether the server answers is looked at.
        """
        self._conninfo, self._place, self._since = conninfo, place_of(conninfo), time.monotonic()
        self._pid, self._mark = pid, mark
        self._strikes = 0

    def look(self) -> str:
        """Why nothing can be expected any more; empty while there is hope."""
        reason = self._look()
        if reason:
            fell_silent(self._place)
        return reason

    def _look(self) -> str:
        seconds = connecting(self._place, PROBE_SECONDS)
        # A session for replication answers no question with parameters; its server, alive, would be taken for gone.
        given = {name: value for name, value in _parts(self._conninfo).items() if name != "replication"}
        try:
            with contextlib.closing(_Asking.connect(make_conninfo(**given | {"connect_timeout": round(seconds)}), autocommit=True)) as db:
                db.seconds = seconds
                connected(self._place)
                if self._pid is None and not self._mark:
                    return ""
                asked = db.execute(_BY_PID, (self._pid,)) if self._pid is not None else db.execute(_BY_MARK, (self._mark,))
                found = asked.fetchone()
        except errors._WaitTimeout:
            return "the server does not answer"
        except psycopg.Error as error:
            # A server that refuses one more session is there; which is all that was asked.
            return "" if "FATAL" in str(error) else f"the server does not answer ({str(error).strip().splitlines()[0]})"
        self._strikes = 0 if self._works(found) else self._strikes + 1
        return "the server no longer knows what it was asked" if self._strikes > 1 else ""

    def _works(self, found: tuple[Any, ...] | None) -> bool:
        if found is None:
            return False
        if self._mark:  # rows may wait here to be taken, so only an end tells something
            return True
        state, wait = found
        # A server that waits for us while we wait for it, or sends what does not arrive, will do so for ever.
        return state in (None, "disabled") or (state == "active" and wait not in ("ClientRead", "ClientWrite"))

    @property
    def next_seconds(self) -> float:
        """When to look again."""
        return self.silence(AGAIN_SECONDS if self._strikes else SILENT_SECONDS)

    def silence(self, seconds: float) -> float:
        """After how many seconds without a byte the server is asked after, where it would be ``seconds``."""
        return silence(self._place, seconds, self._since)


class Watched(psycopg.Connection[Any]):
    """A connection that breaks with ``psycopg.OperationalError`` when its server is silent and no longer works on the statement."""

    doubt: Doubt | None = None

    @classmethod
    def open(cls, conninfo: str, **options: Any) -> Self:
        """Connect in autocommit mode.

        Raises:
            psycopg.Error: as ``psycopg.connect``.
        """
        place = place_of(conninfo)
        given = float(_parts(conninfo).get("connect_timeout") or "inf")
        if (soon := connecting(place, given)) < given:
            conninfo = make_conninfo(conninfo, connect_timeout=round(soon))
        try:
            db = cls.connect(conninfo, autocommit=True, **options)
        except errors.ConnectionTimeout:
            fell_silent(place)
            raise
        connected(place)
        try:
            row = db.execute("SELECT pg_backend_pid()").fetchone()
        except psycopg.Error:
            db.close()
            raise
        # A pooler makes up a number of its own, and may move this session to another one of the server.
        pid = int(row[0]) if row and row[0] == db.info.backend_pid else None
        db.doubt = Doubt(conninfo, pid=pid)
        return db

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Consume a generator as psycopg does, and look after the server during silence."""
        return super().wait(self._listening(gen), interval, timeout)

    def _listening(self, gen: Any) -> Generator[Any, Any, Any]:
        due = time.monotonic() + self.silence()
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready:
                    due = 0.0  # the clock is asked in silence only
                elif not due:
                    due = time.monotonic() + self.silence()
                elif time.monotonic() >= due:
                    due = time.monotonic() + self.insist()
                state = gen.send(ready)
        except StopIteration as done:
            return done.value

    def silence(self) -> float:
        """After how many seconds without a byte the server is asked after."""
        return self.doubt.silence(SILENT_SECONDS) if self.doubt else SILENT_SECONDS

    def insist(self) -> float:
        """Ask after the server amid silence; returns the seconds after which to ask again.

        Raises:
            psycopg.OperationalError: nothing will come; the connection is closed.
        """
        doubt = self.doubt  # none before the first answer
        reason = doubt.look() if doubt else "the server does not answer"
        if reason or not doubt:
            self.pgconn.finish()
            raise psycopg.OperationalError(reason)
        return doubt.next_seconds
