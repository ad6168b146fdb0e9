"""Everything the deliverables of step 4 show, computed once from the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.optimize.capacity import Load, find_load
from accord.lifecycle.optimize.gains import realized_gains
from accord.lifecycle.optimize.lanes import Lanes, find_lanes
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
from accord.lifecycle.titles import counted, marked, process_title, step_title, team_title
from accord.measure import discover_kpis, measure_kpis, open_measure
from accord.measure.labels import label_of_all, work_labels
from accord.model.figure import Figure, Finding, show_value
from accord.model.integration_map import IntegrationMap

_KPIS = ("utilisation", "operations_efficiency", "rework_share", "throughput_time", "handoff_time")


@dataclass(frozen=True)
class OptimizeAnalysis(Analysis):
    """Bottlenecks, handoff losses, batches, rework and load, each worst first; ``labels`` names the processes with simulated work."""

    bottlenecks: tuple[Bottleneck, ...] = ()
    losses: tuple[HandoffLoss, ...] = ()
    batches: tuple[Batch, ...] = ()
    rework: tuple[Rework, ...] = ()
    load: tuple[Load, ...] = ()
    lanes: tuple[Lanes, ...] = ()
    kpis: tuple[Figure, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def analyze(ctx: StepContext) -> OptimizeAnalysis:
    """Read the log; changes nothing."""
    workspace = ctx.workspace
    known = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        waits, losses = find_bottlenecks(measure), find_handoff_losses(measure)
        batches, again = find_batches(measure, workspace.map.timezone), find_rework(measure)
        load, lanes, labels = find_load(measure), find_lanes(measure), work_labels(measure)
        kpis = tuple(measure_kpis(measure, [known[n] for n in _KPIS if n in known], breakdown=False))
    return OptimizeAnalysis(
        findings=_findings(workspace.map, waits, losses, batches, again, labels),
        metrics=realized_gains(ctx, known),
        bottlenecks=waits,
        losses=losses,
        batches=batches,
        rework=again,
        load=load,
        lanes=lanes,
        kpis=kpis,
        labels=labels,
    )


def _findings(
    integration_map: IntegrationMap,
    waits: Sequence[Bottleneck],
    losses: Sequence[HandoffLoss],
    batches: Sequence[Batch],
    again: Sequence[Rework],
    labels: Mapping[str, str],
) -> tuple[Finding, ...]:
    findings = []
    for wait in waits[:3]:
        process = process_title(integration_map, wait.process)
        source, target = (step_title(integration_map, wait.process, s) for s in (wait.source, wait.target))
        share = f", {show_value(wait.share, 'share')} of the process's waiting" if wait.share is not None else ""
        text = (
            f"{process}: {wait.count:,} times a case waits between «{source}» and «{target}», "
            f"median {wait.median_hours:,.1f} h, {wait.total_hours:,.0f} h in all{share}"
        )
        detail = {"waited_hours": round(wait.total_hours, 1)}
        text = marked(text, labels.get(wait.process, ""))
        findings.append(Finding("bottleneck", f"{process}: {source} → {target}", text, count=wait.count, detail=detail))
    late = sorted((x for x in losses if x.hours_beyond_sla), key=lambda x: (-(x.hours_beyond_sla or 0), x.process, x.from_team, x.to_team))
    for loss in late[:5]:
        giver, taker = team_title(integration_map, loss.from_team), team_title(integration_map, loss.to_team)
        text = (
            f"{loss.late:,} of {counted(loss.with_sla, 'handoff')} from {giver} to {taker} wait longer than agreed, "
            f"{loss.hours_beyond_sla:,.0f} h beyond it in all (median wait {loss.median_hours:,.1f} h)"
        )
        detail = {"hours": round(loss.hours_beyond_sla or 0.0, 1), "share": loss.late / loss.with_sla, "n": loss.with_sla}
        subject = f"{process_title(integration_map, loss.process)}: {giver} → {taker}"
        text = marked(text, labels.get(loss.process, ""))
        findings.append(Finding("late_handoffs", subject, text, count=loss.late, owner=loss.to_team, detail=detail))
    for batch in batches:
        if batch.share >= BATCH_SHARE and batch.n >= 20:
            team = team_title(integration_map, batch.team)
            text = (
                f"{team} accepts {show_value(batch.share, 'share')} of its handoffs in the hour from {batch.hour:02}:00: "
                "work waits for the batch"
            )
            text = marked(text, label_of_all(labels, {loss.process for loss in losses if loss.to_team == batch.team}))
            findings.append(Finding("batching", f"team {team}", text, "info", batch.n, owner=batch.team))
    for item in again[:3]:
        process, step = process_title(integration_map, item.process), step_title(integration_map, item.process, item.activity)
        text = f"{process}: «{step}» is done again in {show_value(item.share, 'share')} of the cases, {counted(item.extra, 'time')} in all"
        detail = {"share": item.share, "n": round(item.cases / item.share)}
        text = marked(text, labels.get(item.process, ""))
        findings.append(Finding("rework_loop", f"{process}: {step}", text, count=item.extra, detail=detail))
    return tuple(findings)
