"""Reading rows of SQLite by key, through an index where the key has one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from accord.connectors.keys import Keys
from accord.connectors.sqlite_types import as_text, canonical_type
from accord.connectors.types import quote

FEW: Final = 100_000
"""Above so many keys a scan of the whole table through DuckDB is no slower."""
_WORDS = ("CHAR", "CLOB", "TEXT")


def comparable(declared: str) -> bool:
    """Whether equal values of such a column are stored in one way only, so that a key can be looked up as it is spelled.

    Not so for times, decimals and UUIDs, which SQLite holds as texts of several spellings, nor where it converts nothing.
    """
    upper = declared.upper()
    return canonical_type(declared).name == "integer" or ("INT" not in upper and any(word in upper for word in _WORDS))


def read_keys(
    db: sqlite3.Connection, table: str, columns: Sequence[tuple[str, str, bool]], keys: Keys, declared: Mapping[str, str]
) -> pa.Table | None:
    """The rows as texts, as ``scan`` takes them from SQLite; ``None`` when only a scan can tell.

    Args:
        db: open for reading.
        table: name of the table.
        columns: name, declared type and whether it is the row id, in order.
        keys: few enough to be fetched.
        declared: the declared type of each column.
    """
    parts = ", ".join(f"k{i} {declared[name]}" for i, name in enumerate(keys.names))
    db.execute(f"CREATE TEMP TABLE accord_keys ({parts})")
    try:
        # The same declared types convert a text as the column itself would have.
        db.executemany(f"INSERT INTO temp.accord_keys VALUES ({', '.join('?' * len(keys.names))})", keys.few or ())
        on = " AND ".join(f"t.{quote(n)} = k.k{i} AND t.{quote(n)} = k.k{i} COLLATE BINARY" for i, n in enumerate(keys.names))
        selected = ", ".join(as_text(f"t.{quote(n)}", "TEXT" if rowid else kind) for n, kind, rowid in columns)
        query = f"SELECT {selected} FROM (SELECT DISTINCT * FROM temp.accord_keys) k CROSS JOIN main.{quote(table)} t ON {on}"
        rows = db.execute(query).fetchall()
    finally:
        db.execute("DROP TABLE temp.accord_keys")
    found = list(zip(*rows, strict=True)) or [()] * len(columns)
    texts = [_texts(values) for values in found]
    if any(values is None for values in texts):
        return None
    return pa.table({name: pa.array(values, pa.string()) for (name, _, _), values in zip(columns, texts, strict=True)})


def _texts(values: Sequence[Any]) -> list[str | None] | None:
    """The values as DuckDB would cast them; ``None`` when there are bytes among them, which it casts in a way of its own."""
    if any(isinstance(value, bytes) for value in values):
        return None
    return [value if value is None or isinstance(value, str) else str(value) for value in values]
