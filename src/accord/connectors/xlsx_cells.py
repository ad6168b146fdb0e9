"""Cells of Excel as text and back: a number only where the same digits come back."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any, Final

MAX_CELL_CHARACTERS: Final = 32_767
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_DIGITS: Final = 15  # what Excel itself keeps


def cell_text(value: Any) -> str | None:
    """The text of a cell's value; whole numbers without a point, dates and times as ISO 8601; an empty text is nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def as_cell(value: str | None, kind: str, example: Any) -> Any:
    """What is put into a cell so that the same text is read again.

    Args:
        value: the text; ``None`` empties the cell.
        kind: DuckDB type the value came in.
        example: another value of the column, where there is one: numbers go into columns of numbers, dates into columns of dates.
    """
    if value is None:
        return None
    numeric = kind.endswith("INT") or kind.startswith(("INTEGER", "DECIMAL", "DOUBLE", "FLOAT"))
    if (numeric or isinstance(example, (int, float))) and _NUMBER.fullmatch(value):
        return _number(value, exact=not numeric)
    if kind == "BOOLEAN" or (isinstance(example, bool) and value in ("true", "false")):
        return value == "true"
    if isinstance(example, (date, datetime)):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        # Excel counts days in doubles: less than a millisecond would not come back.
        return moment if moment.tzinfo is None and moment.microsecond % 1000 == 0 and cell_text(moment) == value else value
    return value


def _number(value: str, *, exact: bool) -> float | int | str:
    digits = value.replace("-", "").replace(".", "").strip("0")
    if len(digits) > _DIGITS:
        return value
    number = float(value)
    shown = cell_text(number)
    return value if exact and shown != value else int(number) if number.is_integer() else number


def cannot_hold(value: str) -> str:
    """Why a cell cannot hold a text, or an empty text when it can."""
    if value == "":
        return "Excel does not tell an empty text from an empty cell"
    if len(value) > MAX_CELL_CHARACTERS:
        return f"{len(value):,} characters; a cell holds {MAX_CELL_CHARACTERS:,}"
    return "control characters, which a cell cannot hold" if _ILLEGAL.search(value) else ""
