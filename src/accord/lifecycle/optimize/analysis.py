"""Everything the deliverables of step 4 show, computed once from the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.judge import level_target
from accord.lifecycle.optimize.capacity import Load, find_load
from accord.lifecycle.optimize.waiting import (
    BATCH_SHARE,
    Batch,
    Bottleneck,
    HandoffLoss,
    Rework,
    find_batches,
    find_bottlenecks,
    find_handoff_losses,
    find_rework,
)
from accord.measure import discover_kpis, measure_kpis, open_measure
from accord.model.figure import Figure, Finding, TargetResult

NO_PLANNER = "solvers and simulation are not part of this release; nothing is proposed that was not simulated"
_KPIS = ("utilisation", "operations_efficiency", "rework_share", "throughput_time", "handoff_time")


@dataclass(frozen=True)
class OptimizeAnalysis(Analysis):
    """Bottlenecks, handoff losses, batches, rework and load, each worst first."""

    bottlenecks: tuple[Bottleneck, ...] = ()
    losses: tuple[HandoffLoss, ...] = ()
    batches: tuple[Batch, ...] = ()
    rework: tuple[Rework, ...] = ()
    load: tuple[Load, ...] = ()
    kpis: tuple[Figure, ...] = ()


def analyze(ctx: StepContext) -> OptimizeAnalysis:
    """Read the log; changes nothing."""
    workspace = ctx.workspace
    definitions = {n: k for n, k in discover_kpis(workspace.map).items() if n in _KPIS and k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        waits, losses = find_bottlenecks(measure), find_handoff_losses(measure)
        batches, again = find_batches(measure, workspace.map.timezone), find_rework(measure)
        load = find_load(measure)
        kpis = tuple(measure_kpis(measure, definitions, breakdown=False))
    return OptimizeAnalysis(
        findings=_findings(waits, losses, batches, again),
        metrics=_metrics(),
        bottlenecks=waits,
        losses=losses,
        batches=batches,
        rework=again,
        load=load,
        kpis=kpis,
    )


def _metrics() -> tuple[TargetResult, ...]:
    names = {
        "utilization_improvement": ("utilization after / before at equal or better service", 0.2),
        "process_efficiency": ("accepted outputs per paid resource-hour, after / before", 0.4),
        "simulated_gain_error": ("simulated against realized gain", None),
        "solver_gap": ("solver gap to bound", None),
    }
    return tuple(level_target(n, title, Figure(n, None, "share", not_measured=NO_PLANNER), goal) for n, (title, goal) in names.items())


def _findings(
    waits: Sequence[Bottleneck], losses: Sequence[HandoffLoss], batches: Sequence[Batch], again: Sequence[Rework]
) -> tuple[Finding, ...]:
    findings = []
    for wait in waits[:3]:
        share = f", {wait.share:.0%} of all waiting" if wait.share is not None else ""
        sentence = (
            f"process '{wait.process}' waits {wait.total_hours:,.0f} h between '{wait.source}' and '{wait.target}' "
            f"(median {wait.median_hours:,.1f} h, {wait.count:,} times{share})"
        )
        findings.append(Finding("bottleneck", f"{wait.process}: {wait.source} → {wait.target}", sentence, count=wait.count))
    for loss in losses[:3]:
        if loss.hours_beyond_sla:
            sentence = (
                f"handoffs from '{loss.from_team}' to '{loss.to_team}' wait {loss.hours_beyond_sla:,.0f} h beyond their service level "
                f"({loss.hours:,.0f} h in all)"
            )
            findings.append(Finding("late_handoffs", f"{loss.process}: {loss.from_team} → {loss.to_team}", sentence, count=loss.n))
    for batch in batches:
        if batch.share >= BATCH_SHARE and batch.n >= 20:
            hour = f"the hour from {batch.hour:02}:00"
            sentence = f"team '{batch.team}' accepts {batch.share:.0%} of its handoffs in {hour}: work waits for the batch"
            findings.append(Finding("batching", f"team {batch.team}", sentence, "info", batch.n, owner=batch.team))
    for item in again[:3]:
        sentence = f"'{item.activity}' is done again in {item.share:.0%} of the cases of '{item.process}' ({item.extra:,} extra executions)"
        findings.append(Finding("rework_loop", f"{item.process}: {item.activity}", sentence, count=item.extra))
    return tuple(findings)
