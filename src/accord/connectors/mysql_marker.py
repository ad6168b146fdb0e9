"""The marker of the last batch in a database of MySQL or MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from accord.connectors.marker import COLUMNS, TABLE, TAKEN, parts
from accord.connectors.mysql_link import rows, run
from accord.connectors.protocol import Noting

if TYPE_CHECKING:
    import pymysql

_NOT_OURS: Final = (1146, 1054, 1143)  # no such table, or one without that column
_FORBIDDEN: Final = (1044, 1142, 1227, 1290, 1030, 1005)
_FOUND: Final = """
    SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"""
_DECLARED: Final = (
    "writer varchar(64) CHARACTER SET ascii PRIMARY KEY, flow varchar(255), batch varchar(64) CHARACTER SET ascii, at datetime"
)


def prepare(db: pymysql.Connection[Any]) -> str:
    """Make the table where it is not there; why that cannot be, else empty. Outside of any transaction, which it would end."""
    import pymysql

    there = _columns(db)
    try:
        if not there:
            run(db, f"CREATE TABLE IF NOT EXISTS {TABLE} ({_DECLARED}) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4")
            there = _columns(db)
        for statement in (f"INSERT INTO {TABLE} VALUES ('', '', '', NULL)", f"UPDATE {TABLE} SET batch = ''"):
            rows(db, f"EXPLAIN {statement}")  # checks rights, carries nothing out
    except pymysql.err.Error as error:
        if not error.args or error.args[0] not in _FORBIDDEN:
            raise
        return str(error.args[1])
    return "" if there == COLUMNS else TAKEN


def put(db: pymysql.Connection[Any], noting: Noting, receipt: str) -> None:
    """Name the batch of the receipt as the writer's last."""
    with db.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (writer, flow, batch, at) VALUES (%s, %s, %s, utc_timestamp()) "
            "ON DUPLICATE KEY UPDATE flow = VALUES(flow), batch = VALUES(batch), at = VALUES(at)",
            (noting.writer, noting.label[:255], parts(receipt)[1]),
        )


def stands(db: pymysql.Connection[Any], receipt: str) -> bool | None:
    """Whether the batch is the writer's last; ``None`` without the table.

    Asked for writing, so that a transaction that has not ended yet has by the time it is answered.
    """
    writer, batch = parts(receipt)
    if _columns(db) != COLUMNS:
        return None
    run(db, "START TRANSACTION")
    found = rows(db, f"SELECT batch FROM {TABLE} WHERE writer = %s FOR UPDATE", writer)
    run(db, "ROLLBACK")
    return bool(found) and found[0][0] == batch


def latest(db: pymysql.Connection[Any]) -> str:
    """When any writer's last batch was named; empty where none was."""
    import pymysql

    try:
        return str(rows(db, f"SELECT coalesce(max(at), '') FROM {TABLE}")[0][0])
    except pymysql.err.Error as error:
        if not error.args or error.args[0] not in (*_FORBIDDEN, *_NOT_OURS):
            raise
        return ""


def _columns(db: pymysql.Connection[Any]) -> tuple[str, ...]:
    return tuple(row[0] for row in rows(db, _FOUND, TABLE))
