"""How far a PostgreSQL server has come: how many transaction ids it gave out and how long its log is, which both only grow.

A server whose data were put back, or brought back to a moment, has given out fewer and has a shorter log until it has done as much again.
A standby that was promoted goes on with both.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import errors

_LOST_IDS: Final = 1_000  # given out, and again after a crash, when nothing of their transactions was on disk by then
_REACHED: Final = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text,
        (SELECT oid FROM pg_database WHERE datname = current_database())::text,
        pg_snapshot_xmax(pg_current_snapshot())::text, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text
    WHERE NOT pg_is_in_recovery()"""


def reached(db: psycopg.Connection[Any]) -> str | None:
    """The server, the database, transaction ids and bytes of the log; ``None`` on a standby, and where it does not tell these.

    Args:
        db: in autocommit.
    """
    try:
        found = db.execute(_REACHED, prepare=True).fetchone()
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported):
        return None
    return " ".join(map(str, found)) if found else None


def set_back(before: str, now: str, *, written: bool) -> str:
    """See ``protocol.Dated``."""
    (server, database, ids, log), (server_now, database_now, ids_now, log_now) = before.split(), now.split()
    if server_now != server:
        return f"it is another server, {server_now}, and was {server}" if written else ""
    if int(ids_now) < int(ids) - _LOST_IDS:
        return f"its server has given out transaction ids up to {ids_now}, and had up to {ids}"
    if int(log_now) < int(log):
        return f"the log of its server ends at byte {log_now}, and did at {log}"
    return "its database was made anew" if written and database_now != database else ""
