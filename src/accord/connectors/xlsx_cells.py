"""Cells of Excel as text and back: a number only where the same digits come back."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import Any, Final

from accord.model.types import CanonicalType

MAX_CELL_CHARACTERS: Final = 32_767
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_NUMBERS: Final = frozenset({"integer", "number", "double"})
_DIGITS: Final = 15  # of a decimal: what Excel itself keeps
_WHOLE: Final = 1e15
_LEAST: Final = 2.2251e-308
_MOST: Final = 9.99999999999999e307
_FIRST_DAY: Final = datetime(1900, 3, 1)  # noqa: DTZ001 - a cell has no zone


def cell_text(value: Any) -> str | None:
    """The text of a cell's value; whole numbers without a point, dates and times as ISO 8601; an empty text is nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def as_cell(value: str | None, type_: CanonicalType, example: Any) -> Any:
    """What is put into a cell so that the same value is read again: a number or a date where Excel can hold all of it, else the text.

    Args:
        value: the text; ``None`` empties the cell.
        type_: what the text means. A ``text`` is put as the column has it, if the same text is read again.
        example: another value of the column, where there is one: texts that are numbers go into columns of numbers, dates among dates.
    """
    if value is None:
        return None
    if type_.name in _NUMBERS:
        number = _number(value, type_)
        return value if number is None else number
    if type_.name == "boolean" or (isinstance(example, bool) and value in ("true", "false")):
        return value == "true" if value in ("true", "false") else value
    if type_.name in ("date", "timestamp"):
        return _moment(value, type_) or value
    if isinstance(example, (int, float)) and _NUMBER.fullmatch(value):
        number = _number(value, type_)
        return value if number is None or cell_text(number) != value else number
    if isinstance(example, (date, datetime)):
        moment = _moment(value, type_)
        return moment if moment is not None and cell_text(moment) == value else value
    return value


def _number(value: str, type_: CanonicalType) -> float | int | None:
    """The number a cell can hold without losing a digit, or ``None``."""
    try:
        number = float(value)
    except ValueError:
        return None
    if not isfinite(number) or not (number == 0 or _LEAST <= abs(number) <= _MOST):
        return None
    if type_.name != "double" and (not _NUMBER.fullmatch(value) or len(re.sub(r"[-.]", "", value).strip("0")) > _DIGITS):
        return None
    if type_.name == "number" and type_.scale == type_.precision and "e" in repr(number):
        return None  # DuckDB reads no exponent where no digit stands before the point
    return int(number) if number.is_integer() and abs(number) < _WHOLE else number


def _moment(value: str, type_: CanonicalType) -> datetime | date | None:
    """The date or time a cell can hold, in UTC where the text has a zone; ``None`` where something would be lost."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            if type_.name != "timestamp":
                return None
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    # Excel counts days in doubles, so less than a millisecond would not come back, and it knows a 29th of February 1900.
    if moment.microsecond % 1000 or moment < _FIRST_DAY:
        return None
    if type_.name == "date":
        return moment.date() if len(value) == len("YYYY-MM-DD") else None
    return moment


def cannot_hold(value: str) -> str:
    """Why a cell cannot hold a text, or an empty text when it can."""
    if value == "":
        return "Excel does not tell an empty text from an empty cell"
    if len(value) > MAX_CELL_CHARACTERS:
        return f"{len(value):,} characters; a cell holds {MAX_CELL_CHARACTERS:,}"
    return "control characters, which a cell cannot hold" if _ILLEGAL.search(value) else ""
