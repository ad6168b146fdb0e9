"""Check the SQL expressions of a map: one scalar expression over known columns, with functions from a list.

The text is parsed by DuckDB itself (``json_serialize_sql``, which parses and never runs), so what is checked is exactly what the
engine will read; a second parser could disagree with it. Nothing here looks at data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

import duckdb

from accord.mapfile.engine import ask, brief
from accord.mapfile.problems import MANY, known_names
from accord.model.errors import NOWHERE, MapError, Place, nearest

MAX_LENGTH: Final = 4000
_WORDS_TRIED: Final = 20
_EXPECTED: Final = "Expected one expression in DuckDB's SQL, such as a >= b."

_FUNCTIONS_TEXT: Final = """
    + - * / // % ** ^ || ~~ !~~ ~~* !~~* ~~~ ->> @> abs ceil ceiling floor round trunc sign sqrt power pow exp ln log log2 log10 greatest
    least mod isnan isinf isfinite even gcd lcm divide fdiv lower upper trim ltrim rtrim length len strlen substring substr left right
    replace reverse repeat lpad rpad concat concat_ws contains starts_with ends_with prefix suffix position strpos instr split_part
    string_split str_split translate ascii chr strip_accents nfc_normalize format printf like_escape not_like_escape ilike_escape
    not_ilike_escape regexp_matches regexp_full_match regexp_replace regexp_extract regexp_extract_all regexp_escape regexp_split_to_array
    levenshtein damerau_levenshtein jaccard jaro_similarity jaro_winkler_similarity editdist3 date_part date_trunc date_diff datediff
    date_sub datesub date_add datepart datetrunc last_day make_date make_timestamp make_timestamptz year quarter month week weekofyear
    isoyear day dayofmonth dayofweek dayofyear isodow weekday hour minute second millisecond microsecond dayname monthname epoch epoch_ms
    epoch_us epoch_ns to_timestamp timezone strftime strptime try_strptime time_bucket to_years to_quarters to_months to_weeks to_days
    to_hours to_minutes to_seconds to_milliseconds to_microseconds nullif list_value list_contains list_has array_contains array_has
    list_position list_extract list_element array_extract list_count array_length list_min list_max list_sum list_distinct list_unique
    list_sort list_has_any list_has_all list_concat array_to_string json_extract json_extract_string json_extract_path
    json_extract_path_text json_valid json_type json_array_length json_keys json_contains json_exists json_value to_json md5 sha1 sha256
    hex unhex base64 from_base64 to_base64 encode decode typeof struct_pack struct_extract json_object json_array json_merge_patch
"""
FUNCTIONS: Final = frozenset(_FUNCTIONS_TEXT.split())

_AGGREGATES_TEXT: Final = """
    count count_star count_if sum avg min max median mode stddev stddev_samp stddev_pop var_samp var_pop quantile_cont quantile_disc
    bool_and bool_or product
"""
AGGREGATES: Final = frozenset(_AGGREGATES_TEXT.split())

_CLASSES: Final = frozenset(
    {"COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "CAST", "FUNCTION", "COLLATE"}
)
_REFUSED: Final = {
    "SUBQUERY": "a query inside an expression",
    "STAR": "'*' for all columns",
    "WINDOW": "a window function",
    "LAMBDA": "a lambda",
    "PARAMETER": "a parameter",
    "POSITIONAL_REFERENCE": "a column by position",
}
# Names that read the clock or the session where no column has that name: the same map and data must always give the same answer.
_OUTSIDE_TEXT: Final = """
    current_date current_time current_timestamp localtime localtimestamp user current_user session_user current_role current_catalog
    current_schema
