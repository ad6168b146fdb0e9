"""``subscribe_kpis``: which figures a campaign is watched by from its launch on, and who is told when one of them is bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call

# KPI: the limit beyond which somebody is told, and the team that is.
_WATCHED = {
    "campaign_on_time": (0.9, "marketing"),
    "campaign_in_budget": (0.9, "marketing"),
    "publication_fail_share": (0.05, "channel_operations"),
    "on_time_publication": (0.9, "channel_operations"),
    "contacts_per_1000_orders": (120.0, "customer_service"),
}


def subscribe_kpis(call: Call) -> Mapping[str, Any]:
    """The figures, the way of an alert about each (owner, channel, who is told when the owner is silent), and the day they count from."""
    routes = [
        {"kpi": kpi, "limit": limit, "owner": team, "channel": "inbox and mail", "escalate_to": "operations_planning"}
        for kpi, (limit, team) in _WATCHED.items()
    ]
    return {"kpis": list(_WATCHED), "routes": routes, "watched_from": str(call.arguments["launch"])[:10]}
