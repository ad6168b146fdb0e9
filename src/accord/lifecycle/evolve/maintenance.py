"""Deliverable: contracts over time, flows that keep going by themselves, and what the map leaves open."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.lifecycle.titles import counted, flow_title, sentence
from accord.report.document import Block, Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """Contract changes since the last time, what flows lack, map debt, and flows that carry nothing."""
    debt = tuple((sentence(d.kind), d.subject, d.missing) for d in analysis.debt)
    sections = (
        Section("Contracts", _contracts(analysis)),
        Section("Flows that keep going", (_flows(ctx, analysis),)),
        Section("Map debt", (Table(("Kind", "Element", "Without"), debt, empty="the map leaves nothing open", evidence="map"),)),
        Section("Flows without changes", (Paragraph(_quiet(ctx, analysis)),)),
    )
    sound = sum(f.sound for f in analysis.flows)
    summary = (
        f"{sound} of {counted(len(analysis.flows), 'flow')} have all that lets them keep going by themselves." if analysis.flows else ""
    )
    name, title = "sustainable-architecture-maintenance", "Sustainable architecture maintenance"
    return Document(name, title, "evolve", sections, summary, analysis.metrics)


def _contracts(analysis: EvolveAnalysis) -> tuple[Block, ...]:
    moved = [c for c in analysis.contracts if c.compatibility not in ("first", "unchanged") or c.version_problem]
    same = len(analysis.contracts) - len(moved)
    # The first record of a contract reads like its repetition, so that a run on an unchanged map says the same as the first.
    blocks: list[Block] = [Paragraph(f"{counted(same, 'contract')} {'stands' if same == 1 else 'stand'} as recorded.")] if same else []
    if moved:
        rows = tuple(
            (
                c.entity.replace("_", " "),
                f"{c.previous_version} → {c.version}",
                c.compatibility,
                "; ".join(c.changes),
                c.version_problem or "fits",
            )
            for c in moved
        )
        columns = ("Data", "Version", "Change", "What changed", "Does the version fit")
        blocks.append(Table(columns, rows, evidence="contract.recorded"))
    return tuple(blocks) or (Paragraph("The map declares no data."),)


def _flows(ctx: StepContext, analysis: EvolveAnalysis) -> Block:
    lacking = tuple((flow_title(ctx.workspace.map, f.flow), "; ".join(f.lacks)) for f in analysis.flows if f.lacks)
    if not lacking:
        return Paragraph("Every flow has an owner, checks in its contract, a contract version and a month in agreement.")
    return Table(("Flow", "Lacks"), lacking, evidence="map, contract.recorded, flow.reconciled of the last 31 days")


def _quiet(ctx: StepContext, analysis: EvolveAnalysis) -> str:
    if not analysis.flows:
        return "The map has no flows."
    idle = [f for f in analysis.flows if f.idle(ctx.now)]
    young = [f for f in analysis.flows if not f.carried and f not in idle and f.first_run is not None]
    never = [f for f in analysis.flows if not f.carried and f.first_run is None]
    parts = []
    if idle:
        parts.append(f"No change for a quarter or longer, so they may not be needed: {_names(ctx, [f.flow for f in idle])}.")
    if young:
        parts.append(
            f"Systems agreed at first contact and nothing changed since; too early to judge: {_names(ctx, [f.flow for f in young])}."
        )
    if never:
        parts.append(f"not measured, because they never ran: {_names(ctx, [f.flow for f in never])}.")
    return " ".join(parts) or "Every flow carried changes."


def _names(ctx: StepContext, flows: list[str]) -> str:
    return "; ".join(flow_title(ctx.workspace.map, f) for f in flows)
