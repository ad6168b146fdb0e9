"""Everything the deliverables of step 5 show, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.coordinate.alignment import Alignment, align
from accord.lifecycle.coordinate.milestones import Milestones, milestones
from accord.lifecycle.coordinate.network import Network, network
from accord.lifecycle.coordinate.responsibilities import Responsibility, responsibilities
from accord.lifecycle.judge import level_target
from accord.measure import discover_kpis, measure_kpi, measure_kpis, open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult

EFFECTIVENESS = "coordination_effectiveness"
_SHOWN = (EFFECTIVENESS, "first_time_accepted", "handoff_time", "handoff_time_p90", "pickup_time", "on_time_share")


@dataclass(frozen=True)
class CoordinateAnalysis(Analysis):
    """Alignment, responsibilities, the collaboration network, milestones and the coordination KPIs."""

    alignment: tuple[Alignment, ...] = ()
    raci: tuple[Responsibility, ...] = ()
    net: Network | None = None
    kpis: tuple[Figure, ...] = ()
    milestones: Milestones | None = None


def analyze(ctx: StepContext) -> CoordinateAnalysis:
    """Read the map and the log; changes nothing."""
    workspace = ctx.workspace
    definitions = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        kpis = tuple(measure_kpis(measure, [definitions[n] for n in _SHOWN if n in definitions]))
        have = {k.name for k in kpis if k.value is not None}
        wanted = {k for o in workspace.map.objectives.values() for k in o.kpis} - {k.name for k in kpis}
        for name in sorted(wanted & definitions.keys()):
            if measure_kpi(measure, definitions[name], breakdown=False)[0].value is not None:
                have.add(name)
        net = network(measure)
        reached = milestones(measure)
    alignment = align(workspace.map, have)
    raci = responsibilities(workspace.map)
    return CoordinateAnalysis(
        findings=_findings(alignment, raci, net),
        metrics=_metrics(kpis, alignment, reached),
        alignment=alignment,
        raci=raci,
        net=net,
        kpis=kpis,
        milestones=reached,
    )


def _metrics(kpis: Sequence[Figure], alignment: Sequence[Alignment], reached: Milestones) -> tuple[TargetResult, ...]:
    effectiveness = next(
        (k for k in kpis if k.name == EFFECTIVENESS and not k.dims),
        Figure(EFFECTIVENESS, None, "share", not_measured="no handoffs with a service level are known"),
    )
    note = f"lower bound {effectiveness.low:.1%}" if effectiveness.low is not None else ""
    whole = len(alignment)
    closed = sum(bool(a.measured) and not any("process" in h or "owner" in h for h in a.holes) for a in alignment)
    aligned = (
        Figure("alignment", closed / whole, "share", whole, evidence=(Evidence("map", "objectives, KPIs and processes"),))
        if whole
        else Figure("alignment", None, "share", not_measured="the map declares no objective")
    )
    return (
        level_target(EFFECTIVENESS, "handoffs accepted first time and within their service level", effectiveness, 0.9, note=note),
        level_target("alignment", "objectives with a measured KPI and an owned process", aligned, 1.0),
        level_target("process_synchronization", "dependent steps done in order and on time", reached.figure, None),
    )


def _findings(alignment: Sequence[Alignment], raci: Sequence[Responsibility], net: Network) -> tuple[Finding, ...]:
    findings = []
    for row in alignment:
        if row.holes:
            sentence = f"objective '{row.title}': {'; '.join(row.holes)}"
            findings.append(Finding("alignment_hole", f"objective {row.objective}", sentence, count=len(row.holes), owner=row.owner))
    for item in raci:
        if item.conflict:
            findings.append(
                Finding("no_owner", f"{item.kind} {item.name}", f"{item.kind} '{item.name}': {item.conflict}; name an owner in the map")
            )
    for team in net.overloaded:
        place = next(t for t in net.teams if t.name == team)
        total = sum(p.n for p in net.pairs)
        sentence = f"team '{team}' receives {place.received:,} of {total:,} handoffs; everybody waits for it"
        findings.append(Finding("overload", f"team {team}", sentence, count=place.received, owner=team))
    if len(net.silos) > 1:
        groups = "; ".join(", ".join(g) for g in net.silos)
        findings.append(
            Finding("silos", "teams", f"the log shows no handoff between these groups of teams: {groups}", count=len(net.silos))
        )
    return tuple(findings)
