"""Deliverable: each process as it went, with the work done again and the work done in batches."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.lifecycle.titles import process_title, step_title, team_title, whose_work
from accord.model.figure import show_value
from accord.report.document import Block, Document, Paragraph, Section, Table

_SHOWN = 20


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """Swimlanes per process, rework per step, and each team's busiest hour of acceptance."""
    integration_map = ctx.workspace.map
    again = tuple(
        (
            process_title(integration_map, r.process),
            step_title(integration_map, r.process, r.activity),
            f"{r.cases:,}",
            f"{r.extra:,}",
            show_value(r.share, "share"),
        )
        for r in analysis.rework[:_SHOWN]
    )
    batches = tuple(
        (team_title(integration_map, b.team), f"{b.hour:02}:00", f"{b.n:,}", show_value(b.share, "share"))
        for b in analysis.batches[:_SHOWN]
    )
    pictures: list[Block] = [*whose_work(integration_map, analysis.labels)]
    for lanes in analysis.lanes:
        pictures.append(lanes.picture)
        if lanes.left_out:
            pictures.append(Paragraph(lanes.left_out, "note"))
    if not analysis.lanes:
        pictures.append(Paragraph("not measured: the log holds no process with two steps", "note"))
    nothing_again = "no step is done twice in a case" if analysis.lanes else "not measured: the log holds no process with two steps"
    hour = (
        f"The hour ({integration_map.timezone}) in which a team accepts most of its handoffs. Where the share is high, work waits for it."
    )
    sections = (
        Section("The processes as they went", tuple(pictures)),
        Section(
            "Work done again",
            (
                Table(
                    ("Process", "Step", "Cases", "Extra times", "Share of cases"),
                    again,
                    align="llrrr",
                    empty=nothing_again,
                    evidence="event_log",
                ),
            ),
        ),
        Section(
            "Batches",
            (
                Paragraph(hour, "note"),
                Table(
                    ("Team", "Busiest hour", "Accepted in it", "Share"),
                    batches,
                    align="lrrr",
                    empty="not measured: no handoff was accepted",
                    evidence="handoff",
                ),
            ),
        ),
    )
    return Document("workflow-improvement-record", "Workflow improvement record", "optimize", sections)
