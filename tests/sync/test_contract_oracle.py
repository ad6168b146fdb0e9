"""Which rows break a contract, and why, held against plain Python that shares no code with it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.connectors.duck import borrowed_duck
from accord.model.entity import Entity, Field, Rule
from accord.sync.judge import few, once, validate
from accord.sync.judge.validate import find_bad
from accord.sync.mapping.fields import FieldCode

PATTERNS = {"code": "C[0-9]{3}", "mail": "[^@]+@[^@]+", "word": "red|green", "free": "(ab)+"}
WORDS, NUMBERS = ("new", "open", "né"), ("1", "-2", "30")
ENTITY = Entity(
    "thing",
    ("id",),
    {
        "id": Field("id", "integer", required=True),
        "code": Field("code", required=True, unique=True, pattern=PATTERNS["code"]),
        "mail": Field("mail", pattern=PATTERNS["mail"]),
        "word": Field("word", pattern=PATTERNS["word"]),
        "free": Field("free", pattern=PATTERNS["free"]),
        "state": Field("state", values=WORDS),
        "level": Field("level", "integer", values=NUMBERS),
        "price": Field("price", "number(8,2)", minimum="0.5", maximum="10"),
        "share": Field("share", "double", maximum="1.5"),
        "day": Field("day", "date", required=True),
        "moment": Field("moment", "timestamp"),
        "team": Field("team", at_most=2),
    },
    rules={"late": Rule("late", "moment >= day - INTERVAL 3 DAY", reason="too early")},
)
TYPES = {"id": "BIGINT", "level": "BIGINT", "price": "DECIMAL(8,2)", "share": "DOUBLE", "day": "DATE", "moment": "TIMESTAMPTZ"}
CODES = {name: FieldCode(name, name, f'"{name}"', "false", "NULL", f'"{name}"', (name,), True, True) for name in ENTITY.fields}
NONE, DAY = st.none(), date(2026, 3, 1)
ROWS = st.tuples(
    NONE | st.integers(0, 6),
    NONE | st.sampled_from(["C001", "C002", "C999", "C01", "c001", "C0001", "C00é", "", "C00\n"]),
    NONE | st.sampled_from(["a@b", "é@ü", "@b", "a@", "a@b@c", "", "a\n@b", "ab"]),
    NONE | st.sampled_from(["red", "green", "blue", "", "red "]),
    NONE | st.sampled_from(["ab", "abab", "aba", ""]),
    NONE | st.sampled_from([*WORDS, "ne", "", "NEW"]),
    NONE | st.sampled_from([1, -2, 30, 3, 0]),
    NONE | st.sampled_from([Decimal("0.49"), Decimal("0.50"), Decimal("10.00"), Decimal("10.01"), Decimal("-1.00")]),
    NONE | st.sampled_from([1.5, 1.75, 0.0, -3.25]),
    NONE | st.sampled_from([DAY, DAY + timedelta(5)]),
    NONE
    | st.sampled_from(
        [datetime(2026, 2, 26, tzinfo=UTC), datetime(2026, 2, 25, 23, 59, 59, tzinfo=UTC), datetime(2026, 3, 3, 1, tzinfo=UTC)]
    ),
    NONE | st.sampled_from(["x", "y"]),
)


def _row_reasons(row: dict[str, Any]) -> list[str]:
    found = [f"{f}: is required and missing" for f in ("code", "day") if row[f] is None]
    found += ["id: key is missing"] if row["id"] is None else []
    found += [f"{f}: '{row[f]}' does not match {p}" for f, p in PATTERNS.items() if row[f] is not None and not re.fullmatch(p, row[f])]
    for name, allowed in (("state", WORDS), ("level", NUMBERS)):
        if row[name] is not None and str(row[name]) not in allowed:
            found.append(f"{name}: '{row[name]}' is not one of {', '.join(allowed)}")
    price, share, day, moment = row["price"], row["share"], row["day"], row["moment"]
    found += [f"price: {price} is below 0.5"] if price is not None and price < Decimal("0.5") else []
    found += [f"price: {price} is above 10"] if price is not None and price > 10 else []
    found += [f"share: {share} is above 1.5"] if share is not None and share > 1.5 else []
    if None not in (day, moment) and moment < datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(3):
        found.append("late: too early")
    return sorted(found, key=str.encode)


def _expected(rows: list[dict[str, Any]]) -> dict[int, tuple[list[str] | None, bool]]:
    """By row: its reasons (``None`` for a copy to be left out), and whether its key stands for different rows."""
    found = {n: (_row_reasons(row), False) for n, row in enumerate(rows)}
    for key, times in Counter(row["id"] for row in rows if row["id"] is not None).items():
        same = [n for n, row in enumerate(rows) if row["id"] == key]
        if times > 1 and len({tuple(rows[n].values()) for n in same}) > 1:
            found |= {n: ([*found[n][0], f"{times} rows hold the key {key}"], True) for n in same}
    said: dict[int, list[str]] = {}
    for field, most in (("code", 1), ("team", 2)):
        for value in {row[field] for row in rows} - {None}:
            holders = [n for n, row in enumerate(rows) if row[field] == value]
            keys = len({rows[n]["id"] for n in holders} - {None})
            if keys > most:
                for n in holders:
                    said.setdefault(n, []).append(f"{field}: '{value}' stands in {keys} rows; at most {most} may hold it")
    found |= {n: ([*found[n][0], *sorted(more, key=str.encode)], found[n][1]) for n, more in said.items()}
    copies = {n for n, row in enumerate(rows) if row["id"] is not None and row in rows[:n]} - {n for n, (_, two) in found.items() if two}
    return {n: (reasons or None, two) for n, (reasons, two) in found.items() if reasons or n in copies}


@pytest.mark.parametrize(
    ("smallest", "per_value"),
    [(0, 16), (0, 1), (1_000, 16)],
    ids=["as for many rows", "as for many rows with few values", "as for few rows"],
)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROWS, max_size=8), again=st.booleans())
def test_every_row_that_breaks_the_contract_is_found_with_its_reasons_in_order(
    smallest: int, per_value: int, rows: list[Any], again: bool
) -> None:
    """Many rows are asked in another way than few; neither may let one through, accuse one, or say it otherwise."""
    whole = [dict(zip(ENTITY.fields, row, strict=True)) for row in rows + rows[:1] * again]
    columns = ", ".join(f"{name} {TYPES.get(name, 'VARCHAR')}" for name in ENTITY.fields)
    with borrowed_duck() as con, pytest.MonkeyPatch.context() as patched:
        con.execute(f"CREATE TABLE captured ({columns})")
        if whole:
            con.executemany(f"INSERT INTO captured VALUES ({', '.join('?' * len(ENTITY.fields))})", [list(row.values()) for row in whole])
        patched.setattr(once, "_SMALLEST_ROWS", smallest)
        patched.setattr(few, "_ROWS_PER_VALUE", per_value)
        patched.setattr(validate, "_FEW_VALUES", per_value // 2)  # of texts that have more to choose from

        find_bad(con, ENTITY, CODES, "captured", "bad", {})

        found = {rid: (reasons, ambiguous) for rid, reasons, ambiguous in con.execute("SELECT rid, reasons, ambiguous FROM bad").fetchall()}

    assert found == _expected(whole)


ODD = {
    "code": "'C001', 'C002', 'C01', '', 'C00é', 'C001' || chr(10), chr(10) || 'C01', 'C00' || chr(0), 'C٣٣٣', NULL",
    "mail": "'a@b', '@', 'a@', '@b', 'a@@b', 'é@' || chr(10), 'a@b' || chr(10), chr(0) || '@' || chr(0), '@' || repeat('x', 40), '', NULL",
    "word": "'red', 'green', 'red' || chr(10), 'RED', '', NULL",
    "free": "'ab', 'abab', 'ab' || chr(10), '', NULL",
    "state": "'new', 'open', 'né', 'né', 'né ', '', NULL",
    "level": "1, -2, 30, 9223372036854775807, NULL",
    "price": "0.49, 0.5, 10, 10.01, -999999.99, NULL",
    "share": "'nan', '-nan', 'infinity', '-infinity', '1.5', '1.5000000000000002', '-0.0', NULL",
    "day": "'2026-03-01', 'infinity', '-infinity', NULL",
    "moment": "'2026-02-26 00:00:00+00', '2026-02-25 23:59:59.999999+00', 'infinity', '-infinity', NULL",
    "team": "'x', '', NULL",
}
FAR = "'5881580-07-10', '290308-01-02 (BC)', '294247-01-01'"


@pytest.mark.parametrize("days", ["'2026-03-01', '1000-02-28', NULL", ODD["day"], FAR], ids=["usual days", "endless days", "days past all"])
def test_values_at_the_edges_of_their_types_are_judged_alike_in_many_rows_and_in_few(days: str) -> None:
    """What many rows are asked by is another form of nearly every check; endless, not a number, empty or odd: none may tell them apart."""
    lists = {**ODD, "day": days}
    picked = [
        f"CAST(list_extract([{values}], 1 + CAST(hash(i, {n}) % len([{values}]) AS INTEGER)) AS {TYPES.get(name, 'VARCHAR')}) AS {name}"
        for n, (name, values) in enumerate(lists.items())
    ]
    found = []
    with borrowed_duck() as con, pytest.MonkeyPatch.context() as patched:
        con.execute(
            f"CREATE TABLE captured AS SELECT CASE WHEN i % 50 > 0 THEN i % 290 END AS id, {', '.join(picked)} FROM range(300) t(i)"
        )
        for smallest, per_value in ((1_000, 16), (0, 16), (0, 1)):
            patched.setattr(once, "_SMALLEST_ROWS", smallest)
            patched.setattr(few, "_ROWS_PER_VALUE", per_value)
            find_bad(con, ENTITY, CODES, "captured", "bad", {})
            found.append(con.execute("SELECT rid, reasons, ambiguous FROM bad ORDER BY rid").fetchall())

    assert len(found[0]) > 200
    assert found[0] == found[1] == found[2]
