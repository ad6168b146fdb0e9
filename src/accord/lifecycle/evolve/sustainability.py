"""Deliverable: who keeps it going: reviews, owners and risks."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """The regular reviews, and the risk register by exposure."""
    integration_map = ctx.workspace.map
    reviews = tuple((r.title or r.name, f"every {r.every}", r.owner or "nobody") for r in integration_map.reviews.values())
    risks = sorted(integration_map.risks.values(), key=lambda r: (-r.likelihood * r.impact, r.name))
    rows = tuple(
        (r.name, r.event or r.category, f"{r.likelihood * r.impact}", r.indicator or "—", r.owner or "nobody", r.response or "—")
        for r in risks
    )
    sections = (
        Section("Reviews", (Table(("review", "due", "held by"), reviews, empty="the map schedules none", evidence="map"),)),
        Section(
            "Risks",
            (
                Table(
                    ("risk", "what would happen", "exposure of 25", "indicator", "owner", "response"),
                    rows,
                    align="llrlll",
                    empty="none",
                    evidence="map",
                ),
            ),
        ),
    )
    return Document("sustainability-coordination", "Sustainability coordination", "evolve", sections)
