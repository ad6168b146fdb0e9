"""Deliverable: how the waves stand on each other, and the step's success metrics."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import WAVES, IntegrateAnalysis, wave_of
from accord.report.document import Document, Paragraph, Section, Table, Targets


def build(ctx: StepContext, analysis: IntegrateAnalysis) -> Document:
    """The waves side by side, the references between them, and the success metrics."""
    integration_map = ctx.workspace.map
    rows = []
    for wave, title in WAVES.items():
        outcomes = analysis.wave(wave)
        if outcomes:
            proven = sum(o.active and o.reconciled for o in outcomes)
            rows.append((str(wave), title, f"{len(outcomes)}", f"{proven}", f"{proven / len(outcomes):.0%}", "rolled out"))
        elif wave in analysis.held_back:
            rows.append((str(wave), title, "—", "—", "—", f"held back: {analysis.held_back[wave]}"))
    waves = {f.entity: wave_of(integration_map, f) for f in integration_map.flows.values()}
    crossings = tuple(
        (entity.name, str(waves[entity.name]), field.references.partition(".")[0], str(waves[field.references.partition(".")[0]]))
        for entity in integration_map.entities.values()
        for field in entity.fields.values()
        if field.references
        and entity.name in waves
        and field.references.partition(".")[0] in waves
        and waves[field.references.partition(".")[0]] != waves[entity.name]
    )
    early = [c for c in crossings if c[1] < c[3]]
    note = (
        "Entities of an earlier wave refer to entities of a later one: their references can only be checked once that wave runs."
        if early
        else "No entity refers to one of a later wave."
    )
    sections = (
        Section("Success", (Targets(analysis.metrics),)),
        Section(
            "Waves",
            (Table(("wave", "tier", "flows", "proven", "share", "state"), tuple(rows), align="llrrrl", empty="the map has no flows"),),
        ),
        Section(
            "References across waves",
            (
                Paragraph(note),
                Table(
                    ("entity", "wave", "refers to", "wave of that"),
                    crossings,
                    empty="no entity refers to one of another wave",
                    evidence="map",
                ),
            ),
        ),
    )
    return Document("cross-priority-coordination", "Cross-priority coordination", "integrate", sections, metrics=analysis.metrics)
