"""The executive page: where we stand, what to do first, and the five areas of the success framework, on one screen."""

from __future__ import annotations

from typing import Any

from accord.lifecycle.actions import first_actions
from accord.lifecycle.agreement import agreement_map
from accord.lifecycle.areas import AREAS, area_states, last_metrics
from accord.lifecycle.context import STEPS, StepContext
from accord.lifecycle.scoreboard import Scoreboard, scoreboard
from accord.lifecycle.standing import standing_findings
from accord.lifecycle.titles import counted, sentence, verdicts
from accord.model.figure import show_value
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table, Targets

_ACTIONS = 6


def build(ctx: StepContext) -> Document:
    """The page that opens first: targets, what to do, the five areas, the map, and where to read on."""
    workspace = ctx.workspace
    board = scoreboard(workspace)
    standing = standing_findings(workspace.store, workspace.map)
    metrics = last_metrics(workspace.store)
    actions = first_actions(workspace.map, board, standing)
    todo = Table(
        ("", "What", "Why", "Who", "Read on"),
        tuple((str(i), a.what, a.why, a.who, a.page) for i, a in enumerate(actions[:_ACTIONS], 1)),
        align="rllll",
        empty="Nothing is open: no target is missed, no flow failed, no row waits in quarantine.",
        evidence="target.judged and findings that stand in this workspace",
    )
    areas = Table(
        ("Area", "State", "Metrics met", "Next"),
        tuple((s.area, s.state, s.met, s.following) for s in area_states(metrics, standing)),
        align="llrl",
        evidence="step.finished of this workspace; the metrics behind it stand below",
    )
    targets: Block = Targets(board.targets)
    if not board.targets:
        targets = Paragraph("not measured: the map declares no targets, or `accord benchmark` did not run yet", "note")
    picture: list[Block] = [agreement_map(workspace.store, workspace.map)] if workspace.map.flows else []
    sections = [
        Section("Where we stand", (targets,)),
        Section("What to do first", (todo,)),
        Section("The five areas", (areas,)),
        *([Section("Who agrees with whom", tuple(picture))] if picture else []),
        Section("The KPIs that matter most", _kpis(ctx, board)),
        Section("Success metrics of the eight steps", (_metrics(metrics),)),
        Section("All pages", (_pages(ctx),)),
    ]
    name = workspace.map.title or workspace.map.name
    summary = _summary(board, actions[0].what if actions else "", declared=bool(workspace.map.targets))
    return Document("executive", f"{name}: where we stand", "run", tuple(sections), summary)


def _summary(board: Scoreboard, first: str, *, declared: bool) -> str:
    away = f" Not reached: {', '.join(board.unreachable)}." if board.unreachable else ""
    start = f" First: {first[:1].lower()}{first[1:]}." if first else ""
    stand = verdicts(board.targets) if board.targets or not declared else "No target was judged yet."
    return f"{stand}{away}{start}"


def _kpis(ctx: StepContext, board: Scoreboard) -> tuple[Block, ...]:
    """The KPIs that a target or an objective names, in the order of the map; all of them when none is named."""
    integration_map = ctx.workspace.map
    named = [t.kpi for t in integration_map.targets.values()] + [k for o in integration_map.objectives.values() for k in o.kpis]
    whole = {k.name: k for k in board.kpis if not k.dims}
    chosen = [whole[name] for name in dict.fromkeys(named) if name in whole] or list(whole.values())
    if not chosen:
        return (Paragraph("not measured: `accord benchmark` did not run yet", "note"),)
    left = len(whole) - len(chosen)
    blocks: list[Block] = [Figures(tuple(chosen))]
    if left:
        blocks.append(Paragraph(f"{counted(left, 'more KPI')} stand in the excellence framework.", "note"))
    return tuple(blocks)


def _metrics(metrics: dict[str, list[dict[str, Any]]]) -> Table:
    rows = []
    for area, steps in AREAS.items():
        for step in steps:
            for metric in metrics.get(step, []):
                value = metric["value"]
                shown = f"not measured: {metric['not_measured']}" if value is None else show_value(float(value), str(metric["unit"]))
                title = str(metric.get("title") or metric["target"]).replace("_", " ")
                rows.append((area, step, title[:1].upper() + title[1:], shown, str(metric["wanted"]), str(metric["verdict"])))
    columns = ("Area", "Step", "Metric", "Value", "Wanted", "Verdict")
    return Table(columns, tuple(rows), align="lllrll", empty="no step ran yet", evidence="step.finished of this workspace")


def _pages(ctx: StepContext) -> Table:
    rows = [r for r in ctx.workspace.store.table("deliverable").to_pylist() if r["step"] in STEPS]
    rows.sort(key=lambda r: (STEPS.index(r["step"]), r["name"]))
    links = tuple((r["step"], f"[{sentence(str(r['name']).replace('-', ' '))}](../{r['path']})") for r in rows)
    return Table(("Step", "Page"), links, empty="no step ran yet")
