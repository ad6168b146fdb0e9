"""``accord demo``: a sample organization in real systems, and everything run on it."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.commands.run import execute, run_json, show_run
from accord.cli.output import emit_json, escape, out
from accord.lifecycle.acting import registered_functions
from accord.packs import Pack, find_pack
from accord.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help="Build a pack's sample organization in real databases and files, and run all eight steps on it.")(demo)


def demo(
    pack: str = typer.Argument(help="Pack, such as marketing-operations."),
    into: Path | None = typer.Option(None, "--into", help="Folder for the organization; default: accord-demo/<pack>."),
    seed: int = typer.Option(7, "--seed", help="Another seed makes another organization."),
    tracker_url: str = typer.Option(
        "", "--tracker-url", help="PostgreSQL database for the tracker; default: SQLite.", envvar="ACCORD_TRACKER_URL"
    ),
    json: options.Json = False,
) -> None:
    """Prepare, let simulated people work after go-live, and run; ends with the scoreboard.

    A missed target is a result of the demo, not a failure of it: the exit code is 0.
    """
    folder = into or Path("accord-demo") / pack
    found = find_pack(pack)
    prepared = found.demo(folder, seed=seed, tracker_url=tracker_url or None)
    if not json:
        state = "is there already" if prepared.reused else "was built"
        out().print(f"sample organization {escape(str(folder))} {state}")
    with options.workspace(prepared.map_folder, folder, prepared.variables, "") as workspace:
        simulated = _let_people_work(found, workspace, seed)
        if simulated and not json:
            out().print(escape(simulated))
        report, board = execute(workspace, as_json=json, again=False, choices={})
        if json:
            emit_json(run_json(workspace, report, board) | {"command": "demo"})
        else:
            show_run(workspace.deliverables, report, board)


def _let_people_work(pack: Pack, workspace: Workspace, seed: int) -> str:
    """What simulated people carried out, in one sentence; empty when they did so before or the pack has none."""
    summary = pack.simulate(workspace.map, workspace.store, registered_functions(), seed=seed) if pack.simulate else None
    if summary is None:
        return ""
    calls = sum(summary.calls.values())
    return (
        f"simulated people carried out {summary.completed + summary.cancelled:,} instances of its processes from "
        f"{summary.since:%Y-%m-%d} to {summary.until:%Y-%m-%d} ({calls:,} calls; {summary.cancelled} cancelled, {summary.open} open)"
    )
