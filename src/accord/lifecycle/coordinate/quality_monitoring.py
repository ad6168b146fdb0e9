"""Deliverable: what is watched, when it raises an alert, and who is told."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.report.document import Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The coordination KPIs by pair of teams, and an alert definition for each target, flow and service level of the map."""
    integration_map = ctx.workspace.map
    alerts = [
        (f"target {t.title or t.name}", f"KPI {t.kpi} misses {_limit(t.at_least, t.at_most)}", t.owner or "nobody")
        for t in integration_map.targets.values()
        if t.at_least is not None or t.at_most is not None
    ]
    alerts += [
        (f"flow {f.name}", f"a change is not in every target after {f.freshness}", f.owner or "nobody")
        for f in integration_map.flows.values()
    ]
    alerts += [
        (f"step {s.name}", f"not done {s.sla} after it was due to start", s.team or p.owner or "nobody")
        for p in integration_map.processes.values()
        for s in p.steps.values()
        if s.sla is not None
    ]
    note = "Alerts are defined here and judged whenever a step runs; sending them by e-mail or webhook is not part of this release."
    sections = (
        Section(
            "Coordination by pair of teams",
            (Figures(tuple(k for k in analysis.kpis if k.dims and k.name == "coordination_effectiveness")),),
        ),
        Section(
            "Alerts",
            (
                Paragraph(note, "note"),
                Table(
                    ("watched", "raises an alert when", "told"), tuple(alerts), empty="the map declares nothing to watch", evidence="map"
                ),
            ),
        ),
    )
    return Document("coordination-quality-monitoring", "Coordination quality monitoring", "coordinate", sections)


def _limit(at_least: float | None, at_most: float | None) -> str:
    return f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
