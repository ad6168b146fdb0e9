"""``schedule_work``: begin and due day of every stage, the critical path, and what to do when the launch cannot be kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from accord.work.action import Call
from accord_marketing_operations.planning.schedule import Job, day_of, late_days, schedule


def schedule_work(call: Call) -> Mapping[str, Any]:
    """The timeline: days and slack of every stage; where it ends after the launch, three ways out, the smallest change first."""
    given = call.arguments
    items, people, begins, launch = given["items"], given["people"], day_of(given["begins"]), day_of(given["launch"])
    jobs = schedule(items, people, begins)
    ends = {job.item: job.end for job in jobs if job.stage == "publish"}
    last = max(ends.values(), default=begins)
    rows = [_row(job, (launch - ends[job.item]).days) for job in jobs]
    late = late_days(jobs, launch)
    return {
        "timeline": rows,
        "critical_path": [f"{job.item}/{job.stage}" for job in jobs if ends[job.item] == last],
        "alternatives": _alternatives(items, people, begins, launch, late) if late else [],
    }


def _row(job: Job, slack: int) -> dict[str, Any]:
    return {"item": job.item, "stage": job.stage, "begins": job.begin.isoformat(), "due": job.end.isoformat(), "slack_days": slack}


def _alternatives(items: Any, people: Any, begins: Any, launch: Any, late: int) -> list[dict[str, Any]]:
    """Launch later, leave out what is not mandatory, or give more hours; each with the days that stay late."""
    fewer = [item for item in items if item.get("mandatory", True)]
    more = [person | {"hours": float(person["hours"]) * 1.25} for person in people]
    found = [
        {"change": "later_launch", "to": (launch + timedelta(days=late)).isoformat(), "late_days": 0},
        {"change": "smaller_scope", "leaves_out": len(items) - len(fewer), "late_days": late_days(schedule(fewer, people, begins), launch)},
        {"change": "more_people", "hours": "+25 %", "late_days": late_days(schedule(items, more, begins), launch)},
    ]
    return sorted(found, key=lambda way: (way["late_days"], way["change"]))
