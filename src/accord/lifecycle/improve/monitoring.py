"""Deliverable: every KPI on a control chart."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.lifecycle.improve.series import Series
from accord.lifecycle.titles import counted, shown
from accord.model.figure import show_value
from accord.report.charts.trend import TrendPoint, trend_chart
from accord.report.document import Block, Document, Findings, Paragraph, Picture, Section

_PICTURES = 6
_NOTE = "Limits are mean ± 3 sigma from the moving range (XmR). A point outside, or eight in a row on one side, is hardly chance."


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """What moved for good, then the charts of the KPIs with the most signals."""
    moved = tuple(shown(ctx.workspace.map, f) for f in analysis.findings if f.kind == "kpi_changed")
    charted = [s for s in analysis.series if s.chart is not None]
    charted.sort(key=lambda s: (-len(s.chart.signals) if s.chart else 0, s.kpi))
    loud = [s for s in charted if s.chart and s.chart.signals]
    drawn = loud[:_PICTURES] or charted[:2]
    level: Block = Paragraph("No KPI changed its level from one month to the next for good.")
    if moved:
        level = Findings(moved)
    blocks: list[Block] = [Paragraph("not measured: no KPI has three months of history", "note")]
    if charted:
        blocks = [Paragraph(_NOTE, "note"), *(_chart(s) for s in drawn)]
        if more := [s.title for s in loud[_PICTURES:]]:
            blocks.append(Paragraph(f"Not drawn, with signals of their own: {'; '.join(more)}."))
        if quiet := [s.title for s in charted if s not in loud and s not in drawn]:
            blocks.append(Paragraph(f"Within their limits: {'; '.join(quiet)}."))
    sections = (Section("What changed for good", (level,)), Section("Control charts", tuple(blocks)))
    summary = f"{counted(len(charted), 'KPI')} charted by month, {len(loud)} with points that stand out." if charted else ""
    return Document("monitoring-and-opportunities", "Monitoring and opportunities", "improve", sections, summary)


def _chart(series: Series) -> Picture:
    assert series.chart is not None
    words = {s.index: s.rule for s in series.chart.signals}
    points = [TrendPoint(month, value, words.get(i, "")) for i, (month, value) in enumerate(zip(series.months, series.values, strict=True))]
    title = f"{series.title} by month (center {show_value(series.chart.center, series.unit)})"
    chart = series.chart
    return trend_chart(points, name=series.kpi, title=title, unit=series.unit, center=chart.center, lower=chart.lower, upper=chart.upper)
