"""``release_allocation``: record that the booked hours of a campaign are free again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def release_allocation(call: Call) -> Mapping[str, Any]:
    """Record that the booked hours of a campaign are free again, by the id that a repeat keeps."""
    return {"release_allocation": call.key}
