"""``accord sync --watch``: signals, endpoints and what is printed around the loop."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from accord.cli.flows import about, chosen_flows, counted
from accord.cli.map_changes import map_state, noticing
from accord.cli.options import Where, leased
from accord.cli.output import clock, plain, visible
from accord.cli.stopping import ended_by_signals
from accord.govern.reviews import note_due
from accord.lifecycle.run_id import new_run_id
from accord.model.errors import AccordError, StorageFull
from accord.model.figure import Finding
from accord.model.flow import Flow
from accord.store.handover import asking, lease_again
from accord.store.store import Lease
from accord.sync import FlowResult
from accord.sync.live import Taken
from accord.sync.state.left_feeds import left_findings
from accord.sync.watch import FlowReport, Observer, Watch
from accord.sync.watch.health import serve
from accord.sync.watch.lineage import Emit, Lineage, Poster, to_file
from accord.sync.watch.metrics import Metrics
from accord.sync.watch.telemetry import Telemetry, send_telemetry
from accord.work import Work
from accord.work.starts import start_from_entities
from accord.workspace import Workspace

NOTE_EVERY = timedelta(hours=1)
_ROOM_SECONDS = 2.0  # from one look for room on the store's disk to the next
_WATCH = "watch"


class Told:
    """Prints a line when a run did, missed or found something, or a flow's state changed; with ``--json`` each line is an object."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._states: dict[str, tuple[str, int]] = {}  # with the failures so far
        self._findings: dict[str, dict[str, Finding]] = {}
        self._ways: dict[str, str] = {}
        self._full = ""

    def say(self, event: str, sentence: str, **body: Any) -> None:
        """One line on standard output."""
        if self._json:
            sentence = json.dumps({"event": event, "at": clock().isoformat(), **plain(body)}, ensure_ascii=False)
        typer.echo(sentence if self._json else f"{clock():%H:%M:%S} {visible(sentence)}")

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """Beginning is no news."""

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """What was done, when something was."""
        self._full = ""
        if result.changed:
            said = f"{flow.name}: {result.status} in {result.seconds:.2f} s: {counted(result) or 'state moved'}"
            self.say("run", said, flow=flow.name, run=result.run, status=result.status, counts=result.counts, seconds=result.seconds)
        before = self._findings.get(flow.name, {})
        self._findings[flow.name] = {finding.sentence: finding for finding in result.findings}
        for sentence, finding in self._findings[flow.name].items():
            if sentence not in before:  # one that stays is no news
                body = {"kind": finding.kind, "severity": finding.severity, "count": finding.count, "examples": finding.examples}
                self.say("finding", f"{finding.severity}: {about(flow.name, sentence)}", flow=flow.name, message=sentence, **body)

    def left(self, workspace: Workspace) -> None:
        """What systems keep for nobody, by the map as it is now."""
        for finding in left_findings(workspace.map, workspace.store):
            said = f"{finding.severity}: {finding.sentence}"
            self.say("finding", said, kind=finding.kind, severity=finding.severity, message=finding.sentence)

    def applied(self, flow: Flow, taken: Taken) -> None:
        """What goes the short way is counted in the metrics and stands in the log; a line for each would be noise."""

    def short_way(self, flow: Flow, reason: str) -> None:
        """Why changes take a whole run; once, and not again after another command had the store."""
        if self._ways.get(flow.name) == reason:
            return
        self._ways[flow.name] = reason
        said = f"{flow.name}: every change takes a run: {reason}" if reason else f"{flow.name}: single changes go the short way"
        self.say("short_way", said, flow=flow.name, open=not reason, reason=reason)

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """The error, in full."""
        self.say("failed", about(flow.name, str(error)), flow=flow.name, run=run, kind=type(error).__name__, message=str(error))

    def no_room(self, error: StorageFull) -> None:
        """That the store takes no more; once, until a run ended well."""
        if self._full == str(error):
            return
        self._full = str(error)
        said = f"{error} The watch looks for room every {_ROOM_SECONDS:.0f} s and then goes on."
        self.say("no_room", said, kind=type(error).__name__, message=str(error))

    def state(self, report: FlowReport) -> None:
        """A state that is not just waiting for the next change; of one that backs off each time when it is tried again."""
        again = report.again_seconds
        known = (report.state, 0 if again is None else report.failures)
        if self._states.get(report.flow, ("waiting", 0)) == known:
            return
        self._states[report.flow] = known
        what = {"parked": "is parked; correct the cause, then change the map or start again"}
        said = what.get(report.state, "goes on") if again is None else f"is tried again in {max(1.0, again):.0f} s"
        self.say("state", f"{report.flow} {said}", flow=report.flow, state=report.state, reason=report.reason, again_seconds=again)


