"""Deliverable: the standards of excellence, and who meets them."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.model.figure import Figure
from accord.report.document import Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """Each level target as a standard, with every group (team pair, flow, channel …) that meets or misses it."""
    rows = []
    standards = [t for t in ctx.workspace.map.targets.values() if t.at_least is not None or t.at_most is not None]
    for target in standards:
        for figure in analysis.kpis:
            if figure.name == target.kpi and figure.dims and figure.value is not None:
                who = ", ".join(f"{k} {v}" for k, v in figure.dims)
                rows.append(
                    (
                        target.title or target.name,
                        who,
                        figure.show(),
                        "meets it" if _meets(figure, target.at_least, target.at_most) else "misses it",
                    )
                )
    history = [Figures((f,), f.title or f.name) for f in analysis.history]
    sections = (
        Section(
            "Who meets the standards", (Table(("standard", "who", "value", "verdict"), tuple(rows), empty="no standard has a breakdown"),)
        ),
        Section(
            "Against our own history",
            tuple(history) or (Paragraph("not measured: there is no earlier measurement in this workspace", "note"),),
        ),
    )
    return Document("standards-and-performance", "Standards and performance", "benchmark", sections)


def _meets(figure: Figure, at_least: float | None, at_most: float | None) -> bool:
    value = figure.value if figure.value is not None else float("nan")
    return (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
