"""The frozen baseline, change against it by F18, and the verdicts on targets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from accord.measure import Measure, compare, freeze_baseline, judge_targets, load_baseline, load_kpis
from accord.measure.baseline import Change
from accord.measure.intervals import Sample
from accord.measure.kpi import kpi_folders
from accord.model.figure import TargetResult
from accord.model.goals import Target
from accord.store import Store

KPIS = load_kpis(kpi_folders()[:1])
GOLIVE = "2025-07-01"
BEFORE, AFTER = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC)


def rows(wait: float, *, at: datetime, count: int = 60, first: int = 0, ontime: float = 1.0) -> list[dict[str, Any]]:
    """Handoffs of ``count`` campaigns that wait about ``wait`` hours; the agreed time is met by a share of them."""
    rng = random.Random(first)
    made = []
    for i in range(first, first + count):
        hours = wait * rng.uniform(0.8, 1.2)
        agreed = hours + 1 if i - first < count * ontime else hours / 2
        times = {"offered": at, "accepted": at + timedelta(hours=hours)}
        made.append({"id": f"h{i}", "campaign": f"c{i}", "giver": "a", "taker": "b", "attempts": 1, "hours": agreed, **times})
    return made


def targets(**given: Target) -> dict[str, Target]:
    return {name: replace(target, name=name) for name, target in given.items()}


def judged(measure: Measure) -> dict[str, TargetResult]:
    return {r.target: r for r in judge_targets(measure, KPIS)}


def one(kpi: str = "handoff_time", **goal: Any) -> dict[str, Target]:
    return targets(goal=Target("goal", kpi, **goal))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (Change(0.85, 0.81, 0.88, 40, 40), "met"),
        (Change(0.85, 0.75, 0.88, 40, 40), "indicated"),
        (Change(0.70, 0.65, 0.82, 40, 40), "not met"),
        (Change(0.85, 0.81, 0.88, 29, 400), "too little data"),
        (Change(0.85, 0.81, 0.88, 400, 29), "too little data"),
    ],
)
def test_a_change_is_met_only_when_the_whole_interval_reaches_the_goal(change: Change, verdict: str) -> None:
    """The four states of F18."""
    assert change.verdict(0.8) == verdict


def test_change_is_relative_in_the_direction_of_the_goal() -> None:
    """From 50 h to 10 h is a reduction by 80 %; from 0.4 to 0.5 an improvement by 25 %."""
    cluster = np.arange(40, dtype=np.int64)
    before, after = Sample(cluster, np.full(40, 50.0)), Sample(cluster, np.full(40, 10.0))
    reduced = compare(before, after, "median", reduce=True)
    half = Sample(cluster, np.array([1.0, 0.0] * 20), np.ones(40))
    more = Sample(cluster, np.array([1.0, 1.0, 1.0, 0.0, 0.0] * 8), np.ones(40))
    improved = compare(half, more, "ratio", reduce=False)

    assert reduced is not None
    assert improved is not None
    assert (reduced.value, reduced.low, reduced.high) == pytest.approx((0.8, 0.8, 0.8))
    assert improved.value == pytest.approx(0.2)
    assert improved.low < 0.2 < improved.high
    assert compare(Sample(cluster, np.zeros(40)), after, "median", reduce=True) is None


def test_a_reduction_since_golive_is_judged_against_what_was_before(handoffs: Callable[..., Measure]) -> None:
    """K9 in small: 50 h before, 5 h since; the note tells the value now and that nothing was frozen."""
    given = rows(50, at=BEFORE) + rows(5, at=AFTER, first=100)

    result = judged(handoffs(given, golive=GOLIVE, targets=one(reduce_by=0.8)))["goal"]

    assert result.verdict == "met"
    assert result.value.value == pytest.approx(0.9, abs=0.02)
    assert result.baseline is not None
    assert result.baseline.value == pytest.approx(50, rel=0.1)
    assert "not frozen" in result.note
    assert result.wanted == "−80 % against the baseline"


@pytest.mark.parametrize(("golive", "says"), [("", "names no golive"), ("2025-12-01", "since go-live on 2025-12-01")])
def test_without_a_time_after_there_is_a_baseline_but_no_verdict(golive: str, says: str, handoffs: Callable[..., Measure]) -> None:
    """A change nobody could see yet is «not measured»; the value it will be held against is shown."""
    result = judged(handoffs(rows(50, at=BEFORE), golive=golive, targets=one(reduce_by=0.8)))["goal"]

    assert result.verdict == "not measured"
    assert says in result.value.not_measured
    assert result.baseline is not None
    assert result.baseline.value == pytest.approx(50, rel=0.1)


def test_fewer_than_thirty_clusters_are_too_little(handoffs: Callable[..., Measure]) -> None:
    """Many handoffs of few campaigns are few observations."""
    few = [r | {"campaign": f"c{i % 10}"} for i, r in enumerate(rows(5, at=AFTER, first=100))]
    measure = handoffs(rows(50, at=BEFORE) + few, golive=GOLIVE, targets=one(reduce_by=0.8))

    assert judged(measure)["goal"].verdict == "too little data"


@pytest.mark.parametrize(("ontime", "verdict"), [(1.0, "met"), (0.93, "indicated"), (0.8, "not met")])
def test_a_level_needs_its_whole_interval(ontime: float, verdict: str, handoffs: Callable[..., Measure]) -> None:
    """K7 in small: 90 % must be the lower bound, and the bound is shown."""
    measure = handoffs(rows(5, at=BEFORE, count=100, ontime=ontime), targets=one("coordination_effectiveness", at_least=0.9))

    result = judged(measure)["goal"]

    assert result.verdict == verdict
    assert "lower bound" in result.note


def test_at_most_looks_at_the_upper_end(handoffs: Callable[..., Measure]) -> None:
    """A median of 50 h meets «at most 60 h» when its whole interval does."""
    made = targets(wide=Target("", "handoff_time", at_most=60), narrow=Target("", "handoff_time", at_most=40))

    found = judged(handoffs(rows(50, at=BEFORE), targets=made))

    assert (found["wide"].verdict, found["narrow"].verdict) == ("met", "not met")


def test_a_share_of_all_is_not_certain_for_a_few_cases(handoffs: Callable[..., Measure]) -> None:
    """Every draw of equal answers is equal, yet forty campaigns do not prove 95 %: the interval is that of the clusters."""
    twice = [r | {"id": f"{r['id']}-{i}"} for r in rows(5, at=BEFORE, count=40) for i in range(2)]

    result = judged(handoffs(twice, targets=one("on_time_share", at_least=0.95)))["goal"]

    assert result.value.value == 1.0
    assert result.value.low == pytest.approx(0.912, abs=0.001)
    assert result.verdict == "indicated"


def test_the_ceiling_is_told_when_a_share_cannot_rise_that_far(handoffs: Callable[..., Measure]) -> None:
    """+25 % is impossible above 0.80: whoever set the target should know."""
    given = rows(5, at=BEFORE, count=100, ontime=0.9) + rows(5, at=AFTER, count=100, first=200)
    measure = handoffs(given, golive=GOLIVE, targets=one("on_time_share", improve_by=0.25))

    note = judged(measure)["goal"].note

    assert "at most 11.1%" in note
    assert "out of reach" in note
    assert "+10.0 percentage points" in note


def test_a_target_without_its_kpi_says_so(handoffs: Callable[..., Measure]) -> None:
    """A pack may be missing; that is a reason, not a crash."""
    result = judged(handoffs([], targets=one("nowhere", at_least=1)))["goal"]

    assert result.verdict == "not measured"
    assert "no KPI 'nowhere'" in result.value.not_measured


def test_a_frozen_baseline_stays_when_the_data_changes(handoffs: Callable[..., Measure], store: Store) -> None:
    """Later corrections of the past must not move what a target is held against; the hash shows which baseline it was."""
    frozen = freeze_baseline(handoffs(rows(50, at=BEFORE), golive=GOLIVE), KPIS, run="r1")
    head = store.head()
    worse = rows(500, at=BEFORE) + rows(5, at=AFTER, first=100)
    later = handoffs(worse, golive=GOLIVE, targets=one(reduce_by=0.8))
    head = store.head()

    again = freeze_baseline(later, KPIS, run="r2")
    result = judged(later)["goal"]

    assert store.head() == head
    assert again.hash == frozen.hash == (load_baseline(store) or frozen).hash
    assert result.baseline is not None
    assert result.baseline.value == frozen.figures["handoff_time"].value == pytest.approx(50, rel=0.1)
    assert frozen.hash[:12] in result.note
    assert result.value.value == pytest.approx(0.9, abs=0.02)


def test_baselines_of_equal_observations_have_equal_hashes(handoffs: Callable[..., Measure]) -> None:
    """The hash is over window, queries and observations, not over names and times of freezing."""
    measure = handoffs(rows(50, at=BEFORE))
    first, second = (freeze_baseline(measure, KPIS, run="r", name=n) for n in ("one", "two"))

    assert first.hash == second.hash
    assert freeze_baseline(handoffs(rows(51, at=BEFORE)), KPIS, run="r", name="three").hash != first.hash
