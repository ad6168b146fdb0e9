"""Changes whose effect was measured by the processes themselves, as their steps recorded it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from accord.measure import Measure

_MEASURED = """
SELECT process, case_id, instance, said
FROM (SELECT *, attributes -> ('$.variables.' || activity) AS said FROM work_step)
WHERE (said ->> '$.verdict') IS NOT NULL AND (said ->> '$.kpi') IS NOT NULL
ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """A change and what it did to a KPI; numbers are ``None`` where a side had nothing to measure."""

    process: str
    case: str
    kpi: str
    unit: str
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    verdict: str
    simulated: bool


def tried_changes(measure: Measure) -> tuple[Tried, ...]:
    """Every measured change, in the order they were measured."""
    simulated = bool(measure.sources.simulated())
    found = []
    for row in measure.arrow(_MEASURED).to_pylist():
        said = json.loads(row["said"])
        numbers = {name: said.get(name) for name in ("before", "after", "change", "low", "high")}
        case, unit = row["case_id"] or row["instance"], said.get("unit", "")
        found.append(Tried(row["process"], case, said["kpi"], unit, **numbers, verdict=said["verdict"], simulated=simulated))
    return tuple(found)
