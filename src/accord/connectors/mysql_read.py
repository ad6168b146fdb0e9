"""Rows of MySQL in DuckDB: texts over a cursor that the server fills as it reads, then shown in the types of the columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from accord.connectors.mysql_patience import as_it_comes
from accord.connectors.mysql_types import MyColumn
from accord.connectors.text_values import readable_types
from accord.connectors.types import quote

if TYPE_CHECKING:
    import pymysql

_CHUNK_ROWS: Final = 20_000
_names = itertools.count(1)
_TIMES: Final = ("TIMESTAMP", "TIMESTAMPTZ")


def fetch(con: duckdb.DuckDBPyConnection, db: pymysql.Connection[Any], queries: Sequence[str], names: Sequence[str]) -> str:
    """A temporary table in ``con`` with what the queries give, all of it as text.

    Args:
        con: where the table is made.
        db: open; in a transaction where several queries have to see one state.
        queries: on the server, of the same columns.
        names: of the columns.

    Raises:
        pymysql.err.Error: the server refuses, or the connection broke.
    """
    table = f"mysql_{next(_names)}"
    chunk = f"{table}_chunk"
    con.execute(f"CREATE TEMP TABLE {table} ({', '.join(f'{quote(name)} VARCHAR' for name in names)})")
    for query in queries:
        with as_it_comes(db) as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(_CHUNK_ROWS):
                columns = zip(*rows, strict=True)
                con.register(chunk, pa.table({name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)}))
                con.execute(f"INSERT INTO {table} SELECT * FROM {chunk}")
                con.unregister(chunk)
    return table


def readings(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[MyColumn]) -> dict[str, str]:
    """For each column the SQL in ``con`` that makes its value of the text in ``table``."""
    shown = f"(SELECT {', '.join(f'{c.shown(quote(c.name))} AS {quote(c.name)}' for c in columns)} FROM {table})"
    kinds = readable_types(con, shown, {c.name: c.type for c in columns})
    found = {}
    for column in columns:
        kind = kinds[column.name]
        if kind in _TIMES:
            kind = "TIMESTAMPTZ" if column.zoned else "TIMESTAMP"  # also where there is no value to tell
        text = column.shown(quote(column.name))
        found[column.name] = f"unhex({text})" if column.type.name == "binary" else f"CAST({text} AS {kind})"
    return found


def view(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[MyColumn]) -> str:
    """A relation that shows the texts of ``table`` in the types of the columns."""
    values = readings(con, table, columns)
    con.execute(f"CREATE TEMP VIEW {table}_view AS SELECT {', '.join(f'{v} AS {quote(n)}' for n, v in values.items())} FROM {table}")
    return f"{table}_view"
