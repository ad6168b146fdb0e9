"""``withdraw_content``: take a publication back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def withdraw_content(call: Call) -> Mapping[str, Any]:
    """Which publication is withdrawn, for the log; harmless when repeated."""
    return {"withdrawn": call.task}
