"""Reading rows of PostgreSQL by key: a few over the open connection, many through DuckDB's scanner, always in one statement."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import duckdb
import psycopg
import pyarrow as pa
from psycopg import errors

from accord.connectors.bulk import VERSION
from accord.connectors.keys import Keys
from accord.connectors.postgresql_types import PgColumn, columns_with, told_apart
from accord.connectors.text_values import readable_types
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.types import CanonicalType

FEW: Final = 1_000
"""Up to so many keys an answer through Python is faster than opening the scanner."""
MANY: Final = 300_000
"""From here on one statement would be tens of megabytes long, and reading the whole table is no slower."""
_names = itertools.count(1)
_TEXTS: Final = ("text", "character varying", "character", "citext")
_ARROW: Final = {
    "integer": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "binary": pa.binary(),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as it was last seen. ``mark`` differs from every other shape it had or will have."""

    table: str
    columns: tuple[PgColumn, ...]
    mark: str


def shape_of(db: psycopg.Connection[Any], table: str) -> Shape:
    """The columns of a table, with the mark by which a later statement finds whether they are still these.

    Args:
        db: an open connection.
        table: quoted name.
    """
    # The mark is of the statement's snapshot, and a type's name may be newer than that: then a later statement finds another mark.
    columns, found = columns_with(db, table, mark(table))
    return Shape(table, told_apart(columns, table), str(found))


def wanted(keys: Keys, shape: Shape, *, as_texts: bool = False) -> str:
    """SQL on the server: the condition on a row that its key is one of ``accord_keys`` (columns k0, k1 …, texts).

    Args:
        keys: as asked for.
        shape: of the table.
        as_texts: compare types that have no counterpart of ours, such as enums, as texts: slower, but no text is an error.
    """
    of = {column.name: column for column in shape.columns}
    stored, given = [], []
    for i, name in enumerate(keys.names):
        if as_texts and of[name].type.name in ("text", "json") and of[name].cast not in _TEXTS:
            stored.append(f"({of[name].read})::text")
            given.append(f"k{i}")
        else:
            stored.append(f"t.{quote(name)}")
            given.append(_given(of[name], f"k{i}"))
    return f"({', '.join(stored)}) IN (SELECT {', '.join(given)} FROM accord_keys)"


def read_few(con: duckdb.DuckDBPyConnection, db: psycopg.Connection[Any], keys: Keys, shape: Shape, version: str = "") -> str | None:
    """The rows of few keys as a relation in ``con``; ``None`` when the table no longer has this shape.

    Args:
        con: where the relation is made.
        db: an open connection.
        keys: which rows.
        shape: of the table as it was last seen.
        version: SQL on the server, a signed number for each row, which comes unsigned as ``_version``; empty: none.

    Raises:
        psycopg.Error: the server refuses, or the connection broke.
        Unusual: a key or a value has no place in Python or in its type; ``read_many`` can read it.
    """
    names = [f"k{i}" for i in range(len(keys.names))]
    # The mark comes with the rows, from the same snapshot; the outer join gives one row when there are none.
    picked = ", ".join(["true", *([version] if version else ["0"]), *(c.read for c in shape.columns)])
    rest = (
        f"SELECT m.mark, r.* FROM (SELECT {mark(shape.table)} AS mark) m LEFT JOIN "
        f"(SELECT {picked} FROM {shape.table} t WHERE {wanted(keys, shape)}) r ON true"
    )
    arrays = ", ".join(["%s::text[]"] * len(names))
    statement = f"WITH accord_keys AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS k({', '.join(names)})) {rest.replace('%', '%%')}"
    parameters = [list(values) for values in zip(*(keys.few or ()), strict=True)] or [[] for _ in names]
    try:
        with db.cursor(binary=True) as cursor:
            rows = cursor.execute(statement.encode(), parameters, prepare=True).fetchall()
    except (psycopg.DataError, errors.CheckViolation) as error:  # of a domain, whatever its check says
        raise Unusual from error
    except (errors.UndefinedColumn, errors.UndefinedTable, errors.UndefinedFunction):  # of an operator: a key has another type now
        return None
    except errors.FeatureNotSupported as error:
        if "cached plan" in str(error):
            return None
        raise
    if not rows or rows[0][0] != shape.mark:
        return None
    found = [row for row in rows if row[1]]
    versions = [None if row[2] is None else int(row[2]) + (1 << 63) for row in found] if version else None
    return _relation(con, shape.columns, [row[3:] for row in found], versions)


def read_many(con: duckdb.DuckDBPyConnection, keys: Keys, shape: Shape, version: str = "") -> str:
    """One statement for the scanner with the keys in it; ``_version`` is signed here."""
    return f"{arrays(con, keys)} {read_all(shape, version)} t WHERE {wanted(keys, shape, as_texts=True)}"


