"""Deliverable: who does what (RACI), and what teams promise each other when work passes between them."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.analysis import DesignAnalysis
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: DesignAnalysis) -> Document:
    """The coordination framework: RACI and handoff agreements."""
    integration_map = ctx.workspace.map
    agreed = sum(bool(a.agreed) for a in analysis.agreements)
    summary = f"{len(analysis.agreements)} passages of work between teams, {agreed} with an agreed time."
    sections = (
        Section(
            "Handoff agreements",
            (_agreements(analysis), Paragraph("A proposed time is what three of four handoffs keep today, rounded up.", "note")),
        ),
        Section("Who does what: processes", (_processes(integration_map),)),
        Section("Who does what: data", (_data(integration_map),)),
    )
    title = f"{integration_map.title or integration_map.name}: coordination framework"
    return Document("coordination-framework", title, "design", sections, summary)


def _agreements(analysis: DesignAnalysis) -> Table:
    rows = tuple(
        (
            a.process,
            a.giver,
            a.taker,
            f"{a.handoffs:,}" if a.handoffs else "not measured: none recorded",
            "not measured: none accepted" if a.median_hours is None else f"{a.median_hours:,.1f} h",
            a.agreed or "none",
            a.proposed or "–",
        )
        for a in analysis.agreements
    )
    columns = ("process", "gives", "takes", "handoffs", "median wait", "agreed", "proposed")
    return Table(columns, rows, "", "lllrrll", "no work passes between teams", "view handoff; steps of the map")


def _processes(integration_map: IntegrationMap) -> Table:
    rows = tuple(row for process in integration_map.processes.values() for row in _raci(process))
    columns = ("process", "step", "responsible", "accountable", "consulted", "informed")
    return Table(columns, rows, "", "llllll", "the map declares no steps", "steps, owners and order of the map")


def _raci(process: Process) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for step in process.steps.values():
        before = {process.steps[b].team for b in step.after}
        after = {s.team for s in process.steps.values() if step.name in s.after}
        consulted = sorted(t for t in before if t and t != step.team)
        informed = sorted(t for t in after if t and t not in (step.team, *consulted))
        rows.append(
            (
                process.title or process.name,
                step.title or step.name,
                step.team or "nobody",
                process.owner or "nobody",
                ", ".join(consulted) or "–",
                ", ".join(informed) or "–",
            )
        )
    return rows


def _data(integration_map: IntegrationMap) -> Table:
    rows = []
    for flow in integration_map.flows.values():
        owners = [integration_map.systems[b.holder].owner for b in flow.bindings.values() if b.direction != "write"]
        readers = [integration_map.systems[b.holder].owner for b in flow.bindings.values() if b.direction == "write"]
        rows.append(
            (
                flow.title or flow.name,
                integration_map.entities[flow.entity].owner or "nobody",
                flow.owner or "nobody",
                ", ".join(sorted({o for o in owners if o})) or "–",
                ", ".join(sorted({r for r in readers if r})) or "–",
                str(flow.freshness),
            )
        )
    columns = (
        "flow",
        "responsible for the data",
        "accountable for the flow",
        "consulted: changing systems",
        "informed: reading systems",
        "freshness",
    )
    return Table(columns, tuple(rows), "", "llllll", "the map declares no flow", "owners of the map")
