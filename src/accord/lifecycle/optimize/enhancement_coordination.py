"""Deliverable: what keeping the agreed service levels would return, per pair of teams."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Hours waited and hours beyond the service level; a bound, not a gain."""
    rows = tuple(
        (
            x.process,
            x.from_team,
            x.to_team,
            f"{x.n:,}",
            f"{x.median_hours:,.1f}",
            f"{x.hours:,.0f}",
            f"{x.hours_beyond_sla:,.0f}" if x.with_sla and x.hours_beyond_sla is not None else "not measured: no service level",
        )
        for x in analysis.losses
    )
    columns = ("process", "from", "to", "handoffs", "median h", "hours waited", "hours beyond service level")
    note = (
        "The last column is a bound: what would be returned if every handoff met its service level exactly and nothing else changed. "
        "It is not a forecast; no proposal was simulated."
    )
    table = Table(columns, rows, align="lllrrrr", empty="not measured: no handoff was accepted", evidence="handoff")
    return Document(
        "enhancement-coordination", "Enhancement coordination", "optimize", (Section("Handoffs", (Paragraph(note, "note"), table)),)
    )
