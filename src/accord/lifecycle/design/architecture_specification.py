"""Deliverable: the architecture as specified — who owns what, how it travels, and the change to the map that is proposed."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.analysis import DesignAnalysis
from accord.report.document import Block, Code, Document, Paragraph, Section, Table
from accord.report.maps.integration_map import integration_map_picture


def build(ctx: StepContext, analysis: DesignAnalysis) -> Document:
    """The architecture specification with the proposed change to the map."""
    proposal = analysis.proposal
    count = len(proposal.words) if proposal else 0
    done = "applied to the map's files" if analysis.written else "proposed"
    current = ctx.workspace.map
    summary = f"{len(current.entities)} canonical entities in {len(current.flows)} flows; {count} changes to the map are {done}."
    sections = (
        Section(
            "The flow graph", (integration_map_picture(ctx.workspace.map, name="flow-graph", title="Flows as specified"), _hops(analysis))
        ),
        Section("System of record", (_records(analysis),)),
        Section("Proposed change to the map", _change(analysis)),
        Section("Mappings found again", (_mappings(analysis),)),
        Section("What no flow carries yet", (_entities(analysis), _fields(analysis))),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: architecture specification"
    return Document("architecture-specification", title, "design", sections, summary, analysis.metrics)


def _hops(analysis: DesignAnalysis) -> Table:
    far = [d for d in analysis.deliveries if d.hops != 1]
    rows = tuple((f"{d.entity}.{d.field}", d.owner, d.reader, "never" if d.hops is None else str(d.hops)) for d in far)
    title = f"Deliveries that take more than one hop ({len(far)} of {len(analysis.deliveries)})"
    return Table(
        ("field", "owner", "reader", "hops"),
        rows,
        title,
        "lllr",
        "every field goes from its owner to each reader in one hop",
        "the map's flows",
    )


def _records(analysis: DesignAnalysis) -> Table:
    grouped: dict[tuple[str, str, str, bool], list[str]] = {}
    for r in analysis.records:
        grouped.setdefault((r.flow, r.system, r.reason, r.declared), []).append(r.field)
    rows = tuple(
        (flow, system, ", ".join(fields), reason, "yes" if declared else "proposed")
        for (flow, system, reason, declared), fields in grouped.items()
    )
    return Table(
        ("flow", "system of record", "fields", "why", "declared"), rows, "", "lllll", "no flow carries a field", "the map's authority"
    )


def _change(analysis: DesignAnalysis) -> tuple[Block, ...]:
    proposal = analysis.proposal
    if proposal is None or not proposal.changed:
        return (Paragraph("No change is proposed: the map says everything the data shows."),)
    how = (
        "Applied to " + ", ".join(analysis.written) + "."
        if analysis.written
        else "Run `accord design --write` to apply it, or copy the parts you want."
    )
    return (
        Paragraph(
            "A check is proposed only when every row of every system passes it; what has not happened yet no data shows, so read first."
        ),
        Code("\n".join(f"+ {w}" for w in proposal.words), "diff", "In words"),
        _reasons(analysis),
        Code(proposal.yaml, "yaml", "The changed parts of the map"),
        Paragraph(how, "note"),
    )


def _reasons(analysis: DesignAnalysis) -> Table:
    rows = tuple(
        (f"{c.entity}.{c.field}", c.change, ", ".join(c.value) if isinstance(c.value, tuple) else str(c.value), c.reason)
        for c in analysis.contracts
    )
    return Table(
        ("field", "check", "value", "because"),
        rows,
        "Checks inferred from the data",
        "llll",
        "no check is missing",
        "all rows of all systems",
    )


def _mappings(analysis: DesignAnalysis) -> Table:
    rows = []
    for one in analysis.mappings:
        wrong = [f"{m.field} ← {m.column} ({m.confidence:.2f})" for m in one.matches if one.known.get(m.field) != m.column]
        lost = sorted(set(one.known) - {m.field for m in one.matches})
        least = min((m.confidence for m in one.matches), default=0.0)
        found = f"{one.quality.right} of {one.quality.known}"
        rows.append((one.bound.flow.name, one.bound.label, found, f"{least:.2f}", "; ".join(wrong) or "–", ", ".join(lost) or "–"))
    columns = ("flow", "resource", "found again", "least confidence", "proposed otherwise", "not found")
    return Table(
        columns,
        tuple(rows),
        "",
        "llrrll",
        "there is no mapping yet",
        "columns, names, types and values; rows joined on the key where another system has them",
    )


def _entities(analysis: DesignAnalysis) -> Table:
    rows = tuple(
        (
            f"{n.system}/{n.resource}",
            f"{n.rows:,}",
            ", ".join(n.key) or "none found",
            f"another copy of {n.like}" if n.like else "an entity of its own",
            ", ".join(f"{m.field} ← {m.column} ({m.confidence:.2f})" for m in n.matches)
            if n.like
            else ", ".join(f.field.name for f in n.fields),
            ", ".join(f"{c} → {e}" for c, e in n.references) or "–",
        )
        for n in analysis.new_entities
    )
    columns = ("resource", "rows", "key", "looks like", "fields", "refers to")
    return Table(
        columns,
        rows,
        "Resources no flow binds",
        "lrllll",
        "every resource is bound by a flow",
        "names, types and values of all its columns",
    )


def _fields(analysis: DesignAnalysis) -> Table:
    rows = tuple(
        (
            f"{f.system}/{f.resource}",
            f.inferred.field.name,
            f.entity,
            f.inferred.field.type,
            f"{f.fill:.0%}",
            "; ".join(f.inferred.reasons) or "–",
        )
        for f in analysis.new_fields
    )
    columns = ("resource", "column", "entity", "type", "filled", "what the values show")
    return Table(
        columns, rows, "Columns no mapping reads", "llllrl", "every column with values is mapped", "all rows of the bound resources"
    )
