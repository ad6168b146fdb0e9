"""Who does what when: deliverables in the order they are due, each stage by whoever can end it first, never above anybody's hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

# Stage: team, and its share of the standard hours. Together a little above one, as people need a little more than the standard.
STAGES: Final = (
    ("produce", "creative_studio", 0.6),
    ("edit", "creative_studio", 0.15),
    ("design", "creative_studio", 0.2),
    ("review", "brand_legal", 0.12),
    ("publish", "channel_operations", 0.08),
)
_LONGEST_DAYS: Final = 730


@dataclass(frozen=True, slots=True)
class Job:
    """One stage of a deliverable: done by a person from ``begin`` to ``end``, ``hours`` of it."""

    item: str
    stage: str
    person: str
    begin: date
    end: date
    hours: float


def day_of(text: Any) -> date:
    """The day of a date or time as a form gives it."""
    return date.fromisoformat(str(text)[:10])


def hours_of(item: Mapping[str, Any], share: float) -> float:
    """Hours a stage of an item needs, in quarters."""
    return max(0.25, round(float(item["std_hours"]) * share * 4) / 4)


def demand(items: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Hours each team is asked for."""
    found: dict[str, float] = {}
    for item in items:
        for _, team, share in STAGES:
            found[team] = found.get(team, 0.0) + hours_of(item, share)
    return found


def supply(people: Sequence[Mapping[str, Any]], begins: date, ends: date) -> dict[str, float]:
    """Hours each team can give from one day to another, both counted; Monday to Friday."""
    days = sum((begins + timedelta(days=n)).weekday() < 5 for n in range((ends - begins).days + 1))
    found: dict[str, float] = {}
    for person in people:
        found[str(person["team"])] = found.get(str(person["team"]), 0.0) + days * float(person["hours"])
    return found


def schedule(items: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]], begins: date) -> list[Job]:
    """Every stage of every item with its person and days.

    Args:
        items: each with ``id``, ``std_hours`` and ``due``; the earliest due comes first.
        people: each with ``id``, ``team`` and ``hours`` a day.
        begins: first day of work.

    Raises:
        ValueError: a team that is needed has nobody with hours.
    """
    left: dict[tuple[str, date], float] = {}
    jobs: list[Job] = []
    for item in sorted(items, key=lambda i: (str(i["due"]), str(i["id"]))):
        earliest = begins
        for stage, team, share in STAGES:
            able = [p for p in people if p["team"] == team and float(p["hours"]) > 0]
            if not able:
                raise ValueError(f"nobody of the team {team} has hours")
            found = [_book(left, person, hours_of(item, share), earliest) for person in able]
            days, person = min(zip(found, able, strict=True), key=lambda pair: (max(pair[0]), str(pair[1]["id"])))
            for day, hours in days.items():
                left[str(person["id"]), day] = left.get((str(person["id"]), day), float(person["hours"])) - hours
            jobs.append(Job(str(item["id"]), stage, str(person["id"]), min(days), max(days), sum(days.values())))
            earliest = max(days)
    return jobs


def _book(left: Mapping[tuple[str, date], float], person: Mapping[str, Any], hours: float, earliest: date) -> dict[date, float]:
    """The days and hours a person would need."""
    taken: dict[date, float] = {}
    day = earliest
    for _ in range(_LONGEST_DAYS):
        room = left.get((str(person["id"]), day), float(person["hours"])) if day.weekday() < 5 else 0.0
        if room > 0:
            taken[day] = min(room, hours)
            hours -= taken[day]
        if hours <= 1e-9:
            return taken
        day += timedelta(days=1)
    raise ValueError(f"{person['id']} cannot do this within {_LONGEST_DAYS} days")


def late_days(jobs: Sequence[Job], launch: date) -> int:
    """Days by which the last stage ends after the launch; 0 when it does not."""
    return max(0, (max(job.end for job in jobs) - launch).days) if jobs else 0
