"""Deliverable: strengths to build on and gaps to close, from the figures alone."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """Targets met and positions above the median are strengths; targets missed are gaps, the widest first."""
    met = tuple((t.title or t.target, t.value.show(), t.wanted) for t in analysis.targets if t.verdict in ("met", "indicated"))
    ahead = tuple(
        (p.title or p.name, p.show(), "at least half of the reference values")
        for p in analysis.positions
        if p.value is not None and p.value >= 0.5
    )
    missed = tuple((t.title or t.target, t.value.show(), t.wanted, t.note) for t in analysis.targets if t.verdict == "not met")
    unknown = tuple((t.title or t.target, t.value.not_measured) for t in analysis.targets if t.value.value is None)
    sections = (
        Section(
            "Strengths", (Table(("strength", "value", "against"), met + ahead, empty="no target is met and no position is known yet"),)
        ),
        Section("Gaps", (Table(("gap", "value", "wanted", "note"), missed, empty="no measured target is missed"),)),
        Section("Not known yet", (Table(("target", "why"), unknown, empty="every target is measured"),)),
        Section(
            "How this was made", (Paragraph("Strengths and gaps are the verdicts of this run; nothing is claimed beyond them.", "note"),)
        ),
    )
    return Document("strategy-and-differentiation", "Strategy and differentiation", "benchmark", sections)
