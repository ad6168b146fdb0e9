"""Texts of one fixed form, such as ``C[0-9]{9}``, proven for a whole column eight characters at a time.

A code that names a row is the longest check of many contracts: an expression asked of every row, and every row grouped by it. Here the
bytes of the column are looked at as numbers: of eight characters at once it is told whether each lies in its range, and where all are
digits or signs that are always the same, the text is a number, of which it is told quickly that none stands twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from accord.connectors.types import quote
from accord.sync.judge.once import Numbers, all_differ, batches
from accord.sync.judge.patterns import parse, ranges

_WIDTH = 8
_LONGEST = 32
_MOST_DIGITS = 18  # what fits a number of 64 bits
_HIGH = np.uint64(0x8080808080808080)
# Two digits become one number, then two of those, and again: (factor, bits to shift, bits to keep).
_PAIRS = ((10 * 2**8 + 1, 8, 0x00FF00FF00FF00FF), (100 * 2**16 + 1, 16, 0x0000FFFF0000FFFF), (10_000 * 2**32 + 1, 32, 2**32 - 1))


@dataclass(frozen=True, slots=True)
class _Window:
    """Eight characters of each text at ``start``; the first ``fresh`` of them are in no window after it."""

    start: int
    fresh: int
    lowest: np.uint64
    room: np.uint64
    kept: np.uint64


@dataclass(frozen=True, slots=True)
class Form:
    """So many characters, each in a range of its own; ``numeric`` when a text is a number in another spelling."""

    length: int
    numeric: bool
    windows: tuple[_Window, ...]


def form_of(pattern: str) -> Form | None:
    """The form a pattern asks for; ``None`` when it is not one fixed form."""
    places: list[tuple[int, int]] = []
    for item in parse(pattern) or ():
        found = ranges(item)
        if item.negated or item.least != item.most or len(found) != 1 or not found[0][1].isascii():
            return None
        places += [(ord(found[0][0]), ord(found[0][1]))] * item.least
    length = len(places)
    if not 1 <= length <= _LONGEST:
        return None
    rest = length % _WIDTH  # in front, where codes have signs that are always the same, and zeros
    starts = [(0, rest)] * bool(rest) + [(start, _WIDTH) for start in range(rest, length, _WIDTH)]
    windows = tuple(_window(places, start, fresh) for start, fresh in starts)
    return Form(length, length <= _MOST_DIGITS and all(last - first < 10 for first, last in places), windows)


def _window(places: Sequence[tuple[int, int]], start: int, fresh: int) -> _Window:
    lowest, room = bytearray(_WIDTH), bytearray(b"\x7f" * _WIDTH)
    for n, (first, last) in enumerate(places[start : start + _WIDTH]):
        lowest[n], room[n] = first, 0x7F - (last - first)
    kept = b"\xff" * fresh + bytes(_WIDTH - fresh)
    return _Window(start, fresh, *(np.uint64(int.from_bytes(part, "little")) for part in (lowest, room, kept)))


def proven_form(con: duckdb.DuckDBPyConnection, relation: str, column: str, form: Form, *, once: bool) -> tuple[bool, bool]:
    """Whether it is certain that every text of a column has a form, and, if ``once`` asks for it, that no text stands twice.

    False says nothing. Ends at the first text of another form, so a column that is not right costs little. Nulls are no part of it.

    Args:
        con: holds the relation.
        relation: a table.
        column: of type VARCHAR.
        form: what is asked.
        once: whether to tell the second.
    """
    name = quote(column)
    parts: list[Numbers] = []
    taken = batches(con, f"SELECT {name} FROM {relation} WHERE {name} IS NOT NULL")
    for texts in taken:
        numbers = _numbers(texts, form, wanted=once and form.numeric)
        if numbers is None:
            taken.close()  # type: ignore[attr-defined]  # a generator, which lets go of the rest
            return False, False
        parts.append(numbers)
    return True, once and form.numeric and all_differ(parts)


def _numbers(texts: pa.Array, form: Form, *, wanted: bool) -> NDArray[np.uint64] | None:
    """The texts as numbers, or nothing at all when that is not ``wanted``; ``None`` when one has another form."""
    count = len(texts)
    if texts.type != pa.string() or texts.null_count:
        return None
    if not count:
        return np.zeros(0, np.uint64)
    _, ends, data = texts.buffers()
    places = np.frombuffer(ends, np.int32, count + 1, texts.offset * 4)
    if not bool((places[1:] - places[:-1] == form.length).all()):
        return None
    content = np.frombuffer(data, np.uint8, count * form.length, int(places[0]))
    if form.length < _WIDTH:  # the last text alone has no eight bytes
        content = np.concatenate((content, np.zeros(_WIDTH, np.uint8)))
    total = np.zeros(0, np.uint64)
    for window in form.windows:
        chars = np.ndarray((count,), "<u8", content, window.start, (form.length,))
        if form.length < _WIDTH:
            chars = chars & window.kept
        # A sign below its lowest borrows and one above its highest carries, so that the first of either always leaves a high bit.
        above = chars - window.lowest
        differing = np.bitwise_or.reduce(above)
        if (differing | np.bitwise_or.reduce(above + window.room)) & _HIGH:
            return None
        if wanted:
            total = _with(total, above, window, any_digit=bool(differing & window.kept))
    return total


def _with(total: NDArray[np.uint64], digits: NDArray[np.uint64], window: _Window, *, any_digit: bool) -> NDArray[np.uint64]:
    """The numbers so far with the fresh digits of a window behind them."""
    if not any_digit:
        number = np.zeros(len(digits), np.uint64)
    else:
        digits &= window.kept
        number = _decimal(digits, window.fresh)
    if len(total) and bool(total.any()):
        number += total * np.uint64(10**window.fresh)
    return number


def _decimal(digits: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """Eight bytes, each a digit, the first the highest, as one number, in place; the last of them are none when ``length`` is less."""
    for factor, shift, kept in _PAIRS:
        digits *= np.uint64(factor)
        digits >>= np.uint64(shift)
        digits &= np.uint64(kept)
    if length < _WIDTH:
        digits //= np.uint64(10 ** (_WIDTH - length))
    return digits
