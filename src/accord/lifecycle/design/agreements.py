"""Handoffs between teams: what was agreed, what was measured, and the time that could be agreed on."""

from __future__ import annotations

from dataclasses import dataclass

from accord.measure import Measure
from accord.model.integration_map import IntegrationMap

_MEASURED = """
SELECT process, from_team, to_team, count(*) AS handoffs, median(wait_hours) FILTER (WHERE valid) AS median_hours,
       quantile_cont(wait_hours, 0.75) FILTER (WHERE valid) AS p75_hours, min(sla_hours) AS least_sla, max(sla_hours) AS most_sla
FROM handoff WHERE from_team IS NOT NULL AND to_team IS NOT NULL GROUP BY ALL ORDER BY process, from_team, to_team
"""


@dataclass(frozen=True)
class Agreement:
    """One passage of work between two teams.

    Args:
        process: name in the map.
        giver: team that hands over.
        taker: team that takes over.
        handoffs: measured so far.
        median_hours: measured median wait; ``None`` when none was accepted.
        agreed: the agreed time in words, empty when none is agreed.
        proposed: a time to agree on, from the measured 75th percentile, in words; empty when one is agreed or nothing was measured.
    """

    process: str
    giver: str
    taker: str
    handoffs: int
    median_hours: float | None
    agreed: str
    proposed: str


def handoff_agreements(measure: Measure, integration_map: IntegrationMap) -> tuple[Agreement, ...]:
    """Every measured passage, and every passage between steps of different teams that was not measured."""
    found = {}
    for row in measure.arrow(_MEASURED).to_pylist():
        agreed = "" if row["least_sla"] is None else _range(row["least_sla"], row["most_sla"])
        proposed = "" if agreed or row["p75_hours"] is None else f"{_round(row['p75_hours'])} h (75 % of the handoffs keep it today)"
        key = (row["process"], row["from_team"], row["to_team"])
        found[key] = Agreement(*key, int(row["handoffs"]), row["median_hours"], agreed, proposed)
    for process in integration_map.processes.values():
        for step in process.steps.values():
            for before in step.after:
                giver = process.steps[before].team
                key = (process.name, giver, step.team)
                if giver and step.team and giver != step.team and key not in found:
                    agreed = f"{step.sla} for the step '{step.name}'" if step.sla else ""
                    found[key] = Agreement(*key, 0, None, agreed, "")
    return tuple(found[k] for k in sorted(found))


def _range(least: float, most: float) -> str:
    return f"{least:g} h" if least == most else f"{least:g} to {most:g} h"


def _round(hours: float) -> int:
    """Up to a number people agree on: full hours below a day, then half days."""
    return max(1, round(hours + 0.499)) if hours < 24 else 12 * round(hours / 12 + 0.499)
