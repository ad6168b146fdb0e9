"""Compares two relations row by row once their keys are known: equal values, unit factors, clock offsets, code tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from accord.connectors.types import quote
from accord.lifecycle.design.profile import SET_LIMIT, SKETCH, ColumnProfile

FACTORS = (100.0, 0.01, 60.0, 1 / 60, 3600.0, 1 / 3600, 24.0, 1 / 24, 1000.0, 0.001)
SAMPLE_ROWS = 1000
NUMERIC = frozenset({"integer", "number", "double"})
TEMPORAL = frozenset({"date", "timestamp"})


@dataclass(frozen=True)
class Aligned:
    """How two columns relate on the rows both hold.

    Args:
        rows: joined rows on which both have a value.
        equal: share of them with the same value, 0..1.
        factor: left = right x factor on ``factor_share`` of the rows; 0 when no known unit factor explains them.
        factor_share: share of rows the factor explains.
        offset_seconds: left - right on ``offset_share`` of the rows, daylight saving (an hour) allowed for.
        offset_share: share of rows the offset explains.
        codes: value of the right column: value of the left, when the two are a one-to-one code table.
        codes_share: share of rows the table explains.
    """

    rows: int = 0
    equal: float = 0.0
    factor: float = 0.0
    factor_share: float = 0.0
    offset_seconds: int = 0
    offset_share: float = 0.0
    codes: tuple[tuple[str, str], ...] = ()
    codes_share: float = 0.0

    @property
    def evidence(self) -> float:
        """0..1: how well one column explains the other; a conversion counts a little less than equality."""
        return max(self.equal, 0.97 * self.factor_share, 0.97 * self.offset_share, 0.92 * self.codes_share)


def key_pair(
    con: duckdb.DuckDBPyConnection,
    left: str,
    left_columns: Mapping[str, ColumnProfile],
    right: str,
    right_columns: Mapping[str, ColumnProfile],
) -> tuple[str, str] | None:
    """The pair of nearly unique columns that shares the most values, when it joins at least a third of the smaller side."""
    best: tuple[float, str, str] | None = None
    for lname, lp in left_columns.items():
        for rname, rp in right_columns.items():
            if min(lp.distinct, rp.distinct) < 5 or lp.distinct < 0.9 * lp.filled or rp.distinct < 0.85 * rp.filled:
                continue
            if lp.type in TEMPORAL or rp.type in TEMPORAL or lp.type == "double" or rp.type == "double":
                continue
            if min(lp.distinct, rp.distinct) > SKETCH and not lp.sketch & rp.sketch:
                continue  # values chosen by the same hash of two columns that share a third of them would meet
            row = con.execute(
                f"SELECT count(*) FROM (SELECT DISTINCT {quote(lname)}::VARCHAR AS v FROM {left}) AS l "
                f"JOIN (SELECT DISTINCT {quote(rname)}::VARCHAR AS v FROM {right}) AS r USING (v)"
            ).fetchone()
            assert row is not None
            share = int(row[0]) / min(lp.distinct, rp.distinct)
            if share >= 1 / 3 and (best is None or (share, lname == rname) > (best[0], best[1] == best[2])):
                best = (share, lname, rname)
    return None if best is None else (best[1], best[2])


def align(
    con: duckdb.DuckDBPyConnection,
    left: str,
    left_columns: Mapping[str, ColumnProfile],
    right: str,
    right_columns: Mapping[str, ColumnProfile],
    keys: tuple[str, str],
) -> dict[tuple[str, str], Aligned]:
    """Each pair of columns compared on a sample of the rows that join on ``keys``; the sample is chosen by hash, so it repeats."""
    lkey, rkey = keys
    sides = []
    for relation, key, columns, mark in ((left, lkey, left_columns, "l_"), (right, rkey, right_columns, "r_")):
        values = ", ".join(f"{_typed(p)} AS {quote(mark + n)}" for n, p in columns.items() if p.filled)
        sides.append(f"(SELECT {quote(key)}::VARCHAR AS k, {values} FROM {relation} GROUP BY 1 HAVING k IS NOT NULL)")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE _aligned AS SELECT * EXCLUDE (k) FROM {sides[0]} JOIN {sides[1]} USING (k) "
        f"ORDER BY hash(k), k LIMIT {SAMPLE_ROWS}"
    )
    try:
        return _pairs(con, [(lp, rp) for lp in left_columns.values() for rp in right_columns.values() if _comparable(lp, rp)])
    finally:
        con.execute("DROP TABLE IF EXISTS _aligned")


def _typed(column: ColumnProfile) -> str:
    """A column's value as it is compared: a number, an instant in epoch seconds, or a text without case."""
    value = f"any_value({quote(column.name)})"
    if column.type in NUMERIC:
        return f"try_cast({value} AS DOUBLE)"
    if column.type in TEMPORAL:
        return f"epoch(try_cast({value} AS TIMESTAMPTZ))"
    return f"nullif(lower(trim({value}::VARCHAR)), '')"


