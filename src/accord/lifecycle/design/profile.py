"""What the values of a column look like, taken in one pass over a relation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from accord.connectors.types import quote

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
    """The profile of each column of a relation, exact counts included.

    Args:
        con: where the relation lives.
        relation: a table or view, as SQL identifier already quoted where needed.
        columns: only these; default all.
    """
    described = {str(r[0]): str(r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    wanted = [c for c in (columns or described) if c in described]
    return {name: _column(con, relation, name, described[name]) for name in wanted}


def _column(con: duckdb.DuckDBPyConnection, relation: str, name: str, duck: str) -> ColumnProfile:
    text = f"{quote(name)}::VARCHAR"
    reads = ", ".join(f"count(try_cast(v AS {t}))" for _, t in _READS_AS)
    row = con.execute(
        f"SELECT count(*), count(v), count(DISTINCT v), {reads}, "
        "min(coalesce(try_cast(v AS DOUBLE), epoch(try_cast(v AS TIMESTAMPTZ)))), "
        "max(coalesce(try_cast(v AS DOUBLE), epoch(try_cast(v AS TIMESTAMPTZ)))) "
        f"FROM (SELECT nullif({text}, '') AS v FROM {relation})"
    ).fetchone()
    assert row is not None
    rows, filled, distinct = int(row[0]), int(row[1]), int(row[2])
    kind = column_type(duck)
    if kind == "text" and filled:
        # 98 % rather than all: a column of times with a few broken ones is still a column of times.
        kind = next((t for (t, _), good in zip(_READS_AS, row[3:7], strict=True) if good >= 0.98 * filled), "text")
    limit = max(SKETCH, SET_LIMIT + 1)
    chosen = [
        str(r[0])
        for r in con.execute(
            f"SELECT DISTINCT v FROM (SELECT nullif({text}, '') AS v FROM {relation}) WHERE v IS NOT NULL ORDER BY hash(v), v LIMIT {limit}"
        ).fetchall()
    ]
    counted: dict[str, int] = {}
    for value in chosen:
        counted[shape(value)] = counted.get(shape(value), 0) + 1
    return ColumnProfile(
        name,
        kind,
        rows,
        filled,
        distinct,
        frozenset(chosen[:SKETCH]),
        tuple(sorted(chosen)) if distinct <= SET_LIMIT else (),
        tuple(sorted(counted.items(), key=lambda p: (-p[1], p[0]))),
        None if row[7] is None else float(row[7]),
        None if row[8] is None else float(row[8]),
    )
