"""Deliverable: from objective to KPI to process to flow, and the holes in it."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.lifecycle.titles import counted, flow_title, process_title, sentence, team_title
from accord.report.document import Block, Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """Each objective with what stands for it, and the state of its KPIs."""
    integration_map = ctx.workspace.map
    name, title = "strategic-alignment-and-governance", "Strategic alignment and governance"
    if not analysis.alignment:
        why = "not measured: the map declares no objective; `objectives:` names what is wanted, with its KPIs and processes"
        return Document(name, title, "coordinate", (Section("Alignment", (Paragraph(why, "note"),)),))
    rows = tuple(
        (
            a.title,
            sentence(team_title(integration_map, a.owner)),
            "; ".join(process_title(integration_map, p) for p in a.processes) or "—",
            "; ".join(flow_title(integration_map, f) for f in a.flows) or "—",
            sentence("; ".join(a.holes)) or "closed",
        )
        for a in analysis.alignment
    )
    chain = Table(("Objective", "Answers for it", "Processes", "Flows that feed them", "Holes"), rows, evidence="map")
    kpis = tuple(
        (a.title, figure.title or kpi, figure.show())
        for a in analysis.alignment
        for kpi in (*a.measured, *a.unmeasured)
        if (figure := analysis.values.get(kpi)) is not None
    )
    values = Table(("Objective", "KPI", "Now"), kpis, empty="no objective names a KPI", evidence="KPIs as measured now")
    sections: list[Section] = [Section("From objective to flow", (chain,)), Section("What shows them", (values,))]
    links: tuple[Block, ...] = tuple(Paragraph(f"{link.title or link.name}: {link.at}") for link in integration_map.links.values())
    if links:
        sections.append(Section("Documents it refers to", links))
    whole, closed = len(analysis.alignment), sum(a.aligned for a in analysis.alignment)
    summary = f"{closed} of {counted(whole, 'objective')} {'has' if whole == 1 else 'have'} a measured KPI and an owned process."
    return Document(name, title, "coordinate", tuple(sections), summary)
