"""A connection in replication mode, over psycopg's ``pq`` layer: commands, and the stream that goes both ways (COPY BOTH).

Source: PostgreSQL documentation, Streaming Replication Protocol.
"""

from __future__ import annotations

import contextlib
import math
import re
import select
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accord.connectors.pglog.changes import EPOCH
from accord.connectors.pglog.errors import SlotLost
from accord.connectors.types import literal
from accord.model.errors import AccordError, DataRefused, SystemChanged, SystemUnreachable
from accord.store.alive import LINK, Watched, place_of
from accord.store.suspicion import fell_silent, silence

CONNECT_SECONDS = 10
COMMAND_SECONDS = 60
CANCEL_SECONDS = 5
PING_SECONDS = 10
"""After so long without a word the server is asked for one; after as long again without an answer it counts as unreachable."""
SENDER_TIMEOUT = "5min"
"""How long the server waits for a word of a reader that is busy applying (its default is 60 s)."""
# Values come as text, so everything that shapes text is the same in the snapshot and in the stream, whatever the database's defaults are.
TEXT_SETTINGS = (
    "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; "
    "SET bytea_output = 'hex'; SET xmloption = 'content'; SET lc_monetary = 'C'; SET client_encoding = 'UTF8'; SET search_path = ''; "
    "SET quote_all_identifiers = off"
)
_DATA, _KEEPALIVE = b"wk"
_ALIVE = struct.Struct(">qqb")
_STATUS = struct.Struct(">cqqqqb")
_DATA_HEAD = 25
_NO_REPLICATION = ("permission denied to start WAL sender", "must be superuser or replication role")


@dataclass(frozen=True, slots=True)
class LogSource:
    """A PostgreSQL database whose log is read. ``conninfo`` may hold a password and is in no message."""

    system: str
    conninfo: str = field(repr=False)

    @property
    def where(self) -> str:
        """The address without secrets."""
        parts = conninfo_to_dict(self.conninfo)
        port = f":{parts['port']}" if parts.get("port") else ""
        return f"postgresql://{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or ''}"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """An ordinary connection for SQL with the text settings of the stream, in autocommit mode.

        Raises:
            SystemUnreachable: no answer, or no entry.
        """
        try:
            db = Watched.open(_conninfo(self))
            try:
                db.execute(TEXT_SETTINGS.encode())
            except psycopg.Error:
                db.close()
                raise
        except psycopg.Error as error:
            raise self.translated(error) from None
        return db

    @contextlib.contextmanager
    def session(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """As ``connect``, closed afterwards, and what fails in it is in our words.

        Raises:
            AccordError: no answer, no entry, or the server refuses.
        """
        with contextlib.closing(self.connect()) as db:
            try:
                yield db
            except psycopg.Error as error:
                raise self.translated(error) from None

    def translated(self, error: Exception) -> AccordError:
        """What a driver's error means to the caller; passwords are left out."""
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        secret = conninfo_to_dict(self.conninfo).get("password")
        text = text.replace(self.conninfo, self.where)
        text = text.replace(str(secret), "***") if secret else text
        # What ends a connection before it begins has no class of its own.
        if isinstance(error, errors.InsufficientPrivilege) or any(words in text for words in _NO_REPLICATION):
            expected = "a user with REPLICATION who owns the tables and may create a publication in this database"
            return DataRefused(text, self.where, f"{expected}; or capture: sweep in the flow")
        if isinstance(error, (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)):
            return SystemChanged(self.system, self.where, text, in_use=True)
        refused = isinstance(error, (errors.ObjectNotInPrerequisiteState, errors.ConfigurationLimitExceeded))
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and not refused:
            return SystemUnreachable(self.system, self.where, text)
        return DataRefused(text, self.where, "a command the server accepts")


@lru_cache(maxsize=64)
def _conninfo(source: LogSource, **more: str) -> str:
    """How to reach it, where the address leaves that open."""
    given = conninfo_to_dict(source.conninfo)
    base = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "accord", **{name: str(value) for name, value in LINK.items()}}
    return make_conninfo(source.conninfo, **({k: v for k, v in base.items() if not given.get(k)} | more))


@dataclass(frozen=True, slots=True)
class Alive:
    """The server has sent everything that commits before ``lsn``."""

    lsn: int


