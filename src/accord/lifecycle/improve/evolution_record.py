"""Deliverable: how processes changed over their history."""

from __future__ import annotations

from textwrap import shorten

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.lifecycle.improve.drift import SIGNIFICANT
from accord.lifecycle.titles import counted, process_title
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """The first half of each process's history against the second."""
    rows = tuple(
        (
            process_title(ctx.workspace.map, d.process),
            f"{d.cases:,}",
            f"{d.p_value:.3g}" if d.p_value is not None else f"not measured: {d.reason}",
            shorten(d.moved, 160, placeholder=" …") if d.moved else "—",
        )
        for d in analysis.drift
    )
    note = "A small p says that cases go other ways in the second half than in the first; below 0.01 it is reported as a finding."
    table = Table(
        ("Process", "Cases", "p of the test", "What moved most"), rows, align="lrrl", empty="the log holds no process", evidence="event_log"
    )
    tested = [d for d in analysis.drift if d.p_value is not None]
    moved = sum((d.p_value or 0.0) < SIGNIFICANT for d in tested)
    summary = f"{moved} of {counted(len(tested), 'tested process', 'tested processes')} changed the way cases go." if tested else ""
    sections = (Section("First half of the history against the second", (Paragraph(note, "note"), table)),)
    return Document("evolution-record", "Evolution record", "improve", sections, summary)
