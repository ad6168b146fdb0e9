"""The lease: one process works on a store at a time, and one that lost it can no longer write.

Each taking of the lease gets a higher *fencing token*. Whoever writes under a lease has the token compared inside its transaction, so
a process that was thought dead, and is not, is refused rather than mixed in.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from accord.model.errors import LeaseHeld
from accord.store.database import Row, Rows, Transaction, Value

DEFAULT_SECONDS = 300
WRITER = "writer"
_ROW = "SELECT holder, pid, host, process, token, expires_at <= {moment} FROM lease WHERE name = ?"
_held: Counter[tuple[str, int]] = Counter()  # leases this process holds, of whatever store
_holding = threading.Lock()
_TAKE = """
INSERT INTO lease (name, holder, pid, host, process, token, expires_at) VALUES (?, ?, ?, ?, ?, ?, {moment})
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, pid = excluded.pid, host = excluded.host,
  process = excluded.process, token = excluded.token, expires_at = excluded.expires_at
"""
_RENEW = "UPDATE lease SET expires_at = {moment} WHERE name = ? AND token = ?"
# As _stamp writes it, so that moments compare as texts, also with those an earlier version wrote.
_SERVER_SAYS = """to_char((clock_timestamp() + make_interval(secs => CAST(? AS DOUBLE PRECISION))) AT TIME ZONE 'UTC',
  'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock leases expire by: one for all who may take them.

    Args:
        moment: SQL of a moment, with one value.
        value: what to bind there for the moment that lies so many seconds ahead.
    """

    moment: str
    value: Callable[[float], Value]

    @classmethod
    def of_host(cls, now: Callable[[], datetime]) -> Clock:
        """That of this host, for a store that is a file on it."""
        return cls("?", lambda seconds: _stamp(now(), seconds))

    @classmethod
    def of_server(cls) -> Clock:
        """That of PostgreSQL's server: by those of two hosts that differ, one would take the lease away from a process that works."""
        return cls(_SERVER_SAYS, float)

    def sql(self, statement: str) -> str:
        """A statement with its moment."""
        return statement.format(moment=self.moment)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told apart from a later one that got the same number."""

    pid: int
    host: str
    process: str

    @classmethod
    def own(cls) -> ProcessId:
        """This process."""
        return cls(os.getpid(), _host(), _birth(os.getpid()))

    def gone(self) -> bool | None:
        """Whether it has ended; ``None`` when that cannot be seen from here."""
        if self.host != _host() or sys.platform == "win32":
            return None
        if not runs(self.pid):
            return True
        born = _birth(self.pid)
        return born != self.process if born else False  # of another user's it may not be said


def runs(pid: int) -> bool:
    """Whether a process has this number now; one of another user, which may not be asked, is there too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # a number no process has is none of ours to judge
        return True
    return True


def hold(name: str, token: int) -> None:
    """Note that this process holds a lease; before it is committed."""
    with _holding:
        _held[name, token] += 1


def let_go(name: str, token: int) -> None:
    """Note that it does not, whatever the store says: it could not be told, or its answer did not arrive."""
    with _holding:
        _held[name, token] -= 1


def take(tx: Transaction, holder: str, own: ProcessId, *, clock: Clock, seconds: float, where: str, name: str = WRITER) -> int:
    """Take the lease and return its fencing token.

    A holder on this host keeps it for as long as its process lives, also through hours without a write; a holder elsewhere, until it
    expires. What the store holds for this process, and this process knows nothing of, was left by a connection that broke.

    Raises:
        LeaseHeld: another process, or another part of this one, has it.
    """
    token = 1
    for row in _rows(tx, clock, name):
        token = row[4] + 1
        if held_by := _living(row, own, name=name):
            raise LeaseHeld(held_by, where)
    tx.run(clock.sql(_TAKE), name, holder, own.pid, own.host, own.process, token, clock.value(seconds))
    return token


def holder_of(rows: Rows, own: ProcessId, *, clock: Clock, name: str = WRITER) -> str:
    """Who has the lease, as an error would say it; ``""`` when it can be taken."""
    return next((_living(row, own, name=name) for row in _rows(rows, clock, name)), "")


def _rows(rows: Rows, clock: Clock, name: str) -> list[Row]:
    return rows.rows(clock.sql(_ROW), clock.value(0), name)


def _living(row: Row, own: ProcessId, *, name: str) -> str:
    held_by, pid, host, process, token, expired = row
    holding = ProcessId(pid, host, process)
    gone = True if holding == own and not _held[name, token] else holding.gone()
    free = not held_by or (expired if gone is None else gone)
    return "" if free else f"'{held_by}' (process {pid} on {_shown(host)})"


def check(tx: Transaction, token: int, *, where: str, name: str = WRITER) -> None:
    """Refuse a writer whose lease was taken over.

    Raises:
        LeaseHeld: the token is no longer the newest.
    """
    for held_by, pid, host, newest in tx.rows("SELECT holder, pid, host, token FROM lease WHERE name = ?", name):
        if newest == token:
            continue
        process = f"process {pid} on {_shown(host)}"
        if not held_by:
            raise LeaseHeld(process, where, ended=True)
        raise LeaseHeld(f"'{held_by}' ({process}), who took the lease over from this process", where)


def renew(tx: Transaction, token: int, *, clock: Clock, seconds: float, name: str = WRITER) -> None:
    """Let the lease last ``seconds`` from now."""
    tx.run(clock.sql(_RENEW), clock.value(seconds), name, token)


def release(tx: Transaction, token: int, *, name: str = WRITER) -> None:
    """Give the lease back; harmless when it was taken over."""
    tx.run("UPDATE lease SET holder = '' WHERE name = ? AND token = ?", name, token)


def _stamp(now: datetime, seconds: float) -> str:
    return (now.astimezone(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def _shown(host: str) -> str:
    return host.partition(" ")[0]


def _host() -> str:
    """Host name and, on Linux, the process namespace: containers may share a name but not their process numbers."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {namespace}"


def _birth(pid: int) -> str:
    """Start of a process in ticks since boot, with the boot; empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"  # field 22 of proc(5); the name before it may hold spaces
