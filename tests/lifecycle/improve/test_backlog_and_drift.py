"""The backlog, the experiments it asks for, drift and the monthly series."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from accord.lifecycle.improve.backlog import backlog, cases_needed
from accord.lifecycle.improve.drift import process_drift
from accord.lifecycle.improve.series import MINIMUM_OBSERVATIONS, monthly
from accord.measure import Measure, discover_kpis

At = Callable[[float], datetime]


def finding(kind: str, count: int = 1, severity: str = "warning", subject: str = "", **detail: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "subject": subject or f"{kind} {count}",
        "sentence": "words",
        "severity": severity,
        "count": count,
        "owner": None,
        "detail": detail,
    }


def test_hours_per_effort_come_first_then_cases_per_effort() -> None:
    """Ten hours at effort 2 beat a thousand rows without hours; among those, little effort wins."""
    entries = backlog(
        [
            finding("overload", 90),
            finding("bad_code", 40),
            finding("late_handoffs", 3, hours=10.0),
            finding("late_handoffs", 2, hours=30.0, subject="more"),
        ]
    )

    assert [(o.kind, o.cases) for o in entries] == [("late_handoffs", 2), ("late_handoffs", 3), ("bad_code", 40), ("overload", 90)]


def test_what_is_only_told_is_no_opportunity() -> None:
    """Infos, missed targets and systems that are away are told elsewhere."""
    entries = backlog([finding("bad_code", severity="info"), finding("target_missed", severity="problem"), finding("unreachable")])

    assert entries == ()


def test_the_same_wait_is_not_listed_twice() -> None:
    """The late handoffs per pair of teams replace the count of late rows, which stands where there are no pairs."""
    late, pairs = finding("late_handoff", 9), finding("late_handoffs", 9, hours=5.0)

    assert [o.kind for o in backlog([late, pairs])] == ["late_handoffs"]
    assert [o.kind for o in backlog([late])] == ["late_handoff"]


def test_a_wait_has_hours_and_no_price() -> None:
    """Hours waited are not hours paid, so no money is made of them."""
    (entry,) = backlog([finding("late_handoffs", 2, hours=30.0)])

    assert entry.hours == 30.0
    assert not any("money" in name or "price" in name for name in entry.__dataclass_fields__)


@given(st.lists(st.tuples(st.sampled_from(["bad_code", "late_handoffs", "overload"]), st.integers(1, 99), st.floats(0, 1e4)), max_size=20))
def test_the_order_never_depends_on_the_order_of_the_findings(rows: list[tuple[str, int, float]]) -> None:
    """Two runs on the same findings list the same backlog."""
    findings = [
        finding(kind, n, subject=f"s{i}", **({"hours": h} if kind == "late_handoffs" else {})) for i, (kind, n, h) in enumerate(rows)
    ]

    assert backlog(findings) == backlog(findings[::-1])


@pytest.mark.parametrize(("before", "after", "published"), [(0.5, 0.25, 58), (0.2, 0.1, 199), (0.65, 0.5, 170)])
def test_the_cases_needed_are_those_of_the_published_tables(before: float, after: float, published: int) -> None:
    """Without continuity correction, at 80 % power and a 5 % two-sided level."""
    assert cases_needed(before, after) == pytest.approx(published, abs=1)


def test_an_experiment_is_asked_for_the_share_that_was_found() -> None:
    """Half of what was found is what the trial must be able to show; what is counted whole needs none."""
    trial, counted = backlog([finding("late_handoffs", 50, hours=1.0, share=0.5, n=100), finding("bad_code", 3)])

    assert trial.trial[1] == "58 on each side to show a fall from 50% to 25%"
    assert counted.trial[1] == "none: it is counted whole"


def ways(at: At, changed: int, cases: int = 80) -> list[tuple[Any, ...]]:
    """Cases that go a → b; in the second half ``changed`` of them go a → c."""
    events = []
    for i in range(cases):
        last = "c" if cases // 2 <= i < cases // 2 + changed else "b"
        events += [(f"k{i:03}", "a", "x", "red", None, at(i * 10)), (f"k{i:03}", last, "x", "red", None, at(i * 10 + 1))]
    return events


def test_drift_is_the_chi_squared_test_of_the_two_halves(measured: Callable[..., Measure], at: At) -> None:
    """The p value is that of the two-by-two table counted by hand."""
    (found,) = process_drift(measured(ways(at, changed=15)))

    assert found.cases == 80
    assert found.p_value == pytest.approx(stats.chi2_contingency([[40, 25], [0, 15]]).pvalue)


def test_the_same_ways_in_both_halves_are_no_drift(measured: Callable[..., Measure], at: At) -> None:
    """With one way only there is nothing to test, and no p value is made up."""
    (found,) = process_drift(measured(ways(at, changed=0)))

    assert found.p_value is None
    assert found.reason == "nearly all cases go the same way"


def test_too_few_cases_are_not_tested(measured: Callable[..., Measure], at: At) -> None:
    """A handful of cases differs by chance."""
    (found,) = process_drift(measured(ways(at, changed=9, cases=20)))

    assert found.p_value is None
    assert found.reason == "20 cases are too few; 40 are needed"


def test_a_month_with_few_observations_is_no_point(measured: Callable[..., Measure], at: At) -> None:
    """The values are the medians per calendar month, of months with enough observations."""
    offered = [(h, 3.0 + h % 7) for h in range(0, 24 * 75, 24)] + [(24 * 100.0, 5.0)]
    rows = [
        {"case": str(i), "giver": "red", "taker": "blue", "offered": at(o), "accepted": at(o + w), "attempts": 1}
        for i, (o, w) in enumerate(offered)
    ]
    measure = measured(handoffs=rows)

    (series,) = monthly(measure, {"handoff_time": discover_kpis(measure.map)["handoff_time"]})

    by_month = defaultdict(list)
    for o, w in offered:
        by_month[at(o + w).replace(day=1, hour=0)].append(w)
    wanted = {m: statistics.median(v) for m, v in sorted(by_month.items()) if len(v) >= MINIMUM_OBSERVATIONS}
    assert dict(zip(series.months, series.values, strict=True)) == pytest.approx(wanted)
    assert len(by_month) == len(wanted) + 1
