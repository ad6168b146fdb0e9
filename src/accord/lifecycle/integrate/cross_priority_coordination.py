"""Deliverable: how the waves stand on each other, the map as it agrees now, and the step's success metrics."""

from __future__ import annotations

from accord.lifecycle.agreement import agreement_map
from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import WAVES, IntegrateAnalysis, wave_of
from accord.lifecycle.titles import counted
from accord.model.figure import show_value
from accord.model.integration_map import IntegrationMap
from accord.report.document import Block, Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: IntegrateAnalysis) -> Document:
    """The map colored by agreement, the waves side by side, and the references between them."""
    integration_map = ctx.workspace.map
    failed = {o.flow: o.status for o in analysis.outcomes if not o.active}
    proven = sum(o.active and o.reconciled for o in analysis.outcomes)
    flows = len(integration_map.flows)
    summary = (
        f"{proven} of {counted(flows, 'flow')} {'is' if flows == 1 else 'are'} active and in agreement."
        if flows
        else "The map has no flows."
    )
    crossings = _crossings(integration_map)
    note = "No entity refers to one of a later wave, so every reference can be checked when its wave runs."
    if any(early for *_, early in crossings):
        note = "Entities of an earlier wave refer to entities of a later one: those references can only be checked once that wave has run."
    references: tuple[Block, ...] = (
        Paragraph(note),
        Table(
            ("From wave", "To wave", "Entities"),
            tuple((first, second, words) for first, second, words, _ in crossings),
            align="rrl",
            empty="no entity refers to one of another wave",
            evidence="map",
        ),
    )
    sections: tuple[Section, ...] = (
        Section("Agreement", (agreement_map(ctx.workspace.store, integration_map, failed),)),
        Section("Waves", (_waves(analysis),)),
        Section("References across waves", references),
    )
    if not flows:
        why = "not measured: the map declares no flow, so there is nothing to synchronize and nothing to prove"
        sections = (Section("Agreement", (Paragraph(why, "note"),)),)
    return Document("cross-priority-coordination", "Cross-priority coordination", "integrate", sections, summary, analysis.metrics)


def _waves(analysis: IntegrateAnalysis) -> Table:
    rows = []
    for wave, title in WAVES.items():
        outcomes = analysis.wave(wave)
        if outcomes:
            proven = sum(o.active and o.reconciled for o in outcomes)
            rows.append((str(wave), title, f"{len(outcomes)}", f"{proven}", show_value(proven / len(outcomes), "share"), "rolled out"))
        elif wave in analysis.held_back:
            rows.append((str(wave), title, "—", "—", "—", f"held back: {analysis.held_back[wave]}"))
    columns = ("Wave", "Tier", "Flows", "In agreement", "Share", "State")
    return Table(
        columns, tuple(rows), align="rlrrrl", empty="the map has no flows", evidence="flow.run_finished and flow.reconciled of this run"
    )


def _crossings(integration_map: IntegrationMap) -> list[tuple[str, str, str, bool]]:
    """Per pair of waves: the entities that refer across, in words, and whether an early wave refers to a later one."""
    waves = {f.entity: wave_of(integration_map, f) for f in integration_map.flows.values()}
    found: dict[tuple[int, int], dict[str, list[str]]] = {}
    for entity in integration_map.entities.values():
        for field in entity.fields.values():
            other = field.references.partition(".")[0]
            if entity.name in waves and other in waves and waves[other] != waves[entity.name]:
                found.setdefault((waves[entity.name], waves[other]), {}).setdefault(other, []).append(entity.name)
    rows = []
    for (first, second), targets in sorted(found.items()):
        words = "; ".join(f"{', '.join(dict.fromkeys(names))} → {other}" for other, names in sorted(targets.items())).replace("_", " ")
        rows.append((str(first), str(second), words, first < second))
    return rows
