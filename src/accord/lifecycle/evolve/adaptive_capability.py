"""Deliverable: what happens to each flow when a schema changes, and what would break if a system were lost."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.report.document import Document, Section, Table

_MEANING = {
    "stop": "nothing is written until the map is changed",
    "quarantine": "rows wait until the map is changed",
    "evolve": "the field counts as not provided and the rest goes on",
}


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """The answer of each flow to drift, and the loss of each system."""
    drift = tuple((f.name, f.drift, _MEANING[f.drift]) for f in ctx.workspace.map.flows.values())
    lost = tuple(
        (
            s.system,
            ", ".join(s.flows) or "none",
            ", ".join(s.only_holder_of) or "—",
            ", ".join(s.lost_fields) or "—",
            "yes" if s.passes else "no",
        )
        for s in analysis.systems
    )
    columns = ("system", "flows on it", "entities only it holds", "fields only it holds", "replaceable")
    sections = (
        Section("When a schema changes", (Table(("flow", "answer", "meaning"), drift, empty="the map has no flows", evidence="map"),)),
        Section("When a system is lost", (Table(columns, lost, evidence="bindings of the map"),)),
    )
    return Document("adaptive-capability", "Adaptive capability", "evolve", sections)
