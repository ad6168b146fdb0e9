"""What customers did: seen and bought per campaign and day, asked at the service desk, answered in surveys."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import END, utc
from accord_marketing_operations.organization.world import Row, World

_DAYS: Final = 21
_LAST: Final = utc(END)


def add_outcomes(world: World, random: Random) -> None:
    """One row per campaign and day for three weeks after the launch, or until the year ends."""
    published: dict[str, int] = {}
    for publication in world.publication:
        published[publication["campaign_id"]] = published.get(publication["campaign_id"], 0) + 1
    for campaign in world.campaign:
        if campaign["launched_at"] is None:
            continue
        reach = published.get(campaign["id"], 1) * random.uniform(1500, 6000)
        first = campaign["launched_at"].date()
        for number in range(_DAYS):
            day = first + timedelta(days=number)
            if day > END.date():
                break
            impressions = round(reach * 0.93**number * random.uniform(0.7, 1.3))
            clicks = round(impressions * random.uniform(0.008, 0.03))
            leads = round(clicks * random.uniform(0.03, 0.12))
            orders = round(leads * random.uniform(0.1, 0.4))
            world.outcome.append(
                {
                    "campaign_id": campaign["id"],
                    "day": day,
                    "impressions": impressions,
                    "clicks": clicks,
                    "leads": leads,
                    "orders": orders,
                    "revenue": sum((Decimal(random.randrange(1500, 24000)) / 100 for _ in range(orders)), Decimal(0)),
                }
            )


def add_service(world: World, random: Random) -> None:
    """Tickets, most of them about a running campaign, and the surveys sent after them."""
    launched = [c for c in world.campaign if c["launched_at"] is not None]
    opened: list[tuple[datetime, str | None]] = []
    for campaign in launched:
        for _ in range(random.choice((1, 3, 4, 6, 8, 11))):
            opened.append((campaign["launched_at"] + timedelta(minutes=random.randrange(60, 30 * 1440)), campaign["id"]))
    for _ in range(2 * len(launched)):
        opened.append((_LAST - timedelta(minutes=random.randrange(360 * 1440)), None))
    for moment, about in sorted(opened, key=lambda pair: (pair[0], pair[1] or "")):
        if moment <= _LAST:
            ticket = _ticket(len(world.ticket) + 1, moment, about, random)
            world.ticket.append(ticket)
            _survey(world, ticket, random)


def _ticket(number: int, moment: datetime, about: str | None, random: Random) -> Row:
    severity = random.choices(("low", "normal", "high", "critical"), (30, 50, 16, 4))[0]
    response = moment + timedelta(minutes=5 + round(random.lognormvariate(4.6, 1.0)))
    resolved = response + timedelta(minutes=10 + round(random.lognormvariate(6.8, 1.1)))
    return {
        "id": f"TCK-{number:05d}",
        "campaign_id": about,
        "opened_at": moment,
        "first_response_at": response if response <= _LAST else None,
        "resolved_at": resolved if resolved <= _LAST else None,
        "reopened": random.random() < 0.09,
        "severity": severity,
    }


def _survey(world: World, ticket: Row, random: Random) -> None:
    """About six in ten answer; those who waited long are less pleased."""
    if ticket["resolved_at"] is None or random.random() > 0.6:
        return
    waited = (ticket["resolved_at"] - ticket["opened_at"]).total_seconds() / 3600
    answered = ticket["resolved_at"] + timedelta(minutes=random.randrange(30, 5 * 1440))
    if answered > _LAST:
        return
    asked_for_recommendation = random.random() < 0.3
    mood = random.gauss(4.5 if waited < 24 else 3.9 if waited < 72 else 3.1, 0.9)
    score = round(min(5.0, max(1.0, mood)))
    world.survey.append(
        {
            "id": f"SRV-{len(world.survey) + 1:05d}",
            "ticket_id": ticket["id"],
            "campaign_id": ticket["campaign_id"],
            "kind": "NPS" if asked_for_recommendation else "CSAT",
            "score": min(10, max(0, score * 2 + random.choice((-1, 0, 0, 1)))) if asked_for_recommendation else score,
            "answered_at": answered,
        }
    )
