"""``accord measure``: measure the KPIs of a map from what its workspace holds, with intervals."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, plain, table, targets_table
from accord.measure import discover_kpis, judge_targets, measure_kpis, open_measure
from accord.model.errors import UnknownName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("measure", help=sentence(__doc__))(measure)


@options.at_map
def measure(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    kpi: list[str] = typer.Option([], "--kpi", help="Only this KPI; may be repeated."),
    breakdown: bool = typer.Option(True, help="Also by the dimensions of each KPI."),
) -> int:
    """Show every figure with interval, sample and query; writes nothing. Exit code 1 when a target is missed."""
    with where.opened(write=False) as workspace:
        known = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
        for name in kpi:
            if name not in known:
                raise UnknownName("KPI", name, known)
        chosen = {n: k for n, k in known.items() if not kpi or n in kpi}
        with open_measure(workspace.map, workspace.store, now=clock()) as opened:
            figures = measure_kpis(opened, chosen, breakdown=breakdown)
            targets = [] if kpi else judge_targets(opened, known)
    if json:
        emit_json({"command": "measure", "kpis": plain(figures), "targets": plain(targets)})
    else:
        rows = [(escape(f.title or f.name), escape(", ".join(f"{k} {v}" for k, v in f.dims)), escape(f.show())) for f in figures]
        table("", ("KPI", "of", "value [95 % interval] (sample)"), rows)
        if targets:
            targets_table("Targets", targets)
    return 1 if any(t.verdict == "not met" for t in targets) else 0
