"""``capacity_check``: whether the hours there are suffice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call
from accord_marketing_operations.planning.schedule import day_of, demand, schedule, supply


def capacity_check(call: Call) -> Mapping[str, Any]:
    """Hours asked for against hours there are until the launch, by team, and the first day on which all could be done."""
    given = call.arguments
    begins, launch = day_of(given["begins"]), day_of(given["launch"])
    asked, there = demand(given["items"]), supply(given["people"], begins, launch)
    gaps = {team: round(hours - there.get(team, 0.0), 2) for team, hours in asked.items() if hours > there.get(team, 0.0)}
    first = max((job.end for job in schedule(given["items"], given["people"], begins)), default=begins)
    return {"demand_hours": round(sum(asked.values()), 2), "capacity_gaps": gaps, "first_feasible": first.isoformat()}
