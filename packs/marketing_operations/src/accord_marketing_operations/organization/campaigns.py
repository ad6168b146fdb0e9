"""A year of campaigns as they were planned: budgets, dates, deliverables, milestones."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import START, is_working_day, next_working_day, utc
from accord_marketing_operations.organization.world import Row, World

# Kind of deliverable: channel, standard hours, media cost in EUR. Standard hours are fixed so that a change of mix cannot look like a gain.
KINDS: Final = {
    "email": ("email", 6, 300),
    "landing_page": ("web", 16, 200),
    "banner": ("display", 8, 2500),
    "video": ("video", 40, 6000),
    "social_post": ("social", 4, 800),
    "whitepaper": ("web", 30, 100),
}
_WEIGHTS: Final = (30, 20, 18, 6, 20, 6)

_SEASONS = ("Spring", "Summer", "Autumn", "Winter", "Launch", "Loyalty", "Partner", "Trade")
_TOPICS = ("Garden", "Office", "Travel", "Kitchen", "Audio", "Cycling", "Outdoor", "Studio", "Fitness", "Home")
_GOALS = ("awareness", "leads", "sales", "retention")

Plan = dict[str, list[Row]]


def add_campaigns(world: World, random: Random, *, campaigns: int) -> None:
    """Plan ``campaigns`` campaigns, started evenly over the first ten months, so that every launch falls due in the year."""
    days = 290
    deliverables = 0
    for number in range(1, campaigns + 1):
        start = _at(START + timedelta(days=(number - 1) * days // campaigns + random.randrange(3)), 9)
        cancelled = random.random() < 0.03
        launch = _at(start + timedelta(days=random.randrange(14, 32)), 10)
        end = _at(launch + timedelta(days=random.randrange(14, 35)), 17)
        campaign: Row = {
            "id": f"CMP-{number:04d}",
            "name": f"{random.choice(_SEASONS)} {random.choice(_TOPICS)} {number:03d}",
            "goal": random.choice(_GOALS),
            "owner_team": "marketing",
            "budget": Decimal(0),
            "currency": "EUR",
            "planned_start": utc(start),
            "planned_launch": utc(launch),
            "planned_end": utc(end),
            "launched_at": None,
            "status": "cancelled" if cancelled else "planned",
            "updated_at": utc(start),
        }
        media = 0
        for _ in range(0 if cancelled else random.choice((2, 3, 3, 4, 4, 5, 6))):
            deliverables += 1
            kind = random.choices(tuple(KINDS), _WEIGHTS)[0]
            channel, hours, cost = KINDS[kind]
            media += cost
            due = _at(launch - timedelta(days=random.randrange(2, 8)), 17)
            world.deliverable.append(
                {
                    "id": f"DLV-{deliverables:05d}",
                    "campaign_id": campaign["id"],
                    "kind": kind,
                    "channel": channel,
                    "std_hours": Decimal(hours),
                    "mandatory": random.random() < 0.85,
                    "due_at": utc(due - timedelta(minutes=15)),
                    "status": "planned",
                    "version": 0,
                    "assignee": None,
                    "accepted_at": None,
                    "updated_at": utc(start),
                }
            )
        hours_planned = sum(int(d["std_hours"]) for d in world.deliverable if d["campaign_id"] == campaign["id"])
        campaign["budget"] = Decimal(
            round((media * random.uniform(0.95, 1.3) + hours_planned * random.uniform(85, 125) + 1500) / 100) * 100
        )
        world.campaign.append(campaign)
        _milestones(world, campaign, start, launch, end)


def _milestones(world: World, campaign: Row, start: datetime, launch: datetime, end: datetime) -> None:
    for name, moment in (
        ("brief approved", _at(start + timedelta(days=5), 16)),
        ("content complete", _at(launch - timedelta(days=4), 16)),
        ("launch", launch),
        ("closed", _at(end + timedelta(days=7), 16)),
    ):
        world.milestone.append(
            {
                "id": f"MLS-{len(world.milestone) + 1:05d}",
                "campaign_id": campaign["id"],
                "name": name,
                "due_at": utc(moment),
                "status": "open",
                "updated_at": campaign["updated_at"],
            }
        )


def _at(moment: datetime, hour: int) -> datetime:
    """The working day of ``moment`` or the next one, at a full hour."""
    day = moment.date() if is_working_day(moment.date()) else next_working_day(moment.date())
    return datetime.combine(day, time(hour))
