"""The campaigns of the months after go-live: those planned for the same weeks of the year before, 53 weeks later."""

# ruff: noqa: S311 - a simulation needs a seed, not a secret
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from accord_marketing_operations.organization.campaigns import add_campaigns
from accord_marketing_operations.organization.people import add_people
from accord_marketing_operations.organization.world import Row, World

_LATER: Final = timedelta(weeks=53)  # the same days of the week, and behind the holidays of the new year
_YEAR_OF_CAMPAIGNS: Final = 180


@dataclass
class Plan:
    """One campaign: what is asked for, and what became of it so far."""

    id: str
    begins: datetime
    launch: datetime
    goal: str
    budget: float
    items: list[dict[str, Any]]
    kinds_to_agree: list[str] = field(default_factory=list)
    instance: str = ""
    moved: timedelta = timedelta()
    called_off: bool = False


def campaigns(seed: int, number: int) -> tuple[list[Plan], list[Row]]:
    """The first campaigns of the year before that were not called off, moved behind go-live, and the people there are."""
    world = World()
    add_people(world, Random(f"{seed}:people"))
    add_campaigns(world, Random(f"{seed}:campaigns"), campaigns=_YEAR_OF_CAMPAIGNS)
    found: list[Plan] = []
    known: set[str] = set()
    for campaign in world.campaign:
        mine = [d for d in world.deliverable if d["campaign_id"] == campaign["id"]]
        if not mine or len(found) == number:
            continue
        items = [_item(d) for d in mine]
        new = sorted({str(i["kind"]) for i in items} - known)
        known |= set(new)
        plan = Plan(
            _renamed(campaign["id"], 4, 1000),
            campaign["planned_start"] + _LATER,
            campaign["planned_launch"] + _LATER,
            str(campaign["goal"]),
            float(campaign["budget"]),
            items,
            new,
        )
        found.append(plan)
    return found, world.resource


def _item(deliverable: Row) -> dict[str, Any]:
    return {
        "id": _renamed(deliverable["id"], 5, 50_000),
        "kind": deliverable["kind"],
        "channel": deliverable["channel"],
        "audience": "customers",
        "owner": "creative_studio",
        "std_hours": float(deliverable["std_hours"]),
        "mandatory": bool(deliverable["mandatory"]),
        "due": (deliverable["due_at"] + _LATER).isoformat(),
    }


def _renamed(name: str, digits: int, offset: int) -> str:
    """An id that no row of the year before has."""
    kind, _, number = name.partition("-")
    return f"{kind}-{int(number) + offset:0{digits}d}"
