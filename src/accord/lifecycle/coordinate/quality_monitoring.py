"""Deliverable: what is watched, where it stands now, when it raises an alert, and who is told."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import EFFECTIVENESS, CoordinateAnalysis
from accord.lifecycle.titles import counted, flow_title, sentence, step_title, team_title, titled
from accord.model.figure import show_value
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table

_NOTE = "Alerts are judged whenever a step runs. Sending them by e-mail or webhook comes with a later release."


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The coordination KPI by pair of teams, and each target, flow and step that is watched: those in alert first."""
    integration_map = ctx.workspace.map
    rows = [*_targets(ctx, analysis), *_flows(ctx, analysis), *_steps(ctx, analysis)]
    alarms = [r for alarm, r in rows if alarm]
    calm = [r for alarm, r in rows if not alarm]
    columns = ("Watched", "Raises an alert when", "Now", "Told")
    source = "map; KPIs, change_target and event_log as measured now"
    pairs = tuple(titled(integration_map, k) for k in analysis.kpis if k.dims and k.name == EFFECTIVENESS)
    by_pair: Block = Figures(tuple(sorted(pairs, key=lambda k: (k.value if k.value is not None else 2.0, k.dims))))
    if not pairs:
        by_pair = Paragraph("not measured: no handoff between two teams has a service level", "note")
    sections = (
        Section("In alert", (Paragraph(_NOTE, "note"), Table(columns, tuple(alarms), empty="nothing is in alert", evidence=source))),
        Section("Coordination by pair of teams", (by_pair,)),
        Section("Quiet", (Table(columns, tuple(calm), empty="nothing else is watched", evidence=source), *_unseen(ctx, analysis))),
    )
    summary = f"{counted(len(alarms), 'alert')} of {counted(len(rows), 'watched thing')}." if rows else "The map declares nothing to watch."
    return Document("coordination-quality-monitoring", "Coordination quality monitoring", "coordinate", sections, summary)


Row = tuple[bool, tuple[str, str, str, str]]


def _targets(ctx: StepContext, analysis: CoordinateAnalysis) -> list[Row]:
    rows: list[Row] = []
    for target in ctx.workspace.map.targets.values():
        if target.at_least is None and target.at_most is None:
            continue
        figure = analysis.values.get(target.kpi)
        unit = figure.unit if figure else ""
        value = figure.value if figure else None
        goal = target.at_least if target.at_least is not None else target.at_most
        assert goal is not None
        side = "under" if target.at_least is not None else "over"
        alarm = value is not None and (value < goal if side == "under" else value > goal)
        now = figure.show() if figure else f"not measured: there is no KPI '{target.kpi}' here"
        words = f"{(figure.title if figure else '') or target.kpi} is {side} {show_value(goal, unit)}"
        rows.append((alarm, (f"Target: {target.title or target.name}", words, now, _told(ctx, target.owner))))
    return rows


def _flows(ctx: StepContext, analysis: CoordinateAnalysis) -> list[Row]:
    rows: list[Row] = []
    for flow in ctx.workspace.map.flows.values():
        late, due = analysis.arrived.get(flow.name, (0, 0))
        now = f"{late:,} of {counted(due, 'change')}" if due else "no change was due yet"
        watched = f"Flow: {flow_title(ctx.workspace.map, flow.name)}"
        rows.append((late > 0, (watched, f"a change is not right in every target after {flow.freshness}", now, _told(ctx, flow.owner))))
    return rows


def _steps(ctx: StepContext, analysis: CoordinateAnalysis) -> list[Row]:
    rows: list[Row] = []
    reached = analysis.milestones.dependencies if analysis.milestones else ()
    for process in ctx.workspace.map.processes.values():
        for step in process.steps.values():
            if step.sla is None:
                continue
            seen = [d for d in reached if d.process == process.name and d.after == step.name]
            late, due = sum(d.late for d in seen), sum(d.cases for d in seen)
            if not due:
                continue  # the page says apart which steps the log does not show
            now = f"{late:,} of {counted(due, 'case')}"
            watched = f"Step: {step_title(ctx.workspace.map, process.name, step.name)}"
            rows.append(
                (late > 0, (watched, f"it is not done {step.sla} after the step before", now, _told(ctx, step.team or process.owner)))
            )
    return rows


def _unseen(ctx: StepContext, analysis: CoordinateAnalysis) -> tuple[Block, ...]:
    """The steps with a service level that the log never shows after another step, in one sentence."""
    reached = analysis.milestones.dependencies if analysis.milestones else ()
    seen = {(d.process, d.after) for d in reached}
    names = [
        step_title(ctx.workspace.map, process.name, step.name)
        for process in ctx.workspace.map.processes.values()
        for step in process.steps.values()
        if step.sla is not None and (process.name, step.name) not in seen
    ]
    if not names:
        return ()
    why = "the log does not show them after the step they depend on"
    return (Paragraph(f"not measured: {counted(len(names), 'step')} with a service level, because {why}: {'; '.join(names)}.", "note"),)


def _told(ctx: StepContext, team: str) -> str:
    return sentence(team_title(ctx.workspace.map, team))
