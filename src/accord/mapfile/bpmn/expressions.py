"""Conditions and times of foreign diagrams as those of a map: simple comparisons and ISO 8601, and nothing that is guessed."""

from __future__ import annotations

import re
from typing import Final

from accord.model.values import Duration

MAX_LENGTH: Final = 4000
_MAX_DEPTH: Final = 30
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>[0-9]{1,25}(?:\.[0-9]{1,20})?)|(?P<text>"[^"\\]*"|'[^'\\]*')|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>==|!=|<>|<=|>=|&&|\|\||[=<>!()-]))"""
)
_COMPARE: Final = {"==": "=", "=": "=", "eq": "=", "!=": "<>", "<>": "<>", "ne": "<>", "<": "<", "lt": "<", "<=": "<=", "le": "<=",
                   ">": ">", "gt": ">", ">=": ">=", "ge": ">="}  # fmt: skip
_AND, _OR, _NOT = ("and", "&&"), ("or", "||"), ("not", "!")
_WORDS: Final = {"true": "true", "false": "false", "null": "NULL", "None": "NULL", "True": "true", "False": "false"}
_ISO: Final = re.compile(r"P(?:(\d{1,9})W|(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")
_WRAPPED: Final = re.compile(r"[$#]\{(.*)\}", re.DOTALL)


class NotSimple(ValueError):
    """An expression that is more than comparisons joined by and, or and not."""


def translated(text: str) -> str:
    """A condition in FEEL, JUEL or Python as SQL, when it is made of comparisons of names, numbers and texts.

    Raises:
        NotSimple: it is more than that.
    """
    inner = unwrapped(text)
    if len(inner) > MAX_LENGTH:
        raise NotSimple(f"it is longer than {MAX_LENGTH} signs")
    return _Reader(_tokens(inner)).whole()


def unwrapped(text: str) -> str:
    """The expression inside ``${…}``, ``#{…}`` or after the ``=`` of FEEL."""
    stripped = text.strip()
    found = _WRAPPED.fullmatch(stripped)
    return found[1].strip() if found else stripped.removeprefix("=").strip()


def duration_from(text: str) -> Duration:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Raises:
        NotSimple: it is none, or of months and years, whose length is not known.
    """
    found = _ISO.fullmatch(text.strip())
    if not found or not any(found.groups()):
        raise NotSimple(f"'{text.strip()[:60]}' is no duration in weeks, days, hours, minutes or seconds")
    scale = (604_800, 86_400, 3600, 60, 1)
    return Duration(sum(int(part) * size for part, size in zip(found.groups(), scale, strict=True) if part))


def duration_to(duration: Duration) -> str:
    """A duration in ISO 8601; nothing is rounded."""
    days, rest = divmod(duration.seconds, 86_400)
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}" if days or time else "PT0S"


def moment_from(text: str) -> str:
    """A time, or the variable that holds it, as SQL.

    Raises:
        NotSimple: it is neither.
    """
    inner = unwrapped(text)
    if _DATE.fullmatch(inner):
        return literal(inner)
    return name_from(inner)


def name_from(text: str) -> str:
    """The name of a variable.

    Raises:
        NotSimple: it is more than a name.
    """
    inner = unwrapped(text)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,79}", inner):
        raise NotSimple(f"'{inner[:60]}' is not the name of a variable")
    return inner


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise NotSimple(f"'{text[position:].strip()[:20]}' is not understood")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Reader:
    """Reads: or, and, not, comparison, value."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def whole(self) -> str:
        sql = self._any()
        if self.at < len(self.tokens):
            raise NotSimple(f"'{self.tokens[self.at][1][:20]}' is not understood where it stands")
        return sql

    def _peek(self) -> str:
        """The next sign or word; a text in quotes is none."""
        if self.at >= len(self.tokens):
            return ""
        kind, text = self.tokens[self.at]
        return "" if kind in ("text", "number") else text

    def _any(self) -> str:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise NotSimple(f"it is nested more than {_MAX_DEPTH} levels deep")
        parts = [self._every()]
        while self._peek() in _OR:
            self.at += 1
            parts.append(self._every())
        self.depth -= 1
        return " OR ".join(parts) if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _every(self) -> str:
        parts = [self._compared()]
        while self._peek() in _AND:
            self.at += 1
            parts.append(self._compared())
        return " AND ".join(parts)

    def _compared(self) -> str:
        negations = 0
        while self._peek() in _NOT:
            self.at += 1
            negations += 1
        left = self._value()
        sign = _COMPARE.get(self._peek())
        if sign is not None:
            self.at += 1
            right = self._value()
            if "NULL" in (left, right):
                if sign not in ("=", "<>"):
                    raise NotSimple("null is only equal or not")
                left, right = (right, left) if left == "NULL" else (left, right)
                left = f"{left} IS {'NOT ' if sign == '<>' else ''}NULL"
            else:
                left = f"{left} {sign} {right}"
        return f"NOT ({left})" if negations % 2 else left

    def _value(self) -> str:
        if self.at >= len(self.tokens):
            raise NotSimple("it ends too early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return text
        if kind == "text":
            return literal(text[1:-1])
        if text == "-" and self.at < len(self.tokens) and self.tokens[self.at][0] == "number":
            self.at += 1
            return f"-{self.tokens[self.at - 1][1]}"
        if text == "(":
            inner = self._any()
            if self._peek() != ")":
                raise NotSimple("a bracket is not closed")
            self.at += 1
            return f"({inner})"
        if kind == "name" and text not in (*_AND, *_OR, *_NOT, *_COMPARE):
            return _WORDS.get(text, text)
        raise NotSimple(f"'{text[:20]}' is not understood where it stands")
