"""Texts of a SQLite file that are none: SQLite keeps whatever bytes a program gave it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from accord.connectors.types import quote

NOT_UTF8 = "text that is not UTF-8"


def undecodable(db: sqlite3.Connection, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """The first text that is not UTF-8, by column and key of its row; empty when there is none.

    Args:
        db: the file.
        table: its table or view.
        columns: to look at.
        key: what the row is named by; where there is none, by its number.
    """
    db.text_factory = bytes
    texts = [f"CASE typeof({quote(c)}) WHEN 'text' THEN {quote(c)} END" for c in columns]
    named = [f"CAST({quote(k)} AS TEXT)" for k in key]
    rows = db.execute(f"SELECT {', '.join([*texts, *named])} FROM {quote(table)}")
    for number, row in enumerate(rows, 1):
        for column, value in zip(columns, row, strict=False):
            if value is not None and not _is_text(value):
                held = ", ".join(f"{k} {_shown(v)}" for k, v in zip(key, row[len(columns) :], strict=True))
                return f"column '{column}' of the row with {held}" if held else f"column '{column}' of row {number:,}"
    return ""


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(value: bytes | None) -> str:
    return "null" if value is None else repr(value.decode(errors="replace"))
