"""How the log grows, and what that says of the weeks to come; with the error such a forecast would have made before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.measure import Measure

WEEKS_NEEDED = 12
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
    """Events a week: how many weeks, the mean of the last eight, and the forecast of the next eight with its 95 % interval.

    ``mape`` is the mean absolute percentage error (0..1) of the same forecast made eight weeks ago, week by week; ``None`` where there
    are too few weeks, or none of the eight had an event. ``reason`` says why there is no forecast.
    """

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
    """A straight line through the weekly counts, carried on; the error is that of the line fitted without the last eight weeks.

    Weeks without an event have no percentage error and are left out of it.

    Source:
        ordinary least squares with the prediction interval of a mean of new observations (Student's t); MAPE: Hyndman and Athanasopoulos,
        Forecasting: Principles and Practice.
    """
    recent = float(np.mean(counts[-AHEAD_WEEKS:])) if counts else 0.0
    if len(counts) < WEEKS_NEEDED:
        return Growth(len(counts), recent, None, None, None, None, f"{len(counts)} whole weeks of history; {WEEKS_NEEDED} are needed")
    line, spread = _line(counts, AHEAD_WEEKS)
    forecast = float(line.mean())
    mape = None
    if len(counts) >= WEEKS_NEEDED + AHEAD_WEEKS:
        guessed, _ = _line(counts[:-AHEAD_WEEKS], AHEAD_WEEKS)
        held_out = np.asarray(counts[-AHEAD_WEEKS:])
        seen = held_out > 0
        if seen.any():
            # A count cannot be negative, and neither is the forecast of one.
            mape = float(np.mean(np.abs(np.maximum(guessed[seen], 0.0) - held_out[seen]) / held_out[seen]))
    return Growth(len(counts), recent, max(0.0, forecast), max(0.0, forecast - spread), max(0.0, forecast + spread), mape)


def _line(counts: list[float], ahead: int) -> tuple[npt.NDArray[np.float64], float]:
    """The fitted line over the next weeks, and half the width of the 95 % interval of their mean."""
    from scipy.special import stdtrit  # the whole of scipy.stats takes a second to load

    n = len(counts)
    x, y = np.arange(n, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - (slope * x + intercept)
    sigma = float(np.sqrt(np.sum(residual**2) / (n - 2)))
    at = n + (ahead - 1) / 2
    error = sigma * float(np.sqrt(1 / ahead + 1 / n + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)))
    coming = slope * np.arange(n, n + ahead, dtype=np.float64) + intercept
    return coming, float(stdtrit(n - 2, 0.975)) * error
