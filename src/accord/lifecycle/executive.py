"""The executive page: integration, optimization, governance, sustainability and position on one screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from accord.lifecycle.context import STEPS, StepContext
from accord.lifecycle.scoreboard import scoreboard
from accord.model.figure import Finding, show_value
from accord.report.document import Document, Figures, Findings, Section, Table, Targets

# The areas of the success framework, with the steps whose metrics stand for them.
AREAS: Mapping[str, tuple[str, ...]] = {
    "Integration": ("assess", "design", "integrate"),
    "Optimization": ("optimize", "improve"),
    "Governance": ("coordinate",),
    "Position": ("benchmark",),
    "Sustainability": ("evolve",),
}


def build(ctx: StepContext) -> Document:
    """The page that opens first: targets, areas, the worst problems and where to read on."""
    board = scoreboard(ctx.workspace)
    problems = tuple(_finding(f) for f in board.findings if f["severity"] != "info")
    worst = sorted(problems, key=lambda f: (f.severity != "problem", -f.count, f.kind, f.subject))[:5]
    sections = [
        Section("Scoreboard", (Targets(board.targets),)),
        Section("What to do first", (Findings(tuple(worst)),)),
        Section("The five areas", (_areas(ctx),)),
        Section("KPIs", (Figures(tuple(k for k in board.kpis if not k.dims)),)),
        Section("Deliverables", (_deliverables(ctx),)),
    ]
    met = sum(t.verdict == "met" for t in board.targets)
    measured = sum(t.value.value is not None for t in board.targets)
    summary = (
        f"{met} of {len(board.targets)} targets are met, {measured} could be measured." if board.targets else "The map declares no targets."
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: where we stand"
    return Document("executive", title, "run", tuple(sections), summary)


def _finding(row: dict[str, Any]) -> Finding:
    return Finding(
        row["kind"], row["subject"], row["sentence"], row["severity"], row["count"], tuple(json.loads(row["examples"]))[:3], row["owner"]
    )


def _areas(ctx: StepContext) -> Table:
    metrics: dict[str, list[dict[str, Any]]] = {}
    for stored in ctx.workspace.store.read(types=["step.finished"]):
        metrics[str(stored.event.attributes["step"])] = list(stored.event.attributes["metrics"])
    rows = []
    for area, steps in AREAS.items():
        for step in steps:
            for metric in metrics.get(step, []):
                value = metric["value"]
                shown = f"not measured: {metric['not_measured']}" if value is None else _show(value, metric["unit"])
                rows.append((area, step, str(metric["target"]).replace("_", " "), shown, str(metric["wanted"]), str(metric["verdict"])))
    return Table(("area", "step", "metric", "value", "wanted", "verdict"), tuple(rows), evidence="step.finished events of this workspace")


def _show(value: float, unit: str) -> str:
    return show_value(float(value), unit)


def _deliverables(ctx: StepContext) -> Table:
    rows = [r for r in ctx.workspace.store.table("deliverable").to_pylist() if r["step"] in STEPS]
    rows.sort(key=lambda r: (STEPS.index(r["step"]), r["name"]))
    return Table(("step", "deliverable", "page"), tuple((r["step"], r["name"].replace("-", " "), f"../{r['path']}") for r in rows))
