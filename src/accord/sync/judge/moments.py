"""Comparisons of moments in the rules of a map, made without the calendar of a time zone.

All moments are in UTC, where a day has 24 hours and a date begins at its first second. DuckDB asks a calendar all the same, once for each
row, and that costs more than all other checks of a contract together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from accord.model.entity import Field
from accord.model.types import CanonicalType

if TYPE_CHECKING:
    from sqlglot import exp

_COMPARED = ("gt", "gte", "lt", "lte", "eq", "neq")
_STEPS = ("add", "sub")
# Between these, a hundred thousand days more or less are a date and a moment, too.
_FIRST, _LAST = "DATE '-290000-01-01'", "DATE '290000-01-01'"
# A rule made of these alone reads the same once it was parsed and written again.
_PLAIN = (*_COMPARED, *_STEPS, "and", "or", "not", "paren", "is", "null", "column", "identifier", "literal", "interval", "var")


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
    if not any(kind == "timestamp" and name in check.lower() for name, kind in kinds):
        return check
    import sqlglot  # takes a tenth of a second, which only maps with such rules should wait
    from sqlglot import exp

    tree = sqlglot.parse_one(check, dialect="duckdb")
    if not all(node.key in _PLAIN for node in tree.walk()):
        return check
    found = [node for node in tree.walk() if node.key in _COMPARED and _asks_calendar(node, known)]
    for column in [c for node in found for c in node.find_all(exp.Column) if known[c.name.lower()] == "timestamp"]:
        name = column.sql(dialect="duckdb")
        # Endless moments are no number. Nothing but the column is named twice: what is common to two places is worked out before TRY.
        same = f"CASE WHEN isfinite({name}) THEN make_timestamp(epoch_us({name})) ELSE CAST({name} AS TIMESTAMP) END"
        column.replace(exp.paren(sqlglot.parse_one(same, dialect="duckdb"), copy=False))
    for step in [s for node in found for s in node.find_all(exp.Add, exp.Sub) if _days_from_date(s, known) is not None]:
        day, sign = step.this.sql(dialect="duckdb"), "-" if step.key == "sub" else "+"
        counted = f"CAST({day} {sign} {_days_from_date(step, known)} AS TIMESTAMP)"
        # A date past what a moment can hold is none, however many days are taken from it.
        same = f"CASE WHEN {day} BETWEEN {_FIRST} AND {_LAST} THEN {counted} ELSE {step.sql(dialect='duckdb')} END"
        step.replace(exp.paren(sqlglot.parse_one(same, dialect="duckdb"), copy=False))
    return tree.sql(dialect="duckdb") if found else check


def as_moments(check: str, fields: Mapping[str, Field]) -> tuple[str, str] | None:
    """The same check with its dates as moments, which are compared as the numbers they are, for half the price of the other form.

    It cannot fail for any row that the first part is not true for. ``None`` for a rule that asks for more than days.

    Args:
        check: a rule of the map, over the canonical fields.
        fields: of the entity.

    Returns:
        SQL that is true for a row with a date too far away to be a moment (statistics of the columns mostly answer it), and the check,
        which holds for all other rows.
    """
    kinds = {f.name.lower(): CanonicalType.parse(f.type).name for f in fields.values()}
    return _counted(check, tuple(sorted((n, k) for n, k in kinds.items() if k in ("date", "timestamp"))))


@cache
def _counted(check: str, kinds: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    known = dict(kinds)
    if not any(kind == "timestamp" and name in check.lower() for name, kind in kinds):
        return None
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(check, dialect="duckdb")
    compared = [node for node in tree.walk() if node.key in _COMPARED]
    steps = list(tree.find_all(exp.Add, exp.Sub))
    if not all(node.key in _PLAIN for node in tree.walk()) or not all(_asks_calendar(node, known) for node in compared):
        return None
    if any(_days_from_date(step, known) is None for step in steps):
        return None
    far, added = {}, {id(step.this): (_days_from_date(step, known) or 0) * (-1 if step.key == "sub" else 1) for step in steps}
    for column in [c for node in compared for c in node.find_all(exp.Column)]:
        name = column.sql(dialect="duckdb")
        if known[column.name.lower()] == "timestamp":
            continue
        far[name] = f"{name} < {_FIRST} OR {name} > {_LAST}"
        zero = date(1970, 1, 1) - timedelta(days=added.get(id(column), 0))
        moment = f"make_timestamptz(86400000000 * ({name} - DATE '{zero.isoformat()}'))"
        replaced = column.parent if id(column) in added and column.parent is not None else column
        replaced.replace(sqlglot.parse_one(moment, dialect="duckdb"))
    return " OR ".join(far.values()), tree.sql(dialect="duckdb")


def _days_from_date(step: exp.Expr, known: Mapping[str, str]) -> int | None:
    """How many days a step adds to a date of the row or takes from it; ``None`` when it is another step."""
    told, counted = step.expression.args.get("unit"), step.expression.this
    if step.this.key != "column" or known[step.this.name.lower()] != "date" or told is None or told.name.upper() not in ("DAY", "DAYS"):
        return None
    return int(counted.name) if counted.key == "literal" and counted.name.isdecimal() and len(counted.name) < 6 else None


def _asks_calendar(node: exp.Expr, known: Mapping[str, str]) -> bool:
    """Whether it compares dates and moments, or moments some time apart; of two moments as they are the numbers are compared anyway."""
    if not (_moment(node.this, known) and _moment(node.expression, known)):
        return False
    below = list(node.walk())
    kinds = {known[one.name.lower()] for one in below if one.key == "column"}
    return "timestamp" in kinds and ("date" in kinds or any(one.key == "interval" for one in below))


def _moment(side: exp.Expr, known: Mapping[str, str]) -> bool:
    """Whether it is a date or a moment of the row, or some time before or after one."""
    if side.key == "paren":
        return _moment(side.this, known)
    if side.key in _STEPS:
        return _moment(side.this, known) and side.expression.key == "interval"
    return side.key == "column" and not side.args.get("table") and side.name.lower() in known
