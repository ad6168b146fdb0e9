"""Rules about time are asked without a calendar where that changes nothing but the price."""

from __future__ import annotations

import pytest

from accord.connectors.duck import borrowed_duck
from accord.model.entity import Field
from accord.sync.judge.moments import as_moments, without_calendar

FIELDS = {f.name: f for f in (Field("day", "date"), Field("a", "timestamp"), Field("b", "timestamp"), Field("n", "integer"))}
MOMENTS = (
    "NULL, 'infinity', '-infinity', '0044-03-15 (BC) 10:00:00+00', '1000-02-28 23:59:59.999999+00', '1582-10-10 00:00:00+00', "
    "'1969-12-31 23:59:59.999999+00', '2024-02-29 00:00:00+00', '2026-01-31 12:00:00+00', '9999-12-31 00:00:00+00'"
)
DAYS = (
    "NULL, 'infinity', '-infinity', '1000-02-28', '1582-10-10', '2024-02-29', '2026-01-31', '2026-03-01', '5000000-01-01', "
    "'294246-12-31', '289999-12-31', '5881580-07-10', '290308-01-02 (BC)'"
)
CHEAPER = (
    "a >= day - INTERVAL 362 DAY",
    "a > day",
    "a < (day + INTERVAL 40 DAYS) - INTERVAL '9' HOUR OR a = day - INTERVAL 1 DAY",
    "day <> a OR n = 1",
    "NOT (a + INTERVAL '1 month' < (b - INTERVAL 3 HOUR)) AND n IS NOT NULL",
    "A <= b + INTERVAL 1 YEAR",
)
AS_THEY_ARE = ("a > b", "a >= '2026-01-01'", "date_trunc('day', a) > day", "n > 3 OR a - b > INTERVAL 1 DAY", "strftime(a, '%H') > '09'")


@pytest.mark.parametrize("check", CHEAPER)
def test_a_rule_without_a_calendar_says_of_every_row_what_the_rule_says(check: str) -> None:
    """It decides which rows are refused: not one of them may change, ancient days and endless ones included."""
    asked = without_calendar(check, FIELDS)

    with borrowed_duck() as con:
        con.execute(
            f"CREATE TABLE t AS SELECT a, b, day, n FROM (SELECT CAST(unnest([{MOMENTS}]) AS TIMESTAMPTZ) a), "
            f"(SELECT CAST(unnest([{MOMENTS}]) AS TIMESTAMPTZ) b), "
            f"(SELECT CAST(unnest([{DAYS}]) AS DATE) AS day), (SELECT unnest([1, NULL]) AS n)"
        )
        differ = con.execute(f"SELECT a, b, day, n FROM t WHERE TRY(({check})) IS DISTINCT FROM TRY(({asked}))").fetchall()

    assert "epoch_us" in asked.lower()
    assert differ == []


@pytest.mark.parametrize("check", AS_THEY_ARE)
def test_a_rule_that_says_more_stays_as_the_map_has_it(check: str) -> None:
    """What is not understood completely is not touched."""
    assert without_calendar(check, FIELDS) == check


COUNTED = (
    "a >= day - INTERVAL 362 DAY",
    "a > day",
    "day + INTERVAL 99999 DAY > a",
    "a <> day - INTERVAL 99999 DAY",
    "NOT (day + INTERVAL 5 DAYS <= a OR a = day) AND day IS NOT NULL",
)


@pytest.mark.parametrize("check", COUNTED)
def test_a_rule_over_moments_says_of_every_usual_row_what_the_rule_says(check: str) -> None:
    """Days past all calendars are told apart first; whatever is left, endless moments too, is judged alike, and never fails."""
    unusual, usual = as_moments(check, FIELDS) or ("", "")

    with borrowed_duck() as con:
        con.execute(f"""
            CREATE TABLE t AS SELECT a, day FROM (SELECT CAST(unnest([{MOMENTS}]) AS TIMESTAMPTZ) a),
            (SELECT CAST(unnest([{DAYS}]) AS DATE) AS day)""")
        con.execute(f"CREATE TABLE usual AS SELECT * FROM t WHERE NOT coalesce({unusual}, false)")
        differ = con.execute(f"SELECT a, day FROM usual WHERE ({usual}) IS DISTINCT FROM TRY(({check}))").fetchall()
        kept = con.execute("SELECT count(*), bool_or(NOT isfinite(a)), bool_or(NOT isfinite(day)) FROM usual").fetchone()

    assert differ == []
    assert kept is not None
    assert kept[0] > 50
    assert kept[1:] == (True, False)


@pytest.mark.parametrize(
    "check", ["a > b", "n = 1 AND a > day", "a > day + INTERVAL 1 MONTH", "a - INTERVAL 1 DAY > day", "n > 2", "a >= day - INTERVAL 1 HOUR"]
)
def test_a_rule_that_asks_for_more_than_days_is_not_counted(check: str) -> None:
    """Only what cannot fail may be asked without a guard against failing."""
    assert as_moments(check, FIELDS) is None