class Starter:
    """Starts the instances that agreed rows call for, whenever a flow has agreed on some, and notes reviews that fall due meanwhile."""

    def __init__(self, work: Work, told: Told) -> None:
        self._work, self._told = work, told
        self._looked: set[str] = set()
        self._noted = clock()

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """Nothing is agreed yet."""

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """The first run of a watch also takes up what a process that died left."""
        if result.changed or flow.entity not in self._looked:
            self._look(flow.entity)
        if clock() - self._noted >= NOTE_EVERY:
            self._noted = clock()
            note_due(self._work.map, self._work.store, now=self._noted)

    def applied(self, flow: Flow, taken: Taken) -> None:
        """Rows that went the short way are agreed as well."""
        if taken.inserted or taken.updated or taken.deleted:
            self._look(flow.entity)

    def short_way(self, flow: Flow, reason: str) -> None:
        """How rows go says nothing about them."""

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """Nothing was agreed."""

    def state(self, report: FlowReport) -> None:
        """Nothing to do with rows."""

    def _look(self, entity: str) -> None:
        self._looked.add(entity)
        try:
            found = start_from_entities(self._work, entities={entity})
        except AccordError as error:
            # The loop meets what ends it by itself; the next change of the entity looks again.
            self._told.say("start_failed", f"{entity}: {error}", entity=entity, kind=type(error).__name__, message=str(error))
            return
        for begun in found:
            self._told.say("not_started" if begun.reason else "process_started", begun.sentence, **plain(begun))


class Following:
    """The workspace a watch goes on with, once its map has changed; a wrong map is told and the one before stays."""

    def __init__(self, workspace: Workspace, given: Sequence[str], told: Told) -> None:
        self._workspace, self._given, self._told = workspace, given, told
        self._next: tuple[Workspace, list[str]] | None = None
        self._turn = threading.Lock()
        self.stop = threading.Event()
        self.halt: Callable[[], None] = self.stop.set

    def end(self) -> None:
        """End the watch after the present run; safe in a signal handler."""
        self.stop.set()
        self.halt()

    def changed(self) -> None:
        """Take up the map as it is now, after the present run."""
        try:
            fresh = self._workspace.renewed()
            flows = chosen_flows(fresh.map, self._given)
        except AccordError as error:
            said = f"the map has changed and is not used: {error} The one before goes on until it is mended."
            self._told.say("map_refused", said, kind=type(error).__name__, message=str(error))
            return
        with self._turn:
            self._next = fresh, flows
        self.halt()

    def asked(self, who: str) -> bool:
        """Whether the present loop is to make room for another command, which is told."""
        if who:
            self._told.say("making_room", f"making room for {who}; going on when it has ended", asking=who)
        return bool(who)

    @property
    def waits(self) -> bool:
        """Whether the present loop is to end."""
        return self.stop.is_set() or self._next is not None

    def taken(self) -> tuple[Workspace, list[str]] | None:
        """The next workspace with its flows; ``None`` when the watch is to end, or goes on by the present one."""
        with self._turn:
            found, self._next = self._next, None
        return None if self.stop.is_set() else found


