"""Deliverable: the bottlenecks, by hours lost."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.report.document import Document, Section, Table

_SHOWN = 25


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """The waits between steps, most hours first."""
    rows = tuple(
        (
            b.process,
            b.source,
            b.target,
            f"{b.count:,}",
            f"{b.median_hours:,.1f}",
            f"{b.total_hours:,.0f}",
            f"{b.share:.1%}" if b.share is not None else "—",
        )
        for b in analysis.bottlenecks[:_SHOWN]
    )
    columns = ("process", "after", "before", "times", "median h", "hours in all", "share of waiting")
    table = Table(
        columns, rows, align="lllrrrr", empty="not measured: the log holds no case with two events", evidence="event_log, bottlenecks.sql"
    )
    return Document("bottleneck-resolution", "Bottleneck resolution", "optimize", (Section("Waiting between steps", (table,)),))