def _comparable(left: ColumnProfile, right: ColumnProfile) -> bool:
    """Both have values, of one kind; or both have so few that one may be a code of the other."""
    if not left.filled or not right.filled:
        return False
    families = [NUMERIC if c.type in NUMERIC else TEMPORAL if c.type in TEMPORAL else frozenset({"text"}) for c in (left, right)]
    return families[0] == families[1] or (_few(left) and _few(right) and TEMPORAL not in families)


def _few(column: ColumnProfile) -> bool:
    return 2 <= column.distinct <= SET_LIMIT


def _pairs(con: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[ColumnProfile, ColumnProfile]]) -> dict[tuple[str, str], Aligned]:
    """Rows and equal values of all pairs in one query; a conversion is looked for only where values differ and could convert."""
    if not pairs:
        return {}
    parts = []
    for left, right in pairs:
        lc, rc = quote("l_" + left.name), quote("r_" + right.name)
        same = f"{lc} = {rc}" if (left.type in NUMERIC) == (right.type in NUMERIC) else f"{lc}::VARCHAR = {rc}::VARCHAR"
        parts.append(f"count({lc}) FILTER (WHERE {rc} IS NOT NULL), count(*) FILTER (WHERE {same})")
    counted = con.execute(f"SELECT {', '.join(parts)} FROM _aligned").fetchone()
    assert counted is not None
    found = {}
    for number, (left, right) in enumerate(pairs):
        rows, equal = int(counted[2 * number]), int(counted[2 * number + 1])
        found[left.name, right.name] = _converted(con, left, right, rows, equal / rows) if rows else Aligned()
    return found


def _converted(con: duckdb.DuckDBPyConnection, left: ColumnProfile, right: ColumnProfile, rows: int, equal: float) -> Aligned:
    if equal >= 0.8 or rows < 20:
        return Aligned(rows, equal)
    lc, rc = quote("l_" + left.name), quote("r_" + right.name)
    if left.type in TEMPORAL:
        offset, share = _offset(con, lc, rc, rows)
        return Aligned(rows, equal, offset_seconds=offset, offset_share=share)
    factor, factor_share = _factor(con, lc, rc, rows) if left.type in NUMERIC and right.type in NUMERIC else (0.0, 0.0)
    codes: tuple[tuple[str, str], ...] = ()
    codes_share = 0.0
    # A code table has as many codes on either side, give or take one that is not in use.
    if _few(left) and _few(right) and abs(left.distinct - right.distinct) <= 2 and not factor_share:
        codes, codes_share = _codes(con, left, right, rows)
    return Aligned(rows, equal, factor, factor_share, codes=codes, codes_share=codes_share)


def _factor(con: duckdb.DuckDBPyConnection, lc: str, rc: str, rows: int) -> tuple[float, float]:
    counts = ", ".join(f"count(*) FILTER (WHERE {rc} <> 0 AND abs({lc} - {rc} * {f!r}) <= 0.006 * abs({lc}))" for f in FACTORS)
    found = con.execute(f"SELECT {counts} FROM _aligned").fetchone()
    assert found is not None
    best = max(range(len(FACTORS)), key=lambda i: int(found[i]))
    share = int(found[best]) / rows
    return (FACTORS[best], share) if share >= 0.5 else (0.0, 0.0)


def _offset(con: duckdb.DuckDBPyConnection, lc: str, rc: str, rows: int) -> tuple[int, float]:
    """The most frequent difference that a time zone can cause (whole quarter hours up to 14 h), its daylight-saving twin included."""
    found = con.execute(
        f"SELECT d, count(*) AS n FROM (SELECT ({lc} - {rc})::BIGINT AS d FROM _aligned) "
        "WHERE d <> 0 AND abs(d) <= 50400 AND d % 900 = 0 GROUP BY d ORDER BY n DESC, d"
    ).fetchall()
    if not found:
        return 0, 0.0
    offset = int(found[0][0])
    twins = {d: sum(int(n) for v, n in found if v in (offset, offset + d)) for d in (3600, -3600)}
    share = max(twins.values()) / rows
    return (offset, share) if share >= 0.5 else (0, 0.0)


def _codes(
    con: duckdb.DuckDBPyConnection, left: ColumnProfile, right: ColumnProfile, rows: int
) -> tuple[tuple[tuple[str, str], ...], float]:
    lc, rc = quote("l_" + left.name), quote("r_" + right.name)
    cells = con.execute(
        f"SELECT {rc}::VARCHAR, {lc}::VARCHAR, count(*) AS n FROM _aligned WHERE {lc} IS NOT NULL AND {rc} IS NOT NULL "
        "GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    ).fetchall()
    table: dict[str, str] = {}
    explained = 0
    for own, canonical, n in cells:
        if own not in table and canonical not in table.values():
            table[str(own)] = str(canonical)
            explained += int(n)
    share = explained / rows
    if share < 0.85 or len(table) < 2:
        return (), 0.0
    return tuple(sorted((_spelling(right, own), _spelling(left, canonical)) for own, canonical in table.items())), share


def _spelling(column: ColumnProfile, value: str) -> str:
    """A value that was compared without case, as the column writes it."""
    return next((v for v in column.values if v.lower().strip() == value), value)
