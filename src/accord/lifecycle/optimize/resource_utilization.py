"""Deliverable: how busy people and teams are, as far as the log shows it."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.lifecycle.titles import team_title, the_rest
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table

_SHOWN = 25
_NOTE = (
    "Hours in which a person had at least one piece of work in hand: from its start to its end, overlapping work counted once, nights and "
    "weekends included. They say who is never without work, not how long anyone worked; a week has 168 h."
)


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Load per resource, and the KPIs of utilization and efficiency."""
    rows = tuple(
        (
            x.resource,
            team_title(ctx.workspace.map, x.team) if x.team else "—",
            f"{x.pieces:,}",
            f"{x.weeks:,}",
            f"{x.hours:,.0f}",
            f"{x.hours_per_week:,.1f}",
        )
        for x in analysis.load[:_SHOWN]
    )
    columns = ("Who", "Team", "Pieces of work", "Weeks with work", "Hours in hand", "Hours a week")
    if rows:
        load: list[Block] = [Paragraph(_NOTE, "note"), Table(columns, rows, align="llrrrr", evidence="event_log")]
        if rest := the_rest(_SHOWN, len(analysis.load), "resource"):
            load.append(Paragraph(rest, "note"))
    else:
        load = [Paragraph("not measured: the log holds no start times of work, so it is not known who had work in hand when", "note")]
    forecast = "not measured: no forecast of work per person is made; how the log as a whole grows stands in the evolution step"
    sections = (
        Section("KPIs", (Figures(analysis.kpis),)),
        Section("Work in hand", tuple(load)),
        Section("Capacity forecast", (Paragraph(forecast, "note"),)),
    )
    return Document("resource-utilization-and-capacity", "Resource utilization and capacity", "optimize", sections)
