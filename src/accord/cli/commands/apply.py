"""``accord apply``: carry out a plan of accord plan: exactly that, or nothing when anything has moved since."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.flows import counted
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_error, emit_json, escape, out, plain, progress, table
from accord.cli.plans import read_plan
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.starting import started_by
from accord.lifecycle.titles import counted as counted_rows
from accord.model.errors import PlanOutdated
from accord.sync import FlowResult
from accord.sync.apply.plans import apply_plans, check_plans, needed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("apply", help=sentence(__doc__))(apply)


@options.at_map
def apply(
    file: Path = typer.Argument(help="The file written by accord plan --out, or by accord reconcile --repair."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
) -> int:
    """Compare every flow of the plan with what would be written now, then write. Exit code 1: refused, or not all could be done."""
    with where.opened() as workspace, progress(json) as bar:
        given = read_plan(file, workspace)
        plans = needed(workspace.map, given)
        now = clock()
        run = new_run_id(now)
        connectors = workspace.connectors()
        bar.begin("compare", len(plans))
        moved = list(check_plans(workspace.map, plans, connectors, workspace.store, run=run, now=now, begin=bar.advance))
        if moved:
            # All or nothing, also across flows: a plan is approved as one.
            return _refused(moved, as_json=json)
        bar.begin("apply", len(plans))
        results, failure = apply_plans(workspace.map, plans, connectors, workspace.store, run=run, now=now, begin=bar.advance)
        begun = started_by(workspace, [result.flow for result in results])
    later = {plan.flow: list(plan.later) for plan in given if plan.later and failure is None}
    done = failure is None and all(r.status == "done" for r in results)
    if json:
        body = {"command": "apply", "run": run, "done": done, "flows": plain(results), "started": plain(begun), "later": later}
        emit_json(body | {"error": str(failure) if failure else None})
    else:
        _show(results, left=[plan.flow for plan in plans[len(results) :]])
        for one in begun:
            out().print(escape(one.sentence))
        for flow, keys in later.items():
            what = f"{counted_rows(len(keys), 'row')} waited for what is agreed now: {', '.join(keys[:3])}{' …' if len(keys) > 3 else ''}"
            out().print(escape(f"flow '{flow}': {what}; make a second plan with accord plan"))
    if failure is not None:
        emit_error(type(failure).__name__, str(failure), as_json=False, code=failure.exit_code)
        return failure.exit_code
    return 0 if done else 1


def _refused(moved: list[PlanOutdated], *, as_json: bool) -> int:
    if as_json:
        emit_json(
            {
                "command": "apply",
                "done": False,
                "flows": [],
                "error": "the plan is out of date",
                "moved": [{"flow": e.flow, "differences": list(e.differences)} for e in moved],
            }
        )
    for error in moved:
        emit_error("PlanOutdated", str(error), as_json=False, code=1)
    return 1


def _show(results: list[FlowResult], left: list[str]) -> None:
    rows: list[tuple[str, str, str]] = [(escape(r.flow), r.status, escape(counted(r) or "nothing to do")) for r in results]
    rows += [(escape(name), "not done", "") for name in left]
    if rows:
        table("", ("flow", "status", "counts"), rows)
    else:
        out().print("the plan writes nothing")
    for result in results:
        for finding in result.findings:
            if finding.kind in ("stale", "refused"):
                out().print(escape(finding.sentence))
