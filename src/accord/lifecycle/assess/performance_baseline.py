"""Deliverable: the baseline — every KPI with its interval before anything was changed."""

from __future__ import annotations

from accord.lifecycle.assess.analysis import AssessAnalysis
from accord.lifecycle.assess.baseline import PRECISION, precision
from accord.lifecycle.context import StepContext
from accord.report.document import Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: AssessAnalysis) -> Document:
    """The performance baseline and how precise it is."""
    measured = [f for f in analysis.baseline if f.value is not None]
    summary = f"{len(measured)} of {len(analysis.baseline)} KPIs could be measured."
    rows = tuple((f.title or f.name, f.show(), precision(f).words) for f in analysis.baseline)
    table = Table(
        ("KPI", "value [95 % interval]", f"half-width / value (aim ±{PRECISION:.0%})"),
        rows,
        "",
        "lrl",
        "no KPI applies to this map",
        "the KPIs' own queries",
    )
    if analysis.frozen:
        name, window, digest = analysis.frozen
        how = Paragraph(f"Frozen under the name '{name}', window {window}, hash {digest[:16]}: it is not measured again.", "note")
    else:
        how = Paragraph("Not frozen: a system could not be read, and a baseline without it would lack it for good.", "warning")
    sections = (
        Section("The baseline", (Figures(analysis.baseline), how)),
        Section("How precise it is", (table, Paragraph("The interval narrows with the square root of the number of cases.", "note"))),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: performance baseline"
    metrics = tuple(m for m in analysis.metrics if m.target == "baseline_precision")
    return Document("performance-baseline", title, "assess", sections, summary, metrics)
