"""Working time: when something is due that may take so long of a team's working hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from accord.model.organization import Calendar
from accord.model.values import Duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_FURTHEST_DAYS = 3660  # a calendar without a working day in ten years has none


def due(start: datetime, within: Duration, calendar: Calendar | None) -> datetime:
    """The moment ``within`` of working time after ``start`` is over, in UTC.

    Args:
        start: aware.
        within: a day of it is a working day of the calendar, so ``2d`` are two of them and not 48 hours.
        calendar: working hours; ``None`` counts every hour.

    Raises:
        ValueError: the calendar has no working hours.
    """
    if calendar is None:
        return (start + timedelta(seconds=within.seconds)).astimezone(UTC)
    zone, (opens, closes) = ZoneInfo(calendar.timezone), hours(calendar)
    day_seconds = seconds_a_day(calendar)
    if day_seconds <= 0 or not set(calendar.days) & set(DAYS):
        raise ValueError(f"calendar '{calendar.name}' has no working hours")
    days, rest = divmod(within.seconds, 86_400)
    left = timedelta(seconds=days * day_seconds + rest)
    moment = start.astimezone(zone)
    for _ in range(_FURTHEST_DAYS):
        if works(calendar, moment.date()):
            begin, end = max(moment, _at(moment.date(), opens, zone)), _at(moment.date(), closes, zone)
            # Subtracted in UTC: two times of one zone would be subtracted by the clock on the wall, which jumps twice a year.
            room = end.astimezone(UTC) - begin.astimezone(UTC)
            if room >= left and room > timedelta(0):
                return begin.astimezone(UTC) + left
            left -= max(room, timedelta(0))
        moment = datetime.combine(moment.date() + timedelta(days=1), time(0), zone)
    raise ValueError(f"calendar '{calendar.name}' has no working day within ten years of {start.date()}")


def works(calendar: Calendar, day: date) -> bool:
    """Whether people work on that day."""
    return DAYS[day.weekday()] in calendar.days and day.isoformat() not in calendar.holidays


def seconds_a_day(calendar: Calendar) -> int:
    """How long people work on a working day; 0 or less where nobody does."""
    opens, closes = hours(calendar)
    return (closes - opens) * 60


def hours(calendar: Calendar) -> tuple[int, int]:
    """When the working day opens and closes: minutes by the clock on the wall; 24:00, the end of the day, is 1,440."""
    return _minutes(calendar.opens), _minutes(calendar.closes)


def _minutes(clock: str) -> int:
    if clock == "24:00":  # which Python takes for no time of day, and people for the end of it
        return _DAY_MINUTES
    read = time.fromisoformat(clock)
    return read.hour * 60 + read.minute


def _at(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The moment the clock on the wall shows a time of a day; of 1,440 the first of the next."""
    days, rest = divmod(minutes, _DAY_MINUTES)
    return datetime.combine(day + timedelta(days=days), time(*divmod(rest, 60)), zone)
