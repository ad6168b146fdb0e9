"""Reading from a MySQL server that is silent: it is waited for while it works, and given up when it does not."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from accord.store import alive
from accord.store.suspicion import connecting, fell_silent, silence

if TYPE_CHECKING:
    import pymysql

Connect = Callable[..., "pymysql.Connection[Any]"]
_OF_THE_SERVER = range(1000, 2000)
_WORKS_ON = "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = %s"


def listen(db: pymysql.Connection[Any], connect: Connect, place: str) -> None:
    """Let an open connection look after its server during silence; a dead one then fails as if it had broken.

    Args:
        db: just connected, nothing asked yet.
        connect: makes another connection to ask over, with the options of PyMySQL it is given.
        place: the server, as suspicion names it.
    """
    with db.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        found = cursor.fetchone()
    # A proxy gives numbers of its own, under which the server knows nobody.
    number = int(found[0]) if found and int(found[0]) == db.thread_id() else None  # type: ignore[no-untyped-call]  # of PyMySQL's stubs
    inner: Any = db
    inner._rfile.close()
    inner._rfile = io.BufferedReader(_Patient(inner._sock, connect, number, place))
    inner._read_timeout = alive.SILENT_SECONDS


@contextmanager
def as_it_comes(db: pymysql.Connection[Any]) -> Iterator[Any]:
    """A cursor whose rows are read while the server sends them."""
    import pymysql.cursors

    cursor: Any = db.cursor(pymysql.cursors.SSCursor)
    try:
        yield cursor
    finally:
        if not db.open and cursor._result is not None:
            # PyMySQL would read the rest of the rows, from a connection that is no longer there, and fail with no error of its own.
            cursor._result.unbuffered_active, cursor._result = False, None
        cursor.close()


class _Patient(io.RawIOBase):
    """A socket whose time-outs are questions."""

    def __init__(self, link: socket.socket, connect: Connect, number: int | None, place: str) -> None:
        self._link, self._connect, self._number, self._place = link, connect, number, place
        self._since = time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        strikes = 0
        while True:
            try:
                self._link.settimeout(silence(self._place, alive.AGAIN_SECONDS if strikes else alive.SILENT_SECONDS, self._since))
                return self._link.recv_into(buffer)
            except TimeoutError:
                try:
                    strikes = 0 if self._works() else strikes + 1
                except ConnectionError:
                    fell_silent(self._place)
                    raise
                if strikes > 1:
                    fell_silent(self._place)
                    raise ConnectionError("the server no longer knows what it was asked") from None

    def _works(self) -> bool:
        """Whether the server is at work on what was asked.

        Raises:
            ConnectionError: it does not answer.
        """
        import pymysql

        try:
            seconds = connecting(self._place, alive.PROBE_SECONDS)
            db = self._connect(connect_timeout=seconds, read_timeout=seconds)
        except pymysql.err.Error as error:
            # A server that refuses one more session is there.
            if error.args and error.args[0] in _OF_THE_SERVER:
                return True
            raise ConnectionError("the server does not answer") from None
        except OSError:
            raise ConnectionError("the server does not answer") from None
        try:
            if self._number is None:
                return True
            with db.cursor() as cursor:
                cursor.execute(_WORKS_ON, (self._number,))
                found = cursor.fetchone()
        except pymysql.err.Error:
            raise ConnectionError("the server does not answer") from None
        finally:
            db.close()
        return found is not None and found[0] != "Sleep"
