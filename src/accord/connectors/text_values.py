"""Values that a system holds as text, read as the type the column declares: only where nothing is lost by it.

A cast that rounds (``'1.5'`` to an integer, ``'12.345'`` to two decimals, a time of day dropped by a date) counts as a failure here.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from accord.connectors.types import duckdb_type, quote
from accord.model.types import CanonicalType

_DATE = r"'\d{4,6}-\d{2}-\d{2}'"
_TIME = r"'\d{4,6}-\d{2}-\d{2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?(Z|z|UTC|[+-]\d{2}(:?\d{2})?))?)?'"
_ZONED = r"':.*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$'"
_UUID = r"'[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'"


def fits(column: str, type_: CanonicalType) -> str:
    """SQL that is true when the text in ``column`` (SQL, not null) is a value of the type, with nothing lost or rounded."""
    cast = f"TRY_CAST({column} AS {duckdb_type(type_)})"
    if type_.name == "number":
        places = r"'[+-]?\d+(\.\d{0," + str(type_.scale) + r"}0*)?'"
        # The second way in is for binary fractions: 0.1 stands in SQLite as 0.10000000000000001 and means 0.1.
        return (
            f"({cast} IS NOT NULL AND (regexp_full_match({column}, {places})"
            f" OR (length({column}) <= 24 AND TRY_CAST({column} AS DOUBLE) = CAST({cast} AS DOUBLE))))"
        )
    pattern = {
        "integer": r"'[+-]?\d+'",
        "boolean": r"'0|1|[Tt]rue|[Ff]alse|TRUE|FALSE'",
        "date": _DATE,
        "timestamp": _TIME,
        "uuid": _UUID,
    }.get(type_.name)
    if pattern:
        return f"(regexp_full_match({column}, {pattern}) AND {cast} IS NOT NULL)"
    return {"text": "true", "binary": "true", "json": f"json_valid({column})"}.get(type_.name, f"({cast} IS NOT NULL)")


def readable_types(con: duckdb.DuckDBPyConnection, relation: str, types: Mapping[str, CanonicalType]) -> dict[str, str]:
    """For each text column the DuckDB type all its values have: the declared one, or VARCHAR when a value breaks it.

    Timestamps without zone are TIMESTAMP (the binding says in which zone they are), with zone TIMESTAMPTZ; a mixture stays text,
    since no single reading is right for both.
    """
    checks, columns = [], []
    for name, type_ in types.items():
        if type_.name in ("text", "binary"):
            continue
        column = quote(name)
        columns.append(name)
        checks.append(f"bool_and({fits(column, type_)}) FILTER ({column} IS NOT NULL)")
        zoned = f"regexp_matches({column}, {_ZONED})" if type_.name == "timestamp" else "NULL"
        checks.append(f"bool_or({zoned})")
        checks.append(f"bool_and({zoned})")
    answers = (con.execute(f"SELECT {', '.join(checks)} FROM {relation}").fetchone() or ()) if checks else ()
    result = dict.fromkeys(types, "VARCHAR")
    for position, name in enumerate(columns):
        good, some_zoned, all_zoned = answers[3 * position : 3 * position + 3]
        if good is False:
            continue
        if types[name].name == "timestamp" and some_zoned is False:
            result[name] = "TIMESTAMP"
        elif types[name].name != "timestamp" or some_zoned == all_zoned:
            result[name] = duckdb_type(types[name])
    return result


def same_value(stored: str, given: str, type_: CanonicalType) -> str:
    """SQL that is true when two texts mean the same value of the type; nulls are equal to nulls only.

    Args:
        stored: SQL of the text as the system holds it.
        given: SQL of the text to compare with.
        type_: ``text`` compares character by character; numbers numerically, timestamps by instant, JSON by value.
    """
    plain = f"{stored} IS NOT DISTINCT FROM {given}"
    if type_.name in ("text", "binary"):
        return f"({plain})"
    if type_.name == "json":
        by_value = f"coalesce(canonical_json({stored}) = canonical_json({given}), false)"
        # CASE keeps the Python function away from rows that are equal as text.
        return f"(CASE WHEN {plain} THEN true WHEN {stored} IS NULL OR {given} IS NULL THEN false ELSE {by_value} END)"
    cast = duckdb_type(type_)
    equal = f"TRY_CAST({stored} AS {cast}) = TRY_CAST({given} AS {cast})"
    if type_.name in ("number", "integer"):  # the casts round, so what they drop must agree too
        equal += f" AND TRY_CAST({stored} AS DOUBLE) = TRY_CAST({given} AS DOUBLE)"
    return f"({plain} OR coalesce({equal}, false))"
