"""Did the process or the data change? First half of the history against the second, with a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.lifecycle.titles import counted
from accord.measure import Measure

# Chance alone stays above this in 99 of 100 comparisons.
SIGNIFICANT = 0.01
_MINIMUM_CASES = 40

_HALVES = """
WITH trace AS (
    SELECT case_id, min(complete_at) AS first, string_agg(activity, ' → ' ORDER BY complete_at, seq) AS variant
    FROM event_log WHERE process = $process GROUP BY case_id
), halved AS (SELECT variant, ntile(2) OVER (ORDER BY first, case_id) AS half FROM trace)
SELECT variant, count(*) FILTER (WHERE half = 1) AS before, count(*) FILTER (WHERE half = 2) AS after
FROM halved GROUP BY variant ORDER BY count(*) DESC, variant
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the ways cases go differ between the halves of the history: p value of the test, cases, and what moved most."""

    process: str
    cases: int
    p_value: float | None
    moved: str
    reason: str = ""


def process_drift(measure: Measure) -> tuple[Drift, ...]:
    """A chi-squared test of variant shares per process; rare variants are counted together so that the test holds.

    Source:
        Pearson 1900; expected counts of at least 5 per cell (Cochran 1954).
    """
    names = [str(r["process"]) for r in measure.arrow("SELECT DISTINCT process FROM event_log ORDER BY process").to_pylist()]
    return tuple(_drift(name, measure.arrow(_HALVES, {"process": name}).to_pylist()) for name in names)


def _drift(process: str, rows: list[dict[str, object]]) -> Drift:
    counts = [(str(r["variant"]), int(str(r["before"])), int(str(r["after"]))) for r in rows]
    cases = sum(b + a for _, b, a in counts)
    if cases < _MINIMUM_CASES:
        return Drift(
            process, cases, None, "", f"{counted(cases, 'case')} {'is' if cases == 1 else 'are'} too few; {_MINIMUM_CASES} are needed"
        )
    frequent = [c for c in counts if c[1] + c[2] >= 10]
    rare = [c for c in counts if c[1] + c[2] < 10]
    if sum(b + a for _, b, a in rare) >= 10:
        frequent.append(("all rare ways together", sum(c[1] for c in rare), sum(c[2] for c in rare)))
    if len(frequent) < 2:
        return Drift(process, cases, None, "", "nearly all cases go the same way")
    table = np.array([[b, a] for _, b, a in frequent])
    p_value = _independence(table)
    name, before, after = max(frequent, key=lambda c: abs(c[1] - c[2]))
    return Drift(process, cases, p_value, f"{name}: {before} cases before, {after} after")


def _independence(table: npt.NDArray[np.int64]) -> float:
    """p value that two columns of counts have the same shares: chi-squared, with the correction of Yates for two rows."""
    from scipy.special import chdtrc  # the whole of scipy.stats takes a second to load

    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    apart = np.abs(table - expected)
    freedom = len(table) - 1
    if freedom == 1:
        apart -= np.minimum(0.5, apart)
    return float(chdtrc(freedom, np.sum(apart**2 / expected)))
