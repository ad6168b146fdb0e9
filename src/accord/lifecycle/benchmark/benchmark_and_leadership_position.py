"""Deliverable: maturity per area, with the evidence for each level."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The level of each area and every check behind it."""
    levels = tuple((m.area, str(m.level), next((c.sentence for c in m.checks if not c.passed), "nothing open")) for m in analysis.maturity)
    checks = tuple(
        (m.area, str(i + 2), c.sentence, "yes" if c.passed else "no", c.evidence) for m in analysis.maturity for i, c in enumerate(m.checks)
    )
    note = "A level is reached when its check and all checks before it pass. Nobody's opinion enters."
    sections = (
        Section("Maturity", (Paragraph(note, "note"), Table(("area", "level of 5", "next to reach"), levels, align="lrl"))),
        Section(
            "Evidence",
            (Table(("area", "level", "check", "passed", "found"), checks, align="lrlll", evidence="map, event log and KPIs of this run"),),
        ),
    )
    return Document("benchmark-and-leadership-position", "Benchmark and leadership position", "benchmark", sections)
