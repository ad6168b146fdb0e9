"""Declared column types of SQLite and what they mean canonically."""

from __future__ import annotations

import re

from accord.model.types import CanonicalType

_ARGUMENTS = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_EXACT_DIGITS = 15  # more than these do not survive SQLite's NUMERIC affinity, which turns decimals into doubles


def canonical_type(declared: str) -> CanonicalType:
    """The canonical type of a declared column type such as ``VARCHAR(20)`` or ``DECIMAL(12,2)``; ``text`` when nothing is declared."""
    name = declared.upper()
    if any(word in name for word in ("DECIMAL", "NUMERIC", "NUMBER")):
        found = _ARGUMENTS.search(name)
        if not found:
            return CanonicalType("number")
        precision, scale = int(found[1]), int(found[2] or 0)
        return CanonicalType("number", precision, scale) if 1 <= precision <= 38 and scale <= precision else CanonicalType("number")
    for words, canonical in (
        (("JSON",), "json"),
        (("UUID", "GUID"), "uuid"),
        (("BOOL",), "boolean"),
        (("DATETIME", "TIMESTAMP"), "timestamp"),
        (("DATE",), "date"),
        (("CHAR", "CLOB", "TEXT"), "text"),
        (("BLOB", "BINARY"), "binary"),
        (("REAL", "FLOA", "DOUB"), "double"),
        (("INT",), "integer"),
    ):
        if any(word in name for word in words):
            return CanonicalType(canonical)
    return CanonicalType("text")


def declared_type(type_: CanonicalType) -> str:
    """What to declare so that every value of the canonical type survives in SQLite.

    The word TEXT in the name of a type gives it text affinity: SQLite then keeps the digits of a long number or of JSON as they are.
    """
    if type_.name == "number":
        return f"DECIMAL{' TEXT' if type_.precision > _EXACT_DIGITS else ''}({type_.precision},{type_.scale})"
    return {
        "text": "TEXT",
        "integer": "INTEGER",
        "double": "REAL",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
        "uuid": "UUID",
        "json": "JSON TEXT",
        "binary": "BLOB",
    }[type_.name]


def as_text(column: str, declared: str) -> str:
    """SQLite's SQL for a column as text without losing a digit; bytes as hexadecimal.

    Args:
        column: the column, quoted.
        declared: its declared type.
    """
    upper = declared.upper()
    if canonical_type(declared).name == "binary":
        return f"CASE WHEN {column} IS NOT NULL THEN hex({column}) END"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return column  # no double can stand here: SQLite has made text of it
    # Seventeen digits give every double back; fifteen, as SQLite's own cast writes, only most of them.
    shortest = f"CASE WHEN CAST(CAST({column} AS TEXT) AS REAL) = {column} THEN CAST({column} AS TEXT) ELSE printf('%!.17g', {column}) END"
    return f"CASE typeof({column}) WHEN 'real' THEN {shortest} ELSE {column} END"
