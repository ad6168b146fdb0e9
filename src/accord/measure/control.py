"""Control charts and change points: whether a series moved, or only wavers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

_SIGMA_OF_MOVING_RANGE = 1.128  # d2 for two successive values
_RUN = 8


@dataclass(frozen=True, slots=True)
class Signal:
    """A point (from 0) that chance hardly explains: beyond a limit, or the eighth in a row on one side of the middle."""

    index: int
    rule: Literal["beyond limit", "eight on one side"]


@dataclass(frozen=True, slots=True)
class XmrChart:
    """Limits of individual values (X) and of moving ranges (mR), and the signals, in the unit of the values."""

    values: tuple[float, ...]
    center: float
    lower: float
    upper: float
    range_upper: float
    signals: tuple[Signal, ...]


def xmr_chart(values: Sequence[float]) -> XmrChart | None:
    """The XmR chart of a series; ``None`` for fewer than three values.

    Limits are mean ± 3 sigma, sigma = mean moving range / 1.128.

    Source:
        W. A. Shewhart 1931; D. J. Wheeler, Understanding Variation; runs of eight: Western Electric rule 4.
    """
    if len(values) < 3:
        return None
    series = np.asarray(values, dtype=np.float64)
    center, mean_range = float(series.mean()), float(np.abs(np.diff(series)).mean())
    reach = 3 * mean_range / _SIGMA_OF_MOVING_RANGE
    lower, upper = center - reach, center + reach
    signals = [Signal(i, "beyond limit") for i, value in enumerate(values) if value < lower or value > upper]
    side, length = 0, 0
    for i, value in enumerate(values):
        now = (value > center) - (value < center)
        length = length + 1 if now == side and now else int(now != 0)
        side = now
        if length == _RUN:
            signals.append(Signal(i, "eight on one side"))
    ordered = tuple(sorted(signals, key=lambda s: (s.index, s.rule)))
    return XmrChart(tuple(map(float, values)), center, lower, upper, 3.267 * mean_range, ordered)


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Where a series most likely moved: the first index (from 0) of the new level, the levels, and how sure that is (0..1)."""

    index: int
    before: float
    after: float
    confidence: float


def change_point(values: Sequence[float], *, seed: int = 0, shuffles: int = 1000, confidence: float = 0.95) -> ChangePoint | None:
    """The one most likely change of level by CUSUM; ``None`` when shuffled series look the same.

    The cumulative sum of deviations from the mean turns where the level changes. Its range is held against those of ``shuffles``
    shuffled copies: the confidence is the share of copies with a smaller range.

    Args:
        values: in order of time.
        seed: of the shuffles.
        shuffles: number of copies.
        confidence: below it there is no change point.

    Source:
        E. S. Page 1954; W. A. Taylor 2000, Change-point analysis.
    """
    if len(values) < 5:
        return None
    series = np.asarray(values, dtype=np.float64)
    walk = np.cumsum(series - series.mean())
    rng = np.random.default_rng(seed)
    copies = np.cumsum(rng.permuted(np.tile(series, (shuffles, 1)), axis=1) - series.mean(), axis=1)
    spreads = np.maximum(copies.max(axis=1), 0.0) - np.minimum(copies.min(axis=1), 0.0)
    spread = float(max(walk.max(), 0.0) - min(walk.min(), 0.0))
    # Rounding makes equal walks differ in the last digit; only clearly smaller ones count.
    sure = float(np.mean(spreads < spread - 1e-9 * max(1.0, abs(spread))))
    if sure < confidence:
        return None
    index = int(np.argmax(np.abs(walk[:-1]))) + 1
    return ChangePoint(index, float(series[:index].mean()), float(series[index:].mean()), sure)
