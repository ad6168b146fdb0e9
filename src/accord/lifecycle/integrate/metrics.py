"""The success metrics of the rollout, counted from the changes as verified in the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from accord.lifecycle.context import StepContext
from accord.lifecycle.judge import level_target
from accord.measure import open_measure
from accord.measure.intervals import wilson
from accord.model.figure import Evidence, Figure, TargetResult

_COUNTS = """
SELECT flow, target, count(*) FILTER (due) AS due, count(*) FILTER (due AND verified) AS verified,
       count(*) FILTER (due AND quarantined) AS quarantined, count(*) FILTER (due AND source_broken) AS source_broken
FROM change_target WHERE run = $run GROUP BY ALL ORDER BY ALL
"""


class Outcome(Protocol):
    """What the metrics need to know of a flow's outcome."""

    @property
    def active(self) -> bool:
        """It ran."""
        ...

    @property
    def reconciled(self) -> bool:
        """Its systems agree."""
        ...

    @property
    def status(self) -> str:
        """How its run ended."""
        ...


@dataclass(frozen=True)
class FlowCount:
    """Changes of one flow due in one target during this run, and what became of them."""

    flow: str
    target: str
    due: int
    verified: int
    quarantined: int
    source_broken: int


def count_changes(ctx: StepContext) -> tuple[FlowCount, ...]:
    """Due and verified (change, target) pairs of this run, by flow and target, from the log's change records."""
    with open_measure(ctx.workspace.map, ctx.workspace.store, now=ctx.now) as measure:
        rows = measure.arrow(_COUNTS, {"run": ctx.run}).to_pylist()
    return tuple(FlowCount(**row) for row in rows)


def success_metrics(ctx: StepContext, outcomes: Sequence[Outcome], changes: Sequence[FlowCount]) -> tuple[TargetResult, ...]:
    """Implementation success, synchronization success (strict and adjusted) and reliability, as lifecycle.md defines them."""
    run = Evidence("run", ctx.run, "change_target, flow.run_finished and flow.reconciled of this run")
    active = sum(o.active and o.reconciled for o in outcomes)
    due, verified = sum(c.due for c in changes), sum(c.verified for c in changes)
    broken = sum(c.source_broken for c in changes)
    failed = sum(o.status in ("failed", "unreachable") for o in outcomes)
    return (
        level_target(
            "implementation_success", "flows active and reconciled", share(active, len(outcomes), "no flow in the map", run), 0.95
        ),
        level_target(
            "synchronization_success",
            "changes valid in every target in time (strict)",
            share(verified, due, "no change was due", run),
            0.95,
        ),
        level_target(
            "synchronization_success_adjusted",
            "the same, without rows that break their own source's contract",
            share(verified, due - broken, "no change was due", run),
            None,
        ),
        level_target("reliability", "flow runs without failure", share(len(outcomes) - failed, len(outcomes), "no flow ran", run), 0.99),
    )


def share(part: int, whole: int, reason: str, evidence: Evidence) -> Figure:
    """A share with its Wilson interval, or the reason why there is none."""
    if whole <= 0:
        return Figure("share", None, "share", not_measured=reason)
    low, high = wilson(part, whole)
    return Figure("share", part / whole, "share", whole, low, high, evidence=(evidence,))
