"""Deliverable: what keeping the agreed service levels would return, per pair of teams."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.lifecycle.titles import process_title, team_title, the_rest, whose_work
from accord.model.figure import show_value
from accord.report.charts import Bar, bar_chart
from accord.report.document import Block, Document, Paragraph, Section, Table

_SHOWN = 20
_BARS = 10
_NOTE = (
    "Hours beyond the service level are a bound: what would be returned if every handoff met its service level exactly and nothing else "
    "changed. They are calendar hours of waiting, not paid hours, and no forecast: no proposal was simulated."
)

_NO_LEVEL = (
    "not measured: no handoff has an agreed service level, so it cannot be said what is too long. Hours are calendar hours of waiting."
)


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Hours waited and hours beyond the service level; a bound, not a gain."""
    integration_map = ctx.workspace.map
    losses = sorted(analysis.losses, key=lambda x: (-(x.hours_beyond_sla or 0.0), -x.hours, x.process, x.from_team, x.to_team))
    if not losses:
        why = "not measured: no handoff was accepted, so nothing is known of waiting between teams"
        return Document(
            "enhancement-coordination", "Enhancement coordination", "optimize", (Section("Handoffs", (Paragraph(why, "note"),)),)
        )
    lost = [x for x in losses if x.hours_beyond_sla]
    bars = [
        Bar(
            f"{team_title(integration_map, x.from_team)} → {team_title(integration_map, x.to_team)}",
            round(x.hours_beyond_sla or 0.0),
            note=f"{x.late:,} of {x.with_sla:,} late",
            highlight=i == 0,
        )
        for i, x in enumerate(lost[:_BARS])
    ]
    agreed = any(x.with_sla for x in losses)
    rows = tuple(
        (
            process_title(integration_map, x.process),
            team_title(integration_map, x.from_team),
            team_title(integration_map, x.to_team),
            f"{x.n:,}",
            f"{x.median_hours:,.1f}",
            f"{x.hours:,.0f}",
            *((show_value(x.late / x.with_sla, "share") if x.with_sla else "—",) if agreed else ()),
            *((f"{x.hours_beyond_sla:,.0f}" if x.hours_beyond_sla is not None else "—",) if agreed else ()),
        )
        for x in losses[:_SHOWN]
    )
    columns = ("Process", "From", "To", "Accepted", "Median h", "Hours waited", *(("Late", "Hours beyond service level") if agreed else ()))
    blocks: list[Block] = [Paragraph(_NOTE if agreed else _NO_LEVEL, "note"), *whose_work(integration_map, analysis.labels)]
    if bars:
        blocks.append(bar_chart(bars, name="hours-lost", title="Hours waited beyond the agreed service level"))
    blocks.append(Table(columns, rows, align="lllrrrrr", evidence="handoff: accepted handoffs with valid times"))
    if rest := the_rest(_SHOWN, len(losses), "pair"):
        blocks.append(Paragraph(rest, "note"))
    summary = (
        f"{sum(x.n for x in losses):,} accepted handoffs waited {sum(x.hours for x in losses):,.0f} h; none has an agreed service level."
    )
    if agreed:
        late, due = sum(x.late for x in losses), sum(x.with_sla for x in losses)
        hours = sum(x.hours_beyond_sla or 0.0 for x in losses)
        summary = f"{late:,} of {due:,} accepted handoffs waited longer than agreed, {hours:,.0f} h beyond it in all."
    return Document("enhancement-coordination", "Enhancement coordination", "optimize", (Section("Handoffs", tuple(blocks)),), summary)
