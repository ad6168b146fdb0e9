"""``content_load``: the content calendar against the hours of the teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call
from accord_marketing_operations.planning.schedule import day_of, demand


def content_load(call: Call) -> Mapping[str, Any]:
    """Hours by team and week in which items are due, against what its people give in a week, and items that lack something."""
    items, people = call.arguments["items"], call.arguments["people"]
    load: dict[str, dict[str, float]] = {}
    for item in items:
        year, week, _ = day_of(item["due"]).isocalendar()
        for team, hours in demand([item]).items():
            weeks = load.setdefault(team, {})
            weeks[f"{year}-W{week:02d}"] = weeks.get(f"{year}-W{week:02d}", 0.0) + hours
    weekly = {team: 5 * sum(float(p["hours"]) for p in people if p["team"] == team) for team in load}
    over = [f"{team} {week}" for team, weeks in sorted(load.items()) for week, hours in sorted(weeks.items()) if hours > weekly[team]]
    lacking = [item["id"] for item in items if not all(item.get(name) for name in ("channel", "audience", "owner", "due"))]
    return {"load": load, "overloaded": over, "items_incomplete": len(lacking), "incomplete": lacking}
