"""Deliverable: where each KPI stands among reference values."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.report.document import Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The percentile of each KPI in the reference values, and the values with their sources."""
    rows = tuple((r.kpi, f"{r.value:g}", r.organization or "—", r.source) for r in analysis.references)
    note = "A position is the share of reference values that the measured value equals or beats; without reference values there is none."
    sections = (
        Section("Position", (Paragraph(note, "note"), Figures(analysis.positions))),
        Section(
            "Reference values",
            (Table(("KPI", "value", "organization", "source"), rows, align="lrll", empty="none are declared beside the map"),),
        ),
    )
    return Document("competitive-position", "Competitive position", "benchmark", sections)
