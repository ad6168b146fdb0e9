"""Regular expressions: ours (RE2) match a text as a whole, those of ODCS (ECMA-262) anywhere in it."""

from __future__ import annotations

import re
from typing import Final

from accord.mapfile.engine import pattern_error

# RE2 has these and ECMA-262 has not, or means something else by them.
_OURS_ONLY: Final = re.compile(r"\(\?(?!:)|\\[AzQEpPCa]|\\x\{|\[:")
_ANYTHING: Final = r"[\s\S]*"


def portable(pattern: str) -> bool:
    """Whether a pattern means the same to readers of ECMA-262."""
    return _OURS_ONLY.search(pattern) is None


def to_search(pattern: str) -> str:
    """The pattern that finds exactly the texts ``pattern`` matches as a whole."""
    return f"^(?:{pattern})$"


def to_whole(pattern: str) -> str:
    """The pattern that matches as a whole exactly the texts ``pattern`` is found in; the inverse of ``to_search``."""
    inner = pattern.removeprefix("^(?:").removesuffix(")$")
    if to_search(inner) == pattern and pattern_error(inner) is None:
        return inner
    inner = pattern[1:-1]
    if pattern == f"^{inner}$" and not _alternatives(inner) and pattern_error(inner) is None:
        return inner
    return f"{_ANYTHING}(?:{pattern}){_ANYTHING}"


def _alternatives(pattern: str) -> bool:
    """Whether a ``|`` stands outside of all brackets."""
    depth, in_class, escaped = 0, False, False
    for sign in pattern:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and depth == 0:
            return True
    return escaped  # the closing $ was a plain character
