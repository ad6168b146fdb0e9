"""Deliverable: maturity per area, with the evidence for each level."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import sentence
from accord.report.charts import Bar, bar_chart
from accord.report.document import Document, Paragraph, Section, Table

_NOTE = (
    "Level 1 is where everything starts; each of four checks, taken in their order, adds a level. A level is reached when its check and "
    "all checks before it pass. Nobody's opinion enters."
)


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The level of each area, what comes next, and every check behind it."""
    following = {m.area: next((c for c in m.checks if not c.passed), None) for m in analysis.maturity}
    bars = []
    for m in analysis.maturity:
        check = following[m.area]
        bars.append(Bar(m.area, float(m.level), note=f"next: {check.sentence}" if check else "all checks pass"))
    levels = tuple(
        (m.area, f"{m.level} of 5", sentence(check.sentence) if (check := following[m.area]) else "—", check.evidence if check else "—")
        for m in analysis.maturity
    )
    checks = tuple(
        (m.area, str(i + 2), sentence(c.sentence), "yes" if c.passed else "no", c.evidence)
        for m in analysis.maturity
        for i, c in enumerate(m.checks)
    )
    maturity = Table(("Area", "Level", "Next to reach", "Now"), levels, align="lrll")
    evidence = Table(("Area", "Level", "Check", "Passed", "Found"), checks, align="lrlll", evidence="map, event log and KPIs of this run")
    sections = (
        Section("Maturity", (Paragraph(_NOTE, "note"), bar_chart(bars, name="maturity", title="Maturity by area, 1 to 5"), maturity)),
        Section("Every check", (evidence,)),
    )
    lowest = min(analysis.maturity, key=lambda m: m.level)
    summary = f"Levels from {lowest.level} ({lowest.area.lower()}) to {max(m.level for m in analysis.maturity)} of 5, by evidence alone."
    return Document("benchmark-and-leadership-position", "Benchmark and leadership position", "benchmark", sections, summary)
