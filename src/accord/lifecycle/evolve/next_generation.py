"""Deliverable: the versions everything stands on, and the systems by their readiness to be replaced."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.lifecycle.titles import system_title
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """Installed versions, kinds of systems in use, and what stands in the way of replacing each."""
    kinds: dict[str, list[str]] = {}
    for system in ctx.workspace.map.systems.values():
        kinds.setdefault(system.connector, []).append(system_title(ctx.workspace.map, system.name))
    connectors = tuple((kind, ", ".join(names)) for kind, names in sorted(kinds.items()))
    blocked = tuple(
        (system_title(ctx.workspace.map, s.system), ", ".join((*s.only_holder_of, *s.lost_fields)))
        for s in analysis.systems
        if not s.passes
    )
    sections = (
        Section("Libraries", (Table(("Library", "Version"), analysis.dependencies, evidence="installed packages"),)),
        Section("Kinds of systems", (Table(("Connector", "Systems"), connectors, evidence="map"),)),
        Section(
            "In the way of a replacement",
            (Table(("System", "Held nowhere else"), blocked, empty="nothing: every system could be filled again from the others"),),
        ),
        Section("End of life", (Paragraph("not measured: the map declares no end-of-life dates of its systems", "note"),)),
    )
    return Document("next-generation-preparation", "Next-generation preparation", "evolve", sections)
