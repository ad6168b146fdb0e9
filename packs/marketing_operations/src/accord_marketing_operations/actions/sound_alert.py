"""``sound_alert``: a made-up breach of every watched figure, to see whether everybody hears it who should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def sound_alert(call: Call) -> Mapping[str, Any]:
    """The alerts, one for each route, by an id that a repeat keeps.

    The answers come as one message alert.acknowledged with the campaign as key; it says how many owners were not heard.
    """
    routes = call.arguments["routes"]
    alerts = [{"kpi": r["kpi"], "value": 2 * r["limit"], "limit": r["limit"], "to": r["owner"], "by": r["channel"]} for r in routes]
    return {"alert": f"test:{call.key}", "alerts": alerts, "acknowledged": False, "unheard": len({r["owner"] for r in routes})}
