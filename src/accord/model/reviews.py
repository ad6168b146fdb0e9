"""Reviews of a map and the periods they are owed for: each month or quarter, from when it was first scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo

from accord.model.goals import Review
from accord.model.integration_map import IntegrationMap

Every = Literal["month", "quarter"]
DEFAULT_REVIEWS: Final[Mapping[str, Review]] = MappingProxyType(
    {
        "integration_validation": Review(
            "integration_validation", "Monthly integration validation", "month", steps=("assess", "integrate")
        ),
        "optimization_review": Review(
            "optimization_review", "Quarterly optimization review", "quarter", steps=("optimize", "coordinate", "improve", "benchmark")
        ),
    }
)
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3}


@dataclass(frozen=True, slots=True)
class Period:
    """A month («2026-03») or a quarter («2026-Q1»), from ``start`` (included) to ``end`` (not included), in UTC."""

    name: str
    start: datetime
    end: datetime


def reviews_of(map_: IntegrationMap) -> Mapping[str, Review]:
    """The reviews of a map; where it names none, the two that every organization has."""
    return map_.reviews or DEFAULT_REVIEWS


def period_at(every: Every, moment: datetime, timezone: str) -> Period:
    """The period a moment falls into.

    Args:
        every: how long a period is.
        moment: aware.
        timezone: IANA name; months begin at midnight there.
    """
    zone, months = ZoneInfo(timezone), _MONTHS[every]
    local = moment.astimezone(zone)
    return _period(every, local.year * 12 + (local.month - 1) // months * months, zone)


def owed_periods(every: Every, since: datetime, now: datetime, timezone: str) -> list[Period]:
    """Periods that have ended by now, from the one ``since`` falls into; the oldest first.

    Args:
        every: how long a period is.
        since: when the review was first scheduled, aware.
        now: aware.
        timezone: IANA name.
    """
    zone, found = ZoneInfo(timezone), []
    period = period_at(every, since, timezone)
    while period.end <= now:
        found.append(period)
        period = period_at(every, period.end.astimezone(zone), timezone)
    return found


def _period(every: Every, month: int, zone: ZoneInfo) -> Period:
    """From a month counted from the year 0."""
    start, end = (datetime(m // 12, m % 12 + 1, 1, tzinfo=zone).astimezone(UTC) for m in (month, month + _MONTHS[every]))
    year, number = divmod(month, 12)
    name = f"{year:04d}-{number + 1:02d}" if every == "month" else f"{year:04d}-Q{number // 3 + 1}"
    return Period(name, start, end)
