"""Deliverable: contracts, map debt and unused flows."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.report.document import Document, Paragraph, Section, Table, Targets


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """Success metrics, contract changes since the last time, and what the map leaves open."""
    contracts = tuple(
        (c.entity, c.version, c.compatibility, "; ".join(c.changes) or "—", c.version_problem or "—") for c in analysis.contracts
    )
    debt = tuple((d.kind, d.subject, d.missing) for d in analysis.debt)
    unused = "All flows carried changes." if not analysis.unused else f"Never carried a change: {', '.join(analysis.unused)}."
    sections = (
        Section("Success", (Targets(analysis.metrics),)),
        Section(
            "Contracts", (Table(("entity", "version", "against the last", "changes", "version"), contracts, evidence="contract.recorded"),)
        ),
        Section("Map debt", (Table(("kind", "element", "without"), debt, empty="the map leaves nothing open", evidence="map"),)),
        Section("Unused flows", (Paragraph(unused),)),
    )
    return Document(
        "sustainable-architecture-maintenance", "Sustainable architecture maintenance", "evolve", sections, metrics=analysis.metrics
    )
