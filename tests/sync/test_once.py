"""Uniqueness told without grouping: what is proven is true, and what it spares never changes what is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.connectors.duck import borrowed_duck
from accord.model.entity import Entity, Field, Rule
from accord.sync.judge import once
from accord.sync.judge.once import Seen, proven_once
from accord.sync.judge.validate import count_reported, find_bad
from accord.sync.mapping.fields import FieldCode

ROWS = 60_000
COLUMNS = {
    "close": "i",
    "apart": "i * 1000003",
    "below": "-i",
    "text": "'t' || i",
    "part, other": "i % 300 AS part, i // 300 AS other",
    "number": "CAST(i AS DOUBLE) / 4 AS number",
}


@pytest.mark.parametrize(("names", "sql"), COLUMNS.items(), ids=COLUMNS)
def test_one_value_that_stands_twice_is_never_taken_for_proven(names: str, sql: str) -> None:
    """A false proof would let two rows with one key through; a missing proof only costs time."""
    columns = names.split(", ")
    select = sql if " AS " in sql else f"{sql} AS {names}"
    with borrowed_duck() as con:
        con.execute(f"CREATE TABLE once AS SELECT {select} FROM range({ROWS}) t(i)")
        con.execute(f"CREATE TABLE twice AS SELECT * FROM once UNION ALL (SELECT * FROM once ORDER BY ALL LIMIT 1 OFFSET {ROWS // 2})")

        assert proven_once(con, "once", columns, ROWS)
        assert not proven_once(con, "twice", columns, ROWS + 1)


def test_rows_without_a_value_have_none_in_common() -> None:
    """Two rows without a mail address do not share one."""
    with borrowed_duck() as con:
        halves = "CASE WHEN i % 2 = 0 THEN i END AS n, CASE WHEN i % 2 = 0 THEN 'x' || i END AS s"
        con.execute(f"CREATE TABLE t AS SELECT {halves} FROM range({ROWS}) t(i)")

        assert proven_once(con, "t", ["n"], ROWS)
        assert proven_once(con, "t", ["s"], ROWS)
        assert proven_once(con, "t", ["n", "s"], ROWS)


NUMBERS = st.one_of(
    st.integers(-40, 40), st.integers(2**63 - 40, 2**63 - 1), st.integers(-(2**63), -(2**63) + 40), st.integers(-(2**63), 2**63 - 1)
)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.lists(NUMBERS, max_size=12), max_size=5), runs=st.lists(st.tuples(NUMBERS, st.integers(0, 30)), max_size=3))
def test_numbers_in_any_order_and_of_any_size_differ_exactly_if_all_are_other_ones(
    parts: list[list[int]], runs: list[tuple[int, int]]
) -> None:
    """Near ones are marked, those far apart sorted, rows of consecutive ones taken at once: none of it may miss or invent a double."""
    parts = [*parts, *([n for n in range(first, first + length) if n < 2**63] for first, length in runs)]
    told = [n for part in parts for n in part]
    seen = Seen(len(told))

    for part in parts:
        seen.add(np.array(part, np.int64).view(np.uint64))

    assert seen.all_differ() == (len(set(told)) == len(told))


ENTITY = Entity(
    "thing",
    ("id",),
    {
        "id": Field("id", "integer", required=True),
        "code": Field("code", unique=True, pattern="[a-c]"),
        "mail": Field("mail", unique=True, severity="report"),
    },
    rules={"small": Rule("small", "id < 4"), "even": Rule("even", "id % 2 = 0", severity="report")},
)
CODES = {name: FieldCode(name, name, f'"{name}"', "false", "NULL", f'"{name}"', (name,), True, True) for name in ENTITY.fields}
VALUES = st.tuples(
    st.none() | st.integers(0, 5), st.none() | st.sampled_from(["a", "b", "c", "d"]), st.none() | st.sampled_from(["m", "n", "o"])
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(VALUES, max_size=5))
def test_what_breaks_a_contract_is_found_alike_with_and_without_the_proof(rows: list[Any]) -> None:
    """The proof is a short cut; every row, every reason and every count has to be what the long way says."""
    told = []
    with borrowed_duck() as con, pytest.MonkeyPatch.context() as patched:
        con.execute("CREATE TABLE captured (id BIGINT, code VARCHAR, mail VARCHAR)")
        if rows:
            con.executemany("INSERT INTO captured VALUES (?, ?, ?)", rows)
        for smallest in (0, 1_000):
            patched.setattr(once, "_SMALLEST_ROWS", smallest)
            find_bad(con, ENTITY, CODES, "captured", "bad", {})
            found = con.execute("SELECT * FROM bad ORDER BY rid").fetchall()
            told.append((found, count_reported(con, ENTITY, CODES, "captured", {})))

    assert told[0] == told[1]
