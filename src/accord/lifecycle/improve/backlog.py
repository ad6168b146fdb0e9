"""The backlog: what could be improved, by value, effort and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Effort on a declared scale of 1 (some rows, or a field in the map) to 3 (people must work differently): a rule of thumb, shown beside
# the result.
EFFORT: Mapping[str, int] = {
    "batching": 2,
    "bottleneck": 3,
    "late_handoffs": 2,
    "rework_loop": 3,
    "late_handoff": 2,
    "rework": 3,
    "missing_record": 1,
    "duplicate_record": 1,
    "stale_field": 1,
    "unit_error": 1,
    "time_zone_error": 1,
    "orphan": 1,
    "bad_code": 1,
    "bad_value": 1,
    "bad_format": 1,
    "out_of_range": 1,
    "quarantine": 1,
    "missing_value": 2,
    "no_owner": 1,
    "unclear_owner": 1,
    "alignment_hole": 1,
    "overload": 3,
}
_DEFAULT_EFFORT = 2

# What is a target, or away, is no opportunity; what another step tells of the same thing more closely is told once.
_LEFT_OUT = ("target_missed", "unreachable", "kpi_changed", "process_drift")
_SUPERSEDED: Mapping[str, str] = {"late_handoff": "late_handoffs", "rework": "rework_loop"}
_IN_THE_LOG = ("bottleneck", "batching", "overload", "silos")


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One entry; ``hours`` is what the log shows as waited beyond what was agreed, ``None`` where a finding is not counted in hours.

    ``share`` of ``n`` cases show it, where it is a share of cases.
    """

    subject: str
    sentence: str
    kind: str
    owner: str
    cases: int
    effort: int
    hours: float | None
    share: float | None = None
    n: int | None = None

    @property
    def rank(self) -> tuple[float, float, str]:
        """Hours per effort first, then cases per effort."""
        return (-(self.hours or 0.0) / self.effort, -self.cases / self.effort, self.subject)

    @property
    def sure(self) -> str:
        """How sure it is, in words."""
        if self.share is not None and self.n:
            return f"counted in {self.n:,} cases"
        return "seen in the log; some of it may be planned" if self.kind in _IN_THE_LOG else "counted, each with its key"

    @property
    def trial(self) -> tuple[str, str]:
        """How it would be tried, and how many cases that takes."""
        if self.share is not None and 0.0 < self.share < 1.0:
            needed = cases_needed(self.share, self.share / 2)
            fall = f"{self.share:.0%} to {self.share / 2:.0%}"
            return "some teams or cases first, the others for comparison", f"{needed:,} on each side to show a fall from {fall}"
        if self.kind in _IN_THE_LOG:
            return "control chart of its KPI, before and after", "eight points after the change"
        return "correct it and assess again: the count must be 0", "none: it is counted whole"


def backlog(findings: Sequence[Mapping[str, Any]]) -> tuple[Opportunity, ...]:
    """Standing findings that something can be done about, best first.

    Args:
        findings: rows of the projection ``finding`` with ``detail`` as an object; ``detail.hours``, ``share`` and ``n`` are read.
    """
    kinds = {str(f["kind"]) for f in findings}
    rows = []
    for finding in findings:
        kind = str(finding["kind"])
        if finding["severity"] == "info" or kind in _LEFT_OUT or _SUPERSEDED.get(kind) in kinds:
            continue
        detail = finding["detail"]
        rows.append(
            Opportunity(
                str(finding["subject"]),
                str(finding["sentence"]),
                kind,
                str(finding["owner"] or ""),
                int(finding["count"]),
                EFFORT.get(kind, _DEFAULT_EFFORT),
                detail.get("hours"),
                detail.get("share"),
                detail.get("n"),
            )
        )
    return tuple(sorted(rows, key=lambda o: o.rank))


def cases_needed(before: float, after: float) -> int:
    """Cases needed on each side to tell two shares apart with 80 % power at a 5 % two-sided level.

    Source:
        J. L. Fleiss, Statistical Methods for Rates and Proportions, sample size for comparing two proportions.
    """
    alpha, beta = 1.959964, 0.841621
    middle = (before + after) / 2
    root = alpha * math.sqrt(2 * middle * (1 - middle)) + beta * math.sqrt(before * (1 - before) + after * (1 - after))
    return math.ceil((root / (before - after)) ** 2)
