"""One wave's record, shared by the deliverables of the five waves."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import WAVES, FlowOutcome, IntegrateAnalysis, wave_of
from accord.lifecycle.titles import binding_title, counted, flow_title, sentence, shown, system_title, team_title
from accord.model.figure import show_value
from accord.model.integration_map import IntegrationMap
from accord.report.document import Block, Document, Findings, Paragraph, Section, Table


def wave_record(ctx: StepContext, analysis: IntegrateAnalysis, *, name: str, title: str, waves: tuple[int, ...]) -> Document:
    """The record of one or more waves: flows, changes, proof and what was held back."""
    integration_map = ctx.workspace.map
    outcomes = analysis.wave(*waves)
    if not outcomes:
        return Document(name, title, "integrate", _nothing_ran(integration_map, analysis, waves), _why_nothing(analysis, waves))
    flows = {o.flow for o in outcomes}
    proven = sum(o.active and o.reconciled for o in outcomes)
    due, verified = (sum(getattr(c, part) for c in analysis.changes if c.flow in flows) for part in ("due", "verified"))
    arrived = f" {verified:,} of {counted(due, 'change')} due arrived, as read back from the target." if due else " No change was due."
    begun = sum(not b.reason for o in outcomes for b in o.begun)
    arrived += f" {counted(begun, 'process instance')} began by rows that changed." if begun else ""
    agree = f"{proven} of {counted(len(outcomes), 'flow')} {'is' if len(outcomes) == 1 else 'are'} active and in agreement."
    todo = tuple(f for f in analysis.findings if f.subject in flows)
    still: Block = Paragraph("Nothing: no flow failed and no row waits in quarantine.")
    if todo:
        still = Findings(tuple(shown(integration_map, f) for f in todo))
    sections = (
        Section("Flows", (flow_table(integration_map, outcomes),)),
        Section("Still to do", (still,)),
        Section("Changes carried", (change_table(integration_map, analysis, flows),)),
        Section("Proof of agreement", (Paragraph(_PROOF, "note"), proof_table(integration_map, outcomes))),
    )
    return Document(name, title, "integrate", sections, agree + arrived)


_PROOF = "After the changes both systems were read again and compared key by key. Rows in quarantine are listed apart and not compared."


def _why_nothing(analysis: IntegrateAnalysis, waves: tuple[int, ...]) -> str:
    held = next((analysis.held_back[w] for w in waves if w in analysis.held_back), "")
    if held:
        return f"Held back: {held}."
    return f"not measured: the map has no flow in wave {' or '.join(str(w) for w in waves)}."


def _nothing_ran(integration_map: IntegrationMap, analysis: IntegrateAnalysis, waves: tuple[int, ...]) -> tuple[Section, ...]:
    """What the page shows of a wave without a run: its flows when it was held back, else where the flows of the map are."""
    of_wave: dict[int, list[str]] = {}
    for flow in integration_map.flows.values():
        of_wave.setdefault(wave_of(integration_map, flow), []).append(flow_title(integration_map, flow.name))
    if any(w in analysis.held_back for w in waves):
        waiting = tuple((flow, str(w)) for w in waves for flow in of_wave.get(w, ()))
        return (Section("Flows that wait", (Table(("Flow", "Wave"), waiting, align="lr", evidence="map"),)),)
    how = "A flow belongs to a wave by its own `priority`, or by the highest of its systems'."
    rows = tuple((str(w), tier, str(len(of_wave.get(w, ()))), "; ".join(of_wave.get(w, ())) or "—") for w, tier in WAVES.items())
    table = Table(("Wave", "Tier", "Flows", "Which"), rows, align="rlrl", evidence="map")
    return (Section("Where the flows of the map are", (Paragraph(how, "note"), table)),)


def flow_table(integration_map: IntegrationMap, outcomes: tuple[FlowOutcome, ...]) -> Table:
    """Each flow with its systems, objective and outcome."""
    rows = []
    for outcome in outcomes:
        flow = integration_map.flows[outcome.flow]
        rows.append(
            (
                flow_title(integration_map, outcome.flow),
                ", ".join(system_title(integration_map, b.holder) for b in flow.bindings.values()),
                sentence(team_title(integration_map, flow.owner)),
                str(flow.freshness),
                outcome.status,
                "proven" if outcome.reconciled else "not proven",
                f"{outcome.quarantined:,}",
            )
        )
    columns = ("Flow", "Systems", "Owner", "Within", "Run", "Agreement", "In quarantine")
    return Table(columns, tuple(rows), align="lllrllr", evidence="flow.run_finished and flow.reconciled of this run")


def change_table(integration_map: IntegrationMap, analysis: IntegrateAnalysis, flows: set[str]) -> Table:
    """Changes due in each target, and how many were verified there by reading back; the lowest share first."""
    counts = sorted((c for c in analysis.changes if c.flow in flows and c.due), key=lambda c: (c.verified / c.due, c.flow, c.target))
    rows = tuple(
        (
            flow_title(integration_map, c.flow),
            binding_title(integration_map, c.flow, c.target),
            f"{c.due:,}",
            f"{c.verified:,}",
            f"{c.quarantined:,}",
            show_value(c.verified / c.due, "share"),
        )
        for c in counts
    )
    columns = ("Flow", "Into", "Changes due", "Arrived", "Kept back", "Share")
    return Table(columns, rows, align="llrrrr", empty="no change was due in this run", evidence="change_target of this run")


def proof_table(integration_map: IntegrationMap, outcomes: tuple[FlowOutcome, ...]) -> Table:
    """Each pair of systems with the keys compared and those that differ; those that differ first."""
    pairs = [(o.flow, p) for o in outcomes if o.proof is not None for p in o.proof.pairs]
    pairs.sort(key=lambda item: -(item[1].missing + item[1].extra + item[1].different))
    rows = tuple(
        (
            flow_title(integration_map, flow),
            f"{binding_title(integration_map, flow, p.left)} and {binding_title(integration_map, flow, p.right)}",
            f"{p.keys:,}",
            f"{p.missing:,}",
            f"{p.extra:,}",
            f"{p.different:,}",
        )
        for flow, p in pairs
    )
    columns = ("Flow", "Systems", "Keys compared", "Missing", "Extra", "Different")
    return Table(
        columns, rows, align="llrrrr", empty="no pair was compared", evidence="flow.reconciled of this run: both systems read again"
    )
