"""Deliverable: what improvements brought."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import NO_IMPROVEMENTS, ImproveAnalysis
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """Impact is measured on improvements that were made; unit values are inputs with a named owner."""
    values = tuple(
        (
            v.name.replace("_", " "),
            f"{v.amount:,} {v.currency} per {v.unit or 'unit'}",
            v.kpi.replace("_", " ") or "—",
            v.owner,
        )
        for v in ctx.workspace.map.unit_values.values()
        for v in ctx.workspace.map.unit_values.values()
    )
    why = f"not measured: {NO_IMPROVEMENTS}; impact is measured on changes that were made, from before and after"
    sections = (
        Section(
            "Impact",
            (Paragraph(why, "note"),),
        ),
        Section(
            "Unit values",
            (
                Table(
                    ("Value", "Amount", "Prices", "Stands for it"),
                    values,
                    empty="the map declares none, so no effect is given in money",
                    evidence="map",
                ),
            ),
        ),
    )
    return Document("impact-and-value", "Impact and value", "improve", sections)
