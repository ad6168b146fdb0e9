"""Working time of the sample organization: Monday to Friday, 09:00 to 17:00 in Berlin, without public holidays."""

# ruff: noqa: DTZ001 - people live in local time; utc() is the way out
from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")
OPENS: Final = time(9)
CLOSES: Final = time(17)
YEAR: Final = 2025
START: Final = datetime(YEAR, 1, 2, 9)
END: Final = datetime(YEAR, 12, 31, 17)
HOLIDAYS: Final = frozenset(
    date(YEAR, month, day) for month, day in ((1, 1), (4, 18), (4, 21), (5, 1), (5, 29), (6, 9), (10, 3), (12, 25), (12, 26))
)


def is_working_day(day: date) -> bool:
    """Whether people work on that day."""
    return day.weekday() < 5 and day not in HOLIDAYS


def next_working_day(day: date) -> date:
    """The first working day after ``day``."""
    day += timedelta(days=1)
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def next_opening(moment: datetime) -> datetime:
    """``moment`` itself when people are at work then, else the next time they are (Berlin, naive)."""
    day = moment.date()
    if is_working_day(day):
        if moment.time() < OPENS:
            return datetime.combine(day, OPENS)
        if moment.time() < CLOSES:
            return moment
    return datetime.combine(next_working_day(day), OPENS)


def intervals(start: datetime, minutes: int) -> list[tuple[datetime, datetime]]:
    """Working intervals, at most one a day, that ``minutes`` of work fill from ``start`` on (Berlin, naive)."""
    found: list[tuple[datetime, datetime]] = []
    moment = next_opening(start)
    while minutes > 0:
        room = int((datetime.combine(moment.date(), CLOSES) - moment).total_seconds() // 60)
        used = min(room, minutes)
        if used:
            found.append((moment, moment + timedelta(minutes=used)))
        minutes -= used
        moment = next_opening(datetime.combine(moment.date(), CLOSES))
    return found


def after_work(start: datetime, minutes: int) -> datetime:
    """The moment ``minutes`` of working time after ``start`` (Berlin, naive)."""
    worked = intervals(start, minutes)
    return worked[-1][1] if worked else next_opening(start)


def agreed_by(offered: datetime, hours: int) -> datetime:
    """When agreed hours are over that run from an aware time on (Berlin, naive); 24 of them are a working day."""
    days, rest = divmod(hours, 24)
    a_day = (datetime.combine(START, CLOSES) - datetime.combine(START, OPENS)).total_seconds() / 60
    return after_work(offered.astimezone(BERLIN).replace(tzinfo=None), round(days * a_day + rest * 60))


def next_exchange(moment: datetime) -> datetime:
    """When the daily batch shows other teams what was finished at ``moment``: 09:00 on the next working day."""
    return datetime.combine(next_working_day(moment.date()), OPENS)


def utc(local: datetime) -> datetime:
    """A naive Berlin time as an aware time in UTC; working hours never fall into the hour a clock change repeats."""
    return local.replace(tzinfo=BERLIN).astimezone(UTC)


def monday(day: date) -> date:
    """The first day of the week ``day`` lies in."""
    return day - timedelta(days=day.weekday())
