"""Values of a batch as plain JSON, and whether two of them are the same value of a type."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from accord.work.expression import plain


def as_json(value: Any, type_: str) -> Any:
    """A value as a form takes it; an empty text is none, times stay times."""
    if value is None or value == "":
        return None
    if type_ == "timestamp" and isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if type_ == "json":
        try:
            return json.loads(value)
        except (TypeError, ValueError):
            return value
    return plain(value)


def same(held: Any, given: Any, type_: str) -> bool:
    """Whether what the engine holds and what a batch gives are one value."""
    if held in (None, "") or given in (None, ""):
        return held in (None, "") and given in (None, "")
    if type_ == "timestamp":
        return bool(_moment(held) == _moment(given))
    if type_.startswith("number") or type_ in ("integer", "double"):
        return bool(_number(held) == _number(given))
    if type_ == "text" and not (isinstance(held, str) and isinstance(given, str)):
        return _text(held) == _text(given)
    return bool(held == given)


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def _number(value: Any) -> Any:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)
