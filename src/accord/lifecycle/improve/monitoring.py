"""Deliverable: every KPI on a control chart."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.lifecycle.improve.series import Series
from accord.model.figure import show_value
from accord.report.charts.trend import TrendPoint, trend_chart
from accord.report.document import Document, Findings, Paragraph, Picture, Section

_PICTURES = 8


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """What moved, then the charts; those with signals first."""
    charted = [s for s in analysis.series if s.chart is not None]
    charted.sort(key=lambda s: (-len(s.chart.signals) if s.chart else 0, s.kpi))
    note = "Limits are mean ± 3 sigma from the moving range (XmR). A point outside, or eight in a row on one side, is hardly chance."
    empty = Paragraph("not measured: no KPI has three months of history", "note")
    charts = tuple(_chart(s) for s in charted[:_PICTURES]) or (empty,)
    sections = (
        Section("What moved", (Findings(tuple(f for f in analysis.findings if f.kind == "kpi_changed")),)),
        Section("Control charts", (Paragraph(note, "note"), *charts)),
    )
    return Document("monitoring-and-opportunities", "Monitoring and opportunities", "improve", sections)


def _chart(series: Series) -> Picture:
    assert series.chart is not None
    words = {s.index: s.rule for s in series.chart.signals}
    points = [TrendPoint(month, value, words.get(i, "")) for i, (month, value) in enumerate(zip(series.months, series.values, strict=True))]
    title = f"{series.title} by month (center {show_value(series.chart.center, series.unit)})"
    chart = series.chart
    return trend_chart(points, name=series.kpi, title=title, unit=series.unit, center=chart.center, lower=chart.lower, upper=chart.upper)
