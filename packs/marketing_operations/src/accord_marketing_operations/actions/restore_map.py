"""``restore_map``: record that the map before the change counts again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def restore_map(call: Call) -> Mapping[str, Any]:
    """Record that the map before the change counts again, by the id that a repeat keeps."""
    return {"restore_map": call.key}
