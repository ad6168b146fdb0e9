"""The address of a MySQL or MariaDB server, and one connection to it that is kept between calls.

PyMySQL is an optional extra: nothing here imports it before a connection is made.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from accord.connectors import mysql_patience
from accord.connectors.column_names import COMPUTED
from accord.model.errors import AccordError, DataRefused, StorageFull, SystemChanged, SystemUnreachable, UsageError
from accord.model.system import System
from accord.store.suspicion import connected, connecting, fell_silent

if TYPE_CHECKING:
    import pymysql

CONNECT_SECONDS: Final = 10
LOCK_SECONDS: Final = 5
_EXPECTED = "Expected mysql://user:${env:PASSWORD}@host:3306/database, or mysql://user@/database?unix_socket=/path."
_SSL = ("ssl_ca", "ssl_cert", "ssl_key")
# Quotes and backslashes mean what they mean in standard SQL, nothing is cut or rounded to fit, and zero dates are read as they are.
_MODE = (
    "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ANSI_QUOTES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_AUTO_VALUE_ON_ZERO"
)
_SETTINGS = (
    f"SET SESSION sql_mode = '{_MODE}', time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_SECONDS}, "
    f"lock_wait_timeout = {LOCK_SECONDS}, foreign_key_checks = 1, unique_checks = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
)
_RIGHTS = (1044, 1142, 1143, 1227, 1370)
_MAKE_IT_SO = "rights for this user (GRANT SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES ON … TO …)"
_NOT_WRITABLE = (1288, 1347, 1348, 1394, 1395, 1471)
_LOCKED = (1205, 3572)
_CONFLICT = (1213, 1412, 1020)
_FULL = (1021, 1114, 3, 28)
_COMPUTED = (1906, 3105)
_READ_ONLY = (1290, 1792, 1836)
_NO_ENTRY = (1045, 1049, 1130, 1251, 1698, 1820, 1862)
# Too many connections, a host that is shut out, a server or session that is ending, a line that broke.
_AWAY = (1040, 1042, 1043, 1053, 1077, 1078, 1079, 1080, 1081, 1129, *range(1152, 1162), 1184, 1203, 1226, 1927)
_OF_THE_CLIENT = range(2000, 3000)
_STATEMENT = (1054, 1064, 1146, 1267, 1270, 1271, 1366)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is; ``shown`` has no password."""

    settings: dict[str, Any] = field(repr=False)
    database: str
    shown: str


def address_of(system: System) -> Address:
    """The address in ``system.at``.

    Raises:
        UsageError: it is none; its text is not shown, since it may hold a secret.
    """
    try:
        parts = urlsplit(system.at)
        port, query = parts.port or 3306, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        parts, port, query = urlsplit(""), 0, {}
    database = unquote(parts.path.removeprefix("/"))
    wrong = parts.scheme not in ("mysql", "mariadb") or not database or set(query) - {"unix_socket", *_SSL}
    if wrong:
        raise UsageError(f"system '{system.name}': 'at:' is no MySQL address.", place=system.place, expected=_EXPECTED)
    host, user = parts.hostname or "localhost", unquote(parts.username or "")
    settings: dict[str, Any] = {"user": user, "password": unquote(parts.password or ""), **query}
    if "unix_socket" not in query:
        settings |= {"host": host, "port": port}
    at = query.get("unix_socket") or f"{host}:{port}"
    return Address(settings, database, f"mysql://{user}{'@' if user else ''}{at}/{database}")


def driver(system: str, where: str) -> ModuleType:
    """PyMySQL.

    Raises:
        SystemUnreachable: it is not installed; the message says how to.
    """
    try:
        return importlib.import_module("pymysql")
    except ImportError as error:
        todo = "Install it with: pip install 'accord[mysql]'"
        raise SystemUnreachable(system, where, "the driver PyMySQL is not installed", todo) from error


