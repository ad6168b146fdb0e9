"""Deliverable: the ranked losses, and what optimizing brought so far."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.lifecycle.optimize.gains import NO_PLANNER
from accord.lifecycle.titles import counted, shown
from accord.report.document import Block, Document, Findings, Paragraph, Section


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """The losses in words, by kind, and what may be proposed."""
    kinds = (
        ("Handoffs later than agreed", "late_handoffs"),
        ("Waiting between steps", "bottleneck"),
        ("Work done again", "rework_loop"),
        ("Work done in batches", "batching"),
    )
    sections = []
    for title, kind in kinds:
        found = tuple(f for f in analysis.findings if f.kind == kind)
        if found:
            sections.append(Section(title, (Findings(tuple(shown(ctx.workspace.map, f) for f in found)),)))
    if not sections:
        nothing: Block = Paragraph("No loss stands out in the log.") if analysis.lanes else _no_history()
        sections.append(Section("Losses", (nothing,)))
    sections.append(Section("Proposals", (Paragraph(NO_PLANNER, "note"),)))
    summary = f"{counted(len(analysis.findings), 'loss', 'losses')} {'stands' if len(analysis.findings) == 1 else 'stand'} out in the log."
    hours = sum(x.hours_beyond_sla or 0.0 for x in analysis.losses)
    if hours:
        summary += f" Handoffs waited {hours:,.0f} h beyond what was agreed."
    return Document("optimization-implementation", "Optimization implementation", "optimize", tuple(sections), summary, analysis.metrics)


def _no_history() -> Paragraph:
    return Paragraph("not measured: the log holds no process with two steps", "note")
