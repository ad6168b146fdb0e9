"""Deliverable: how busy people and teams are, as far as the log shows it."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.report.document import Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Load per resource, and the KPIs of utilization and efficiency."""
    rows = tuple(
        (x.resource, x.team or "—", f"{x.pieces:,}", f"{x.weeks:,}", f"{x.hours:,.1f}", f"{x.hours_per_week:,.1f}") for x in analysis.load
    )
    columns = ("resource", "team", "pieces of work", "weeks", "hours", "hours a week")
    empty = "not measured: the log holds no start times, so the hours of work are not known"
    note = "Hours lie between start and end of work; work of one person that overlaps counts once. They are calendar hours."
    sections = (
        Section("Load", (Paragraph(note, "note"), Table(columns, rows, align="llrrrr", empty=empty, evidence="event_log"))),
        Section("KPIs", (Figures(analysis.kpis),)),
        Section("Capacity forecast", (Paragraph("not measured: see the evolution step for forecasts of rows and events", "note"),)),
    )
    return Document("resource-utilization-and-capacity", "Resource utilization and capacity", "optimize", sections)
