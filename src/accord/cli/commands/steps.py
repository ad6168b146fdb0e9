"""The eight steps, a command each.

``accord assess``: step 1: what stands, what is missing or wrong, and the frozen baseline.
``accord design``: step 2: propose the architecture as a change to the map.
``accord integrate``: step 3: apply the map in waves, and prove that the systems agree.
``accord optimize``: step 4: bottlenecks, capacity and proposals.
``accord coordinate``: step 5: objectives, responsibilities, handoffs and milestones in step.
``accord improve``: step 6: control charts, change points and the backlog of opportunities.
``accord benchmark``: step 7: every KPI against target, history and reference values.
``accord evolve``: step 8: what changes next, and what it would break.
"""

from __future__ import annotations

from typing import Any

import typer

from accord.cli import options
from accord.cli.commands.run import step_json
from accord.cli.listed import sentences
from accord.cli.output import clock, emit_json, escape, out, progress, table, targets_table
from accord.lifecycle.context import STEPS, StepContext, StepReport
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.runner import run_step


def register(app: typer.Typer) -> None:
    """Add one command a step."""
    told = sentences(__doc__)
    for step in STEPS:
        app.command(step, help=told[step])(_command(step))


def _command(step: str) -> Any:
    @options.at_map
    def command(
        where: options.Where = options.WHERE,
        json: options.Json = False,
    ) -> int:
        return execute(step, where, json, {})

    if step == "design":

        @options.at_map
        def design(
            where: options.Where = options.WHERE,
            json: options.Json = False,
            write: bool = typer.Option(False, "--write", help="Apply the proposed change to the map."),
        ) -> int:
            return execute(step, where, json, {"write": write})

        return design
    if step == "integrate":

        @options.at_map
        def integrate(
            where: options.Where = options.WHERE,
            json: options.Json = False,
            wave: int = typer.Option(0, "--wave", help="Only the flows of this wave, 1 to 5."),
            allow_deletes: bool = typer.Option(False, "--allow-deletes", help="Let one run write what its guards would stop."),
        ) -> int:
            return execute(step, where, json, {"wave": wave, "allow_deletes": allow_deletes})

        return integrate
    return command


def execute(step: str, where: options.Where, json: bool, choices: dict[str, Any]) -> int:
    """Run one step and show it; the exit code is 3 when a system was not reached, 1 when a metric missed its target."""
    with where.opened() as workspace, progress(json) as bar:
        now = clock()
        report = run_step(step, StepContext(workspace, new_run_id(now), now, bar, choices))
    if json:
        emit_json({"command": step, "run": report.run, "changed": report.changed, **step_json(report)})
    else:
        show_step(report)
    return exit_code([report])


def exit_code(reports: list[StepReport]) -> int:
    """3: a system was not reached; 1: a metric missed its target; else 0."""
    if any(f.kind == "unreachable" for r in reports for f in r.analysis.findings):
        return 3
    return 1 if any(m.verdict == "not met" for r in reports for m in r.analysis.metrics) else 0


def show_step(report: StepReport) -> None:
    """A step for people: metrics, worst findings, where the deliverables are."""
    targets_table(f"{report.step}: success metrics", report.analysis.metrics)
    findings = sorted(report.analysis.findings, key=lambda f: ("problem", "warning", "info").index(f.severity))
    if findings:
        rows = [(f.severity, f"{f.count:,}", escape(f.sentence)) for f in findings[:12]]
        more = f" (worst 12 of {len(findings)})" if len(findings) > 12 else ""
        table(f"{report.step}: findings{more}", ("severity", "count", "finding"), rows, right=(1,))
    for deliverable in report.deliverables:
        out().print(f"{'written  ' if deliverable.changed else 'no change'} {escape(str(deliverable.html))}")
