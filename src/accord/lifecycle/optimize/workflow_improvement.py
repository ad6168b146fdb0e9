"""Deliverable: work done again and work done in batches."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Rework per activity, and each team's busiest hour of acceptance."""
    again = tuple((r.process, r.activity, f"{r.cases:,}", f"{r.extra:,}", f"{r.share:.1%}") for r in analysis.rework)
    batches = tuple((b.team, f"{b.hour:02}:00", f"{b.n:,}", f"{b.share:.1%}") for b in analysis.batches)
    sections = (
        Section(
            "Work done again",
            (Table(("process", "activity", "cases", "extra executions", "share of cases"), again, align="llrrr", evidence="event_log"),),
        ),
        Section(
            "Batches",
            (
                Table(
                    ("team", "busiest hour", "accepted in it", "share"),
                    batches,
                    align="lrrr",
                    empty="no handoff was accepted",
                    evidence="handoff",
                ),
            ),
        ),
    )
    return Document("workflow-improvement-record", "Workflow improvement record", "optimize", sections)
