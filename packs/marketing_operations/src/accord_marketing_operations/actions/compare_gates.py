"""``compare_gates``: where two teams want different things of one gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def compare_gates(call: Call) -> Mapping[str, Any]:
    """Checks only one side wants, and the two thresholds when they differ; what both want is the proposal."""
    given = call.arguments
    ours, theirs = set(given["ours"]), set(given["theirs"])
    thresholds = [given["our_threshold"], given["their_threshold"]]
    apart = [] if thresholds[0] == thresholds[1] else [{"threshold": thresholds}]
    difference = [
        {"check": name, "wanted_by": "brand_legal" if name in ours else "creative_studio"} for name in sorted(ours ^ theirs)
    ] + apart
    return {"difference": difference, "conflicts": len(difference), "checks": sorted(ours & theirs), "threshold": max(thresholds)}
