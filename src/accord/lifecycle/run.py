"""``accord run``: all eight steps as one run that can be taken up again after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from accord.lifecycle.context import STEPS, StepContext, StepReport
from accord.lifecycle.executive import build as build_executive
from accord.lifecycle.files import clear_unfinished
from accord.lifecycle.fingerprint import inputs_fingerprint
from accord.lifecycle.progress import Progress, Silent
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.runner import finished_steps, run_step, write_document
from accord.model.event import Event
from accord.workspace import Workspace


@dataclass(frozen=True)
class RunReport:
    """What a run did; ``changed`` is false when nothing differed from the run before, which then still stands."""

    run: str
    changed: bool
    resumed: bool
    steps: tuple[StepReport, ...]


def run_all(
    workspace: Workspace,
    *,
    now: Callable[[], datetime],
    progress: Progress | None = None,
    options: dict[str, Any] | None = None,
    again: bool = False,
) -> RunReport:
    """Walk all eight steps.

    A run that was cut off (crash, kill, Ctrl-C) is taken up where it stopped, under its own id and time: finished steps are not
    repeated, because the systems no longer look as they did before the synchronization. When neither the map nor any system differs
    from the end of the last finished run, nothing is done.

    Args:
        workspace: the opened workspace; the caller holds its lease.
        now: the clock, UTC.
        progress: where progress is shown.
        options: options for the steps.
        again: walk all steps even when nothing changed.

    Raises:
        AccordError: a step refused to go on; what was done stands and a second run goes on from there.
    """
    store = workspace.store
    cut_off = _cut_off_run(workspace)
    if cut_off is None and not again:
        last = _last_finished(workspace)
        if last is not None and last["fingerprint"] == inputs_fingerprint(workspace):
            return RunReport(str(last["run"]), changed=False, resumed=False, steps=())
    if cut_off is None:
        started = now()
        run = new_run_id(started)
        attributes = {"run": run, "command": "run", "map_hash": workspace.map.content_hash}
        store.append([Event(f"run:{run}:started", "run.started", started, "lifecycle", attributes)])
    else:
        run, started = cut_off
    ctx = StepContext(workspace, run, started, progress or Silent(), dict(options or {}))
    done = finished_steps(ctx, run=run)
    reports = [run_step(step, replace(ctx, now=started)) for step in STEPS if step not in done]
    page = build_executive(ctx)
    clear_unfinished(workspace.deliverables / page.step)
    write_document(page, ctx)
    ended = now()
    finish = {
        "run": run,
        "status": "done",
        "seconds": round((ended - started).total_seconds(), 3),
        "fingerprint": inputs_fingerprint(workspace),
    }
    store.append([Event(f"run:{run}:finished", "run.finished", ended, "lifecycle", finish)])
    return RunReport(run, changed=True, resumed=cut_off is not None, steps=tuple(reports))


def _cut_off_run(workspace: Workspace) -> tuple[str, datetime] | None:
    """The run that started on this very map and never finished; one on another map is left behind."""
    started = None
    for stored in workspace.store.read(types=["run.started", "run.finished"]):
        event = stored.event
        if event.type == "run.started" and event.attributes["command"] == "run":
            same_map = event.attributes["map_hash"] == workspace.map.content_hash
            started = (str(event.attributes["run"]), event.time) if same_map else None
        elif started and event.attributes["run"] == started[0]:
            started = None
    return started


def _last_finished(workspace: Workspace) -> dict[str, Any] | None:
    last = None
    for stored in workspace.store.read(types=["run.finished"]):
        if "fingerprint" in stored.event.attributes:
            last = dict(stored.event.attributes)
    return last
