"""The people, their hours and the quality gates they agreed on."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import END, START, is_working_day, monday
from accord_marketing_operations.organization.world import Row, World

# Team: skill, people, cost per hour in EUR.
TEAMS: Final = {
    "marketing": ("campaign management", 3, 62),
    "operations_planning": ("planning", 2, 58),
    "creative_studio": ("content production", 7, 55),
    "brand_legal": ("review", 2, 78),
    "channel_operations": ("publishing", 2, 52),
    "finance": ("controlling", 1, 60),
    "customer_service": ("support", 3, 42),
    "data_it": ("integration", 1, 70),
}

GATES: Final = (
    ("GTE-01", "Brief is complete", "brief", 90, "goal,audience,budget,dates"),
    ("GTE-02", "Content meets the standard", "review", 80, "brand,legal,spelling,accessibility"),
    ("GTE-03", "Ready to publish", "publish", 95, "links,sizes,consent,tracking"),
)

_FIRST = ("Ana", "Ben", "Carla", "Deniz", "Elif", "Finn", "Greta", "Hugo", "Ida", "Jonas", "Klara", "Luis", "Mara", "Nils", "Olga", "Paul")
_LAST = ("Adler", "Brandt", "Conrad", "Dietz", "Ebert", "Falk", "Graf", "Hahn", "Iversen", "Jung", "Keller", "Lorenz", "Maurer")


def add_people(world: World, random: Random) -> None:
    """Hire everyone, write down what each can give per week of the year, and agree on the gates."""
    number = 0
    for team, (skill, people, rate) in TEAMS.items():
        for _ in range(people):
            number += 1
            world.resource.append(
                {
                    "id": f"RES-{number:03d}",
                    "name": f"{_FIRST[number % len(_FIRST)]} {_LAST[number % len(_LAST)]}",
                    "team": team,
                    "skill": skill,
                    "cost_rate": Decimal(rate + random.randrange(-6, 13)),
                }
            )
    for person in world.resource:
        world.capacity.extend(_weeks(person, random))
    for gate, title, step, threshold, checks in GATES:
        world.gate.append({"id": gate, "title": title, "step": step, "threshold": threshold, "checks": checks, "version": 1})


def _weeks(person: Row, random: Random) -> list[Row]:
    """Hours a person can give in each week: eight per working day, five weeks of leave a year."""
    found: list[Row] = []
    leave = {random.randrange(52) for _ in range(5)}
    day: date = monday(START.date())
    for week in range(53):
        if day > END.date():
            break
        days = sum(is_working_day(day + timedelta(days=d)) for d in range(5))
        # A week of leave still counts one day: nobody here is away from a Monday to a Friday without a handover day.
        hours = 8 * (1 if week in leave else days)
        found.append({"resource_id": person["id"], "week": day, "hours": Decimal(hours)})
        day += timedelta(days=7)
    return found
