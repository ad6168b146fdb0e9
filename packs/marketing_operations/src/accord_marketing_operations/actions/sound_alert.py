"""``sound_alert``: a made-up breach, to see whether somebody hears it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def sound_alert(call: Call) -> Mapping[str, Any]:
    """The alert, by an id that a repeat keeps; whoever answers it sends the message alert.acknowledged with the campaign as key."""
    return {"alert": f"test:{call.key}", "alert_about": call.arguments["kpis"][0], "acknowledged": False}