class Link:
    """A connection made when it is first needed, made anew when it broke, and never shared by two calls or two processes at once."""

    def __init__(self, system: str, address: Address) -> None:
        self.system, self.address = system, address
        self._lock = threading.RLock()
        self._kept: list[pymysql.Connection[Any]] = []
        self._process = os.getpid()
        weakref.finalize(self, _close, self._kept, self._process)

    @contextmanager
    def session(self) -> Iterator[pymysql.Connection[Any]]:
        """The connection, in autocommit and outside of any transaction; other threads wait for their turn.

        Raises:
            AccordError: what the server says, without the password.
        """
        library = driver(self.system, self.address.shown)
        with self._lock:
            try:
                db = self._alive(library)
                try:
                    yield db
                except BaseException:
                    # A call that failed half way leaves nothing behind for the next one.
                    self.close()
                    raise
            except library.err.Error as error:
                raise self.translated(error) from None  # its text may hold the password
            except OSError as error:
                raise SystemUnreachable(self.system, self.address.shown, error.strerror or str(error)) from None

    def connect(self, **more: Any) -> pymysql.Connection[Any]:
        """A connection of its own, with what every session of ours is set to.

        Raises:
            pymysql.err.Error: it could not be made.
        """
        library = driver(self.system, self.address.shown)
        return self._connected(library, **more)

    def close(self) -> None:
        """Let go of the connection; the next call makes another."""
        with self._lock:
            _close(self._kept, self._process)

    def _alive(self, library: ModuleType) -> pymysql.Connection[Any]:
        if self._process != os.getpid():
            # The parent's socket: to say goodbye over it would end the parent's session.
            self._kept, self._process = [], os.getpid()
            weakref.finalize(self, _close, self._kept, self._process)
        if self._kept and (not self._kept[0].open or _spoken(self._kept[0])):
            self.close()
        if not self._kept:
            self._kept.append(self._connected(library))
        return self._kept[0]

    def _connected(self, library: ModuleType, **more: Any) -> pymysql.Connection[Any]:
        # No conversions: every value arrives as the text the server writes.
        settings = {
            "charset": "utf8mb4",
            "autocommit": True,
            "conv": dict(library.converters.encoders),
            "connect_timeout": connecting(self.address.shown, CONNECT_SECONDS),
            "program_name": "accord",
            **self.address.settings,
            "database": self.address.database,
        } | more
        db: pymysql.Connection[Any] = library.connect(**settings, defer_connect=True)
        try:
            try:
                _reach(db, settings.get("unix_socket"))
            except TimeoutError:
                fell_silent(self.address.shown)
                raise
            connected(self.address.shown)
            keep_alive(db)
            if "read_timeout" not in settings:
                mysql_patience.listen(db, self.connect, self.address.shown)
            with db.cursor() as cursor:
                for statement in _SETTINGS:
                    cursor.execute(statement)
        except BaseException:
            if db.open:
                db.close()
            raise
        return db

    def translated(self, error: Exception) -> AccordError:
        """Our error for one of PyMySQL."""
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1] if len(error.args) > 1 else error).strip().splitlines()
        reason, where = (text[0] if text else type(error).__name__), self.address.shown
        secret = self.address.settings.get("password")
        reason = reason.replace(secret, "***") if secret else reason
        if code in _LOCKED:
            return SystemChanged(self.system, where, f"another session kept it locked for {LOCK_SECONDS} s", in_use=True)
        if code in _CONFLICT:
            return SystemChanged(self.system, where, reason, in_use=True)
        if code in _RIGHTS:
            return DataRefused(reason, where, _MAKE_IT_SO)
        if code in _NOT_WRITABLE:
            return DataRefused(f"it is a view, which cannot be written ({reason})", where, "a table, or direction: read for it in the flow")
        if code in _COMPUTED:
            return DataRefused(reason, where, COMPUTED)
        if code in _FULL:
            return StorageFull(where, reason)
        if type(error).__name__ in ("ProgrammingError", "DataError", "IntegrityError", "NotSupportedError") or code in _STATEMENT:
            return DataRefused(reason, where, "a statement the server accepts")
        if code in _READ_ONLY:
            return DataRefused(reason, where, "a server that may be written, or direction: read for this system in the flow")
        if code in _NO_ENTRY:
            return SystemUnreachable(self.system, where, reason, "Check user, password and database in its 'at:'.")
        if code in _AWAY or not code or code in _OF_THE_CLIENT:
            return SystemUnreachable(self.system, where, reason)
        return SystemUnreachable(self.system, where, f"{reason} (error {code})", answered=True)


def version(db: pymysql.Connection[Any]) -> str:
    """What the server calls itself, such as «10.11.19-MariaDB» or «8.4.3»."""
    return str(db.get_server_info())  # type: ignore[no-untyped-call]  # of PyMySQL's stubs


def rows(db: pymysql.Connection[Any], query: str, *values: str) -> list[tuple[Any, ...]]:
    """All rows of a query, values as texts.

    Args:
        db: open.
        query: with ``%s`` for each of ``values``.
        values: bound.
    """
    with db.cursor() as cursor:
        cursor.execute(query, values or None)
        return list(cursor.fetchall())


def run(db: pymysql.Connection[Any], *statements: str) -> None:
    """Carry out statements that give no rows."""
    with db.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def keep_alive(db: pymysql.Connection[Any]) -> None:
    """A link that is cut without a word is noticed after some seconds, whatever is being waited for."""
    link: socket.socket = db._sock  # type: ignore[attr-defined]  # the only way to the socket
    if link.family == socket.AF_UNIX:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000)):
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _reach(db: pymysql.Connection[Any], path: str | None) -> None:
    """Connect; where nobody listens at a unix socket PyMySQL would leave its own end of it open."""
    if path is None:
        db.connect()
        return
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(CONNECT_SECONDS)
        link.connect(path)
        db.connect(link)
    except BaseException:
        link.close()
        raise


def _spoken(db: pymysql.Connection[Any]) -> bool:
    """Whether the server said something while nobody asked: in an idle session that is its end."""
    poll = select.poll()
    poll.register(db._sock, select.POLLIN)  # type: ignore[attr-defined]
    return bool(poll.poll(0))


def _close(kept: list[pymysql.Connection[Any]], process: int) -> None:
    while kept:
        db = kept.pop()
        if process == os.getpid() and db.open:
            with contextlib.suppress(Exception):  # it is gone in any case
                db.close()
