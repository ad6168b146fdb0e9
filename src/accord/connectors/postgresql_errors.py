"""What PostgreSQL, or DuckDB's scanner of it, says when it refuses, as an error of ours; no password stands in it."""

from __future__ import annotations

import duckdb
import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from accord.connectors.column_names import COMPUTED
from accord.model.errors import AccordError, DataRefused, StorageFull, SystemChanged, SystemUnreachable
from accord.model.system import System

LOCK_SECONDS = 5
_AWAY = ("08", "28", "3D", "53300", "57P")  # the line, entry, no such database, too many connections, a server that is ending


def translated(error: Exception, system: System, conninfo: str, at: str) -> AccordError:
    """The error to raise in place of ``error``, whose text may hold the password.

    Args:
        error: of psycopg or DuckDB.
        system: ``at`` of it can be shown.
        conninfo: what the connection was opened with; perhaps empty.
        at: the address as the map gave it.
    """
    where = system.at
    reason = str(error).strip() or type(error).__name__
    if isinstance(error, duckdb.Error) and "ERROR:" in reason:  # the scanner puts its own query before what the server says
        reason = reason.rpartition("ERROR:")[2].strip() or reason
    text = reason.splitlines()[0]
    for secret, shown in ((conninfo, where), (at, where), (_password(conninfo), "***")):
        text = text.replace(secret, shown) if secret else text
    if isinstance(error, duckdb.Error):
        if "permission denied" in text:
            return DataRefused(text, where, "rights for this user (GRANT SELECT ON … TO …)")
        if "lock timeout" in text:
            return SystemChanged(system.name, where, f"another session kept it locked for {LOCK_SECONDS} s", in_use=True)
    if isinstance(error, errors.LockNotAvailable):
        return SystemChanged(system.name, where, f"another session kept it locked for {LOCK_SECONDS} s", in_use=True)
    no_lock = isinstance(error, errors.FeatureNotSupported) and "FOR UPDATE" in text  # of a view that groups or joins
    if no_lock or isinstance(error, errors.ObjectNotInPrerequisiteState):
        return DataRefused("it is a view, which cannot be written", where, "a table, or direction: read for it in the flow")
    if isinstance(error, errors.GeneratedAlways):
        return DataRefused(text, where, COMPUTED)
    if isinstance(error, errors.DiskFull):
        return StorageFull(where, text)
    if isinstance(error, errors.InsufficientPrivilege):
        grant = "TEMPORARY ON DATABASE" if "temporary" in text else "SELECT, INSERT, UPDATE, DELETE ON"
        return DataRefused(text, where, f"rights for this user (GRANT {grant} … TO …)")
    if isinstance(error, (errors.DeadlockDetected, errors.SerializationFailure)):
        return SystemChanged(system.name, where, text, in_use=True)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, duckdb.Error)):
        state = getattr(error, "sqlstate", None)
        return SystemUnreachable(system.name, where, text, answered=bool(state) and not str(state).startswith(_AWAY))
    return DataRefused(text, where, "a statement the server accepts")


def _password(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo).get("password") or "") if conninfo else ""
