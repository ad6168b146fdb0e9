"""``withdraw_change``: record that a change was taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def withdraw_change(call: Call) -> Mapping[str, Any]:
    """Record that a change was taken back, by the id that a repeat keeps."""
    return {"withdraw_change": call.key}
