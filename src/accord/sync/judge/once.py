"""Whether no value stands twice, told for a fraction of what grouping the rows by it costs.

Nearly every table is right about that. So it is proven first, and only a table for which it cannot be proven is grouped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from accord.connectors.types import quote

_SMALLEST_ROWS = 50_000  # fewer are grouped as fast
_MOST_ROWS = 50_000_000  # of more rows the numbers take too much memory, which grouping does not
_SPREAD = 32  # marks for each number
_MOST_MARKS = 1 << 27
_BATCH_ROWS = 20_480  # as many as stay in the cache of a core
_INTEGERS = ("INTEGER", "BIGINT")

Numbers = NDArray[np.uint64]


def worth_proving(rows: int) -> bool:
    """Whether a table of so many rows is read once more for a proof."""
    return _SMALLEST_ROWS <= rows <= _MOST_ROWS


def proven_once(con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], rows: int) -> bool:
    """True when it is certain that no two rows have equal values in ``columns``; rows with a null in one of them are no part of it.

    False says nothing: two values may only look alike from here, or asking is not worth it.

    Args:
        con: holds the relation.
        relation: a table.
        columns: of it.
        rows: how many it has.
    """
    if not worth_proving(rows):
        return False
    value = f"hash({', '.join(map(quote, columns))})"
    if len(columns) == 1:
        kind = con.execute(f"SELECT typeof({quote(columns[0])}) FROM {relation} LIMIT 1").fetchone()
        value = quote(columns[0]) if kind is not None and kind[0] in _INTEGERS else value
    held = " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns)
    seen = Seen(rows)
    for batch in batches(con, f"SELECT {value} FROM {relation} WHERE {held}"):
        seen.add(_unsigned(batch.to_numpy()))
    return seen.all_differ()


def _unsigned(numbers: NDArray[Any]) -> Numbers:
    """Whole numbers of any kind as such without a sign, of which two are equal where those were."""
    if numbers.dtype.itemsize < 8:
        numbers = numbers.astype(np.int64)
    return numbers.view(np.uint64)


@dataclass(slots=True)
class Proofs:
    """What is certain about the rows of a table, each asked once.

    Args:
        con: holds the table.
        relation: its name.
        rows: how many it has.
        bad: how many of them break the contract, once they were asked.
        told: what was proven and what could not be.
    """

    con: duckdb.DuckDBPyConnection
    relation: str
    rows: int
    bad: int = 0
    told: dict[tuple[str, ...], bool] = field(default_factory=dict)

    def once(self, columns: Sequence[str]) -> bool:
        """As ``proven_once``."""
        key = tuple(columns)
        if key not in self.told:
            self.told[key] = proven_once(self.con, self.relation, key, self.rows)
        return self.told[key]


def batches(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[Any]:
    """The one column of a query as Arrow arrays; the connection can do nothing else until the last one was taken or the rest is dropped."""
    for batch in con.execute(query).to_arrow_reader(_BATCH_ROWS):
        yield batch.column(0)


class Seen:
    """Numbers handed over part by part, of which it is told at the end whether one stands twice.

    Those that lie close together, as keys and codes with a running number do, are marked in one long row of flags and not kept, because
    fresh memory costs more here than all work on it. Only pages with a flag in them come to exist. All others are kept and sorted.
    """

    def __init__(self, most: int) -> None:
        """``most``: how many numbers may come; rather too many than too few."""
        self._span = min(_SPREAD * max(most, 1), _MOST_MARKS)
        self._marks = np.zeros(0, np.bool_)
        self._base = np.uint64(0)  # the number of the first mark
        self._lowest, self._highest, self._marked = self._span, -1, 0  # of the marks
        self._apart: list[Numbers] = []

    def add(self, numbers: Numbers) -> None:
        """The next numbers; the memory they lie in may be used for others afterwards."""
        if not len(numbers):
            return
        if not len(self._marks):
            self._begin(numbers)
        places = numbers - self._base  # what is below comes out higher than any mark
        rising = bool((places[1:] > places[:-1]).all())
        if int(places[-1] if rising else places.max()) >= self._span:
            near = places < np.uint64(self._span)
            self._apart.append(numbers[~near])
            places = places[near]
            if not len(places):
                return
        lowest, highest = (int(n) for n in ((places[0], places[-1]) if rising else (places.min(), places.max())))
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        self._marked += len(places)
        if rising and highest - lowest == len(places) - 1:
            self._marks[lowest : highest + 1] = True  # one after the other, as keys mostly come
        else:
            self._marks[places.view(np.int64)] = True

    def all_differ(self) -> bool:
        """Whether no number came twice."""
        if int(np.count_nonzero(self._marks[self._lowest : self._highest + 1])) != self._marked:
            return False
        if not self._apart:
            return True
        apart = np.concatenate(self._apart)
        apart.sort()
        return not bool((apart[1:] == apart[:-1]).any())

    def _begin(self, numbers: Numbers) -> None:
        """Lay the marks around the first numbers, as later ones may be higher and lower; numbers below zero lie at the upper end."""
        self._marks = np.zeros(self._span, np.bool_)
        signed = numbers.view(np.int64)
        self._base = np.uint64((int(signed.min()) // 2 + int(signed.max()) // 2 - self._span // 2) % 2**64)
