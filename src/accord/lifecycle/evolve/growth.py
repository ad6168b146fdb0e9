"""How the log grows, and what that says of the weeks to come; with the error such a forecast would have made before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accord.measure import Measure

_WEEKS_NEEDED = 12
AHEAD_WEEKS = 8

_WEEKLY = """
SELECT week, count(e.complete_at) AS n
FROM (
    SELECT unnest(generate_series(date_trunc('week', min(complete_at)), date_trunc('week', max(complete_at)), INTERVAL 7 DAY)) AS week
    FROM event_log
) AS w
LEFT JOIN event_log AS e ON date_trunc('week', e.complete_at) = w.week
GROUP BY week ORDER BY week
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """Events a week: how many weeks, the mean of the last eight, forecast with 95 % interval, and the back-tested error (MAPE, 0..1)."""

    weeks: int
    recent: float
    forecast: float | None
    low: float | None
    high: float | None
    mape: float | None
    reason: str = ""


def weekly_growth(measure: Measure) -> Growth:
    """Forecast the mean number of events a week over the next eight weeks."""
    counts = [float(r["n"]) for r in measure.arrow(_WEEKLY).to_pylist()]
    return forecast_growth(counts[1:-1])  # the first and the last week are cut by the log's ends


def forecast_growth(counts: list[float]) -> Growth:
    """A straight line through the weekly counts, carried on; the error is that of the same line fitted without the last eight weeks.

    Source:
        ordinary least squares; prediction interval from the residuals (Student's t replaced by 1.96 from twelve weeks on).
    """
    recent = float(np.mean(counts[-AHEAD_WEEKS:])) if counts else 0.0
    if len(counts) < _WEEKS_NEEDED:
        return Growth(len(counts), recent, None, None, None, None, f"{len(counts)} whole weeks of history; {_WEEKS_NEEDED} are needed")
    forecast, spread = _line(counts, AHEAD_WEEKS)
    mape = None
    if len(counts) >= _WEEKS_NEEDED + AHEAD_WEEKS:
        guess, _ = _line(counts[:-AHEAD_WEEKS], AHEAD_WEEKS)
        mape = abs(guess - recent) / recent if recent else None
    return Growth(len(counts), recent, max(0.0, forecast), max(0.0, forecast - spread), forecast + spread, mape)


def _line(counts: list[float], ahead: int) -> tuple[float, float]:
    x, y = np.arange(len(counts), dtype=np.float64), np.asarray(counts)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - (slope * x + intercept)
    sigma = float(np.sqrt(np.sum(residual**2) / (len(counts) - 2)))
    at = len(counts) + (ahead - 1) / 2
    error = sigma * float(np.sqrt(1 / ahead + 1 / len(counts) + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)))
    return float(slope * at + intercept), 1.96 * error
