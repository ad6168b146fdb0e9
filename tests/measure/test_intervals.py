"""Intervals: known answers, the bootstrap against a plain loop, and equal seeds giving equal intervals."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.measure.intervals import Sample, percentile_interval, replicates, wilson


@pytest.mark.parametrize(
    ("yes", "n", "low", "high"),
    [(15, 20, 0.5313, 0.8881), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (950, 1000, 0.9347, 0.9619)],
)
def test_wilson_gives_the_published_intervals(yes: int, n: int, low: float, high: float) -> None:
    """Against values computed by other tools; the ends stay inside 0..1."""
    assert wilson(yes, n) == pytest.approx((low, high), abs=5e-5)


def sample(pairs: list[tuple[int, float]], weights: list[float] | None = None) -> Sample:
    return Sample(
        np.array([c for c, _ in pairs], dtype=np.int64), np.array([v for _, v in pairs]), None if weights is None else np.array(weights)
    )


def quantile(values: list[float], q: float) -> float:
    """Linear interpolation between order statistics, in plain Python."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * q
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from(["median", "p90", "mean"]),
)
def test_each_draw_is_the_aggregate_of_whole_clusters(clusters: list[list[float]], aggregate: str) -> None:
    """The matrix form must give what copying the drawn clusters' values into a list gives, draw by draw."""
    pairs = [(i, v) for i, values in enumerate(clusters) for v in sorted(values)]
    draws = replicates(sample(pairs), "ratio" if aggregate == "mean" else aggregate, count=20)

    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(clusters), size=(20, len(clusters)))
    for draw, picked in zip(draws, picks, strict=True):
        values = [v for i in picked for v in clusters[i]]
        wanted = statistics.fmean(values) if aggregate == "mean" else quantile(values, 0.5 if aggregate == "median" else 0.9)
        assert draw == pytest.approx(wanted, rel=1e-9, abs=1e-6)


def test_clusters_widen_the_interval() -> None:
    """Ten copies of one case are one observation, not ten; forgetting it is the usual way to fool oneself."""
    rng = random.Random(1)
    values = [rng.expovariate(1) for _ in range(60)]
    alone = sample([(i * 10 + j, v) for i, v in enumerate(values) for j in range(10)])
    together = sample([(i, v) for i, v in enumerate(values) for _ in range(10)])

    width_alone, width_together = (high - low for low, high in (_interval(alone), _interval(together)))

    assert width_together > 2 * width_alone


def _interval(of: Sample) -> tuple[float, float]:
    found = percentile_interval(replicates(of, "median"))
    assert found is not None
    return found


def test_equal_data_gives_equal_intervals_in_any_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run must say «no change»; memory limits must not show in the result."""
    given_sample = sample([(i // 2, float(i % 7)) for i in range(100)])
    whole = replicates(given_sample, "median")
    monkeypatch.setattr("accord.measure.intervals._CELLS", 1000)

    assert np.array_equal(replicates(given_sample, "median"), whole)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """200 samples of 80 clusters: 95 % intervals of a mean should hold the true mean in most of them."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        cluster = np.arange(80, dtype=np.int64)
        low, high = percentile_interval(replicates(Sample(cluster, rng.normal(3.0, 1.0, 80)), "ratio", count=400)) or (0.0, 0.0)
        hits += low <= 3.0 <= high
    assert 180 <= hits <= 199
