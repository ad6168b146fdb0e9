"""Deliverable: from objective to KPI to process to flow, and the holes in it."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """Each objective with what stands for it."""
    rows = tuple(
        (
            a.title,
            a.owner or "nobody",
            ", ".join(a.measured) or "—",
            ", ".join(a.unmeasured) or "—",
            ", ".join(a.processes) or "—",
            ", ".join(a.flows) or "—",
            "; ".join(a.holes) or "closed",
        )
        for a in analysis.alignment
    )
    columns = ("objective", "owner", "measured KPIs", "KPIs without a value", "processes", "flows", "holes")
    table = Table(columns, rows, empty="the map declares no objective", evidence="map; KPIs as measured now")
    name = "strategic-alignment-and-governance"
    return Document(name, "Strategic alignment and governance", "coordinate", (Section("Alignment", (table,)),))
