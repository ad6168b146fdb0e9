"""``propose_allocation``: who should do what, never above anybody's hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Call
from accord_marketing_operations.planning.schedule import day_of, late_days, schedule


def propose_allocation(call: Call) -> Mapping[str, Any]:
    """A proposal by rule: the earliest due first, each stage by whoever can end it first."""
    given = call.arguments
    jobs = schedule(given["items"], given["people"], day_of(given["begins"]))
    rows = [{"resource": j.person, "item": j.item, "from": j.begin.isoformat(), "to": j.end.isoformat(), "hours": j.hours} for j in jobs]
    return {
        "allocation": rows,
        "late_days": late_days(jobs, day_of(given["launch"])),
        "allocated_hours": round(sum(j.hours for j in jobs), 2),
    }
