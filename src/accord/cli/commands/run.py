"""``accord run``: all eight steps: assess design integrate optimize coordinate improve benchmark evolve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, progress, table, targets_table
from accord.govern.reviews import note_due
from accord.lifecycle.context import StepReport
from accord.lifecycle.run import RunReport, run_all
from accord.lifecycle.scoreboard import Scoreboard, scoreboard
from accord.model.figure import Figure
from accord.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=sentence(__doc__))(run)


@options.at_map
def run(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    again: bool = typer.Option(False, "--again", help="Walk all steps even when nothing changed since the last run."),
    allow_deletes: bool = typer.Option(False, "--allow-deletes", help="Let one run write what its guards would stop."),
) -> int:
    """Run all eight steps and show the scoreboard."""
    with where.opened() as workspace:
        note_due(workspace.map, workspace.store, now=clock())
        report, board = execute(workspace, as_json=json, again=again, choices={"allow_deletes": allow_deletes})
        if json:
            emit_json(run_json(workspace, report, board))
        else:
            show_run(workspace.deliverables, report, board)
    return run_exit_code(board)


def execute(workspace: Workspace, *, as_json: bool, again: bool, choices: dict[str, Any]) -> tuple[RunReport, Scoreboard]:
    """Run, then read the scoreboard from the log."""
    with progress(as_json) as bar:
        report = run_all(workspace, now=clock, progress=bar, options=choices, again=again)
    return report, scoreboard(workspace)


def run_exit_code(board: Scoreboard) -> int:
    """3: a system was not reached; 1: a target of the map was missed; else 0."""
    if board.unreachable:
        return 3
    return 1 if any(t.verdict == "not met" for t in board.targets) else 0


def step_json(report: StepReport) -> dict[str, Any]:
    """A step as JSON; the schema is stable."""
    return {
        "step": report.step,
        "seconds": round(report.seconds, 3),
        "metrics": plain(report.analysis.metrics),
        "findings": plain(report.analysis.findings),
        "deliverables": [
            {
                "name": d.document.name,
                "title": d.document.title,
                "markdown": str(d.markdown),
                "html": str(d.html),
                "changed": d.changed,
            }
            for d in report.deliverables
        ],
    }


def run_json(workspace: Workspace, report: RunReport, board: Scoreboard) -> dict[str, Any]:
    """A run as JSON; the schema is stable."""
    return {
        "command": "run",
        "map": {"name": workspace.map.name, "version": workspace.map.version, "hash": workspace.map.content_hash},
        "run": report.run,
        "changed": report.changed,
        "resumed": report.resumed,
        "steps": [step_json(s) for s in report.steps],
        "targets": plain(board.targets),
        "kpis": plain(board.kpis),
        "findings": plain(board.findings),
        "unreachable": list(board.unreachable),
        "deliverables": str(workspace.deliverables),
    }


def _whole(kpi: Figure) -> bool:
    """Whether a figure counts everything, or everything of a window."""
    return all(name == "window" for name, _ in kpi.dims)


def show_run(deliverables: Path, report: RunReport, board: Scoreboard) -> None:
    """A run for people: the steps in a line each, the scoreboard, where to read on."""
    if not report.changed:
        out().print(f"no change: neither the map nor any system differs from the end of run {report.run}")
    if report.resumed:
        out().print(f"run {report.run} was cut off before; it was taken up where it stopped")
    if report.steps:
        rows = [
            (s.step, str(len(s.analysis.findings)), str(sum(d.changed for d in s.deliverables)), f"{s.seconds:.1f} s") for s in report.steps
        ]
        table("Steps", ("step", "findings", "deliverables written", "time"), rows, right=(1, 2, 3))
    if board.kpis:
        values = [(escape(", ".join([k.title or k.name, *(v for _, v in k.dims)])), escape(k.show())) for k in board.kpis if _whole(k)]
        table("KPIs", ("KPI", "value [95 % interval] (sample)"), values)
    if board.targets:
        targets_table("Scoreboard", board.targets)
    out().print(f"report: {escape(str(deliverables / 'run' / 'executive.html'))}")
