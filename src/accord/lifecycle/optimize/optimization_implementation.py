"""Deliverable: the ranked losses, and what the success metrics still need."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import NO_PLANNER, OptimizeAnalysis
from accord.report.document import Document, Findings, Paragraph, Section, Targets


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Success metrics, then the losses in words."""
    sections = (
        Section("Success", (Targets(analysis.metrics),)),
        Section("Largest losses", (Findings(analysis.findings),)),
        Section("Proposals", (Paragraph(f"not measured: {NO_PLANNER}", "note"),)),
    )
    summary = f"{len(analysis.findings)} losses stand out in the log."
    return Document("optimization-implementation", "Optimization implementation", "optimize", sections, summary, analysis.metrics)
