"""``apply_change``: record that a change was applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def apply_change(call: Call) -> Mapping[str, Any]:
    """Record that a change was applied, by the id that a repeat keeps."""
    return {"apply_change": call.key}
