"""What the values of a column look like, taken in one pass over a relation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from accord.connectors.types import literal, quote

SKETCH = 120
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
    """The profile of each column of a relation, exact counts included; four queries, however many columns.

    Args:
        con: where the relation lives.
        relation: a table or view, as SQL identifier already quoted where needed.
        columns: only these; default all.
    """
    described = {str(r[0]): str(r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    wanted = [c for c in (columns or described) if c in described]
    if not wanted:
        return {}
    texts = {name: f"nullif({quote(name)}::VARCHAR, '')" for name in wanted}
    counts = ", ".join(f"count({v}), count(DISTINCT {v})" for v in texts.values())
    counted = con.execute(f"SELECT count(*), {counts} FROM {relation}").fetchone()
    assert counted is not None
    chosen = _samples(con, relation, texts)
    types = {name: column_type(described[name]) for name in wanted}
    types |= _read_as(con, {name: chosen[name] for name in wanted if types[name] == "text" and chosen[name]})
    spans = _spans(con, relation, types)
    return {
        name: _profile(name, types[name], int(counted[0]), int(counted[1 + 2 * n]), int(counted[2 + 2 * n]), chosen[name], spans.get(name))
        for n, name in enumerate(wanted)
    }


def _samples(con: duckdb.DuckDBPyConnection, relation: str, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Different values of each column, chosen by hash: equal values of two columns are chosen in both."""
    found: dict[str, list[str]] = {name: [] for name in texts}
    parts = " UNION ALL ".join(
        f"(SELECT {literal(name)} AS c, v FROM (SELECT DISTINCT {text} AS v FROM {relation}) WHERE v IS NOT NULL "
        f"ORDER BY hash(v), v LIMIT {SKETCH})"
        for name, text in texts.items()
    )
    for name, value in con.execute(parts).fetchall():
        found[str(name)].append(str(value))
    return found


def _read_as(con: duckdb.DuckDBPyConnection, chosen: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The type texts read as, by column: 98 % rather than all, since a column of times with a few broken ones is still one of times."""
    if not chosen:
        return {}
    rows = pa.table({"c": [c for c, values in chosen.items() for _ in values], "v": [v for values in chosen.values() for v in values]})
    con.register("sampled_values", rows)
    reads = ", ".join(f"count(try_cast(v AS {t}))" for _, t in _READS_AS)
    found = con.execute(f"SELECT c, count(*), {reads} FROM sampled_values GROUP BY c").fetchall()
    con.unregister("sampled_values")
    return {
        str(name): next((kind for (kind, _), good in zip(_READS_AS, goods, strict=True) if good >= 0.98 * n), "text")
        for name, n, *goods in found
    }


def _spans(con: duckdb.DuckDBPyConnection, relation: str, types: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Smallest and largest number, or instant in epoch seconds, of the columns that hold such."""
    casts = {"integer": "try_cast({} AS DOUBLE)", "number": "try_cast({} AS DOUBLE)", "double": "try_cast({} AS DOUBLE)"}
    casts |= {"date": "epoch(try_cast({} AS TIMESTAMPTZ))", "timestamp": "epoch(try_cast({} AS TIMESTAMPTZ))"}
    measured = {name: casts[kind].format(quote(name)) for name, kind in types.items() if kind in casts}
    if not measured:
        return {}
    ends = con.execute(f"SELECT {', '.join(f'min({v}), max({v})' for v in measured.values())} FROM {relation}").fetchone()
    assert ends is not None
    pairs = {name: (ends[2 * n], ends[2 * n + 1]) for n, name in enumerate(measured)}
    return {name: (float(low), float(high)) for name, (low, high) in pairs.items() if low is not None}


def _profile(
    name: str, kind: str, rows: int, filled: int, distinct: int, chosen: Sequence[str], span: tuple[float, float] | None
) -> ColumnProfile:
    shapes: dict[str, int] = {}
    for value in chosen if kind == "text" else ():
        shapes[shape(value)] = shapes.get(shape(value), 0) + 1
    values = tuple(sorted(chosen)) if distinct <= SET_LIMIT else ()
    ordered = tuple(sorted(shapes.items(), key=lambda p: (-p[1], p[0])))
    return ColumnProfile(name, kind, rows, filled, distinct, frozenset(chosen), values, ordered, *(span or (None, None)))
