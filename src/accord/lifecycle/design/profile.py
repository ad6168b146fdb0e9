"""What the values of a column look like, taken in one pass over a relation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from accord.connectors.types import literal, quote

SKETCH = 200
SET_LIMIT = 24


@dataclass(frozen=True)
class ColumnProfile:
    """A column in numbers.

    Args:
        name: column name.
        type: canonical type name the values have, which for text holding numbers, dates or times is what they read as.
        rows: rows of the relation.
        filled: rows with a value.
        distinct: exact number of different values.
        sketch: up to ``SKETCH`` values chosen by hash, as text; the same value is chosen in every column, so sketches can be compared.
        values: all values when there are at most ``SET_LIMIT``, else empty.
        shapes: character shapes, such as ``AAA-9999``, of the sketch, most frequent first.
        low: smallest number or instant (epoch seconds), if it has them.
        high: largest.
    """

    name: str
    type: str
    rows: int
    filled: int
    distinct: int
    sketch: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    shapes: tuple[tuple[str, int], ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def unique(self) -> bool:
        """No value stands twice."""
        return self.filled > 0 and self.distinct == self.filled

    @property
    def fill(self) -> float:
        """Share of rows with a value, 0..1."""
        return self.filled / self.rows if self.rows else 0.0


def shape(value: str) -> str:
    """The character shape of a text: letters A or a, digits 9, the rest as it is, cut at 40."""
    return re.sub(r"[0-9]", "9", re.sub(r"[^\W\d_]", lambda m: "A" if m[0].isupper() else "a", value))[:40]


_READS_AS = (
    ("integer", "BIGINT"),
    ("number", "DECIMAL(38,9)"),
    ("date", "DATE"),
    ("timestamp", "TIMESTAMPTZ"),
)
_DECLARED = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "UUID": "uuid",
    "JSON": "json",
    "BLOB": "binary",
    "DOUBLE": "double",
    "FLOAT": "double",
}


def column_type(duck: str) -> str:
    """The canonical type name of a DuckDB column type."""
    if duck.startswith("DECIMAL"):
        return "number"
    if duck.startswith("TIMESTAMP"):
        return "timestamp"
    if duck in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"):
        return "integer"
    return _DECLARED.get(duck, "text")


def profile(con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str] | None = None) -> dict[str, ColumnProfile]:
    """The profile of each column of a relation, exact counts included; two queries, however many columns.

    Args:
        con: where the relation lives.
        relation: a table or view, as SQL identifier already quoted where needed.
        columns: only these; default all.
    """
    described = {str(r[0]): str(r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    wanted = [c for c in (columns or described) if c in described]
    if not wanted:
        return {}
    parts = []
    for name in wanted:
        v = f"nullif({quote(name)}::VARCHAR, '')"
        value = f"coalesce(try_cast({v} AS DOUBLE), epoch(try_cast({v} AS TIMESTAMPTZ)))"
        reads = ", ".join(f"count(try_cast({v} AS {t}))" for _, t in _READS_AS)
        parts.append(f"count({v}), count(DISTINCT {v}), {reads}, min({value}), max({value})")
    counted = con.execute(f"SELECT count(*), {', '.join(parts)} FROM {relation}").fetchone()
    assert counted is not None
    limit = max(SKETCH, SET_LIMIT + 1)
    chosen: dict[str, list[str]] = {name: [] for name in wanted}
    samples = " UNION ALL ".join(
        f"(SELECT {literal(name)} AS c, v FROM (SELECT DISTINCT nullif({quote(name)}::VARCHAR, '') AS v FROM {relation}) "
        f"WHERE v IS NOT NULL ORDER BY hash(v), v LIMIT {limit})"
        for name in wanted
    )
    for name, value in con.execute(samples).fetchall():
        chosen[str(name)].append(str(value))
    width = 4 + len(_READS_AS)
    return {
        name: _profile(name, described[name], int(counted[0]), counted[1 + n * width : 1 + (n + 1) * width], chosen[name])
        for n, name in enumerate(wanted)
    }


def _profile(name: str, duck: str, rows: int, counted: Sequence[Any], chosen: Sequence[str]) -> ColumnProfile:
    filled, distinct, *reads, low, high = counted
    kind = column_type(duck)
    if kind == "text" and filled:
        # 98 % rather than all: a column of times with a few broken ones is still a column of times.
        kind = next((t for (t, _), good in zip(_READS_AS, reads, strict=True) if good >= 0.98 * filled), "text")
    shapes: dict[str, int] = {}
    for value in chosen:
        shapes[shape(value)] = shapes.get(shape(value), 0) + 1
    return ColumnProfile(
        name,
        kind,
        rows,
        int(filled),
        int(distinct),
        frozenset(chosen[:SKETCH]),
        tuple(sorted(chosen)) if distinct <= SET_LIMIT else (),
        tuple(sorted(shapes.items(), key=lambda p: (-p[1], p[0]))),
        None if low is None else float(low),
        None if high is None else float(high),
    )
