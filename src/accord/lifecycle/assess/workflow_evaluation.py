"""Deliverable: each process across teams as it ran — time, handoffs, rework, agreed times."""

from __future__ import annotations

from collections.abc import Sequence

from accord.lifecycle.assess.analysis import AssessAnalysis
from accord.lifecycle.assess.workflow import Passage, ProcessFacts, slowest
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import whose_work
from accord.report.charts.matrix import HandoffCell, handoff_matrix
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table
from accord.report.maps.swimlanes import Passage as Passed
from accord.report.maps.swimlanes import ProcessStep, swimlanes_picture


def build(ctx: StepContext, analysis: AssessAnalysis) -> Document:
    """The workflow evaluation: one section for each process."""
    facts = analysis.processes
    worst = slowest(facts)
    handoffs = sum(p.handoffs for f in facts for p in f.passages)
    summary = f"{len(facts)} processes and {handoffs:,} handoffs."
    if worst is not None and worst.median_hours is not None:
        hours = f"{worst.total_hours:,.0f} h in all, median {worst.median_hours:,.1f} h"
        summary += f" Most time is lost from {worst.from_team} to {worst.to_team}: {hours}."
    said = whose_work(ctx.workspace.map, {f.process.name: f.label for f in facts if f.label})
    sections = (Section("Overview", (*said, _overview(facts))), *(Section(f.process.title or f.process.name, _process(f)) for f in facts))
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: workflow evaluation"
    return Document("workflow-evaluation", title, "assess", sections, summary)


def _overview(facts: Sequence[ProcessFacts]) -> Table:
    rows = tuple(
        (
            f.process.title or f.process.name,
            f"{len(f.process.steps)}",
            f"{f.steps_with_team} / {f.steps_with_sla}",
            f.cases.show(),
            f.throughput.show(),
            f.handoff.show(),
            f.rework_share.show(),
        )
        for f in facts
    )
    columns = ("process", "steps", "with team / agreed time", "cases", "throughput, median", "handoff, median", "cases with rework")
    return Table(columns, rows, "", "lrrrrrr", "the map declares no process", "views event_log and handoff")


def _process(fact: ProcessFacts) -> tuple[Block, ...]:
    figures = [fact.cases, fact.throughput, fact.throughput_p90, fact.rework_share, fact.handoff]
    if fact.handoff.value is not None:  # one reason why handoffs are not measured is enough
        figures += [fact.handoff_p90, fact.late_share, fact.repeated_share, fact.sla_coverage]
    blocks: list[Block] = [Figures(tuple(figures))]
    if fact.invalid:
        blocks.append(Paragraph(f"{fact.invalid:,} handoffs end before they begin; they are counted here and averaged nowhere.", "warning"))
    if fact.passages:
        cells = [HandoffCell(p.from_team, p.to_team, p.handoffs, p.median_hours, p.p90_hours) for p in fact.passages]
        # A matrix of hundreds of people cannot be read; the table below has them all.
        if len({c.from_team for c in cells} | {c.to_team for c in cells}) <= 15:
            blocks.append(handoff_matrix(cells, name=f"handoffs-{fact.process.name}", title="Waiting between teams"))
        blocks.append(_passages(fact.passages))
    if fact.activities:
        steps = [ProcessStep(a.name, a.team or "no team", "", a.cases, a.median_hours, a.repeats) for a in fact.activities]
        passages = [Passed(p.source, p.target, p.cases, p.median_wait_hours) for p in fact.paths]
        blocks.insert(1, swimlanes_picture(steps, passages, name=f"process-{fact.process.name}", title="The process as it ran"))
    if fact.process.steps:
        blocks.append(_steps(fact))
    return tuple(blocks)


def _passages(passages: Sequence[Passage]) -> Table:
    ordered = sorted(passages, key=lambda p: (-p.total_hours, p.from_team, p.to_team))
    total = sum(p.total_hours for p in passages)
    rows = tuple(
        (
            p.from_team,
            p.to_team,
            f"{p.handoffs:,}",
            "not measured: none accepted" if p.median_hours is None else f"{p.median_hours:,.1f}",
            "not measured: none accepted" if p.p90_hours is None else f"{p.p90_hours:,.1f}",
            f"{p.total_hours / total:.1%}" if total else "–",
            f"{p.late / p.with_sla:.1%}" if p.with_sla else "not measured: no agreed time",
        )
        for p in ordered[:40]
    )
    title = "Where the waiting is" + (f" (40 of {len(ordered)} pairs)" if len(ordered) > 40 else "")
    return Table(
        ("from", "to", "handoffs", "median h", "p90 h", "share of all waiting", "late"), rows, title, "llrrrrr", evidence="view handoff"
    )


def _steps(fact: ProcessFacts) -> Table:
    rows = tuple(
        (s.title or s.name, s.team or "nobody", s.kind, str(s.sla) if s.sla else "none agreed", s.gate or "–", s.kpi or "–")
        for s in fact.process.steps.values()
    )
    return Table(("step", "team", "kind", "agreed time", "gate", "KPI"), rows, "Steps as declared", "llllll", evidence="the map")
