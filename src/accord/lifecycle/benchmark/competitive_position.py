"""Deliverable: where each KPI stands among reference values."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.benchmark.references import FILE_NAME
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import counted
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table

_NOTE = "A position is the share of reference values that the measured value equals or beats."
_HOW = (
    f"not measured: no reference values are declared. Put them beside the map in `references/{FILE_NAME}`, a list of entries with `kpi`, "
    "`value`, `source` and `organization`; then each KPI is placed among them."
)


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The place of each KPI in the reference values, and the values with their sources."""
    name, title = "competitive-position", "Competitive position"
    if not analysis.references:
        return Document(name, title, "benchmark", (Section("Position", (Paragraph(_HOW, "note"),)),))
    titles = {k.name: k.title or k.name for k in analysis.whole}
    placed = {r.kpi for r in analysis.references}
    known = tuple(p for p in analysis.positions if p.name in placed)
    position: list[Block] = [Paragraph(_NOTE, "note"), Figures(known)]
    if left := len(analysis.positions) - len(known):
        position.append(Paragraph(f"{counted(left, 'more KPI')} without a reference value.", "note"))
    rows = tuple((titles.get(r.kpi, r.kpi), f"{r.value:g}", r.organization or "—", r.source) for r in analysis.references)
    values = Table(("KPI", "Value", "Organization", "Source"), rows, align="lrll")
    sections = (Section("Position", tuple(position)), Section("Reference values", (values,)))
    return Document(name, title, "benchmark", sections)
