"""The binlog of a MySQL or MariaDB server from a place on, event by event, and what has to be true for it to tell everything."""

from __future__ import annotations

import contextlib
import importlib
import logging
import secrets
import select
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from accord.connectors.mysql_link import Link, driver, rows, run, version
from accord.model.errors import DataRefused, SystemUnreachable

if TYPE_CHECKING:
    import pymysql

HEARTBEAT_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 15
"""Without a byte, where a heartbeat is due every second: nobody is there any more."""
COMMIT_SECONDS: Final = 20.0
"""How long a transaction that stands in the log may take to become visible; longer is an error and not an answer."""
_ROLES: Final = "REPLICATION SLAVE and REPLICATION CLIENT (BINLOG MONITOR on MariaDB) for this user"
_GONE: Final = 1236
_CASCADES = """
    SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s
    AND (DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))"""
_PRIMARY = """
    SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY'"""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the log: number of the file, offset in it, and the file's name."""

    number: int
    offset: int
    file: str

    @classmethod
    def of(cls, file: str, offset: int) -> Place:
        """The place ``offset`` in ``file``, whose name ends in its number."""
        return cls(int(file.rpartition(".")[2]), int(offset), file)


class LogGone(Exception):
    """The server no longer has the place that was asked for."""


def replication(system: str, where: str) -> ModuleType:
    """mysql-replication.

    Raises:
        SystemUnreachable: it is not installed; the message says how to.
    """
    try:
        library = importlib.import_module("pymysqlreplication")
    except ImportError as error:
        todo = "Install it with: pip install 'accord[mysql]'"
        raise SystemUnreachable(system, where, "the library mysql-replication is not installed", todo) from error
    # It warns on the console of what is dealt with here.
    logging.getLogger("pymysqlreplication").setLevel(logging.CRITICAL)
    return library


class BinlogStream:
    """The events after a place, over a connection of its own."""

    def __init__(self, link: Link, schema: str, table: str, after: Place) -> None:
        library = replication(link.system, link.address.shown)
        self._link, self._connections = link, 0
        self._db: pymysql.Connection[Any] | None = None
        self._after = after
        self._reader = library.BinLogStreamReader(
            connection_settings={},
            # Two readers of one number would throw each other out.
            server_id=secrets.randbelow(1 << 31) + (1 << 31) - 1,
            blocking=True,
            resume_stream=True,
            log_file=after.file,
            log_pos=after.offset,
            only_schemas=[schema],
            only_tables=[table],
            filter_non_implemented_events=False,
            slave_heartbeat=HEARTBEAT_SECONDS,
            pymysql_wrapper=self._connected,
            enable_logging=False,
        )

    @property
    def place(self) -> Place:
        """What has been read so far."""
        return Place.of(self._reader.log_file, self._reader.log_pos)

    def waiting(self, seconds: float) -> bool:
        """Whether an event is there, or comes within this time."""
        if self._db is None:
            return True  # the first event makes the connections
        until = time.monotonic() + seconds
        while not self._peeked():
            left = until - time.monotonic()
            if left <= 0:
                return False
            poll = select.poll()
            poll.register(self._db._sock, select.POLLIN)  # type: ignore[attr-defined]  # the only way to the socket
            poll.poll(left * 1000)
        return True

    def next(self) -> Any:
        """The next event; waits for it no longer than until the next heartbeat.

        Raises:
            LogGone: the place is no longer there.
            SystemUnreachable: the connection broke.
        """
        library = driver(self._link.system, self._link.address.shown)
        try:
            event = self._reader.fetchone()
        except library.err.Error as error:
            if error.args and error.args[0] == _GONE:
                raise LogGone(str(error.args[1])) from None
            found = self._link.translated(error)
            if isinstance(found, DataRefused):
                raise DataRefused(found.what, found.where, _ROLES) from None
            raise found from None
        except OSError as error:
            raise SystemUnreachable(self._link.system, self._link.address.shown, error.strerror or str(error)) from None
        if event is None:
            raise SystemUnreachable(self._link.system, self._link.address.shown, "the server ended its log")
        return event

    def close(self) -> None:
        """Let go of both connections."""
        library = driver(self._link.system, self._link.address.shown)
        with contextlib.suppress(library.err.Error, OSError):  # they are gone in any case
            self._reader.close()
        self._db = None

    def _connected(self, **settings: Any) -> pymysql.Connection[Any]:
        """The library connects twice, to the log and to ask questions. A third time would be to go on behind our back after a break."""
        library = driver(self._link.system, self._link.address.shown)
        self._connections += 1
        if self._connections > 2:
            raise library.err.OperationalError(2013, "the connection to its log broke")
        db = self._link.connect(cursorclass=settings.get("cursorclass", library.cursors.Cursor), read_timeout=SILENT_SECONDS)
        if self._connections == 1:
            self._db = db
        return db

    def _peeked(self) -> bool:
        """Whether a byte is there, also among those that were taken from the socket already."""
        link, file = self._db._sock, self._db._rfile  # type: ignore[union-attr]
        before = link.gettimeout()
        link.setblocking(False)
        try:
            return bool(file.peek(1)) or bool(self._ended(link))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            link.settimeout(before)

    @staticmethod
    def _ended(link: Any) -> bool:
        """Whether the other side is gone: nothing to read and never will be, which the next read says properly."""
        poll = select.poll()
        poll.register(link, select.POLLIN)
        return bool(poll.poll(0)) and not isinstance(link, ssl.SSLSocket)


