"""A sealed DuckDB for questions about SQL and patterns: no files, no network, no extensions, no settings to change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb

from accord.model.types import CanonicalType

_TYPES = {
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


@cache
def _sealed() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(
        ":memory:",
        config={"threads": 1, "memory_limit": "256MB", "autoinstall_known_extensions": False, "autoload_known_extensions": False},
    )
    # Without the optimizer no constant is computed, however large an expression would make it.
    con.execute("PRAGMA disable_optimizer; SET TimeZone = 'UTC'; SET enable_external_access = false; SET lock_configuration = true")
    return con


def ask(sql: str, *values: str) -> tuple[str, ...]:
    """The one row of the answer, as texts.

    Raises:
        duckdb.Error: what the engine says is wrong with the question.
    """
    row = _sealed().cursor().execute(sql, list(values)).fetchone()
    return tuple(map(str, row or ()))


def result_type(expression: str, columns: Mapping[str, CanonicalType]) -> str:
    """The DuckDB type of an expression that ``check_expression`` has accepted; nothing is executed.

    Raises:
        duckdb.Error: the types in it do not go together.
    """
    given = ", ".join(f"CAST(NULL AS {_type(t)}) AS {_quoted(name)}" for name, t in columns.items())
    relation = f"(SELECT {given})" if given else "(SELECT 1)"
    described = _sealed().cursor().execute(f"DESCRIBE SELECT (\n{expression}\n) AS result FROM {relation} AS one").fetchone()
    return "" if described is None else str(described[1])


def pattern_error(pattern: str) -> str | None:
    """Why a regular expression is not RE2, or ``None`` when it is."""
    try:
        ask("SELECT regexp_full_match('', ?)", pattern)
    except duckdb.Error as error:
        return brief(error)
    return None


def brief(error: duckdb.Error) -> str:
    """The first sentence of an engine's message without its kind."""
    line = (str(error).splitlines() or ["refused"])[0]
    return (line.partition("Error: ")[2] or line).partition(". ")[0].strip().rstrip(".")


def _type(type_: CanonicalType) -> str:
    return f"DECIMAL({type_.precision},{type_.scale})" if type_.name == "number" else _TYPES[type_.name]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
