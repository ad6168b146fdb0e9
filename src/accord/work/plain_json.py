"""JSON that came from outside: read only as far as everything behind it can take it."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 64


def read_json(text: str | bytes, *, deepest: int = DEEPEST) -> Any:
    """The value a text stands for.

    Args:
        text: from outside.
        deepest: how many levels it may have.

    Raises:
        ValueError: it is no JSON, holds a number or a character that is none, or has more levels.
    """
    try:
        found = json.loads(text, parse_constant=_no_number)
        if _deeper(found, deepest):
            raise ValueError("too many levels")
        json.dumps(found, ensure_ascii=False).encode()  # half a character, as JSON can spell it, is no text
    except RecursionError as error:
        raise ValueError("too many levels") from error
    return found


def _no_number(text: str) -> float:
    raise ValueError(text)


def _deeper(value: Any, deepest: int) -> bool:
    level = [value]
    for _ in range(deepest):
        level = [v for held in level if isinstance(held, dict | list) for v in (held.values() if isinstance(held, dict) else held)]
        if not level:
            return False
    return True
