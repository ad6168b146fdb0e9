"""Everything the deliverables of step 5 show, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.coordinate.alignment import Alignment, align
from accord.lifecycle.coordinate.milestones import Milestones, milestones
from accord.lifecycle.coordinate.network import Network, network
from accord.lifecycle.coordinate.responsibilities import Responsibility, responsibilities
from accord.lifecycle.coordinate.words import conflict_words, what
from accord.lifecycle.judge import level_target
from accord.lifecycle.titles import marked, team_title
from accord.measure import discover_kpis, measure_kpi, measure_kpis, open_measure
from accord.measure.labels import label_of_all, work_labels
from accord.model.figure import Evidence, Figure, Finding, TargetResult, show_value
from accord.model.integration_map import IntegrationMap

EFFECTIVENESS = "coordination_effectiveness"
_ARRIVED = "SELECT flow, count(*) FILTER (due) AS due, count(*) FILTER (due AND NOT verified) AS late FROM change_target GROUP BY flow"
_SHOWN = (EFFECTIVENESS, "first_time_accepted", "handoff_time", "handoff_time_p90", "pickup_time", "on_time_share")


@dataclass(frozen=True)
class CoordinateAnalysis(Analysis):
    """Alignment, responsibilities, the collaboration network, milestones and the coordination KPIs.

    ``values`` holds every KPI of a target or objective as a whole; ``arrived`` per flow the changes that did not arrive in time, and all.
    """

    alignment: tuple[Alignment, ...] = ()
    raci: tuple[Responsibility, ...] = ()
    net: Network | None = None
    kpis: tuple[Figure, ...] = ()
    values: Mapping[str, Figure] = field(default_factory=dict)
    milestones: Milestones | None = None
    arrived: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def analyze(ctx: StepContext) -> CoordinateAnalysis:
    """Read the map and the log; changes nothing."""
    workspace = ctx.workspace
    definitions = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        kpis = tuple(measure_kpis(measure, [definitions[n] for n in _SHOWN if n in definitions]))
        values = {k.name: k for k in kpis if not k.dims}
        wanted = {k for o in workspace.map.objectives.values() for k in o.kpis} | {t.kpi for t in workspace.map.targets.values()}
        for name in sorted((wanted & definitions.keys()) - values.keys()):
            values[name] = measure_kpi(measure, definitions[name], breakdown=False)[0]
        net, labels = network(measure), work_labels(measure)
        handed = {str(r["process"]) for r in measure.arrow("SELECT DISTINCT process FROM handoff").to_pylist()}
        reached = milestones(measure)
        arrived = {str(r["flow"]): (int(r["late"]), int(r["due"])) for r in measure.arrow(_ARRIVED).to_pylist()}
    alignment = align(workspace.map, {n for n, k in values.items() if k.value is not None})
    raci = responsibilities(workspace.map)
    return CoordinateAnalysis(
        findings=_findings(workspace.map, alignment, raci, net, label_of_all(labels, handed)),
        metrics=_metrics(kpis, alignment, reached),
        alignment=alignment,
        raci=raci,
        net=net,
        kpis=kpis,
        values=values,
        milestones=reached,
        arrived=arrived,
        labels=labels,
    )


def _metrics(kpis: Sequence[Figure], alignment: Sequence[Alignment], reached: Milestones) -> tuple[TargetResult, ...]:
    effectiveness = next(
        (k for k in kpis if k.name == EFFECTIVENESS and not k.dims),
        Figure(EFFECTIVENESS, None, "share", not_measured="no handoffs with a service level are known"),
    )
    note = f"lower bound {show_value(effectiveness.low, 'share')}" if effectiveness.low is not None else ""
    whole, closed = len(alignment), sum(a.aligned for a in alignment)
    aligned = (
        Figure("alignment", closed / whole, "share", whole, evidence=(Evidence("map", "objectives, KPIs and processes"),))
        if whole
        else Figure("alignment", None, "share", not_measured="the map declares no objective")
    )
    return (
        level_target(EFFECTIVENESS, "Handoffs accepted first time and in time", effectiveness, 0.9, note=note, by_interval=True),
        level_target("alignment", "Objectives with a measured KPI and an owned process", aligned, 1.0),
        level_target("process_synchronization", "Dependent steps done in order and on time", reached.figure, None),
    )


def _findings(
    integration_map: IntegrationMap, alignment: Sequence[Alignment], raci: Sequence[Responsibility], net: Network, label: str
) -> tuple[Finding, ...]:
    findings = []
    for row in alignment:
        if row.holes:
            text = f"objective «{row.title}»: {'; '.join(row.holes)}"
            findings.append(Finding("alignment_hole", f"objective {row.objective}", text, count=len(row.holes), owner=row.owner))
    for item in raci:
        if item.conflict:
            kind = "no_owner" if item.conflict == "nobody" else "unclear_owner"
            text = f"{what(integration_map, item)}: {conflict_words(integration_map, item)}"
            owner = item.accountable[0] if item.accountable else ""
            severity: Literal["info", "warning"] = "warning" if kind == "no_owner" else "info"
            findings.append(Finding(kind, f"{item.kind} {item.name}", text, severity, owner=owner))
    total = sum(p.n for p in net.pairs)
    for name in net.overloaded:
        place = next(t for t in net.teams if t.name == name)
        text = f"{team_title(integration_map, name)} receives {place.received:,} of {total:,} handoffs; everybody waits for it"
        findings.append(Finding("overload", f"team {name}", marked(text, label), count=place.received, owner=name))
    if len(net.silos) > 1:
        groups = "; ".join(", ".join(team_title(integration_map, t) for t in g) for g in net.silos)
        text = f"the log shows no handoff between these groups of teams: {groups}"
        findings.append(Finding("silos", "teams", marked(text, label), count=len(net.silos)))
    return tuple(findings)
