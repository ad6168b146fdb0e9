"""Patterns of simple form as SQL that says the same as the regular expression, for a fraction of its cost.

A regular expression costs 60 ns a text, and a contract has it asked of every row. What is usual in contracts is simpler than what an
expression can say: a code of fixed length, a known beginning or end, one sign that stands exactly once, one of a few words. Whatever is
not recognized here for certain stays a regular expression (RE2), and so does what RE2 refuses, with its own message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from accord.connectors.types import literal

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAMED = {"d": _DIGITS, "w": _DIGITS | _LETTERS | {"_"}, "s": frozenset("\t\n\f\r ")}
_SPECIAL = frozenset("\\.^$|?*+()[]{}")
_COUNT = re.compile(r"\{(0|[1-9][0-9]{0,2})(,(0|[1-9][0-9]{0,2})?)?\}")
_LONGEST = 64  # characters of a form, above which an expression costs less than one test after the other
_GLOB_LONGEST = 16
# What stands for itself in a class of GLOB, wherever it stands there.
_PLAIN = _DIGITS | _LETTERS | frozenset(" _.,:;/@#%&=+~\"'<>|$()")


@dataclass(frozen=True, slots=True)
class Item:
    """``least`` to ``most`` characters (``None``: any number), each out of ``chars``, or of all others when ``negated``."""

    chars: frozenset[str]
    negated: bool = False
    least: int = 1
    most: int | None = 1

    @property
    def text(self) -> str | None:
        """The one text it stands for, if there is only one."""
        return "".join(self.chars) * self.least if len(self.chars) == 1 and not self.negated and self.least == self.most else None


def matches(column: str, pattern: str) -> str:
    """SQL that says of a text whether all of it matches ``pattern``; null for null, as ``regexp_full_match(column, pattern)``.

    Args:
        column: SQL of a VARCHAR, cheap enough to stand several times.
        pattern: a regular expression of RE2.
    """
    if words := _words(pattern):
        listed = ", ".join(literal(word) for word in words)
        return f"({column} IN ({listed}))" if len(words) > 1 else f"({column} = {listed})"
    items = parse(pattern)
    found = items and (_fixed(column, items) or _around(column, items) or _parted(column, items))
    return found or f"regexp_full_match({column}, {literal(pattern)})"


@cache
def parse(pattern: str) -> tuple[Item, ...] | None:
    """What a pattern asks for, one item after the other; ``None`` when it is not of this simple form."""
    items: list[Item] = []
    at, end = 0, len(pattern)
    if pattern.startswith("^"):
        at = 1
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        end -= 1
    while at < end:
        read = _class(pattern, at, end)
        if read is None:
            return None
        item, at = read
        counted = _counted(pattern, at, end)
        if counted is None:
            return None
        least, most, at = counted
        items.append(Item(item.chars, item.negated, least, most))
    length = sum(max(item.least, item.most or 0) for item in items)
    return tuple(items) if items and length <= _LONGEST else None


def ranges(item: Item) -> list[tuple[str, str]]:
    """The characters of an item as the fewest ranges, first to last."""
    found: list[tuple[str, str]] = []
    for char in sorted(item.chars):
        if found and ord(char) == ord(found[-1][1]) + 1:
            found[-1] = (found[-1][0], char)
        else:
            found.append((char, char))
    return found


def _class(pattern: str, at: int, end: int) -> tuple[Item, int] | None:
    """One class of characters at ``at``, and where it ends."""
    char = pattern[at]
    if char == ".":
        return Item(frozenset("\n"), negated=True), at + 1
    if char == "\\":
        if at + 1 >= end:
            return None
        escaped = _escaped(pattern[at + 1])
        return None if escaped is None else (Item(escaped), at + 2)
    if char == "[":
        return _bracket(pattern, at + 1, end)
    return None if char in _SPECIAL else (Item(frozenset(char)), at + 1)


def _escaped(char: str) -> frozenset[str] | None:
    if char in _NAMED:
        return _NAMED[char]
    return frozenset(char) if char.isascii() and char.isprintable() and not char.isalnum() and char != " " else None


def _bracket(pattern: str, at: int, end: int) -> tuple[Item, int] | None:
    """A class in brackets, of ASCII characters, ranges of them and ``\\d``, ``\\w``, ``\\s``."""
    negated = pattern.startswith("^", at)
    at += negated
    chars: set[str] = set()
    first = at
    while at < end:
        char = pattern[at]
        if char == "]":
            return (Item(frozenset(chars), negated), at + 1) if at > first else None
        if char in "[-^" or not char.isascii():
            return None
        if char == "\\":
            escaped = _escaped(pattern[at + 1]) if at + 1 < end else None
            if escaped is None or pattern.startswith("-", at + 2):
                return None
            chars |= escaped
            at += 2
            continue
        if pattern.startswith("-", at + 1):
            last = pattern[at + 2 : at + 3]
            if not (char.isalnum() and last.isascii() and last.isalnum() and char <= last):
                return None
            chars.update(map(chr, range(ord(char), ord(last) + 1)))
            at += 3
            continue
        chars.add(char)
        at += 1
    return None


def _counted(pattern: str, at: int, end: int) -> tuple[int, int | None, int] | None:
    """How often, by the sign of repetition at ``at``, and where that ends; ``None`` for what repeats in another way."""
    if at >= end or pattern[at] not in "*+?{":
        return 1, 1, at
    if pattern[at] == "{":
        found = _COUNT.match(pattern, at, end)
        if found is None:
            return None
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < max(least, 1):
            return None
        at = found.end()
    else:
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[pattern[at]]
        at += 1
    return None if at < end and pattern[at] in "*+?{" else (least, most, at)


def _words(pattern: str) -> list[str] | None:
    """The words of which the pattern allows one, such as ``new|open`` or ``(new|open)``."""
    inner = pattern.removeprefix("^").removesuffix("$") if "|" not in pattern else pattern
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1].removeprefix("?:")
    words = inner.split("|")
    return words if all(words) and not any(char in _SPECIAL for word in words for char in word) else None


def _fixed(column: str, items: tuple[Item, ...]) -> str | None:
    """So many characters, each of its own class: ``C[0-9]{9}``."""
    length = sum(item.least for item in items)
    if length > _GLOB_LONGEST or any(item.negated or item.least != item.most for item in items):
        return None
    glob = ""
    for item in items:
        if not item.chars <= _PLAIN:
            return None
        shown = "".join(a if a == b else f"{a}-{b}" for a, b in ranges(item))
        glob += (shown if len(item.chars) == 1 else f"[{shown}]") * item.least
    return f"(strlen({column}) = {length} AND {column} GLOB {literal(glob)})"


def _around(column: str, items: tuple[Item, ...]) -> str | None:
    """A known beginning, a known end, and anything but a few characters between them: ``https://.*``."""
    gaps = [n for n, item in enumerate(items) if item.text is None]
    if len(gaps) != 1:
        return None
    gap = items[gaps[0]]
    before, after = ("".join(item.text or "" for item in part) for part in (items[: gaps[0]], items[gaps[0] + 1 :]))
    if not gap.negated or gap.least > 1 or gap.most is not None or len(gap.chars) > 2 or gap.chars & set(before + after):
        return None
    length = len((before + after).encode()) + gap.least
    parts = [f"strlen({column}) >= {length}"] if length else []
    parts += [f"prefix({column}, {literal(before)})"] if before else []
    parts += [f"suffix({column}, {literal(after)})"] if after else []
    parts += [f"NOT contains({column}, {_sign(char)})" for char in sorted(gap.chars)]
    return f"({' AND '.join(parts)})"


def _parted(column: str, items: tuple[Item, ...]) -> str | None:
    """Two parts with a sign between them that may stand in neither: ``[^@]+@[^@]+``."""
    if len(items) != 3:
        return None
    left, sign, right = items
    mark = sign.text or ""
    for gap in (left, right):
        if not gap.negated or gap.least > 1 or gap.most is not None or mark not in gap.chars:
            return None
    others = left.chars - {mark}
    if len(mark) != 1 or mark in "%_\\" or not mark.isascii() or left.chars != right.chars or len(others) > 1:
        return None
    told = literal(mark)
    parts = [f"instr({column}, {told}) > {left.least}", f"NOT {column} LIKE {literal(f'%{mark}%{mark}%')}"]
    parts += [f"NOT suffix({column}, {told})"] if right.least else []
    parts += [f"NOT contains({column}, {_sign(char)})" for char in sorted(others)]
    return f"({' AND '.join(parts)})"


def _sign(char: str) -> str:
    return literal(char) if char.isprintable() else f"chr({ord(char)})"
