"""Deliverable: who keeps it going: reviews, owners and risks."""

from __future__ import annotations

from collections.abc import Mapping

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.lifecycle.scoreboard import scoreboard
from accord.lifecycle.titles import sentence, team_title
from accord.model.figure import Figure
from accord.model.reviews import reviews_of
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """The regular reviews, and the risk register by exposure."""
    integration_map = ctx.workspace.map
    now = {k.name: k for k in scoreboard(ctx.workspace).kpis if not k.dims}
    reviews = tuple(
        (r.title or r.name, f"every {r.every}", sentence(team_title(integration_map, r.owner)))
        for r in reviews_of(integration_map).values()
    )
    risks = sorted(integration_map.risks.values(), key=lambda r: (-r.likelihood * r.impact, r.name))
    rows = tuple(
        (
            sentence(r.name.replace("_", " ")),
            r.event or r.category,
            f"{r.likelihood * r.impact}",
            _indicator(r.indicator, now),
            sentence(team_title(integration_map, r.owner)),
            r.response or "—",
        )
        for r in risks
    )
    sections = (
        Section("Reviews", (Table(("Review", "Due", "Held by"), reviews, empty="the map schedules none", evidence="map"),)),
        Section(
            "Risks",
            (
                Table(
                    ("Risk", "What would happen", "Exposure of 25", "Shown by, and its value now", "Answers for it", "Response"),
                    rows,
                    align="llrlll",
                    empty="the map declares none",
                    evidence="map",
                ),
            ),
        ),
    )
    return Document("sustainability-coordination", "Sustainability coordination", "evolve", sections)


def _indicator(kpi: str, now: Mapping[str, Figure]) -> str:
    """The KPI that shows a risk coming, with its value when it was measured last."""
    if not kpi:
        return "not measured: the risk names no KPI"
    if kpi not in now:
        return f"{kpi.replace('_', ' ')}: not measured in this workspace"
    return f"{now[kpi].title or kpi}: {now[kpi].show()}"
