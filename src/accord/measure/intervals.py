"""Confidence intervals: Wilson for shares of independent yes-or-no answers, cluster bootstrap for all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REPLICATES = 1000
_Z95 = 1.959963984540054
_CELLS = 4_000_000  # largest working matrix, so that memory stays bounded however many observations come


def wilson(successes: float, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share, both ends in 0..1.

    Args:
        successes: number of «yes», 0..n.
        n: number of answers, at least 1.

    Source:
        E. B. Wilson 1927; ISO 10004 recommends it for small samples and shares near 0 or 1.
    """
    share, z2 = successes / n, _Z95 * _Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * float(np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At the ends the bound is 0 or 1 by algebra; floating point would miss it by a hair.
    return (0.0 if successes == 0 else max(0.0, middle - half)), (1.0 if successes == n else min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class Sample:
    """Observations ordered by cluster and value, so that equal data gives equal draws.

    ``cluster`` numbers clusters 0..k-1; ``value`` holds measured values, or numerators when ``weight`` holds denominators.
    """

    cluster: Ints
    value: Floats
    weight: Floats | None = None

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(self.cluster[-1]) + 1 if self.cluster.size else 0


def quantile(values: Floats, q: float) -> float:
    """The q-quantile with linear interpolation, as ``quantile_cont`` of SQL."""
    return float(np.quantile(values, q))


def replicates(sample: Sample, aggregate: str, *, seed: int = 0, count: int = REPLICATES) -> Floats:
    """The aggregate on ``count`` samples of whole clusters drawn with replacement.

    Args:
        sample: at least one observation.
        aggregate: ``median``, ``p90``, ``mean``, or ``ratio`` (sum of values / sum of weights).
        seed: equal seeds give equal draws.
        count: number of draws (B).

    Returns:
        ``count`` numbers; NaN where a ratio has nothing below the line.

    Source:
        Efron 1979; Davison and Hinkley 1997, 3.8 (resampling of clusters).
    """
    rng = np.random.default_rng(seed)
    k = sample.clusters
    sizes = np.bincount(sample.cluster, minlength=k).astype(np.float64)
    draw = _quantile_draw(sample, {"median": 0.5, "p90": 0.9}[aggregate]) if aggregate in ("median", "p90") else _ratio_draw(sample, sizes)
    step = max(1, _CELLS // max(k, 1000))
    parts = []
    for first in range(0, count, step):
        rows = min(step, count - first)
        picks = rng.integers(0, k, size=(rows, k))
        shifted = picks + (np.arange(rows) * k)[:, None]
        times = np.bincount(shifted.ravel(), minlength=rows * k).reshape(rows, k)
        parts.append(draw(times))
    return np.concatenate(parts)


def _ratio_draw(sample: Sample, sizes: Floats) -> Callable[[Ints], Floats]:
    k = sample.clusters
    above = np.bincount(sample.cluster, weights=sample.value, minlength=k)
    below = sizes if sample.weight is None else np.bincount(sample.cluster, weights=sample.weight, minlength=k)

    def draw(times: Ints) -> Floats:
        # einsum adds in a fixed order; a threaded matrix product would differ in the last digits between machines.
        top, bottom = np.einsum("ij,j->i", times, above), np.einsum("ij,j->i", times, below)
        with np.errstate(divide="ignore", invalid="ignore"):
            result: Floats = np.where(bottom != 0, top / bottom, np.nan)
        return result

    return draw


def _quantile_draw(sample: Sample, q: float) -> Callable[[Ints], Floats]:
    """Weighted quantiles of many draws at once.

    The sorted values stand in blocks; a draw's weight per block is one sparse product, and only the block that holds the rank is
    looked into. The result is that of sorting each draw, at a fraction of the work for many observations.
    """
    n = sample.value.size
    order = np.argsort(sample.value, kind="stable")
    values, owners = sample.value[order], sample.cluster[order]
    size = int(np.ceil(np.sqrt(n)))
    block_of = np.arange(n) // size
    blocks = int(block_of[-1]) + 1
    # Imported here: scipy takes longer to load than most commands take to answer.
    from scipy.sparse import coo_array

    counts = coo_array((np.ones(n, dtype=np.int64), (block_of, owners)), shape=(blocks, sample.clusters)).tocsr()
    inside = np.arange(size)

    def at_rank(times: Ints, until: Ints, rank: Floats) -> Floats:
        block = np.sum(until <= rank[:, None], axis=1)
        before = np.where(block > 0, until[np.arange(len(rank)), block - 1], 0)
        positions = np.minimum(block[:, None] * size + inside, n - 1)
        weights = np.take_along_axis(times, owners[positions], axis=1)
        # The last block may be shorter; repeating its last value does no harm, the rank is reached before.
        offset = np.sum(np.cumsum(weights, axis=1) <= (rank - before)[:, None], axis=1)
        found: Floats = values[np.minimum(block * size + offset, n - 1)]
        return found

    def draw(times: Ints) -> Floats:
        until = np.cumsum(np.asarray(counts @ times.T).T, axis=1)
        position = (until[:, -1] - 1) * q
        lower = np.floor(position)
        low, high = at_rank(times, until, lower), at_rank(times, until, np.ceil(position))
        result: Floats = low + (position - lower) * (high - low)
        return result

    return draw


def percentile_interval(draws: Floats) -> tuple[float, float] | None:
    """The middle 95 % of bootstrap draws; ``None`` when there is nothing finite."""
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return None
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)
