"""``accord demo``: build a pack's sample organization in real databases and files, and run all eight steps on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import typer

from accord.cli import options
from accord.cli.commands.run import execute, run_json, show_run
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out
from accord.lifecycle.acting import registered_functions
from accord.model.errors import UsageError
from accord.packs import Pack, find_pack
from accord.workspace import Workspace

_ASIDE = ".simulating"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help=sentence(__doc__))(demo)


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
    simulated = _simulated(found, prepared, folder, seed)
    if simulated and not json:
        out().print(escape(simulated))
    with options.workspace(prepared.map_folder, folder, prepared.variables, "") as workspace:
        report, board = execute(workspace, as_json=json, again=False, choices={})
        if json:
            emit_json(run_json(workspace, report, board) | {"command": "demo"})
        else:
            show_run(workspace.deliverables, report, board)


def _simulated(pack: Pack, prepared: Any, folder: Path, seed: int) -> str:
    """Let people work in a state that counts once it is whole: one that was cut off is thrown away and the weeks are told anew.

    Nothing can be taken out of a log, so the state is made aside and moved to its place at the end.
    """
    state, aside = folder / ".accord", folder / _ASIDE
    if pack.simulate is None:
        return ""
    if state.exists():
        with options.workspace(prepared.map_folder, folder, prepared.variables, "") as workspace:
            said = _let_people_work(pack, workspace, seed)
        shutil.rmtree(aside, ignore_errors=True)
        return said
    with options.workspace(prepared.map_folder, aside, prepared.variables, "") as workspace:
        fresh = not any(workspace.store.read(limit=1))
        said = _let_people_work(pack, workspace, seed) if fresh else ""
    if not fresh:
        shutil.rmtree(aside)
        return _simulated(pack, prepared, folder, seed)
    try:
        (aside / ".accord").rename(state)
    except OSError as error:
        raise UsageError(f"{state} was made by another command meanwhile.", expected="Run `accord demo` again.") from error
    shutil.rmtree(aside)
    return said


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
