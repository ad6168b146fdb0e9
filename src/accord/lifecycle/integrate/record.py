"""One wave's record, shared by the deliverables of the five waves."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import FlowOutcome, IntegrateAnalysis
from accord.report.document import Document, Findings, Paragraph, Section, Table


def wave_record(ctx: StepContext, analysis: IntegrateAnalysis, *, name: str, title: str, waves: tuple[int, ...]) -> Document:
    """The record of one or more waves: flows, changes, proof and what was held back."""
    outcomes = analysis.wave(*waves)
    if not outcomes:
        reasons = [analysis.held_back[w] for w in waves if w in analysis.held_back]
        text = (
            f"not measured: {reasons[0]}" if reasons else f"not measured: the map has no flow in wave {' or '.join(str(w) for w in waves)}"
        )
        return Document(name, title, "integrate", (Section("Outcome", (Paragraph(text, "note"),)),), text)
    flows = {o.flow for o in outcomes}
    proven = sum(o.active and o.reconciled for o in outcomes)
    summary = f"{proven} of {len(outcomes)} flows are active and reconciled."
    sections = (
        Section("Flows", (flow_table(ctx, outcomes),)),
        Section("Changes", (change_table(analysis, flows),)),
        Section("Proof of agreement", (proof_table(outcomes),)),
        Section("To do", (Findings(tuple(f for f in analysis.findings if f.subject in flows)),)),
    )
    return Document(name, title, "integrate", sections, summary)


def flow_table(ctx: StepContext, outcomes: tuple[FlowOutcome, ...]) -> Table:
    """Each flow with its systems, objective and outcome."""
    rows = []
    for outcome in outcomes:
        flow = ctx.workspace.map.flows[outcome.flow]
        rows.append(
            (
                flow.title or outcome.flow,
                flow.entity,
                ", ".join(flow.bindings),
                flow.owner or "nobody",
                str(flow.freshness),
                outcome.status,
                "proven" if outcome.reconciled else "not proven",
                f"{outcome.quarantined:,}",
            )
        )
    columns = ("flow", "entity", "systems", "owner", "freshness objective", "status", "agreement", "in quarantine")
    return Table(columns, tuple(rows), align="lllllllr", evidence="flow.run_finished and flow.reconciled of this run")


def change_table(analysis: IntegrateAnalysis, flows: set[str]) -> Table:
    """Changes due in each target, and how many were verified there by reading back."""
    rows = tuple(
        (c.flow, c.target, f"{c.due:,}", f"{c.verified:,}", f"{c.quarantined:,}", f"{c.verified / c.due:.1%}" if c.due else "nothing due")
        for c in analysis.changes
        if c.flow in flows
    )
    columns = ("flow", "target", "changes due", "verified in target", "kept back in quarantine", "share")
    return Table(columns, rows, align="llrrrr", empty="no change was due in this run", evidence="change_target of this run")


def proof_table(outcomes: tuple[FlowOutcome, ...]) -> Table:
    """Each pair of systems with the keys compared and those that differ."""
    rows = tuple(
        (o.flow, f"{p.left} ~ {p.right}", f"{p.keys:,}", f"{p.missing:,}", f"{p.extra:,}", f"{p.different:,}")
        for o in outcomes
        if o.proof is not None
        for p in o.proof.pairs
    )
    columns = ("flow", "pair", "keys compared", "missing", "extra", "different")
    return Table(
        columns, rows, align="llrrrr", empty="no pair was compared", evidence="flow.reconciled of this run: both systems read again"
    )