"""
_OUTSIDE: Final = frozenset(_OUTSIDE_TEXT.split())
Mistake = tuple[str, str]


def check_expression(sql: str, columns: Collection[str] | None, place: Place = NOWHERE, *, holder: str = "") -> None:
    """Return when ``sql`` is one scalar expression over ``columns``.

    Args:
        sql: an expression in DuckDB dialect, such as ``planned_end >= planned_start``.
        columns: the names it may use, in any case; ``None`` when they are not known here.
        place: where it was written.
        holder: what it belongs to, for the message.

    Raises:
        MapError: it is no expression, names an unknown column or function, or holds a query, a parameter or the clock.
    """
    for message, expected in mistakes(sql, columns):
        raise MapError(f"{holder}: {message}" if holder else message, place=place, expected=expected)


def mistakes(sql: str, columns: Collection[str] | None) -> list[Mistake]:
    """What is wrong with an expression, as (message, what was expected); empty when it is good."""
    parsed = _parsed(sql)
    return [parsed] if isinstance(parsed, tuple) else list(dict.fromkeys(_wrong(parsed, columns)))


def aggregate_mistakes(sql: str, columns: Collection[str] | None) -> list[Mistake]:
    """What is wrong with an expression over many rows, such as ``sum(amount) / count(*)``; as ``mistakes``.

    Whether each column stands inside an aggregate is not asked here: the engine says so when it is asked for the type of the result.
    """
    parsed = _parsed(sql)
    if isinstance(parsed, tuple):
        return [parsed]
    found = list(dict.fromkeys(_wrong(parsed, columns, AGGREGATES)))
    named = {n["function_name"].lower() for n in _nodes(parsed) if n["class"] == "FUNCTION"}
    if not found and not named & AGGREGATES:
        return [("it holds no aggregate.", f"Expected one of {', '.join(sorted(AGGREGATES - {'count_star'}))}, such as sum(amount).")]
    return found


def columns_of(sql: str) -> frozenset[str]:
    """The column names an accepted expression uses, as written."""
    parsed = _parsed(sql)
    if isinstance(parsed, tuple):
        return frozenset()
    return frozenset(n["column_names"][0] for n in _nodes(parsed) if n.get("class") == "COLUMN_REF")


def _parsed(sql: str) -> dict[str, Any] | Mistake:
    """The syntax tree of the one expression, or what is wrong."""
    sql = sql.strip()
    if not sql:
        return "an SQL expression is empty.", "Expected an expression such as a >= b."
    if len(sql) > MAX_LENGTH:
        return f"an SQL expression is longer than {MAX_LENGTH:,} characters.", "Expected a short expression."
    shown = f"'{' '.join(sql.split())[:80]}'"
    # Inside parentheses it must still be the same: an open comment or a stray parenthesis would swallow what stands after it.
    bare, inner = _trees(f"SELECT {sql}", f"SELECT ({sql}) AS x")
    if isinstance(bare, str):
        word = _keyword(sql)
        expected = f'Expected "{word}" in double quotes, if that is a column.' if word else _EXPECTED
        return f"{shown} is not an SQL expression: {bare}.", expected
    if not _single(bare):
        return f"{shown} is more than one expression.", "Expected one value: no list, alias, query or second statement."
    if isinstance(inner, str) or not _single(inner, alias="x"):
        return f"{shown} cannot stand in parentheses.", "Remove the comment ('--') at its end."
    found: dict[str, Any] = bare[0]["node"]["select_list"][0]
    return found


def _keyword(sql: str) -> str:
    """The word of SQL that only has to be quoted to make this an expression, as in columns called «at» or «order»; empty when none is."""
    words = list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", sql)))[:_WORDS_TRIED]
    quoted = (re.sub(rf"\b{word}\b", f'"{word}"', sql) for word in words)
    found = _trees(*(f"SELECT {text}" for text in quoted)) if words else []
    return next((word for word, tree in zip(words, found, strict=True) if not isinstance(tree, str) and _single(tree)), "")


def _trees(*statements: str) -> list[list[dict[str, Any]] | str]:
    """For each text the statements in it, or why it does not parse."""
    try:
        row = ask("SELECT " + ", ".join(["json_serialize_sql(?::VARCHAR)"] * len(statements)), *statements)
        answers = [json.loads(text) for text in row]
    except duckdb.Error as error:
        return [brief(error)] * len(statements)
    except (RecursionError, json.JSONDecodeError):
        return ["it is nested too deeply"] * len(statements)
    return [str(a["error_message"]).strip().rstrip(".") if a["error"] else a["statements"] for a in answers]


def _single(statements: list[dict[str, Any]], alias: str = "") -> bool:
    """Whether a statement is nothing but ``SELECT`` with one expression."""
    if len(statements) != 1:
        return False
    node = statements[0]["node"]
    plain = (
        node["type"] == "SELECT_NODE"
        and node["from_table"]["type"] == "EMPTY"
        and not node["cte_map"]["map"]
        and len(node["select_list"]) == 1
        and node["select_list"][0]["alias"] == alias
        and node.get("aggregate_handling") == "STANDARD_HANDLING"
    )
    rest = ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
    return plain and not any(node.get(part) for part in rest)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every expression node of a tree, without entering refused ones; a stack, not the call stack, holds the depth."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class" in part:
                yield part
                if part["class"] not in _CLASSES:
                    continue
            waiting += [v for k, v in reversed(part.items()) if k not in ("value", "cast_type")]
        elif isinstance(part, list):
            waiting += reversed(part)


def _wrong(tree: dict[str, Any], columns: Collection[str] | None, aggregates: frozenset[str] = frozenset()) -> Iterator[Mistake]:
    known = None if columns is None else {c.casefold() for c in columns}
    for node in _nodes(tree):
        kind = node["class"]
        if kind == "COLUMN_REF":
            yield from _wrong_column(node["column_names"], known, columns or ())
        elif kind == "FUNCTION":
            yield from _wrong_function(node, aggregates)
        elif kind not in _CLASSES:
            yield (
                f"{_REFUSED.get(kind, kind.lower())} is not allowed in a map expression.",
                "Expected columns, values, operators and functions.",
            )


def _wrong_column(names: list[str], known: set[str] | None, columns: Collection[str]) -> Iterator[Mistake]:
    name = ".".join(names)
    if known is not None and len(names) == 1 and name.casefold() in known:
        return
    if len(names) > 1:
        yield f"the name '{name}' has a dot.", "Expected a column name alone; a name with a dot in it stands in double quotes."
    elif name.casefold() in _OUTSIDE:
        yield f"'{name}' depends on when or by whom it is run.", "Expected an expression that gives the same for the same row."
    elif known is not None:
        quotes = f" A text stands in single quotes: '{name}'." if len(columns) <= MANY and nearest(name, columns) is None else ""
        yield f"column '{name}' does not exist.", known_names(name, columns) + quotes


def _wrong_function(node: dict[str, Any], aggregates: frozenset[str]) -> Iterator[Mistake]:
    name = node["function_name"].lower()
    if name in aggregates and node["schema"] in ("", "main") and not node.get("catalog"):
        return
    if name not in FUNCTIONS or node["schema"] not in ("", "main") or node.get("catalog"):
        meant = nearest(name, [f for f in FUNCTIONS if f[0].isalpha()])
        hint = f" Did you mean '{meant}'?" if meant else ""
        yield (
            f"function '{name}' is not allowed in a map expression.",
            f"Expected a text, number, date, list or JSON function of one row.{hint}",
        )
    elif node.get("filter") or node.get("distinct") or node.get("order_bys", {}).get("orders"):
        yield f"'{name}' is used as an aggregate.", "Expected a function of one row."
