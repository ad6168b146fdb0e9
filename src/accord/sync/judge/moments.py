"""Comparisons of moments in the rules of a map, made without the calendar of a time zone.

All moments are in UTC, where a day has 24 hours and a date begins at its first second. DuckDB asks a calendar all the same, once for each
row, and that costs more than all other checks of a contract together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import sqlglot
from sqlglot import exp

from accord.model.entity import Field
from accord.model.types import CanonicalType

_COMPARED = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ)
# A rule made of these alone reads the same once it was parsed and written again.
_PLAIN = (*_COMPARED, exp.And, exp.Or, exp.Not, exp.Paren, exp.Is, exp.Null, exp.Column, exp.Identifier, exp.Literal, exp.Interval, exp.Var)
_STEPS = (exp.Add, exp.Sub)


def without_calendar(check: str, fields: Mapping[str, Field]) -> str:
    """SQL that is true, false or null for the same rows as ``check``, and as cheap as the values allow.

    Args:
        check: a rule of the map, over the canonical fields.
        fields: of the entity.
    """
    kinds = {f.name.lower(): CanonicalType.parse(f.type).name for f in fields.values()}
    return _rewritten(check, tuple(sorted((n, k) for n, k in kinds.items() if k in ("date", "timestamp"))))


@cache
def _rewritten(check: str, kinds: tuple[tuple[str, str], ...]) -> str:
    known = dict(kinds)
    if "timestamp" not in known.values():
        return check
    tree = sqlglot.parse_one(check, dialect="duckdb")
    if not all(isinstance(node, (*_PLAIN, *_STEPS)) for node in tree.walk()):
        return check
    found = [node for node in tree.find_all(*_COMPARED) if _asks_calendar(node, known)]
    for column in [c for node in found for c in node.find_all(exp.Column) if known[c.name.lower()] == "timestamp"]:
        name = column.sql(dialect="duckdb")
        # Endless moments are no number. Nothing but the column is named twice: what is common to two places is worked out before TRY.
        same = f"CASE WHEN isfinite({name}) THEN make_timestamp(epoch_us({name})) ELSE CAST({name} AS TIMESTAMP) END"
        column.replace(exp.paren(sqlglot.parse_one(same, dialect="duckdb"), copy=False))
    return tree.sql(dialect="duckdb") if found else check


def _asks_calendar(node: exp.Expr, known: Mapping[str, str]) -> bool:
    """Whether it compares dates and moments, or moments some time apart; of two moments as they are the numbers are compared anyway."""
    sides = [_moment(side, known) for side in (node.this, node.expression)]
    if not all(sides):
        return False
    kinds = {known[c.name.lower()] for c in node.find_all(exp.Column)}
    return "timestamp" in kinds and ("date" in kinds or any(node.find_all(exp.Interval)))


def _moment(side: exp.Expr, known: Mapping[str, str]) -> bool:
    """Whether it is a date or a moment of the row, or some time before or after one."""
    if isinstance(side, exp.Paren):
        return _moment(side.this, known)
    if isinstance(side, _STEPS):
        return _moment(side.this, known) and isinstance(side.expression, exp.Interval)
    return isinstance(side, exp.Column) and not side.table and side.name.lower() in known
