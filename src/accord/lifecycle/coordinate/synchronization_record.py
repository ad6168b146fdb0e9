"""Deliverable: timelines, standards, resources and measures across priorities."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The order of dependent steps as kept by the cases of the log, and what is shared between domains."""
    reached = analysis.milestones
    dependencies: tuple[Block, ...] = ()
    if reached is not None:
        rows = tuple(
            (d.process, d.before, d.after, f"{d.cases:,}", f"{d.in_order:,}", f"{d.in_order / d.cases:.1%}") for d in reached.dependencies
        )
        columns = ("process", "step", "next step", "cases", "in order", "share")
        empty = "not measured: no case holds two steps whose order the map declares"
        dependencies = (Figures((reached.figure,)), Table(columns, rows, align="lllrrr", empty=empty, evidence="event_log"))
    integration_map = ctx.workspace.map
    domains = {t.name: t.domain or "—" for t in integration_map.teams.values()}
    shared = tuple(
        (
            flow.name,
            flow.entity,
            ", ".join(sorted({domains.get(integration_map.systems[b.holder].owner, "—") for b in flow.bindings.values()})),
        )
        for flow in integration_map.flows.values()
    )
    sections = (
        Section("Dependent milestones", dependencies),
        Section(
            "Data shared between domains", (Table(("flow", "entity", "domains"), shared, empty="the map has no flows", evidence="map"),)
        ),
        Section("Resources", (Paragraph("not measured: allocations of shared people and rooms are planned in a later release", "note"),)),
    )
    return Document("multi-priority-synchronization-record", "Multi-priority synchronization record", "coordinate", sections)
