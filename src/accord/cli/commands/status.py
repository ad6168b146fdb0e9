"""``accord status``: the state of a workspace: log, steps, last run; --verify checks the hash chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, table
from accord.model.integration_map import IntegrationMap
from accord.store.kept_as import kept_as


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=sentence(__doc__))(status)


@options.at_map
def status(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    verify: bool = typer.Option(False, "--verify", help="Recompute the hash chain of the whole log."),
) -> None:
    """Show what has happened in this workspace."""
    with where.opened(write=False) as workspace:
        head = workspace.store.verify() if verify else workspace.store.head()
        steps: dict[str, str] = {}
        for stored in workspace.store.read(types=["step.finished"]):
            steps[str(stored.event.attributes["step"])] = stored.event.time.isoformat(timespec="seconds")
        called = {old: new for new, old in kept_as(workspace.map, workspace.store).items()}
        rows = [{**row, "flow": called.get(row["flow"], row["flow"])} for row in workspace.store.table("flow_status").to_pylist()]
        flows = _flows(workspace.map, rows, clock())
        files, size = workspace.store.segments_used()
        released = workspace.store.table("released_segment").num_rows
        last = [s.event.attributes for s in workspace.store.read(types=["run.finished"])]
    if json:
        emit_json(
            {
                "command": "status",
                "head": {"seq": head.seq, "hash": head.hash, "verified": verify},
                "steps": steps,
                "flows": flows,
                "segments": {"files": files, "bytes": size, "let_go": released},
                "last_run": last[-1] if last else None,
            }
        )
        return
    out().print(f"log: {head.seq:,} events, head {head.hash[:16]}…{' (chain verified)' if verify else ''}")
    going = f", {released:,} of them let go" if released else ""
    out().print(f"segments: {files:,} files, {size / 1e6:,.1f} MB{going}")
    table("", ("step", "last finished"), list(steps.items()))
    if flows:
        table("", ("flow", "state", "last run", "last success", "lag", "reason"), [_shown(row) for row in flows])
    if last:
        out().print(f"last run: {last[-1]['run']} ({last[-1]['status']}, {last[-1]['seconds']} s)")


def _flows(map_: IntegrationMap, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """How each flow of the map that ever ran stands; ``lag_seconds`` since its last success, ``late`` past its freshness.

    A success that lies ahead was noted by a clock that has been set back since, or by another one: how long ago it was, nobody knows.
    """
    found = []
    for row in rows:
        flow = map_.flows.get(row["flow"])
        if flow is None:
            continue
        success = row["last_success_at"]
        lag = None if success is None else (now - success).total_seconds()
        if lag is not None and lag < 0:
            lag = 0.0 if -lag <= flow.freshness.seconds else None
        found.append({**row, "lag_seconds": lag, "late": lag is None or lag > flow.freshness.seconds})
    return found


def _shown(row: Mapping[str, Any]) -> tuple[str, ...]:
    lag = row["lag_seconds"]
    ahead = "not known: the last success lies ahead of this clock" if row["last_success_at"] else ""
    ago = ahead if lag is None else f"{lag:,.0f} s{' (late)' if row['late'] else ''}"
    times = [row["last_success_at"].isoformat(timespec="seconds") if row["last_success_at"] else ""]
    return (row["flow"], row["state"], f"{row['last_run'] or ''} {row['last_status'] or ''}".strip(), *times, ago, escape(row["reason"]))
