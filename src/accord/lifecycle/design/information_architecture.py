"""Deliverable: the dictionary of every field, where it comes from and goes to, and what identifies a person."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.analysis import DesignAnalysis
from accord.model.entity import Field
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: DesignAnalysis) -> Document:
    """Data-flow and information architecture: dictionary, lineage, personal data."""
    entities = ctx.workspace.map.entities
    fields = sum(len(e.fields) for e in entities.values())
    personal = sum(f.personal for e in entities.values() for f in e.fields.values())
    summary = f"{fields} fields of {len(entities)} entities; {len(analysis.lineage)} mapped columns; {personal} fields identify a person."
    sections = (
        Section("Dictionary", (_dictionary(ctx, analysis),)),
        Section("Lineage", (_lineage(analysis),)),
        Section("Personal data", (_personal(ctx, analysis),)),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: data flow and information architecture"
    metrics = tuple(m for m in analysis.metrics if m.target in ("completeness", "data_flow_efficiency"))
    return Document("information-architecture", title, "design", sections, summary, metrics)


def checks_of(field: Field) -> str:
    """A field's checks in words."""
    parts = []
    if field.required:
        parts.append("required")
    if field.unique:
        parts.append("unique")
    if field.values:
        parts.append("one of " + ", ".join(field.values))
    if field.pattern:
        parts.append(f"matches {field.pattern}")
    if field.minimum or field.maximum:
        parts.append(f"{field.minimum or '…'} to {field.maximum or '…'}")
    if field.references:
        parts.append(f"refers to {field.references}" + (f", at most {field.at_most}" if field.at_most else ""))
    return "; ".join(parts) or "–"


def _dictionary(ctx: StepContext, analysis: DesignAnalysis) -> Table:
    masters: dict[tuple[str, str], list[str]] = {}
    for record in analysis.records:
        masters.setdefault((record.entity, record.field), []).append(record.system)
    rows = tuple(
        (
            entity.title or entity.name,
            name + (" (key)" if name in entity.key else ""),
            field.type,
            field.unit or "–",
            checks_of(field),
            ", ".join(dict.fromkeys(masters.get((entity.name, name), []))) or "no system",
            field.description or "–",
        )
        for entity in ctx.workspace.map.entities.values()
        for name, field in entity.fields.items()
    )
    columns = ("entity", "field", "type", "unit", "checks", "system of record", "meaning")
    return Table(columns, rows, "", "lllllll", "the map declares no entity", "the map's entities")


def _lineage(analysis: DesignAnalysis) -> Table:
    arrow = {"both": "⇄", "read": "→", "write": "←"}
    rows = tuple(
        (f"{x.system}/{x.resource}.{x.column}", arrow[x.direction], f"{x.entity}.{x.field}", x.conversion) for x in analysis.lineage
    )
    return Table(("column", "", "canonical field", "conversion"), rows, "", "llll", "no column is mapped", "the map's field mappings")


def _personal(ctx: StepContext, analysis: DesignAnalysis) -> Table:
    declared = [(e.name, f.name) for e in ctx.workspace.map.entities.values() for f in e.fields.values() if f.personal]
    places: dict[tuple[str, str], list[str]] = {}
    for x in analysis.lineage:
        places.setdefault((x.entity, x.field), []).append(f"{x.system}/{x.resource}.{x.column}")
    rows = [(f"{e}.{f}", "declared", ", ".join(places.get((e, f), [])) or "no system") for e, f in declared]
    rows += [
        (f"{c.entity}.{c.field}", f"proposed: {c.reason}", ", ".join(places.get((c.entity, c.field), [])))
        for c in analysis.contracts
        if c.change == "personal"
    ]
    rows += [
        (f"{n.system}/{n.resource}.{n.inferred.field.name}", "not mapped: looks like personal data", f"{n.system}/{n.resource}")
        for n in analysis.new_fields
        if n.inferred.field.personal
    ]
    return Table(
        ("field", "how it is known", "where it stands"),
        tuple(rows),
        "",
        "lll",
        "no field identifies a person",
        "the map; names and values of all columns",
    )
