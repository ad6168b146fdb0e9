"""Columns of a PostgreSQL table: what they are canonically, how they are read without loss, and how a text becomes one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from accord.connectors.column_names import doubles
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused
from accord.model.types import CanonicalType

_CANONICAL = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "double",
    "float8": "double",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "json",
    "bytea": "binary",
}
_WITHOUT_EQUALITY = {"point", "xml", "polygon", "box", "line", "lseg", "path", "circle", "jsonpath", "_bit"}
_CUTTING = {"character": "bpchar", "bit": "varbit"}  # without a length, these names mean a length of one
_COLUMNS = """
    WITH RECURSIVE base AS (
        SELECT a.attnum, t.oid, t.typname, t.typtype, t.typbasetype, t.typcategory, coalesce(nullif(a.atttypmod, -1), t.typtypmod) AS typmod
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, t.oid, t.typname, t.typtype, t.typbasetype, t.typcategory, coalesce(nullif(b.typmod, -1), t.typtypmod)
        FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
    )
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(b.oid, NULL), b.typname, b.typcategory = 'A', b.typmod,
        NOT a.attnotnull{more}
    FROM pg_attribute a JOIN base b ON b.attnum = a.attnum AND b.typtype <> 'd'
    WHERE a.attrelid = %(table)s::regclass
    ORDER BY a.attnum"""


@dataclass(frozen=True, slots=True)
class PgColumn:
    """A column: ``native`` as declared; beneath any domain and without length, its type is ``base`` in the catalog and ``cast`` in SQL."""

    name: str
    native: str
    cast: str
    base: str
    is_array: bool
    typmod: int
    nullable: bool

    @property
    def type(self) -> CanonicalType:
        """The canonical type; arrays are JSON, and what has no counterpart is text."""
        if self.is_array:
            return CanonicalType("json")
        if self.base == "numeric":
            precision, scale = ((self.typmod - 4) >> 16) & 0xFFFF, (self.typmod - 4) & 0x7FF
            fits = self.typmod >= 4 and 1 <= precision <= 38 and scale <= precision
            return CanonicalType("number", precision, scale) if fits else CanonicalType("number")
        return CanonicalType(_CANONICAL.get(self.base, "text"))

    @property
    def read(self) -> str:
        """SQL on the server from which DuckDB's scanner gets the value without loss: it would make doubles of numbers without scale."""
        column = quote(self.name)
        if self.is_array:
            return f"to_json({column})::text"
        if self.base == "float4":
            return f"{column}::text::float8"  # 0.1 stays 0.1 and does not become 0.10000000149
        if self.base == "inet":
            return f"abbrev({column})::text"  # as the server shows it; its cast gives a single address a mask
        if self.base in ("int2", "int4"):
            return f"{column}::bigint"
        plain = {"int8", "float8", "bool", "date", "timestamp", "timestamptz", "uuid", "bytea"}
        return column if self.base in plain else f"{column}::text"

    @property
    def read_as_bytes(self) -> bool:
        """Whether ``read`` gives text, which in a database without encoding may be any bytes."""
        return self.read.endswith("::text")

    @property
    def read_as_text(self) -> bool:
        """Whether ``read`` gives text that has yet to be read as ``type``."""
        return self.type.name in ("number", "json")

    def from_text(self, text: str, *, to_write: bool) -> str:
        """SQL on the server that makes a value of a staged text; an error for one to be written that would be rounded.

        Lengths and domains are left to the assignment, which refuses where a cast would cut.
        """
        if to_write and self.base == "numeric" and self.typmod >= 4:
            refused = f"({text} || ' does not fit ' || {literal(self.native)})::numeric"
            return f"CASE WHEN {text}::numeric <> {text}::{self.native} THEN {refused} ELSE {text}::numeric END"
        if self.base == "bytea":
            return f"decode({text}, 'hex')"
        name = self.cast.removesuffix("[]")
        cast = _CUTTING.get(name, name)
        if not self.is_array:
            return f"{text}::{cast}"
        json, items = f"{text}::jsonb", "jsonb_array_elements_text"
        rows = f"ARRAY(SELECT ARRAY(SELECT {items}(r)) FROM jsonb_array_elements({json}) AS r)"
        return (
            f"CASE WHEN jsonb_typeof({json} #> '{{0,0}}') = 'array' THEN ({text} || ' has more than two dimensions')::{cast}[] "
            f"WHEN jsonb_typeof({json} -> 0) = 'array' THEN {rows}::{cast}[] "
            f"WHEN {text} IS NOT NULL THEN ARRAY(SELECT {items}({json}))::{cast}[] END"
        )

    def same(self, stored: str, staged: str) -> str:
        """SQL on the server: whether two values are the same; nulls are."""
        if self.base == "json":
            return f"{stored}::jsonb IS NOT DISTINCT FROM {staged}::jsonb"
        if self.base in _WITHOUT_EQUALITY:
            return f"{stored}::text IS NOT DISTINCT FROM {staged}::text"
        return f"{stored} IS NOT DISTINCT FROM {staged}"


def is_exact(column: PgColumn) -> bool:
    """Whether a number's digits are bounded, so that its type is known without looking at its values."""
    precision, scale = ((column.typmod - 4) >> 16) & 0xFFFF, (column.typmod - 4) & 0x7FF
    return column.base == "numeric" and not column.is_array and column.typmod >= 4 and 1 <= precision <= 38 and scale <= precision


def without_encoding(db: psycopg.Connection[Any]) -> bool:
    """Whether the database takes any bytes for text."""
    return db.info.parameter_status("server_encoding") == "SQL_ASCII"


def in_bytes(query: str, columns: Sequence[PgColumn], more: Sequence[str]) -> str:
    """SQL on the server: what a query gives of ``columns``, the texts among them as bytes, and of the columns ``more``."""
    shown = [f"convert_to({quote(c.name)}, 'SQL_ASCII') AS {quote(c.name)}" if c.read_as_bytes else quote(c.name) for c in columns]
    return f"SELECT {', '.join([*shown, *map(quote, more)])} FROM ({query}) q"


def columns_of(db: psycopg.Connection[tuple[object, ...]], table: str) -> tuple[PgColumn, ...]:
    """The columns of a table or view, in order.

    Args:
        db: an open connection.
        table: quoted name.
    """
    return columns_with(db, table)[0]


def columns_with(db: psycopg.Connection[tuple[object, ...]], table: str, more: str = "NULL") -> tuple[tuple[PgColumn, ...], object]:
    """The columns, and what an expression gives in the same statement; null of a table without columns.

    Args:
        db: an open connection.
        table: quoted name.
        more: SQL on the server.
    """
    query = _COLUMNS.replace("{more}", f", {more.replace('%', '%%')}")
    rows = db.execute(query.encode(), {"table": table}, prepare=True).fetchall()
    columns = tuple(PgColumn(*row[:-1]) for row in rows)  # type: ignore[arg-type]  # catalog rows
    return columns, rows[0][-1] if rows else None


def told_apart(columns: tuple[PgColumn, ...], table: str) -> tuple[PgColumn, ...]:
    """The columns themselves, when each is one of its own to the engine that reads them.

    Raises:
        DataRefused: two differ in capitals only.
    """
    if twice := doubles([column.name for column in columns]):
        raise DataRefused(twice, f"table {table}", "columns with different names; a view of the table to be read can give them")
    return columns
