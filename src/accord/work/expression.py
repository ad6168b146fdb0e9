"""Evaluate the map's SQL expressions over the variables of an instance.

DuckDB reads and runs them, as everywhere else in Accord; values come in as bound parameters, so no variable can become SQL. Each
thread has an engine of its own, and each expression stays prepared there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import duckdb

from accord.connectors.duck import open_duck
from accord.connectors.types import quote
from accord.model.errors import DataRefused

_engines = threading.local()
_SCALARS = ("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "INTEGER")  # in a list of these there is no JSON


@lru_cache(maxsize=4096)
def variables_of(sql: str) -> tuple[str, ...]:
    """Names of the variables an expression uses."""
    import sqlglot  # takes a tenth of a second, which only maps with expressions should wait
    from sqlglot import exp

    return tuple(dict.fromkeys(column.name for column in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Column)))


def evaluate(sql: str, variables: Mapping[str, Any], *, holder: str) -> Any:
    """The value of an expression; a variable that is not there is null.

    Args:
        sql: checked by the map's rules.
        variables: plain JSON values; texts that are ISO 8601 times compare as times when the expression casts them.
        holder: what the expression belongs to, for the error.

    Returns:
        A plain JSON value: times as ISO 8601 text, exact decimals as number where they fit and as text where not.

    Raises:
        DataRefused: it cannot be evaluated with these values.
    """
    used = variables_of(sql)
    if used == (sql.strip(),):  # a variable by itself is what it is; DuckDB would give the objects of a list back as text
        return variables.get(used[0], _fold(variables, used[0]))
    given = [variables.get(name, _fold(variables, name)) for name in used]
    columns = ", ".join(f"{_cast(value, f'${n}')} AS {quote(name)}" for n, (name, value) in enumerate(zip(used, given, strict=True), 1))
    query = f"SELECT ({sql}) FROM (SELECT {columns})" if columns else f"SELECT ({sql})"
    try:
        result = _engine().execute(query, [_bound(value) for value in given])
        (value,) = result.fetchone() or (None,)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise DataRefused(f"the expression {sql} fails: {text}", holder, "values it can be computed from") from error
    return plain(_parsed(value, result.description[0][1]) if isinstance(value, str | list | dict) else value)


def holds(sql: str, variables: Mapping[str, Any], *, holder: str) -> bool:
    """Whether a condition is true; null counts as false."""
    return evaluate(sql, variables, holder=holder) is True


def _parsed(value: Any, kind: Any) -> Any:
    """A value whose JSON, which DuckDB gives as text, is what it says; ``kind`` is its DuckDB type."""
    if isinstance(value, str):
        return json.loads(value) if str(kind) == "JSON" else value
    if isinstance(value, list) and kind.id == "list":
        inner = kind.children[0][1]
        return [_parsed(item, inner) for item in value] if str(inner) not in _SCALARS else value
    if isinstance(value, dict) and kind.id == "struct":
        return {name: _parsed(value[name], inner) for name, inner in kind.children}
    return value


def plain(value: Any) -> Any:
    """A value of DuckDB as plain JSON."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _engine() -> duckdb.DuckDBPyConnection:
    con: duckdb.DuckDBPyConnection | None = getattr(_engines, "con", None)
    if con is None:
        con = _engines.con = open_duck(threads=1)
    return con


def _fold(variables: Mapping[str, Any], name: str) -> Any:
    """SQL names do not care for case."""
    return next((value for known, value in variables.items() if known.lower() == name.lower()), None)


def _cast(value: Any, parameter: str) -> str:
    if isinstance(value, dict):
        return f"CAST({parameter} AS JSON)"
    if isinstance(value, list) and not _simple(value):
        return f"CAST(CAST({parameter} AS JSON) AS JSON[])"
    return parameter


def _bound(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, list) and not _simple(value)):
        return json.dumps(value)
    return value


def _simple(values: list[Any]) -> bool:
    return bool(values) and len({type(v) for v in values}) == 1 and isinstance(values[0], str | int | float | bool)