class ReplicationConnection:
    """One session of a log sender. Commands until ``start``, then only ``receive`` and ``confirm``."""

    def __init__(self, source: LogSource) -> None:
        """Connect.

        Raises:
            SystemUnreachable: no answer, or no entry.
        """
        self.source = source
        self.slot = ""
        self._notices: list[str] = []
        try:
            # libpq's own connecting would stop every thread of this process for as long as a silent server lets it wait.
            self._session = Watched.open(_conninfo(source, replication="database"))
        except psycopg.Error as error:
            raise source.translated(error) from None
        self._pg, self._place, self._since = self._session.pgconn, place_of(source.conninfo), time.monotonic()
        self._pg.nonblocking = 1
        self._pg.notice_handler = self._noticed
        self._received = 0
        self._confirmed = 0
        self._heard = self._told = time.monotonic()
        self._asked: float | None = None
        self.execute(f"{TEXT_SETTINGS}; SET wal_sender_timeout = '{SENDER_TIMEOUT}'")
        if self._pg.parameter_status(b"server_encoding") == b"SQL_ASCII":
            # Its texts may be any bytes. One that is no UTF-8 would end the sender there; here it is the matter of its row.
            self.execute("SET client_encoding = 'SQL_ASCII'")

    def execute(self, command: str, *, seconds: float = COMMAND_SECONDS) -> list[str | None]:
        """The first row of the answer as texts; empty when there is none.

        Raises:
            SystemUnreachable: no answer in time, or the connection broke.
            DataRefused: the server refuses the command.
        """
        result = self._command(command, seconds)
        if not result.ntuples:
            return []
        values = (result.get_value(0, i) for i in range(result.nfields))
        return [None if value is None else value.decode() for value in values]

    def forget(self, slot: str, before: str) -> None:
        """Let the server begin a slot's next stream as near to a place as it can, and pass over the log before it without decoding it.

        By itself it moves that beginning only once per acknowledgement, to the first place after the one before, and each stream decodes
        from there on what was read already.

        Args:
            slot: its name.
            before: what the caller has stored; as by ``confirm``, the server may forget what commits before.

        Raises:
            psycopg.Error: the server refuses; the caller knows what that means for a slot.
        """
        # However long that takes, a stream over the same log takes longer. In silence the server is asked after.
        self._command(f"SELECT pg_replication_slot_advance({literal(slot)}, {literal(before)})", math.inf, raw=True)

    def start(self, slot: str, command: str) -> None:
        """Begin streaming a slot.

        Raises:
            psycopg.Error: the server refuses; the caller knows what that means for a slot.
        """
        result = self._command(command, COMMAND_SECONDS, raw=True)
        assert result.status == pq.ExecStatus.COPY_BOTH
        self.slot = slot

    def receive(self, wait_seconds: float) -> bytes | Alive | None:
        """The next message of the output plugin or word of the server, or ``None`` when none came within the time.

        Raises:
            SystemUnreachable: the connection broke, the server ended it or fell silent.
            SlotLost: the server can no longer decode this slot.
        """
        until: float | None = None
        while True:
            size, data = self._next()
            if size:
                self._asked = None
                return bytes(data[_DATA_HEAD:]) if data[0] == _DATA else self._alive(data)
            # The clock is asked only where nothing is there: with a full stream this is the whole way of a message.
            now = time.monotonic()
            if until is None:
                until = now + wait_seconds
            if now >= until:
                return None
            self._keep_alive(now)
            self._wait(min(until - now, 1.0))

    def confirm(self, lsn: int, *, reply: bool = False) -> None:
        """Tell the server that everything that commits before ``lsn`` is safe here; it may then forget it.

        Raises:
            SystemUnreachable: the connection broke.
        """
        self._confirmed = max(self._confirmed, lsn)
        self._received = max(self._received, lsn)
        micros = int((datetime.now(UTC) - EPOCH).total_seconds() * 1_000_000)
        message = _STATUS.pack(b"r", self._received, self._confirmed, self._confirmed, micros, reply)
        try:
            self._pg.put_copy_data(message)
            while self._pg.flush():
                self._wait(1.0, write=True)
        except psycopg.Error as error:
            raise self.source.translated(error) from None
        self._told = time.monotonic()

    def patience(self, seconds: float) -> float:
        """How long to wait for a word, where it would be ``seconds``."""
        return silence(self._place, seconds, self._since)

    def finish(self) -> None:
        """Close; the slot stays unless it is temporary."""
        self._session.close()

    def _alive(self, data: memoryview | bytes) -> Alive:
        if data[0] != _KEEPALIVE:
            raise DataRefused(f"a replication message of the unknown kind {bytes(data[:1])!r}", self.source.where, "data or a keepalive")
        lsn, _, wanted = _ALIVE.unpack_from(data, 1)
        self._received = max(self._received, lsn)
        if wanted:
            self.confirm(self._confirmed)
        return Alive(lsn)

    def _next(self) -> tuple[int, memoryview | bytes]:
        try:
            size, data = self._pg.get_copy_data(1)
            if size == 0:
                self._pg.consume_input()
                size, data = self._pg.get_copy_data(1)
            if size >= 0:
                return size, data
            result = self._pg.get_result()
            error = errors.error_from_result(result) if result is not None else None
        except psycopg.Error as broken:
            raise self.source.translated(broken) from None
        if error is None or isinstance(error, errors.AdminShutdown):
            raise SystemUnreachable(self.source.system, self.source.where, "the server ended the stream")
        if re.search(r"slot .* (invalidated|obsolete|no longer)|WAL segment .* removed|publication .* does not exist", str(error)):
            raise SlotLost(self.source.system, self.slot, str(error).strip().splitlines()[0])
        raise self.source.translated(error)

    def _keep_alive(self, now: float) -> None:
        """A word when none was said for long; a question when none was heard."""
        seconds = self.patience(PING_SECONDS)
        if self._asked is not None and now - self._asked > seconds:
            fell_silent(self._place)
            raise SystemUnreachable(self.source.system, self.source.where, f"no answer for {seconds:g} seconds")
        if self._asked is None and now - self._heard > seconds:
            self._asked = now
            self.confirm(self._confirmed, reply=True)
        elif now - self._told > PING_SECONDS:
            self.confirm(self._confirmed)

    def _wait(self, seconds: float, *, write: bool = False) -> None:
        # Not select(), which knows no descriptor above 1,023.
        poll = select.poll()
        poll.register(self._pg.socket, select.POLLIN | (select.POLLOUT if write else 0))
        found = poll.poll(math.ceil(max(0.0, seconds) * 1000))
        if any(seen & ~select.POLLOUT for _, seen in found):
            self._heard = time.monotonic()
            try:
                self._pg.consume_input()
            except psycopg.Error as error:
                raise self.source.translated(error) from None

    def _command(self, command: str, seconds: float, *, raw: bool = False) -> pq.abc.PGresult:
        until = time.monotonic() + seconds
        due = time.monotonic() + self._session.silence()
        result: pq.abc.PGresult | None = None
        try:
            self._pg.send_query(command.encode())
            while True:
                while self._pg.flush() or self._pg.is_busy():
                    if time.monotonic() > due:
                        due = time.monotonic() + self._session.insist()
                    if time.monotonic() > until:
                        with contextlib.suppress(psycopg.Error):  # it may hear this no more than what it was asked
                            self._session.cancel_safe(timeout=CANCEL_SECONDS)
                        raise SystemUnreachable(
                            self.source.system, self.source.where, f"no answer to {command.split(' ', 1)[0]} in {seconds:.0f} seconds"
                        )
                    self._wait(0.2)
                found = self._pg.get_result()
                if found is None:
                    break
                result = found
                if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.COPY_BOTH):
                    break
        except psycopg.Error as error:
            raise self.source.translated(error) from None
        assert result is not None
        if result.status == pq.ExecStatus.FATAL_ERROR:
            self._drain()
            refused = errors.error_from_result(result)
            raise refused if raw else self.source.translated(refused)
        return result

    def _drain(self) -> None:
        while self._pg.get_result() is not None:
            continue

    def _noticed(self, result: pq.abc.PGresult) -> None:
        text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode("utf-8", "replace")
        self._notices.append(text)

    @property
    def server_version(self) -> int:
        """As PostgreSQL counts: 180006 is 18.6."""
        return self._pg.server_version

    @property
    def notices(self) -> list[str]:
        """Warnings of the server since the last look."""
        found, self._notices = self._notices, []
        return found
