"""The success metrics of the rollout, counted from the changes as verified in the targets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from accord.lifecycle.context import StepContext
from accord.lifecycle.judge import level_target
from accord.lifecycle.titles import counted
from accord.measure import Measure, discover_kpis, measure_kpi, open_measure
from accord.measure.intervals import wilson
from accord.model.figure import Evidence, Figure, TargetResult
from accord.model.integration_map import IntegrationMap

_COUNTS = """
SELECT flow, target, count(*) FILTER (due) AS due, count(*) FILTER (due AND verified) AS verified,
       count(*) FILTER (due AND quarantined) AS quarantined, count(*) FILTER (due AND source_broken) AS source_broken
FROM change_target WHERE run = $run OR starts_with(run, $run || '-') GROUP BY ALL ORDER BY ALL
"""

# As the KPI coordination_effectiveness (F4), only for the handoffs whose teams own systems of different waves.
_ACROSS = """
SELECT count(*) AS due, count(*) FILTER (attempts = 1 AND ended_at <= due_at) AS good
FROM handoff CROSS JOIN clock
JOIN (SELECT unnest($teams) AS team, unnest($waves) AS wave) AS giver ON giver.team = from_team
JOIN (SELECT unnest($teams) AS team, unnest($waves) AS wave) AS taker ON taker.team = to_team
WHERE giver.wave <> taker.wave AND valid IS DISTINCT FROM false AND attempts IS NOT NULL AND due_at <= clock.now
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


@dataclass(frozen=True)
class Counted:
    """What was counted after the rollout: changes by flow and target, and how handoffs across waves went."""

    changes: tuple[FlowCount, ...]
    sync: Figure
    across: Figure


def count_changes(ctx: StepContext) -> Counted:
    """Due and verified (change, target) pairs of this run, by flow and target, from the log's change records."""
    integration_map = ctx.workspace.map
    with open_measure(integration_map, ctx.workspace.store, now=ctx.now) as measure:
        rows = measure.arrow(_COUNTS, {"run": ctx.run}).to_pylist()
        changes = tuple(FlowCount(**row) for row in rows)
        return Counted(changes, _sync(ctx, measure, changes), _across(integration_map, measure))


def _sync(ctx: StepContext, measure: Measure, changes: Sequence[FlowCount]) -> Figure:
    """Strict synchronization success of this run; with the KPI's own interval when this run is all the KPI covers."""
    due, verified = sum(c.due for c in changes), sum(c.verified for c in changes)
    figure = share(verified, due, "no change was due in this run", _run(ctx))
    kpi = discover_kpis(ctx.workspace.map).get("sync_success")
    if kpi is None or figure.value is None:
        return figure
    whole = measure_kpi(measure, kpi, breakdown=False)[0]
    if whole.n == due and whole.value is not None and abs(whole.value - figure.value) < 1e-12:
        # Changes of one record stand or fall together; the KPI's interval knows that, a plain share's does not.
        return Figure("share", figure.value, "share", due, whole.low, whole.high, evidence=figure.evidence)
    return figure


def team_waves(integration_map: IntegrationMap) -> dict[str, int]:
    """Each team's wave: the earliest of the systems it owns; teams without a system have none."""
    waves: dict[str, int] = {}
    for system in integration_map.systems.values():
        if system.owner:
            waves[system.owner] = min(system.priority, waves.get(system.owner, system.priority))
    return waves


def _across(integration_map: IntegrationMap, measure: Measure) -> Figure:
    waves = team_waves(integration_map)
    if len(set(waves.values())) < 2:
        return Figure("share", None, "share", not_measured="the systems of all teams belong to one wave")
    row = measure.arrow(_ACROSS, {"teams": list(waves), "waves": list(waves.values())}).to_pylist()[0]
    evidence = Evidence("query", "handoff view, teams by the wave of the systems they own", "integrate/metrics.py")
    return share(row["good"], row["due"], "no handoff between teams of different waves is due", evidence)


def _run(ctx: StepContext) -> Evidence:
    return Evidence("run", ctx.run, "change_target, flow.run_finished and flow.reconciled of this run")


def success_metrics(
    ctx: StepContext, outcomes: Sequence[Outcome], counted_changes: Counted, held_back: Collection[str] | Mapping[str, str] = ()
) -> tuple[TargetResult, ...]:
    """Implementation success, synchronization success (strict and adjusted), reliability and coordination across waves.

    Flows that were held back count as not implemented. Shares of flows are of all flows, so they have no interval.

    Args:
        ctx: the run.
        outcomes: of every flow that was tried.
        counted_changes: what became of the changes.
        held_back: the flows of waves that were not rolled out.

    Source:
        step 3 of the lifecycle: flows active and reconciled / flows in the waves; F5; 1 − failed / batches; F4 across waves.
    """
    run, changes = _run(ctx), counted_changes.changes
    active = sum(o.active and o.reconciled for o in outcomes)
    due, verified = sum(c.due for c in changes), sum(c.verified for c in changes)
    broken = sum(c.source_broken for c in changes)
    failed = sum(o.status not in ("done", "partial") for o in outcomes)
    flows = len(outcomes) + len(held_back)
    note = f"{counted(len(held_back), 'flow')} held back" if held_back else ""
    adjusted = share(verified, due - broken, "no change was due in this run", run)
    sound = census(active, flows, "the map has no flow", run)
    reliable = census(len(outcomes) - failed, len(outcomes), "no flow ran", run)
    sync, across = counted_changes.sync, counted_changes.across
    strict, whole = "Changes right in every target in time (strict)", "Handoffs between waves accepted first time and in time"
    return (
        level_target("implementation_success", "Flows active and in agreement", sound, 0.95, note=note),
        level_target("synchronization_success", strict, sync, 0.95, by_interval=True),
        level_target("synchronization_success_adjusted", "The same, without rows that break their own source's contract", adjusted, None),
        level_target("reliability", "Flow runs without failure", reliable, 0.99),
        level_target("coordination_across_waves", whole, across, 0.9, by_interval=True),
    )


def census(part: int, whole: int, reason: str, evidence: Evidence) -> Figure:
    """A share of everything there is: counted whole, so without an interval; or the reason why there is none."""
    if whole <= 0:
        return Figure("share", None, "share", not_measured=reason)
    return Figure("share", part / whole, "share", whole, evidence=(evidence,))


def share(part: int, whole: int, reason: str, evidence: Evidence) -> Figure:
    """A share with its Wilson interval, or the reason why there is none."""
    if whole <= 0:
        return Figure("share", None, "share", not_measured=reason)
    low, high = wilson(part, whole)
    return Figure("share", part / whole, "share", whole, low, high, evidence=(evidence,))
