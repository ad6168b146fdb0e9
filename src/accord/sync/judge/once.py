"""Whether no value stands twice, told for a fraction of what grouping the rows by it costs.

Nearly every table is right about that. So it is proven first, and only a table for which it cannot be proven is grouped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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

Numbers = NDArray[np.int64] | NDArray[np.uint64]


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
    return all_differ([batch.to_numpy() for batch in batches(con, f"SELECT {value} FROM {relation} WHERE {held}")])


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


def all_differ(parts: Sequence[Numbers]) -> bool:
    """Whether no number stands twice in all parts together."""
    found = [part for part in parts if len(part)]
    if not found:
        return True
    if all(bool((part[1:] > part[:-1]).all()) for part in found) and all(a[-1] < b[0] for a, b in pairwise(found)):
        return True  # as keys mostly come
    count, lowest, highest = sum(map(len, found)), min(int(part.min()) for part in found), max(int(part.max()) for part in found)
    if highest - lowest < min(_SPREAD * count, _MOST_MARKS):
        marks = np.zeros(highest - lowest + 1, np.bool_)
        for part in found:
            marks[(part - part.dtype.type(lowest)).astype(np.int64, copy=False)] = True
        return int(np.count_nonzero(marks)) == count
    numbers = np.concatenate(found)
    numbers.sort()
    return not bool((numbers[1:] == numbers[:-1]).any())
