"""Canonical types as DuckDB and Arrow know them."""

from __future__ import annotations

import re
from pathlib import Path

from accord.model.types import CanonicalType

_FRACTION = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_PLAIN = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "uuid": "UUID",
    "json": "JSON",
    "binary": "BLOB",
}


def duckdb_type(type_: CanonicalType) -> str:
    """The DuckDB type that holds every value of a canonical type."""
    if type_.name == "number":
        return f"DECIMAL({type_.precision},{type_.scale})"
    return _PLAIN[type_.name]


def quote(name: str) -> str:
    """A name as an SQL identifier; the only way names enter SQL text."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal, where a bound parameter is not possible (DDL, ATTACH)."""
    return "'" + text.replace("'", "''") + "'"


def as_varchar(value: str, kind: str) -> str:
    """SQL for a value of the DuckDB type ``kind`` as text; decimals without room for a digit before the point get their nought.

    DuckDB writes ``.5`` for them, which is no number of JSON.
    """
    text = f"CAST({value} AS VARCHAR)"
    found = _FRACTION.fullmatch(kind)
    return f"regexp_replace({text}, '^(-?)[.]', '\\10.')" if found and found[1] == found[2] else text


def path_literal(path: Path) -> str:
    """The name of one file as an SQL literal for DuckDB's readers, which would take ``*``, ``?`` and ``[`` in it for a pattern."""
    return literal(re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", str(path)))
