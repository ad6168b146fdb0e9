"""``accord status``: the state of a workspace: its log, its steps, its last run."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.output import emit_json, out, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help="The state of a workspace: log, steps, last run; --verify checks the hash chain.")(status)


def status(
    map_path: options.MapPath = options.HERE,
    data: options.Data = None,
    set_: options.SetVariable = [],
    root: options.Root = None,
    store: options.StoreUrl = "",
    json: options.Json = False,
    verify: bool = typer.Option(False, "--verify", help="Recompute the hash chain of the whole log."),
) -> None:
    """Show what has happened in this workspace."""
    with options.workspace(map_path, root, options.variables(data, set_), store, write=False) as workspace:
        head = workspace.store.verify() if verify else workspace.store.head()
        steps: dict[str, str] = {}
        for stored in workspace.store.read(types=["step.finished"]):
            steps[str(stored.event.attributes["step"])] = stored.event.time.isoformat(timespec="seconds")
        last = [s.event.attributes for s in workspace.store.read(types=["run.finished"])]
    if json:
        emit_json(
            {
                "command": "status",
                "head": {"seq": head.seq, "hash": head.hash, "verified": verify},
                "steps": steps,
                "last_run": last[-1] if last else None,
            }
        )
        return
    out().print(f"log: {head.seq:,} events, head {head.hash[:16]}…{' (chain verified)' if verify else ''}")
    table("", ("step", "last finished"), list(steps.items()))
    if last:
        out().print(f"last run: {last[-1]['run']} ({last[-1]['status']}, {last[-1]['seconds']} s)")