def watch(where: Where, given: Sequence[str], *, as_json: bool, metrics_port: int | None, lineage: str) -> int:
    """Keep the flows until SIGTERM or Ctrl-C, each run by the map as it is then; the present run is finished first.

    Another command that asks for the store gets it after the present run; the watch goes on when that has ended.

    Args:
        where: the map and its store.
        given: the flows that are meant; empty: all of the map.
        as_json: print objects.
        metrics_port: where ``/metrics`` is served.
        lineage: where OpenLineage events go.

    Returns:
        The exit code.
    """
    told, metrics, since = Told(as_json), Metrics(), map_state(where.map_path)
    with contextlib.ExitStack() as stack:
        workspace = stack.enter_context(where.opened(write=False))
        store = workspace.store
        alone = stack.enter_context(store.lease_named(_WATCH, _WATCH))  # two of them would only ever make room for each other
        following, flows = Following(workspace, given, told), chosen_flows(workspace.map, given)
        with leased(store, _WATCH, where.wait):
            note_due(workspace.map, store, now=clock())
        send_telemetry()
        telemetry, emit = Telemetry(), _emitter(lineage, stack) if lineage else None
        stack.enter_context(ended_by_signals(following.stop, following.end))
        port = stack.enter_context(serve(metrics, metrics_port)) if metrics_port is not None else None
        stack.enter_context(noticing(workspace.map_path, following.changed, since=since))
        at = f"; metrics at http://127.0.0.1:{port}/metrics" if port is not None else ""
        told.say("watching", f"watching {', '.join(flows) or 'no flow'}{at}", flows=list(flows), port=port)
        told.left(workspace)
        while not following.stop.is_set():
            with _room_for(told, following.stop), lease_again(store, _WATCH, stop=following.stop, meanwhile=alone.renew) as lease:
                if lease is not None:
                    observers: list[Observer] = [told, metrics, telemetry, Starter(workspace.work(), told)]
                    observers += [Lineage(workspace.map, emit)] if emit else []
                    with metrics.holding():
                        _keep(workspace, flows, (lease, alone), observers, following)
            found = following.taken()
            if found is not None:
                workspace.close_connectors()
                workspace, flows = found
                stack.callback(workspace.close_connectors)
                told.say("map", f"the map has changed; watching {', '.join(flows) or 'no flow'} by the new one", flows=list(flows))
                told.left(workspace)
        told.say("stopped", "stopped; everything committed stands")
    return 0


@contextlib.contextmanager
def _room_for(told: Told, stop: threading.Event) -> Iterator[None]:
    """Let what was done without room for the store end here, after a pause: nothing rests on the memory of the process."""
    try:
        yield
    except StorageFull as error:
        told.no_room(error)
        stop.wait(_ROOM_SECONDS)


def _keep(workspace: Workspace, flows: Sequence[str], leases: Sequence[Lease], observers: Sequence[Observer], following: Following) -> None:
    """Until the watch is to end, to go on by another map, or to make room for another command."""

    def renew() -> None:
        for lease in leases:
            lease.renew()

    loop = Watch(
        workspace.map,
        flows,
        workspace.connectors(),
        workspace.store,
        new_run=new_run_id,
        clock=clock,
        renew=renew,
        asked=lambda: following.asked(asking(workspace.store)),
        observers=observers,
    )
    following.halt = loop.end
    if following.waits:  # told before this one was there to be ended
        loop.end()
    loop.run()


def _emitter(lineage: str, stack: contextlib.ExitStack) -> Emit:
    def tell(sentence: str) -> None:
        typer.echo(f"warning: {visible(sentence)}", err=True)

    if not lineage.startswith(("http://", "https://")):
        return to_file(Path(lineage), tell=tell)
    poster = Poster(lineage, tell=tell)
    stack.callback(poster.close)
    return poster
