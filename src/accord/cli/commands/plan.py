"""``accord plan``: show every insert, update and delete a synchronization would make, and write them as a plan."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.flows import chosen_flows, failed_code, something_waits, tell_found
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_error, emit_json, escape, out, plain, progress
from accord.cli.plans import AGREED, show_plans, write_plan
from accord.lifecycle.run_id import new_run_id
from accord.sync.apply.plan import plan_to
from accord.sync.apply.plans import plan_flows
from accord.sync.capture.brought_up import check_systems


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", help=sentence(__doc__))(plan)


@options.at_map
def plan(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
    file: Path | None = typer.Option(None, "--out", help="Write the plan to this file, for accord apply."),
    limit: int = typer.Option(20, "--limit", min=0, help="Show at most so many rows of each system."),
    allow_deletes: bool = typer.Option(False, "--allow-deletes", help="Plan also what the guards would stop; noted in the plan."),
    restored: options.Restored = [],
) -> int:
    """Write nothing to any system. Exit code 1 when a guard stops a flow, 2 and 3 as with sync; then no file is written."""
    sha = ""
    with where.opened() as workspace, progress(json) as bar:
        chosen = chosen_flows(workspace.map, flow)
        check_systems([workspace.map.flows[name] for name in chosen], restored)
        now = clock()
        run = new_run_id(now)
        bar.begin("plan", len(chosen))
        planned = plan_flows(
            workspace.map,
            chosen,
            workspace.connectors(),
            workspace.store,
            run=run,
            now=now,
            allow_deletes=allow_deletes,
            restored=restored,
            begin=bar.advance,
        )
        plans, results, failures = planned.plans, planned.results, planned.failed
        if file is not None and not failures:
            sha = write_plan(file, plans, workspace, now)
    if json:
        body = {"command": "plan", "writes": sum(p.writes for p in plans), "file": str(file) if sha else None, "sha256": sha or None}
        body |= {"flows": [plain(plan_to(p)) for p in plans], "failed": [{"flow": n, "error": str(e)} for n, e in failures]}
        emit_json(body | {"findings": plain([f for r in results for f in r.findings]), "waiting": sum(r.waiting for r in results)})
    else:
        show_plans(plans, limit, nothing="nothing to write" if failures or something_waits(results) else AGREED)
        tell_found(results)
        if sha:
            out().print(escape(f"written {file} ({sha[:16]}); carry it out with: accord apply {file}"))
    for name, failure in failures:
        emit_error(type(failure).__name__, f"flow '{name}': {failure}", as_json=False, code=failure.exit_code)
    return failed_code(failures)
