"""Deliverable: how processes changed over their history."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """The first half of each process's history against the second."""
    rows = tuple(
        (d.process, f"{d.cases:,}", f"{d.p_value:.3g}" if d.p_value is not None else f"not measured: {d.reason}", d.moved or "—")
        for d in analysis.drift
    )
    note = "A small p says that cases go other ways in the second half than in the first; below 0.01 it is reported as a finding."
    table = Table(
        ("process", "cases", "p of the test", "what moved most"), rows, align="lrrl", empty="the log holds no process", evidence="event_log"
    )
    return Document("evolution-record", "Evolution record", "improve", (Section("Drift", (Paragraph(note, "note"), table)),))
