"""What the year cost, and how people were booked for it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import END, monday
from accord_marketing_operations.organization.campaigns import KINDS
from accord_marketing_operations.organization.world import World

_CENT: Final = Decimal("0.01")


def add_costs(world: World, random: Random) -> None:
    """Post media when something is published, labour at the end of each month, and agency invoices now and then."""
    kind = {d["id"]: d["kind"] for d in world.deliverable}
    postings: list[tuple[date, str, str, Decimal]] = []
    for publication in world.publication:
        if publication["published_at"] is not None:
            media = KINDS[kind[publication["deliverable_id"]]][2]
            postings.append(
                (publication["published_at"].date(), publication["campaign_id"], "media", _money(media * random.uniform(0.85, 1.2)))
            )
    rate = {r["id"]: r["cost_rate"] for r in world.resource}
    labour: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for entry in world.time_entry:
        labour[entry["campaign_id"], entry["day"].month] += entry["hours"] * rate[entry["resource_id"]]
    for (campaign, month), amount in labour.items():
        postings.append((_last_of(month), campaign, "labour", _money(amount)))
    for campaign_row in world.campaign:
        if campaign_row["status"] != "cancelled" and random.random() < 0.7:
            posted = campaign_row["planned_start"].date() + timedelta(days=random.randrange(5, 40))
            postings.append((posted, campaign_row["id"], random.choice(("agency", "tools")), _money(random.uniform(150, 1800))))
    for posted, campaign, category, amount in sorted(postings):
        if posted <= END.date():
            world.cost_entry.append(
                {
                    "id": f"CST-{len(world.cost_entry) + 1:06d}",
                    "campaign_id": campaign,
                    "category": category,
                    "amount": amount,
                    "currency": "EUR",
                    "posted_at": posted,
                }
            )


def add_allocations(world: World, random: Random) -> None:
    """Book people per campaign and week: what they worked, as the planners foresaw it, rounded to a quarter of an hour."""
    hours: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    for entry in world.time_entry:
        hours[monday(entry["day"]), entry["resource_id"], entry["campaign_id"]] += entry["hours"]
    for (week, resource, campaign), worked in sorted(hours.items()):
        foreseen = Decimal(max(1, round(float(worked) * random.uniform(0.8, 1.15) * 4))) / 4
        world.allocation.append(
            {
                "id": f"ALC-{len(world.allocation) + 1:05d}",
                "resource_id": resource,
                "campaign_id": campaign,
                "week": week,
                "hours": min(foreseen, Decimal(40)),
                "state": "committed" if week + timedelta(days=7) <= END.date() else "planned",
            }
        )


def _money(amount: float | Decimal) -> Decimal:
    return Decimal(amount).quantize(_CENT)


def _last_of(month: int) -> date:
    """The day the accounts of a month are closed: its last day."""
    first_of_next = date(END.year, month + 1, 1) if month < 12 else date(END.year + 1, 1, 1)
    return first_of_next - timedelta(days=1)
