"""Deliverable: the shape of the integration, and where something is to be gained for which effort."""

from __future__ import annotations

from collections import Counter

from accord.lifecycle.assess.analysis import AssessAnalysis
from accord.lifecycle.assess.architecture import Architecture
from accord.lifecycle.assess.opportunities import Opportunity
from accord.lifecycle.context import StepContext
from accord.report.charts.bars import Bar, bar_chart
from accord.report.document import Block, Document, Paragraph, Section, Table
from accord.report.maps.integration_map import EdgeStatus, integration_map_picture


def build(ctx: StepContext, analysis: AssessAnalysis) -> Document:
    """The architecture assessment with the optimization-opportunity matrix."""
    found = analysis.architecture
    assert found is not None
    first = [o for o in analysis.opportunities if o.quadrant == "do first"]
    summary = (
        f"{len(found.graph.nodes)} systems with {found.links} direct links; {len(found.single_points)} single points of failure, "
        f"{len(found.orphans)} systems outside every flow; {len(first)} opportunities with high gain and low effort."
    )
    sections = (
        Section("The integration as it is", (*_picture(ctx, analysis), _shape(found), _links(found))),
        Section("Who may change what", (_masters(found),)),
        Section(
            "Opportunities", (*_chart(analysis.opportunities), _matrix(analysis.opportunities), _opportunities(analysis.opportunities))
        ),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: architecture assessment"
    return Document("architecture-assessment", title, "assess", sections, summary)


def _picture(ctx: StepContext, analysis: AssessAnalysis) -> tuple[Block, ...]:
    """The integration map, each line with what was found wrong in its system's rows."""
    wrong = Counter((d["system"], d["resource"]) for d in analysis.defects.to_pylist() if d["kind"] not in ("late_handoff", "rework"))
    status = {}
    for flow in ctx.workspace.map.flows.values():
        for binding in flow.bindings.values():
            place = (binding.holder, binding.resource)
            if place in analysis.rows:
                count = wrong[place]
                status[flow.name, binding.name] = EdgeStatus(f"{count:,} defects" if count else "sound", "warning" if count else "good")
    return (integration_map_picture(ctx.workspace.map, status, title="Systems and flows, with defects found"),)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _shape(found: Architecture) -> Table:
    rows = (
        ("hubs", _listed(found.hubs), "joined to at least half of the other systems"),
        ("single points of failure", _listed(found.single_points), "without them other systems lose each other"),
        ("cycles", "; ".join(", ".join(c) for c in found.cycles) or "none", "data can run in a circle: each needs a rule that ends it"),
        ("outside every flow", _listed(found.orphans), "declared and not used"),
        ("separate groups", f"{len(found.groups)}", "systems joined with each other, directly or not"),
        ("direct links", f"{found.links}", f"through one hub it would be {found.hub_links}"),
    )
    return Table(("what", "which", "meaning"), rows, "", "lll", evidence="graph of the map's systems and flows")


def _links(found: Architecture) -> Table:
    rows = tuple((a, b, ", ".join(flows)) for a, out in found.graph.edges.items() for b, flows in out.items())
    return Table(("from", "to", "flows"), rows, "Links", "lll", "no flow joins two systems", "the map")


def _masters(found: Architecture) -> Table:
    rows = tuple((m.flow, m.field, ", ".join(m.systems), m.rule or "nobody: the first readable binding") for m in found.masters)
    return Table(
        ("flow", "field", "may be changed in", "who is believed"), rows, "", "llll", "no field may be changed in two systems", "the map"
    )


def _chart(opportunities: tuple[Opportunity, ...]) -> tuple[Block, ...]:
    waiting = [o for o in opportunities if o.unit == "h"][:10]
    if not waiting:
        return (Paragraph("not measured: no handoff was timed, so no gain in hours is known", "note"),)
    bars = [Bar(o.title, o.gain, highlight=o.quadrant == "do first", note=o.quadrant) for o in waiting]
    return (bar_chart(bars, name="opportunities", title="Hours spent waiting", unit="h"),)


def _matrix(opportunities: tuple[Opportunity, ...]) -> Table:
    def cell(quadrant: str) -> str:
        return "; ".join(o.title for o in opportunities if o.quadrant == quadrant) or "–"

    rows = (("high gain", cell("do first"), cell("plan")), ("lower gain", cell("fill in"), cell("leave")))
    return Table(
        ("", "low effort (1–2)", "high effort (3–5)"),
        rows,
        "Gain × effort",
        "lll",
        evidence="high gain: a tenth or more of all waiting, or of all defects",
    )


def _opportunities(opportunities: tuple[Opportunity, ...]) -> Table:
    rows = tuple((o.title, f"{o.gain:,.0f} {o.unit}", f"{o.share:.1%}", f"{o.effort}", o.reason, o.quadrant) for o in opportunities)
    columns = ("opportunity", "gain at most", "share", "effort", "counted from", "verdict")
    return Table(
        columns, rows, "All of them", "lrrrll", "nothing to gain was measured", "views handoff and event_log; the defects of the assessment"
    )
