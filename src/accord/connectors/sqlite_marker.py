"""The marker of the last batch in a SQLite file."""

from __future__ import annotations

import sqlite3

from accord.connectors.marker import COLUMNS, TABLE, TAKEN, parts
from accord.connectors.protocol import Noting


def prepare(db: sqlite3.Connection) -> str:
    """Make the table where it is not there; why that cannot be, else empty. Outside of any transaction."""
    try:
        db.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (writer TEXT PRIMARY KEY, flow TEXT, batch TEXT, at TEXT)")
    except sqlite3.OperationalError as error:
        return str(error)
    return "" if _is_ours(db) else TAKEN


def put(db: sqlite3.Connection, noting: Noting, receipt: str) -> None:
    """Name the batch of the receipt as the writer's last."""
    row = (noting.writer, noting.label, parts(receipt)[1])
    db.execute(f"INSERT OR REPLACE INTO {TABLE} (writer, flow, batch, at) VALUES (?, ?, ?, datetime('now'))", row)


def stands(db: sqlite3.Connection, receipt: str) -> bool | None:
    """Whether the batch is the writer's last; ``None`` without the table.

    Asked for writing, so that a transaction that has not ended yet has by the time it is answered.
    """
    writer, batch = parts(receipt)
    db.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(db):
            return None
        return db.execute(f"SELECT 1 FROM {TABLE} WHERE writer = ? AND batch = ?", (writer, batch)).fetchone() is not None
    finally:
        db.execute("ROLLBACK")


def latest(db: sqlite3.Connection) -> str:
    """When any writer's last batch was named; empty where none was."""
    return str(db.execute(f"SELECT coalesce(max(at), '') FROM {TABLE}").fetchone()[0]) if _is_ours(db) else ""


def _is_ours(db: sqlite3.Connection) -> bool:
    found = db.execute("SELECT name FROM pragma_table_info(?)", (TABLE,)).fetchall()
    return tuple(row[0] for row in found) == COLUMNS
