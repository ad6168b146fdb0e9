"""Texts of one fixed form, such as ``C[0-9]{9}``, proven for a whole column eight characters at a time.

A code that names a row is the longest check of many contracts: an expression asked of every row, and every row grouped by it. Here the
bytes of the column are looked at as numbers: of eight characters at once it is told whether each lies in its range, and where all are
digits or signs that are always the same, the text is a number, of which it is told quickly that none stands twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from accord.connectors.types import quote
from accord.sync.judge.once import Seen, batches
from accord.sync.judge.patterns import parse, ranges

_WIDTH = 8
_WIDTHS = (1, 2, 4, _WIDTH)
_LONGEST = 32
_MOST_DIGITS = 18  # what fits a number of 64 bits
# Two digits become one number, then two of those, and again: (factor, bits to shift, bits to keep, none where all are).
_PAIRS = ((10 * 2**8 + 1, 8, 0x00FF00FF00FF00FF), (100 * 2**16 + 1, 16, 0x0000FFFF0000FFFF), (10_000 * 2**32 + 1, 32, 0))


@dataclass(frozen=True, slots=True)
class _Window:
    """Up to eight characters of each text at ``start``, ``width`` of them; the first ``fresh`` are in no window after it."""

    start: int
    fresh: int
    width: int
    lowest: np.unsignedinteger[Any]
    room: np.unsignedinteger[Any]
    kept: np.unsignedinteger[Any]
    high: np.unsignedinteger[Any]


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
    width = next(w for w in _WIDTHS if w >= fresh)
    lowest, room = bytearray(width), bytearray(b"\x7f" * width)
    for n, (first, last) in enumerate(places[start : start + width]):
        lowest[n], room[n] = first, 0x7F - (last - first)
    kept = b"\xff" * fresh + bytes(width - fresh)
    numbers = (np.dtype(f"u{width}").type(int.from_bytes(part, "little")) for part in (lowest, room, kept, b"\x80" * width))
    return _Window(start, fresh, width, *numbers)


def proven_form(con: duckdb.DuckDBPyConnection, relation: str, column: str, form: Form, rows: int, *, once: bool) -> tuple[bool, bool]:
    """Whether it is certain that every text of a column has a form, and, if ``once`` asks for it, that no text stands twice.

    False says nothing. Ends at the first text of another form, so a column that is not right costs little. Nulls are no part of it.

    Args:
        con: holds the relation.
        relation: a table.
        column: of type VARCHAR.
        form: what is asked.
        rows: how many the table has.
        once: whether to tell the second.
    """
    name = quote(column)
    seen = Seen(rows)
    taken = batches(con, f"SELECT {name} FROM {relation} WHERE {name} IS NOT NULL")
    for texts in taken:
        numbers = _numbers(texts, form, wanted=once and form.numeric)
        if numbers is None:
            taken.close()  # type: ignore[attr-defined]  # a generator, which lets go of the rest
            return False, False
        seen.add(numbers)
    return True, once and form.numeric and seen.all_differ()


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
    total = np.zeros(0, np.uint64)
    for window in form.windows:
        if form.length < window.width:  # the last text alone is shorter than what is read at once
            content = np.concatenate((content, np.zeros(_WIDTH, np.uint8)))
        chars = np.ndarray((count,), f"<u{window.width}", content, window.start, (form.length,))
        if form.length < window.width:
            chars = chars & window.kept
        # A sign below its lowest borrows and one above its highest carries, so that the first of either always leaves a high bit.
        above = chars - window.lowest
        differing = np.bitwise_or.reduce(above)
        if (differing | np.bitwise_or.reduce(above + window.room)) & window.high:
            return None
        if wanted:
            total = _with(total, above, window, any_digit=bool(differing & window.kept))
    return total


def _with(total: NDArray[np.uint64], digits: NDArray[Any], window: _Window, *, any_digit: bool) -> NDArray[np.uint64]:
    """The numbers so far with the fresh digits of a window behind them."""
    if not any_digit:
        number = np.zeros(len(digits), np.uint64)
    else:
        if window.fresh < window.width:
            digits &= window.kept
        number = _decimal(digits.astype(np.uint64, copy=False), window.fresh)
    if len(total) and bool(total.any()):
        number += total * np.uint64(10**window.fresh)
    return number


def _decimal(digits: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """The ``length`` lowest bytes, each a digit, the first the highest, as one number, in place; those above are zero."""
    if length < _WIDTH:
        digits <<= np.uint64(8 * (_WIDTH - length))  # zeros in front
    for factor, shift, kept in _PAIRS:
        digits *= np.uint64(factor)
        digits >>= np.uint64(shift)
        if kept:
            digits &= np.uint64(kept)
    return digits
