"""Columns of a MySQL table: what they are canonically, how they are read without loss, and what a text becomes when it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from accord.connectors.mysql_link import rows, version
from accord.connectors.text_values import fits
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.types import CanonicalType

if TYPE_CHECKING:
    import pymysql

UTC: Final = "UTC"
"""The comment of a DATETIME column whose values are instants: TIMESTAMP, which is one by itself, ends in 2038."""
_MARKS: Final = {"json": "json", "uuid": "uuid"}
_DIGITS: Final = 38
_MAX_KEY_BYTES: Final = 3072  # of an index of InnoDB
_CANONICAL: Final = {
    "tinyint": "integer",
    "smallint": "integer",
    "mediumint": "integer",
    "int": "integer",
    "bigint": "integer",
    "year": "integer",
    "float": "double",
    "double": "double",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamp",
    "json": "json",
    "uuid": "uuid",
    "binary": "binary",
    "varbinary": "binary",
    "tinyblob": "binary",
    "blob": "binary",
    "mediumblob": "binary",
    "longblob": "binary",
}
_GEOMETRY: Final = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection")
_COLUMNS = """
    SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, coalesce(c.CHARACTER_SET_NAME, ''), coalesce(c.COLLATION_NAME, ''),
        coalesce(c.NUMERIC_PRECISION, 0), coalesce(c.NUMERIC_SCALE, 0), coalesce(c.DATETIME_PRECISION, 0), c.IS_NULLABLE, c.COLUMN_COMMENT,
        c.EXTRA
    FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = %s AND c.TABLE_NAME = %s ORDER BY c.ORDINAL_POSITION"""
_CHECKS = "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s"
_JSON = re.compile(r"""json_valid\(([`"])(.+)\1\)""", re.IGNORECASE)
_LONG = re.compile(r"decimal\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class MyColumn:
    """A column: ``native`` as declared, ``base`` its type without arguments, ``type`` what it is canonically."""

    name: str
    native: str
    base: str
    charset: str
    collation: str
    fraction: int
    nullable: bool
    comment: str
    generated: bool
    type: CanonicalType

    @property
    def zoned(self) -> bool:
        """Whether its values are instants."""
        return self.base == "timestamp" or (self.base == "datetime" and self.comment == UTC)

    def read(self, table: str = "") -> str:
        """SQL on the server for the value as text without loss; bytes in hexadecimal, instants with their zone."""
        column = f"{table}{quote(self.name)}"
        if self.type.name == "binary":
            return f"HEX({column})"
        if self.base == "float":
            return f"{column} + 0e0"  # as text it would have six digits
        if self.base == "bit":
            return f"{column} + 0"
        if self.base in _GEOMETRY:
            return f"ST_AsText({column})"
        if self.base in ("date", "datetime", "timestamp") and self.zoned:
            return f"CONCAT({column}, '+00')"
        return column

    def shown(self, text: str) -> str:
        """SQL in DuckDB for the text that stands for the value, of what ``read`` gives: 0.1 for a float that is 0.10000000149."""
        return f"CAST(CAST({text} AS FLOAT) AS VARCHAR)" if self.base == "float" else text

    @property
    def _long_scale(self) -> int | None:
        """Of a decimal with more digits than ours can have, which comes and goes as text."""
        found = _LONG.match(self.native.lower())
        return int(found[2]) if found and int(found[1]) > _DIGITS else None

    @property
    def staged(self) -> str:
        """What a temporary column that takes the same values is declared as."""
        if self.base == "bit":
            return "bigint unsigned"
        if self.charset:
            return f"{self.native} CHARACTER SET {self.charset} COLLATE {self.collation}"
        return self.native

    def given(self, text: str) -> str:
        """SQL in DuckDB for the literal of a staged text (see ``decide.as_text``); null stays null."""
        quoted = "chr(39) || {} || chr(39)"
        kind = self.type.name
        if kind == "binary":
            value = f"'x' || {quoted.format(text)}"
        elif kind == "boolean":
            value = f"CASE WHEN lower({text}) IN ('true', '1') THEN '1' ELSE '0' END"
        elif kind == "timestamp":
            cast = f"CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            value = quoted.format(f"strftime({cast}, '%Y-%m-%d %H:%M:%S.%f')")
        elif kind == "date":
            value = quoted.format(f"strftime(CAST({text} AS DATE), '%Y-%m-%d')")
        elif self._long_scale is not None:
            value = text
        elif kind in ("integer", "number"):
            value = f"CAST(CAST({text} AS {duckdb_type(self.type)}) AS VARCHAR)"
        elif kind == "double":
            # With an exponent it is a double on the server too; without one it would be read as a decimal first.
            value = f"CASE WHEN contains({text}, 'e') THEN {text} ELSE {text} || 'e0' END"
        else:
            value = quoted.format(f"replace({text}, chr(39), chr(39) || chr(39))")
        return f"CASE WHEN {text} IS NULL THEN NULL ELSE {value} END"

    def refused(self, text: str) -> str:
        """SQL in DuckDB for the reason why a text cannot be stored as it is, null where it can: the server would round or cut it."""
        named = literal(f"' is no value of column '{self.name}' ({self.native})")
        reason = f"left({text}, 60) || {named}"
        kind = self.type.name
        if self.base in _GEOMETRY:
            return f"CASE WHEN {text} IS NOT NULL THEN {literal(f'column {self.name!r} is a {self.base}, which Accord does not write')} END"
        if kind == "double":
            wrong = f"NOT ({fits(text, self.type)} AND isfinite(TRY_CAST({text} AS DOUBLE)))"
            if self.base == "float":
                wrong += f" OR CAST({self.shown(text)} AS DOUBLE) <> CAST({text} AS DOUBLE)"
        elif kind == "timestamp":
            unit = 10 ** (6 - self.fraction)
            finer = f" OR microsecond(TRY_CAST({text} AS TIMESTAMPTZ)) % {unit} <> 0" if unit > 1 else ""
            years = f"year(TRY_CAST({text} AS TIMESTAMPTZ)) NOT BETWEEN 1 AND 9999"
            wrong = f"NOT {fits(text, self.type)} OR {years}{finer}"
        elif kind == "text" and self.base == "char":
            wrong = f"ends_with({text}, ' ')"  # the server drops them
        elif kind in ("text", "json", "binary"):
            return "NULL"
        elif self._long_scale is not None:
            wrong = f"NOT regexp_full_match({text}, '[+-]?\\d+(\\.\\d{{0,{self._long_scale}}}0*)?')"
        else:
            wrong = f"NOT {fits(text, self.type)}"
        return f"CASE WHEN {text} IS NOT NULL AND coalesce({wrong}, true) THEN chr(39) || {reason} END"


def columns_of(db: pymysql.Connection[Any], schema: str, table: str) -> tuple[MyColumn, ...]:
    """The columns of a table or view, in order; none when it is not there.

    Args:
        db: open.
        schema: the database.
        table: its name.
    """
    found = rows(db, _COLUMNS, schema, table)
    checked: set[str] = set()
    if "MariaDB" in version(db) and any(row[1] == "longtext" for row in found):
        # MariaDB's JSON is a text with a check.
        clauses = (_JSON.fullmatch(row[0].strip()) for row in rows(db, _CHECKS, schema, table))
        checked = {clause[2].replace(clause[1] * 2, clause[1]) for clause in clauses if clause}
    return tuple(_column(row, row[0] in checked) for row in found)


def _column(row: Sequence[Any], is_json: bool) -> MyColumn:
    name, base, native, charset, collation, precision, scale, fraction, nullable, comment, extra = row
    base, native = base.lower(), native.strip()
    kind = _canonical(base, native.lower(), int(precision), int(scale))
    if is_json or (kind.name == "text" and comment in _MARKS):
        kind = CanonicalType("json" if is_json else _MARKS[comment])
    generated = "GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper()
    return MyColumn(name, native, base, charset, collation, int(fraction), nullable == "YES", comment, generated, kind)


def _canonical(base: str, native: str, precision: int, scale: int) -> CanonicalType:
    if native in ("tinyint(1)", "bit(1)"):
        return CanonicalType("boolean")
    if base == "bit" or (base == "bigint" and "unsigned" in native):
        return CanonicalType("number", 20, 0)
    if base == "decimal":
        return CanonicalType("number", precision, scale) if 1 <= precision <= _DIGITS and scale <= precision else CanonicalType("number")
    return CanonicalType(_CANONICAL.get(base, "text"))


def declaration(columns: Mapping[str, CanonicalType], key: Sequence[str], collation: str) -> str:
    """The columns of a new table, for ``CREATE TABLE``.

    Args:
        columns: name and type.
        key: of the primary key: texts in it get the length an index can hold, since its texts must have one.
        collation: that tells all texts apart.
    """
    long = [name for name in key if columns[name].name in ("text", "json", "binary")]
    room = (_MAX_KEY_BYTES - 40 * (len(key) - len(long))) // max(1, len(long))
    parts = []
    for name, type_ in columns.items():
        native = _native(name, type_, room if name in long else 0, collation)
        parts.append(f"{quote(name)} {native}{' NOT NULL' if name in key else ''}")
    if key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
    return ", ".join(parts)


def _native(name: str, type_: CanonicalType, key_bytes: int, collation: str) -> str:
    text = f"CHARACTER SET utf8mb4 COLLATE {collation}"
    if type_.name == "number":
        return f"decimal({type_.precision},{type_.scale})"
    if key_bytes:
        return f"varbinary({key_bytes - 2})" if type_.name == "binary" else f"varchar({key_bytes // 4}) {text}"
    return {
        "text": f"longtext {text}",
        "integer": "bigint",
        "double": "double",
        "boolean": "tinyint(1)",
        "date": "date",
        "timestamp": f"datetime(6) COMMENT {literal(UTC)}",
        "uuid": "char(36) CHARACTER SET ascii COLLATE ascii_bin COMMENT 'uuid'",
        # A JSON column would make doubles of long numbers; this text is the JSON it was given.
        "json": f"longtext {text} COMMENT 'json' CHECK (json_valid({quote(name)}))",
        "binary": "longblob",
    }[type_.name]