def read_all(shape: Shape, version: str = "") -> str:
    """SQL on the server of all rows, as the scanner takes them."""
    more = [f"{version} AS {VERSION}"] if version else []
    return f"SELECT {', '.join([*(f'{c.read} AS {quote(c.name)}' for c in shape.columns), *more])} FROM {shape.table}"


class Unusual(Exception):
    """A value that has no place in Python's types or in the declared ones, such as a date before Christ."""


def _relation(
    con: duckdb.DuckDBPyConnection, columns: Sequence[PgColumn], rows: Sequence[Sequence[Any]], versions: Sequence[int | None] | None
) -> str:
    number = next(_names)
    raw = f"pg_keys_{number}"
    if not rows:  # not through Arrow, since the first table of it that DuckDB is given takes as long as all else of a short run
        none = [f"NULL::{_empty(column)} AS {quote(column.name)}" for column in columns]
        none += [f"NULL::UBIGINT AS {VERSION}"] if versions is not None else []
        con.execute(f"CREATE TEMP VIEW {raw} AS SELECT {', '.join(none)} WHERE false")
        return raw
    arrays: dict[str, pa.Array] = {}
    unsure: dict[str, CanonicalType] = {}
    texts: dict[str, str] = {}  # and the DuckDB type each of them is read as
    for column, found in zip(columns, zip(*rows, strict=True), strict=True):
        kind = column.type
        try:
            if kind.name == "number":
                given = [None if v is None else Decimal(v) for v in found]
                arrays[column.name] = pa.array(given, pa.decimal128(kind.precision, kind.scale))
            elif kind.name == "json":
                arrays[column.name] = pa.array(found, pa.string())
                unsure[column.name] = kind
            elif kind.name == "timestamp":
                arrays[column.name] = pa.array(found, pa.timestamp("us", "UTC" if column.base == "timestamptz" else None))
            elif kind.name == "uuid":
                # Not as pa.uuid(): DuckDB cannot hand a join's filter to such a column, and says so by ending the query.
                arrays[column.name] = pa.array([None if v is None else str(v) for v in found], pa.string())
                texts[column.name] = "UUID"
            else:
                arrays[column.name] = pa.array(found, _ARROW.get(kind.name, pa.string()))
        except (pa.ArrowInvalid, InvalidOperation):
            arrays[column.name] = pa.array(found, pa.string())
            unsure[column.name] = kind
    if versions is not None:
        arrays[VERSION] = pa.array(versions, pa.uint64())
    con.register(raw, pa.table(arrays))
    if not (unsure or texts):
        return raw
    texts |= readable_types(con, raw, unsure)
    selected = [f"CAST({quote(n)} AS {texts[n]}) AS {quote(n)}" if n in texts else quote(n) for n in arrays]
    con.execute(f"CREATE TEMP VIEW {raw}_view AS SELECT {', '.join(selected)} FROM {raw}")
    return f"{raw}_view"


def _empty(column: PgColumn) -> str:
    """The type in DuckDB of a column of which there is no value."""
    kind = column.type
    return "TIMESTAMP" if kind.name == "timestamp" and column.base != "timestamptz" else duckdb_type(kind)


def arrays(con: duckdb.DuckDBPyConnection, keys: Keys) -> str:
    """SQL on the server for ``accord_keys``, one array per key column."""
    # Quoted and escaped, every text but NUL can be an element; no text of PostgreSQL holds a NUL.
    escaped = (f"replace(replace({quote(n)}, chr(92), chr(92) || chr(92)), chr(34), chr(92) || chr(34))" for n in keys.names)
    elements = [f"'{{' || coalesce(string_agg(chr(34) || {e} || chr(34), ',' ORDER BY number), '') || '}}'" for e in escaped]
    sound = " AND ".join(f"NOT contains({quote(n)}, chr(0))" for n in keys.names)
    numbered = f"SELECT *, row_number() OVER () AS number FROM ({keys.query}) WHERE {sound}"
    row = con.execute(f"SELECT {', '.join(elements)} FROM ({numbered})").fetchone()
    arrays = ", ".join(f"E{literal(str(text).replace(chr(92), chr(92) * 2))}::text[]" for text in row or ())
    return f"WITH accord_keys AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS k({', '.join(f'k{i}' for i in range(len(keys.names)))}))"


def _given(column: PgColumn, text: str) -> str:
    # A whole number too large for its column equals none of it, and is no error.
    return f"{text}::bigint" if column.base in ("int2", "int4") else column.from_text(text, to_write=False)


def mark(table: str) -> str:
    """SQL on the server: every change of a table's columns writes their rows in the catalog, so the transactions that did are a mark."""
    return (
        f"(SELECT {literal(table)}::regclass::oid::text || ':' || string_agg(a.attnum || '.' || a.xmin::text, ' ' ORDER BY a.attnum) "
        f"FROM pg_catalog.pg_attribute a WHERE a.attrelid = {literal(table)}::regclass AND a.attnum > 0)"
    )