def status(link: Link) -> Place:
    """Where the log ends now.

    Raises:
        DataRefused: there is none, or this user may not ask.
    """
    try:
        with link.session() as db:
            found = _status(db)
    except DataRefused as error:
        raise DataRefused(error.what, error.where, _ROLES) from None
    if not found:
        raise DataRefused("the server keeps no binlog", link.address.shown, "log_bin = ON and binlog_format = ROW, or capture: sweep")
    return Place.of(found[0][0], int(found[0][1]))


def beginning(link: Link) -> Place:
    """A place such that everything before it is visible to whoever reads from now on.

    A transaction stands in the log a moment before others see it, so the end of the log alone would lose one.
    """
    end = status(link)
    with link.session() as db:
        if "MariaDB" in version(db):
            return _committed(db)
    # The server begins a new file only when all that stands in the old one is visible.
    return Place(end.number, 4, end.file)


def visible(link: Link, upto: Place, gtids: Iterable[str]) -> None:
    """Return when others see every transaction that ends at ``upto`` or before, and the one ``upto`` is within.

    Args:
        link: to the server.
        upto: end of a transaction, or a place within one.
        gtids: the numbers of the transactions, where the server gives them such.

    Raises:
        SystemUnreachable: it did not become visible in time.
    """
    until = time.monotonic() + COMMIT_SECONDS
    with link.session() as db:
        if "MariaDB" in version(db):
            while _committed(db) < upto:
                if time.monotonic() > until:
                    break
                time.sleep(0.0005)
            else:
                return
        elif rows(db, "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", ",".join(gtids), str(COMMIT_SECONDS))[0][0] == "0":
            return
    raise SystemUnreachable(link.system, link.address.shown, f"a transaction of its log at {upto.file}:{upto.offset} is still not visible")


def check(link: Link, schema: str, table: str, key: Sequence[str]) -> None:
    """See that the log tells of every change of the table.

    Raises:
        DataRefused: it does not; the message says what to set.
    """
    where = f"{link.address.shown}, table {table}"
    status(link)
    with link.session() as db:
        settings = dict(
            rows(
                db,
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_format', 'binlog_row_image', 'log_bin_compress', "
                "'binlog_transaction_compression', 'log_slave_updates', 'gtid_mode')",
            )
        )
        found = _status(db)[0]
        primary = {row[0] for row in rows(db, _PRIMARY, schema, table)}
        cascades = [row[0] for row in rows(db, _CASCADES, schema, table)]
        replica = [row for row in rows(db, "SHOW GLOBAL STATUS LIKE 'Slave_running'") if row[1] == "ON"]
        kind = rows(db, "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", schema, table)
        maria = "MariaDB" in version(db)
    if kind and kind[0][0].endswith("VIEW"):
        raise DataRefused("it is a view, whose changes stand in no log", where, "a table, or capture: sweep")
    for name, expected in (
        ("binlog_format", "ROW"),
        ("log_bin_compress", "OFF"),
        ("binlog_transaction_compression", "OFF"),
        *((("log_slave_updates", "ON"),) if replica else ()),
        *(() if maria else (("gtid_mode", "ON"),)),
    ):
        if name in settings and settings[name] != expected:
            raise DataRefused(f"{name} is {settings[name]}", where, f"{name} = {expected}, or capture: sweep")
    logged, ignored = (set(filter(None, str(names or "").split(","))) for names in found[2:4])
    if (logged and schema not in logged) or schema in ignored:
        raise DataRefused(
            "its database is left out of the binlog", where, "binlog_do_db and binlog_ignore_db that let it in, or capture: sweep"
        )
    if settings.get("binlog_row_image", "FULL") != "FULL" and not set(key) <= primary:
        found_is = f"binlog_row_image is {settings['binlog_row_image']}, and key {', '.join(key)} is not within the primary key"
        raise DataRefused(found_is, where, "binlog_row_image = FULL, or a key within the primary key")
    if cascades:
        what = f"what foreign key {', '.join(cascades)} changes by itself does not stand in the binlog"
        raise DataRefused(what, where, "ON DELETE and ON UPDATE RESTRICT, or capture: sweep")


def lag(link: Link, after: Place) -> int | None:
    """Bytes of log behind a place; ``None`` when its file is gone."""
    status(link)
    with link.session() as db:
        files = {Place.of(row[0], int(row[1])) for row in rows(db, "SHOW BINARY LOGS")}
    if after.file not in {place.file for place in files}:
        return None
    return sum(place.offset - (after.offset if place.file == after.file else 0) for place in files if place.number >= after.number)


def _status(db: pymysql.Connection[Any]) -> list[tuple[Any, ...]]:
    number = version(db).split("-")[0].split(".")
    renamed = "MariaDB" not in version(db) and (int(number[0]), int(number[1])) >= (8, 2)
    return rows(db, "SHOW BINARY LOG STATUS" if renamed else "SHOW MASTER STATUS")


def _committed(db: pymysql.Connection[Any]) -> Place:
    """The end of the last transaction that a snapshot taken now sees (MariaDB)."""
    run(db, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    found = dict(rows(db, "SHOW STATUS LIKE 'binlog_snapshot%'"))
    run(db, "ROLLBACK")
    return Place.of(found["Binlog_snapshot_file"], int(found["Binlog_snapshot_position"]))
