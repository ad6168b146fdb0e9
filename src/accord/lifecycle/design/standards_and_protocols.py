"""Deliverable: the standards everyone keeps, each with its check, and how systems are spoken to."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.analysis import DesignAnalysis
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: DesignAnalysis) -> Document:
    """Standards and protocols."""
    kept = sum(not s.broken for s in analysis.standards)
    summary = f"{len(analysis.standards)} standards, each checked on the map; {kept} are kept everywhere."
    rows = tuple(
        (
            s.standard.name,
            s.standard.rule,
            f"{s.kept} of {s.kept + len(s.broken)}" if s.kept + len(s.broken) else "applies to nothing here",
            ", ".join(s.broken[:8]) + (f" and {len(s.broken) - 8} more" if len(s.broken) > 8 else "") or "–",
        )
        for s in analysis.standards
    )
    standards = Table(("standard", "rule", "kept by", "not kept by"), rows, "", "llrl", evidence="each standard's check, run on the map")
    sections = (Section("Standards", (standards,)), Section("Protocols", (_protocols(ctx),)), Section("Codes", (_codes(ctx),)))
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: standards and protocols"
    return Document(
        "standards-and-protocols", title, "design", sections, summary, tuple(m for m in analysis.metrics if m.target == "standards")
    )


def _protocols(ctx: StepContext) -> Table:
    rows = []
    for flow in ctx.workspace.map.flows.values():
        for binding in flow.bindings.values():
            system = ctx.workspace.map.systems[binding.holder]
            write = {"both": "read and write", "read": "read", "write": "write"}[binding.direction]
            rows.append(
                (
                    flow.name,
                    binding.holder,
                    system.connector,
                    binding.resource,
                    write,
                    binding.capture,
                    flow.deletes,
                    flow.delete_guard,
                    flow.drift,
                )
            )
    columns = ("flow", "system", "kind", "resource", "direction", "changes found by", "deletes", "delete guard", "on schema drift")
    return Table(columns, tuple(rows), "How each system is spoken to", "lllllllrl", "the map declares no flow", "the map")


def _codes(ctx: StepContext) -> Table:
    rows = tuple(
        (f"{flow.entity}.{field}", binding.holder, ", ".join(f"{own} = {canonical}" for own, canonical in mapping.codes.items()))
        for flow in ctx.workspace.map.flows.values()
        for binding in flow.bindings.values()
        for field, mapping in binding.fields.items()
        if mapping.codes
    )
    return Table(("field", "system", "its code = agreed value"), rows, "Code tables", "lll", "no system uses codes of its own", "the map")
