"""Deliverable: who takes part in improving."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.lifecycle.titles import sentence, team_title
from accord.model.reviews import reviews_of
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """Participation is counted from suggestions raised, tried and kept, once a system holds them."""
    reviews = tuple(
        (r.title or r.name, f"every {r.every}", sentence(team_title(ctx.workspace.map, r.owner)), ", ".join(r.steps) or "—")
        for r in reviews_of(ctx.workspace.map).values()
    )
    why = "not measured: no system of the map holds suggestions (raised, tried, kept)"
    sections = (
        Section("Participation", (Paragraph(why, "note"),)),
        Section("Reviews", (Table(("Review", "Due", "Held by", "Looks at"), reviews, empty="the map schedules none", evidence="map"),)),
    )
    return Document("improvement-culture", "Improvement culture", "improve", sections)
