"""Deliverable: who is accountable for what, and the step's success metrics."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.report.document import Document, Section, Table, Targets


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """RACI of every system, entity, flow and process, conflicts first."""
    rows = sorted(analysis.raci, key=lambda r: (not r.conflict, r.kind, r.name))
    table = Table(
        ("kind", "name", "accountable", "responsible", "informed", "conflict"),
        tuple(
            (r.kind, r.name, ", ".join(r.accountable) or "—", ", ".join(r.responsible) or "—", ", ".join(r.informed) or "—", r.conflict)
            for r in rows
        ),
        evidence="owners in the map",
    )
    sections = (Section("Success", (Targets(analysis.metrics),)), Section("Responsibilities", (table,)))
    return Document("coordination-excellence-framework", "Coordination framework", "coordinate", sections, metrics=analysis.metrics)
