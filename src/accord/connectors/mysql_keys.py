"""Reading rows of MySQL by key: through its index, in one state of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import duckdb

from accord.connectors.keys import Keys
from accord.connectors.mysql_read import fetch
from accord.connectors.mysql_types import MyColumn
from accord.connectors.types import quote

if TYPE_CHECKING:
    import pymysql

MANY: Final = 100_000
"""Above so many keys reading the whole table is no slower."""
_EACH: Final = 5_000
"""Keys in one statement."""
_INEXACT: Final = ("float", "double", "bit", "json", "enum", "set")


def comparable(column: MyColumn) -> bool:
    """Whether the server finds every row whose value equals a literal; it may find more, such as other spellings of a text."""
    return column.base not in _INEXACT and column.type.name != "json"


def read(con: duckdb.DuckDBPyConnection, db: pymysql.Connection[Any], table: str, columns: Mapping[str, MyColumn], keys: Keys) -> str:
    """The rows as texts in a table of ``con``: those of the keys, and perhaps some whose key only looks alike to the server.

    Args:
        con: holds the keys.
        db: open, outside of a transaction.
        table: quoted name.
        columns: of the table.
        keys: all of whose columns are ``comparable``.

    Raises:
        pymysql.err.Error: the server refuses, also to compare a text with a column that has no such characters.
    """
    of = [columns[name] for name in keys.names]
    # A key the column cannot hold equals none of its rows, and as a literal it would be an error.
    sound = " AND ".join(f"({c.refused(quote(c.name))}) IS NULL" for c in of)
    literals = " || ',' || ".join(f"({c.given(quote(c.name))})" for c in of)
    found = con.execute(f"""
        SELECT string_agg('(' || literal || ')', ',') FROM (
            SELECT {literals} AS literal, (row_number() OVER () - 1) // {_EACH} AS part FROM ({keys.query}) WHERE {sound})
        GROUP BY part ORDER BY part""").fetchall()
    names = ", ".join(quote(name) for name in keys.names)
    picked = ", ".join(f"{c.read()} AS {quote(c.name)}" for c in columns.values())
    queries = [f"SELECT {picked} FROM {table} WHERE ({names}) IN ({part})" for (part,) in found]
    return fetch(con, db, queries, list(columns))
