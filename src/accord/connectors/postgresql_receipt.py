"""Whether a transaction of ours was committed: PostgreSQL remembers that of every transaction id for a long time, so no table is needed.

The id is taken inside the writing transaction and noted before the commit. Two things must hold for its answer to be about our transaction.

* The server is the one that gave the id: another one, a promoted standby, or one that was brought back to an earlier state gives out the
  same ids again. So its identifier, its timeline and how far its log had come are part of the receipt.
* The id survives a crash of the server. Without a word of it in the log on disk, a server that starts again would give it out a second
  time. So the log is on disk up to a record of this transaction before the receipt counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
from psycopg import errors

from accord.model.errors import SystemChanged

SINCE: Final = 130000
_FLUSHING: Final = 170000  # from here on one call writes a record and waits for the disk
_WAIT_SECONDS, _END_SECONDS, _LOOK_SECONDS = 1.0, 5.0, 0.05
_SERVER: Final = """
    SELECT (SELECT system_identifier::text FROM pg_control_system()), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
        pg_current_wal_insert_lsn()::text"""


def take(db: psycopg.Connection[Any], connect: Callable[[], psycopg.Connection[Any]]) -> tuple[str, str]:
    """The receipt of the open transaction, or an empty one and why.

    Args:
        db: in the transaction, everything of it done.
        connect: a second connection, for servers that can be made to write to disk in no other way.
    """
    if db.info.server_version < SINCE:
        return "", "PostgreSQL before 13 cannot be asked"
    try:
        with db.transaction():  # a savepoint
            own = db.execute("SELECT pg_current_xact_id()::text, pg_backend_pid()").fetchone()
            if db.info.server_version >= _FLUSHING:
                db.execute("SELECT pg_logical_emit_message(true, 'accord', ''::text, true)")
            else:
                _flush(connect)
            server = db.execute(_SERVER).fetchone()
    except (errors.InsufficientPrivilege, errors.UndefinedFunction) as error:
        return "", error.diag.message_primary or str(error)
    assert own is not None
    assert server is not None
    return json.dumps({"xid": own[0], "pid": own[1], "server": server[0], "timeline": server[1], "position": server[2]}), ""


def committed(db: psycopg.Connection[Any], receipt: str, system: str, where: str) -> bool | None:
    """Whether the transaction of a receipt was committed; ``None`` when this server cannot say.

    Args:
        db: in autocommit.
        receipt: what ``take`` gave.
        system: its name, for errors.
        where: the same.

    Raises:
        SystemChanged: it is still open, and could not be ended.
    """
    given = json.loads(receipt)
    if _other_server(db, given):
        return None
    began, ended = time.monotonic(), False
    while True:
        status = _status(db, given["xid"])
        if status != "in progress":
            return None if status is None else status == "committed"
        passed = time.monotonic() - began
        if passed > _WAIT_SECONDS and not ended:
            # The process it belonged to is gone; its session was left behind, perhaps over a line that nobody hears of.
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_xid = (%s::xid8)::xid",
                (given["pid"], given["xid"]),
            )
            ended = True
        if passed > _END_SECONDS:
            raise SystemChanged(system, where, "a transaction of a run that was broken off is still open there", in_use=True)
        time.sleep(_LOOK_SECONDS)


def _other_server(db: psycopg.Connection[Any], given: dict[str, Any]) -> bool:
    try:
        found = db.execute("SELECT pg_is_in_recovery()").fetchone()
        if found is None or found[0]:
            return True
        now = db.execute(f"{_SERVER}, pg_current_wal_insert_lsn() >= %s::pg_lsn", (given["position"],)).fetchone()
    except errors.InsufficientPrivilege:
        return True
    return now is None or (now[0], now[1]) != (given["server"], given["timeline"]) or not now[3]


def _status(db: psycopg.Connection[Any], xid: str) -> str | None:
    try:
        found = db.execute("SELECT pg_xact_status(%s::xid8)", (xid,)).fetchone()
    except errors.InvalidParameterValue:  # not given out yet: an earlier state of the server
        return None
    return found[0] if found else None


def _flush(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    """A commit of another session takes all that was written to the log before it to disk."""
    with connect() as other:
        other.execute("SET synchronous_commit = on")
        other.commit()
        other.execute("SELECT pg_logical_emit_message(true, 'accord', '')")
