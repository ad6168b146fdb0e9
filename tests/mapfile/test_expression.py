"""SQL in a map is one scalar expression over known columns, with known functions; nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.mapfile.expression import FUNCTIONS, check_expression, columns_of, mistakes
from accord.model.errors import MapError, Place

COLUMNS = ("a", "b", "planned_end", "planned_start", "Due Date")
GOOD = [
    "planned_end >= planned_start",
    "A = B",
    '"Due Date" is null',
    "a in ('x', 'y') and b between 1 and 2",
    "a::date + interval 3 day",
    "a like 'x%' and not b ilike 'c' or a similar to 'x'",
    "case when a then 1 else b end",
    "coalesce(a, nullif(b, ''))",
    "try_cast(a as bigint) is distinct from b",
    "extract(year from a) = 2026",
    "a at time zone 'Europe/Berlin'",
    "date_diff('minute', a, b) / 60.0",
    "date '2026-01-01' <= a",
    "a ->> '$.x'",
    "regexp_matches(a, '^[0-9]+$')",
    "list_contains(['x', 'y'], a)",
    "upper(a) || 'b' = 'x;y -- no comment'",
    "a /* why */ + b",
    "round(a / 100, 2)",
    "epoch(a) > 0",
    "true",
]
BAD = [
    ("", "is empty"),
    ("   ", "is empty"),
    ("a +", "is not an SQL expression"),
    ("'abc", "is not an SQL expression"),
    ("a) or (b", "is not an SQL expression"),
    ("a, b", "more than one expression"),
    ("a; select 2", "more than one expression"),
    ("a; drop table t", "is not an SQL expression"),
    ("a from t", "more than one expression"),
    ("a as b", "more than one expression"),
    ("distinct a", "more than one expression"),
    ("a limit 1", "more than one expression"),
    ("a union select b", "more than one expression"),
    ("a -- comment", "cannot stand in parentheses"),
    ("(select 1)", "a query inside"),
    ("exists (select 1)", "a query inside"),
    ("a in (select b from t)", "a query inside"),
    ("case when a then (select 1) end", "a query inside"),
    ("*", "'*' for all columns"),
    ("columns('a')", "'*' for all columns"),
    ("count(*)", "function 'count_star'"),
    ("sum(a)", "function 'sum'"),
    ("sum(a) over ()", "a window function"),
    ("row_number() over ()", "a window function"),
    ("list_transform(a, lambda x: x + 1)", "list_transform"),
    ("read_csv('/etc/passwd')", "function 'read_csv'"),
    ("read_text('/etc/passwd')", "function 'read_text'"),
    ("getenv('HOME')", "function 'getenv'"),
    ("getvariable('x')", "function 'getvariable'"),
    ("main.read_text('x')", "function 'read_text'"),
    ("other.lower(a)", "function 'lower'"),
    ("random()", "function 'random'"),
    ("now()", "function 'now'"),
    ("today()", "function 'today'"),
    ("current_date", "depends on when"),
    ("current_timestamp", "depends on when"),
    ("age(a)", "function 'age'"),
    ("nextval('s')", "function 'nextval'"),
    ("pg_sleep(10)", "function 'pg_sleep'"),
    ("?", "a parameter"),
    ("$1", "a parameter"),
    ("#1", "a column by position"),
    ("t.a", "has a dot"),
    ("c", "column 'c' does not exist"),
    ("lower(distinct a)", "as an aggregate"),
    ("lower(a) filter (where b)", "as an aggregate"),
    ("(a" * 10 + ")" * 9, "is not an SQL expression"),
    ("a" + " + a" * 900, "is not an SQL expression"),
    ("a = '" + "x" * 5000 + "'", "longer than"),
]


@pytest.mark.parametrize("sql", GOOD)
def test_a_scalar_expression_over_known_columns_is_accepted(sql: str) -> None:
    """What people write in rules and mappings."""
    assert mistakes(sql, COLUMNS) == []


@pytest.mark.parametrize(("sql", "words"), BAD, ids=[b[0][:30] for b in BAD])
def test_anything_else_is_refused_in_words(sql: str, words: str) -> None:
    """A map is text from someone; it must not read files, other tables, the clock, or break out of its place in a query."""
    found = mistakes(sql, COLUMNS)

    assert any(words in message for message, _ in found), found
    assert all(expected for _, expected in found)


def test_a_near_column_and_a_near_function_are_named() -> None:
    """Most mistakes are misspellings."""
    assert "Did you mean 'planned_end'?" in mistakes("planed_end > 1", COLUMNS)[0][1]
    assert "Did you mean 'lower'?" in mistakes("lowr(a)", COLUMNS)[0][1]
    assert "single quotes: 'done'" in mistakes("a = done", COLUMNS)[0][1]


def test_the_error_names_the_place_and_the_holder() -> None:
    """It is raised where a connector knows the columns, long after the map was read."""
    with pytest.raises(MapError) as raised:
        check_expression("c > 1", COLUMNS, Place("map.yaml", 7), holder="flow 'x', where")

    assert str(raised.value).startswith("map.yaml:7: flow 'x', where: column 'c' does not exist. Known: ")


def test_without_known_columns_only_the_form_is_checked() -> None:
    """The columns of a database are known only when it is opened."""
    assert mistakes("anything = 1", None) == []
    assert mistakes("read_csv(anything)", None)
    assert mistakes("current_date", None)


def test_the_columns_of_an_expression_can_be_listed() -> None:
    """So that a flow reads only what it needs."""
    assert columns_of('a + coalesce(b, 1) > "Due Date"') == {"a", "b", "Due Date"}


def test_no_listed_function_reads_the_world() -> None:
    """The list is only as safe as its worst entry."""
    words = (
        "read",
        "glob",
        "file",
        "env",
        "setting",
        "random",
        "uuid",
        "now",
        "current",
        "today",
        "version",
        "sniff",
        "attach",
        "secret",
        "query",
    )

    assert not [f for f in FUNCTIONS for w in words if w in f]


@given(st.text(max_size=60))
def test_no_text_breaks_the_check(text: str) -> None:
    """Whatever is written, the answer is a list of sentences."""
    for message, expected in mistakes(text, COLUMNS):
        assert message
        assert expected


PIECES = (
    "a",
    "b",
    "(",
    ")",
    "'",
    '"',
    "--",
    "/*",
    "*/",
    ",",
    ";",
    "+",
    "select",
    "from",
    "as",
    "in",
    "case",
    "when",
    "end",
    "1",
    "lower(",
    "\n",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_what_is_accepted_stays_whole_inside_parentheses(sql: str) -> None:
    """An accepted text set into ``(…)`` of a larger query cannot reach beyond them."""
    if not mistakes(sql, COLUMNS):
        assert not mistakes(f"({sql}) is null or ({sql})", COLUMNS)
