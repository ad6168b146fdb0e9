"""The backlog: what could be improved, by value, effort and how sure it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accord.model.integration_map import IntegrationMap

# Effort on a declared scale of 1 (a field in the map) to 3 (people must work differently): a rule of thumb, shown beside the result.
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
    "missing_value": 2,
    "no_owner": 1,
    "alignment_hole": 1,
    "overload": 3,
}
_DEFAULT_EFFORT = 2


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One entry; ``hours`` is what the log shows as lost where it can be counted in hours, ``money`` with the map's unit value."""

    subject: str
    sentence: str
    kind: str
    cases: int
    effort: int
    hours: float | None
    money: Decimal | None
    currency: str

    @property
    def rank(self) -> tuple[float, float, str]:
        """Hours per effort first, then cases per effort."""
        return (-(self.hours or 0.0) / self.effort, -self.cases / self.effort, self.subject)


def backlog(findings: Sequence[Mapping[str, Any]], integration_map: IntegrationMap) -> tuple[Opportunity, ...]:
    """Open findings that something can be done about, best first; ``hours`` are read from ``detail.hours`` of a finding."""
    price = next((v for v in integration_map.unit_values.values() if v.unit == "h"), None)
    rows = []
    for finding in findings:
        if finding["severity"] == "info" or finding["kind"] in ("target_missed", "unreachable"):
            continue
        hours = json.loads(finding["detail"]).get("hours")
        money = Decimal(str(round(hours, 1))) * price.amount if hours is not None and price is not None else None
        rows.append(
            Opportunity(
                str(finding["subject"]),
                str(finding["sentence"]),
                str(finding["kind"]),
                int(finding["count"]),
                EFFORT.get(str(finding["kind"]), _DEFAULT_EFFORT),
                hours,
                money,
                price.currency if price else "",
            )
        )
    return tuple(sorted(rows, key=lambda o: o.rank))
