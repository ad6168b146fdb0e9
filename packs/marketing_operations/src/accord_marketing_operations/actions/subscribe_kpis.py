"""``subscribe_kpis``: which figures a campaign is watched by from its launch on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call

_KPIS = ("campaign_on_time", "campaign_in_budget", "publication_fail_share", "on_time_publication", "contacts_per_1000_orders")


def subscribe_kpis(call: Call) -> Mapping[str, Any]:
    """The figures, and the day from which they count."""
    return {"kpis": list(_KPIS), "watched_from": str(call.arguments["launch"])[:10]}
