"""Deliverable: timelines, standards, resources and measures across priorities."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.lifecycle.titles import flow_title, process_title, step_title, system_title, whose_work
from accord.model.figure import show_value
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table

_CLOCK = (
    "A step that depends on another is met when it is done after it and within its service level, counted in calendar time from the first "
    "completion of the step before. A step that is overdue and not done counts as late; one that is not due yet does not count."
)


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The order and timing of dependent steps as kept by the cases of the log, and the data shared between domains."""
    integration_map = ctx.workspace.map
    reached = analysis.milestones
    dependencies: list[Block] = []
    summary = ""
    if reached is not None and reached.dependencies:
        rows = tuple(
            (
                process_title(integration_map, d.process),
                f"{step_title(integration_map, d.process, d.before)} → {step_title(integration_map, d.process, d.after)}",
                f"{d.cases:,}",
                f"{d.out_of_order:,}",
                f"{d.late:,}",
                show_value(d.met / d.cases, "share"),
            )
            for d in sorted(reached.dependencies, key=lambda d: (d.met / d.cases, d.process, d.before, d.after))
        )
        columns = ("Process", "Steps", "Due", "Out of order", "Late", "In order and on time")
        table = Table(columns, rows, align="llrrrr", evidence="event_log; order and service levels of the map")
        said = whose_work(integration_map, analysis.labels)
        dependencies = [Paragraph(_CLOCK, "note"), *said, Figures((reached.figure,)), table]
        summary = f"{show_value(reached.figure.value or 0.0, 'share')} of the dependent steps were done in order and on time."
    elif reached is not None:
        dependencies = [Paragraph(f"not measured: {reached.figure.not_measured}", "note")]
    domains = {t.name: t.domain or "no domain" for t in integration_map.teams.values()}
    shared, inside = [], 0
    for flow in integration_map.flows.values():
        between = sorted({domains.get(integration_map.systems[b.holder].owner, "no domain") for b in flow.bindings.values()})
        if len(between) > 1:
            systems = ", ".join(system_title(integration_map, b.holder) for b in flow.bindings.values())
            shared.append((flow_title(integration_map, flow.name), " and ".join(between), systems, str(flow.freshness)))
        else:
            inside += 1
    data = Table(
        ("Flow", "Domains", "Systems", "In step within"),
        tuple(shared),
        align="lllr",
        empty="no flow crosses a domain",
        evidence=f"map; {inside} more flows stay within one domain",
    )
    resources = "not measured: bookings of shared people and rooms are not compared with their capacity yet"
    sections = (
        Section("Dependent milestones", tuple(dependencies)),
        Section("Data shared between domains", (data,)),
        Section("Resources", (Paragraph(resources, "note"),)),
    )
    return Document("multi-priority-synchronization-record", "Multi-priority synchronization record", "coordinate", sections, summary)
