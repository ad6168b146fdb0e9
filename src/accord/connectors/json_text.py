"""JSON as one canonical text per value: sorted keys, plain numbers, no spaces; the simple documents without leaving DuckDB."""

from __future__ import annotations

import json
import sys
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any, NoReturn

import duckdb
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import VARCHAR

from accord.connectors.types import literal

_SPACE = r"[ \n\r\t]*"
_TEXT = r'"[ !#-\[\]-~]*"'  # printable ASCII without quotes and escapes
# Of up to nine digits and four places: DuckDB writes such a number as it stands.
_NUMBER = r"(?:0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,8})\.[0-9]{0,3}[1-9])"
_VALUE = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
_MEMBER = f"{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_VALUE}{_SPACE}"
_FLAT = f"{_SPACE}\\{{(?:{_MEMBER}(?:,{_MEMBER})*|{_SPACE})\\}}{_SPACE}"
_PLAIN = sys.int_info.default_max_str_digits  # digits up to which the quick way below writes a whole number out
_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])  # Python's own rounds to 28 digits
_AFTER_ALL = "chr(255)"
_MACRO = f"""
    CREATE OR REPLACE TEMP MACRO canonical_json(document) AS
    CASE WHEN document IS NULL THEN NULL
    WHEN regexp_full_match(CAST(document AS VARCHAR), {literal(_FLAT)}) THEN
        CASE WHEN list_reduce(json_keys(CAST(document AS VARCHAR)),
            lambda before, key: CASE WHEN key > before THEN key ELSE {_AFTER_ALL} END, '') <> {_AFTER_ALL}
        THEN CAST(json(CAST(document AS VARCHAR)) AS VARCHAR)
        WHEN list_unique(json_keys(CAST(document AS VARCHAR))) = len(json_keys(CAST(document AS VARCHAR)))
        THEN '{{"' || list_aggregate(list_transform(list_sort(
            list_zip(json_keys(CAST(document AS VARCHAR)), json_extract(CAST(document AS VARCHAR), '$.*'))),
            lambda member: member[1] || '":' || CAST(member[2] AS VARCHAR)), 'string_agg', ',"') || '}}'
        ELSE canonical_json_of(CAST(document AS VARCHAR)) END
    ELSE canonical_json_of(CAST(document AS VARCHAR)) END"""


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``canonical_json_of(text)`` known to an engine; ``canonical_json`` needs it."""
    con.create_function("canonical_json_of", canonical_json, [VARCHAR], VARCHAR, null_handling=FunctionNullHandling.SPECIAL)


def define(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``canonical_json(text)`` known to one connection: a flat object whose keys are in order is only freed of spaces.

    One whose keys are not, as jsonb has them (shorter keys first), is put together anew from its members at four times the cost of that;
    everything else goes through Python, which costs ten times as much.
    """
    con.execute(_MACRO)


def canonical_json(text: str | None) -> str | None:
    """JSON with sorted keys and plain numbers, so that equal values are equal texts; ``None`` for what is no JSON."""
    if text is None:
        return None
    try:
        return _encode(_decode(text))
    except (_NotWholeError, ValueError, RecursionError):
        pass  # a fraction, a number of thousands of digits, or no JSON at all
    try:
        return _dump(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    except (ValueError, RecursionError, InvalidOperation):  # the last: an exponent of more than 18 digits
        return None


class _NotWholeError(Exception):
    """A number that is not whole: to write it exactly takes the slower way."""


def _refuse(text: str) -> NoReturn:
    raise _NotWholeError(text)


_decode = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse).decode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


def _dump(value: Any) -> str:
    # Written out because json.dumps would round numbers to doubles.
    if isinstance(value, Decimal):
        if not value:
            return "0"
        value = value.normalize(_EXACT)
        return f"{value:f}" if abs(value.adjusted()) < _PLAIN else str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_dump(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value)
