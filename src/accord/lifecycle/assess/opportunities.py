"""What could be gained where, and what it takes: waiting between teams and defects between systems, ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from accord.lifecycle.assess.agreement import Systematic
from accord.lifecycle.assess.workflow import ProcessFacts
from accord.model.figure import Finding
from accord.model.integration_map import IntegrationMap

Quadrant = Literal["do first", "plan", "fill in", "leave"]


@dataclass(frozen=True)
class Opportunity:
    """Something to gain.

    Args:
        title: what to do, for people.
        gain: measured size: hours waited beyond what was agreed or is usual, or records concerned.
        unit: of the gain, ``h`` or ``records``.
        share: part of all waiting (of all defects) it stands for, 0..1.
        effort: 1 (a switch in the map) to 5 (systems and habits of several teams); counted, see ``reason``.
        reason: what the effort was counted from.
    """

    title: str
    gain: float
    unit: str
    share: float
    effort: int
    reason: str

    @property
    def quadrant(self) -> Quadrant:
        """High gain is a tenth of its kind or more; low effort is at most 2."""
        high, low = self.share >= 0.1, self.effort <= 2
        return "do first" if high and low else "plan" if high else "fill in" if low else "leave"


def find_opportunities(
    facts: Sequence[ProcessFacts], findings: Sequence[Finding], systematic: Sequence[Systematic], integration_map: IntegrationMap
) -> tuple[Opportunity, ...]:
    """Every opportunity the assessment measured, largest share first."""
    found = [*_waiting(facts, integration_map), *_defects(findings, systematic)]
    return tuple(sorted(found, key=lambda o: (-o.share, o.effort, o.title)))


def _waiting(facts: Sequence[ProcessFacts], integration_map: IntegrationMap) -> list[Opportunity]:
    passages = [(f, p) for f in facts for p in f.passages if p.median_hours is not None]
    waited = sum(p.total_hours for _, p in passages)
    found = []
    for fact, passage in passages:
        gain = passage.total_hours
        if waited <= 0 or passage.from_team == passage.to_team:
            continue
        # Counted, not guessed: one for the rule itself, one for each team's habit, one when no flow carries the handoff yet.
        carried = fact.process.handoffs is not None and any(
            f.entity == fact.process.handoffs.entity for f in integration_map.flows.values()
        )
        effort = 2 if carried else 4
        reason = "a flow carries these handoffs already: agree on a time and watch it" if carried else "no flow carries these handoffs yet"
        title = f"Shorten the wait from {passage.from_team} to {passage.to_team} ({fact.process.name})"
        found.append(Opportunity(title, round(gain, 1), "h", gain / waited, effort, reason))
    return found


def _defects(findings: Sequence[Finding], systematic: Sequence[Systematic]) -> list[Opportunity]:
    by_flow: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        if finding.detail.get("flow"):
            way = "sync" if finding.kind in ("stale_field", "missing_record") else "mend"
            by_flow[str(finding.detail["flow"]), way] += finding.count
    total = sum(by_flow.values())
    found = []
    for (flow, way), count in by_flow.items():
        if way == "sync":
            found.append(Opportunity(f"Synchronize flow '{flow}'", count, "records", count / total, 1, "the flow is declared: run it"))
        else:
            found.append(
                Opportunity(
                    f"Mend the records of flow '{flow}' at their source",
                    count,
                    "records",
                    count / total,
                    3,
                    "people correct single records",
                )
            )
    for one in systematic:
        words = "unit" if one.kind == "unit_error" else "time zone" if one.kind == "time_zone_error" else "meaning"
        title = f"Correct the {words} of '{one.field}' of {one.system}/{one.resource} in the map"
        found.append(Opportunity(title, one.rows, "records", one.rows / max(total, 1), 1, "one line of the map"))
    return found
