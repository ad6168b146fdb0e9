"""``accord sync``: bring the systems of the map's flows into agreement, once."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.flows import about, chosen_flows, failed_code, show_results, tell_findings
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_error, emit_json, escape, out, plain, progress
from accord.govern.reviews import note_due
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.starting import started_by
from accord.model.errors import UsageError
from accord.sync import run_flows
from accord.sync.capture.brought_up import check_systems
from accord.sync.state.left_feeds import left_findings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sync", help=sentence(__doc__))(sync)


@options.at_map
def sync(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be written and write nothing."),
    allow_deletes: bool = typer.Option(False, "--allow-deletes", help="Let one run write what its guards would stop."),
    restored: options.Restored = [],
    whole: bool = typer.Option(False, "--whole", help="Compare every row, also where a system says what changed."),
    watch: bool = typer.Option(False, "--watch", help="Keep on: run a flow when its systems change, until SIGTERM or Ctrl-C."),
    metrics_port: int | None = typer.Option(None, "--metrics-port", help="With --watch: /metrics and /health on this port of 127.0.0.1."),
    lineage: str = typer.Option("", "--lineage", help="With --watch: OpenLineage events to this file or URL.", envvar="ACCORD_LINEAGE"),
) -> int:
    """Run the flows in the order their references need; one that fails does not stop the others.

    Exit code 2 when the map is wrong, also where only a system shows that; 3 when a system was away; 1 when a guard, drift or a refusal
    stopped a flow, or when a target did not take all its rows.
    Rows in quarantine and conflicts wait for people and are no failure: exit code 0.
    """
    if watch and (dry_run or allow_deletes or restored or whole):
        expected = "Use --dry-run, --allow-deletes, --restored and --whole with a single `accord sync`."
        raise UsageError("--watch goes on by itself.", expected=expected)
    if metrics_port is not None and not watch:
        raise UsageError("--metrics-port serves the figures of --watch.", expected="Add --watch, or leave it out.")
    if watch:
        from accord.cli import watching  # it brings metrics and tracing along, which a single run has no use for

        return watching.watch(where, flow, as_json=json, metrics_port=metrics_port, lineage=lineage)
    with where.opened() as workspace, progress(json) as bar:
        chosen = chosen_flows(workspace.map, flow)
        check_systems([workspace.map.flows[name] for name in chosen], restored)
        now = clock()
        if not dry_run:
            note_due(workspace.map, workspace.store, now=now)
        run = new_run_id(now)
        bar.begin("sync", len(chosen))
        ran = run_flows(
            workspace.map,
            chosen,
            workspace.connectors(),
            workspace.store,
            run=run,
            now=now,
            dry_run=dry_run,
            allow_deletes=allow_deletes,
            whole=whole,
            restored=restored,
            begin=bar.advance,
        )
        results, failures = ran.results, ran.failed
        begun = [] if dry_run else started_by(workspace, chosen)
        left = list(left_findings(workspace.map, workspace.store))
    if json:
        body = {"command": "sync", "run": run, "dry_run": dry_run, "changed": any(r.changed for r in results), "started": plain(begun)}
        emit_json(body | {"findings": plain(left), "flows": plain(results), "failed": [{"flow": n, "error": str(e)} for n, e in failures]})
    else:
        show_results(results, failures, title="dry run: nothing was written" if dry_run else "")
        tell_findings(left)
        for one in begun:
            out().print(escape(one.sentence))
    for name, failure in failures:
        emit_error(type(failure).__name__, about(name, str(failure)), as_json=False, code=failure.exit_code)
    return failed_code(failures, otherwise=int(any(result.status == "partial" for result in results)))
