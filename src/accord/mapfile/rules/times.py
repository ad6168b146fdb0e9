"""Time zones, days and hours exist in the calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.errors import nearest
from accord.model.working_time import DAYS

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def check(facts: Facts) -> Iterator[Problem]:
    """Zones, dates and opening hours that do not exist."""
    map_ = facts.map
    yield from _zone(facts, ("timezone",), "the map", map_.timezone)
    if map_.golive:
        yield from _date(facts, ("golive",), "the map, golive", map_.golive)
    for log in map_.logs.values():
        yield from _zone(facts, ("logs", log.name, "timezone"), f"log '{log.name}'", log.timezone)
    for flow in map_.flows.values():
        for binding in flow.bindings.values():
            for mapping in binding.fields.values():
                if mapping.timezone:
                    path = ("flows", flow.name, "bindings", binding.name, "fields", mapping.name, "timezone")
                    yield from _zone(facts, path, f"flow '{flow.name}', binding '{binding.name}', field '{mapping.name}'", mapping.timezone)
    for calendar in map_.calendars.values():
        place, holder = ("calendars", calendar.name), f"calendar '{calendar.name}'"
        yield from _zone(facts, (*place, "timezone"), holder, calendar.timezone)
        for position, day in enumerate(calendar.days):
            if day not in DAYS:
                yield facts.problem((*place, "days", str(position)), f"{holder}: '{day}' is no day.", f"Expected {', '.join(DAYS)}.")
        for position, day in enumerate(calendar.holidays):
            yield from _date(facts, (*place, "holidays", str(position)), f"{holder}, holidays", day)
        wrong = [key for key in ("opens", "closes") if not _CLOCK.fullmatch(getattr(calendar, key))]
        for key in wrong:
            yield facts.problem(
                (*place, key), f"{holder}: '{getattr(calendar, key)}' is no time of day.", 'Expected HH:MM in quotes, such as "09:00".'
            )
        if not wrong and calendar.opens >= calendar.closes:
            yield facts.problem(
                (*place, "closes"), f"{holder}: it closes at {calendar.closes}, not after it opens at {calendar.opens}.", "Exchange them."
            )


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(facts: Facts, path: tuple[str, ...], holder: str, name: str) -> Iterator[Problem]:
    if name not in _zones():
        meant = nearest(name, _zones())
        yield facts.problem(
            path,
            f"{holder}: time zone '{name}' does not exist.",
            "Expected an IANA name such as Europe/Berlin." + (f" Did you mean '{meant}'?" if meant else ""),
        )


def _date(facts: Facts, path: tuple[str, ...], holder: str, text: str) -> Iterator[Problem]:
    try:
        good = bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        good = False
    if not good:
        yield facts.problem(path, f"{holder}: '{text}' is no date.", "Expected YYYY-MM-DD.")
