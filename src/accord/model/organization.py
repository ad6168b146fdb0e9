"""Who works, and when: teams and their calendars."""

from __future__ import annotations

from dataclasses import dataclass, field

from accord.model.errors import NOWHERE, Place

_DAYS = ("mon", "tue", "wed", "thu", "fri")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours of a team, in its own time zone."""

    name: str
    timezone: str = field(default="UTC", metadata={"doc": "IANA time zone, such as Europe/Berlin"})
    days: tuple[str, ...] = field(default=_DAYS, metadata={"doc": "working days: mon tue wed thu fri sat sun"})
    opens: str = field(default="09:00", metadata={"doc": "start of the working day, HH:MM"})
    closes: str = field(default="17:00", metadata={"doc": "end of the working day, HH:MM"})
    holidays: tuple[str, ...] = field(default=(), metadata={"doc": "days off, YYYY-MM-DD"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Team:
    """A group that owns systems, steps or data."""

    name: str
    title: str = field(default="", metadata={"doc": "how people call it"})
    domain: str = field(default="", metadata={"doc": "the larger area it belongs to, such as marketing or operations"})
    owner: str = field(default="", metadata={"doc": "the person who answers for it"})
    backup: str = field(default="", metadata={"doc": "who steps in when the owner is away"})
    calendar: str = field(default="", metadata={"doc": "a calendar of the map; empty counts every hour"})
    email: str = field(default="", metadata={"doc": "address shared by the team; without one each of its people is written to"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
