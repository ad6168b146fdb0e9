"""What a change did to a KPI: before against after the moment it was made, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from accord.measure.engine import Measure
from accord.measure.intervals import percentile_interval, replicates
from accord.measure.kpi import Kpi
from accord.measure.runner import Observed, observe
from accord.measure.window import Window

# Fewer cases on a side waver so much that their interval says nothing.
FEWEST_CLUSTERS = 5
Verdict = Literal["better", "worse", "no change shown", "too little data"]


@dataclass(frozen=True, slots=True)
class Effect:
    """The difference after - before in the unit of the KPI, and its 95 % interval; ``None`` where a side was not measured.

    Args:
        before: value in the days before.
        after: value since.
        change: after - before.
        low: lower end of the interval.
        high: upper end of it.
        n_before: observations before.
        n_after: observations after.
        verdict: whether the whole interval lies on one side of 0, and on which.
    """

    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    n_before: int
    n_after: int
    verdict: Verdict


def effect_of(measure: Measure, kpi: Kpi, at: datetime, *, days: int) -> Effect:
    """Compare the days before a moment with what came since.

    Nothing else is ruled out by this: whatever changed at the same time is in it (evidence grade D). Both sides are drawn independently,
    by whole cases.

    Args:
        measure: the opened views.
        kpi: what the change was meant to move.
        at: when it was made; UTC.
        days: how far back «before» goes; «after» ends with the moment of measuring.

    Source:
        Cluster bootstrap of a difference: Davison and Hinkley 1997, 3.8; B = 1000.
    """
    sides = (Window("before", at - timedelta(days=days), at), Window("after", at, measure.now))
    before, after = (_overall(measure, kpi, side) for side in sides)
    n_before, n_after = (side.n if side else 0 for side in (before, after))
    if before is None or after is None:
        standing = [side.value if side else None for side in (before, after)]
        return Effect(standing[0], standing[1], None, None, None, n_before, n_after, "too little data")
    kind = "ratio" if kpi.aggregate in ("mean", "ratio", "sum_ratio") else kpi.aggregate
    with np.errstate(invalid="ignore"):
        draws = replicates(after.sample, kind, seed=1) - replicates(before.sample, kind, seed=0)
    change = after.value - before.value
    low, high = percentile_interval(draws) or (change, change)
    verdict: Verdict = "no change shown"
    if min(before.sample.clusters, after.sample.clusters) < FEWEST_CLUSTERS:
        verdict = "too little data"
    elif low > 0 or high < 0:
        verdict = "better" if (change > 0) == (kpi.better == "higher") else "worse"
    return Effect(before.value, after.value, change, low, high, n_before, n_after, verdict)


def _overall(measure: Measure, kpi: Kpi, window: Window) -> Observed | None:
    found, _ = observe(measure, kpi, window, breakdown=False)
    return found[0] if found else None
