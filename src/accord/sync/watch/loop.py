"""The loop of ``accord sync --watch``: one process per store that runs each flow when it has reason to."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accord.connectors.protocol import Connector, Logged
from accord.model.defect import defect_of
from accord.model.errors import AccordError
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.order import rests_on
from accord.sync.result import FlowResult
from accord.sync.run import run_flow
from accord.sync.watch.feeds import HeldFeeds
from accord.sync.watch.observe import FlowReport, Observer, StageClock
from accord.sync.watch.schedule import FlowSchedule, ends_watch, interval_seconds, next_ready
from accord.sync.watch.short import ShortWay

_RENEW_SECONDS = 60.0
_REPORT_SECONDS = 1.0
_SAMPLE_SECONDS = 10.0
_LONGEST_SLEEP_SECONDS = 1.0
_ASKED_SECONDS = 0.5
_QUIET_SECONDS = 0.05  # without changes, after which what was agreed goes into the log by itself, and not together with the next intent
_SWITCH_SECONDS = 0.0005  # how long a thread that computes keeps one waiting whose answer has come
_HELD_SECONDS = 1.0  # from one run to the next of a flow that was refused rows, while rows that may have been in their way are deleted
_STRETCH_SECONDS = 0.5  # single changes without end must not keep a run that is due waiting for ever


@dataclass
class Watch:
    """Flows kept in agreement until ``stop`` is set.

    The caller holds the store's lease. Nothing of a run is held in memory that the store does not have: a watch that is killed is taken
    up by the next one, or by ``accord sync``.

    Args:
        map: the map.
        flows: the flows to keep, in the order of their references.
        connectors: by system.
        store: under the caller's lease.
        stop: set it, from a signal handler or another thread, to end after the present run.
        new_run: makes the id of a run from the time.
        clock: the time, aware, in UTC.
        renew: renews the lease.
        asked: whether another process asks for the store; the loop ends then, after the present run.
        observers: told of runs and states.
        seed: of the jitter after failures.
    """

    map: IntegrationMap
    flows: Sequence[str]
    connectors: Mapping[str, Connector]
    store: Store
    new_run: Callable[[datetime], str]
    clock: Callable[[], datetime]
    renew: Callable[[], None]
    asked: Callable[[], bool] = lambda: False
    observers: Sequence[Observer] = ()
    seed: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Set up the schedule; nothing is read yet."""
        self._wake = threading.Event()
        self._feeds = HeldFeeds(self._wake.set)
        self._held = self._feeds.connectors(self.connectors)
        self._short = ShortWay(self.map, self._held, self.store, self._feeds, self.clock, self.new_run)
        self._rng = random.Random(self.seed)  # noqa: S311 - spreads retries, nothing secret
        self._renewed = self._sampled = self._reported = self._looked = time.monotonic()
        self._schedules = {name: FlowSchedule(name, interval_seconds(self.map.flows[name])) for name in self.flows}
        for row in self.store.table("flow_status").to_pylist():
            if row["flow"] in self._schedules and row["last_success_at"] is not None:  # also of a flow that no run will take up now
                since = max(0.0, (self.clock() - row["last_success_at"]).total_seconds())
                self._schedules[row["flow"]].succeeded = self._renewed - since
        self._states: dict[str, str] = {}
        self._ways: dict[str, str] = {}

    def end(self) -> None:
        """End after the present run; safe in a signal handler."""
        self.stop.set()
        self._wake.set()

    def run(self) -> None:
        """Keep the flows until told to stop, or asked for the store.

        Raises:
            LeaseHeld: the lease was taken over by another process; nothing more was written.
            LogTampered: the store's log does not verify.
        """
        switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            while not self.stop.is_set():
                self._wake.clear()
                now = time.monotonic()
                self._renew_lease(now)
                if self._makes_room(now):
                    return
                while self._go_short() and time.monotonic() - now < _STRETCH_SECONDS:
                    pass  # what came meanwhile goes the same way, and into the log together with this
                self._mark_alerts()
                chosen = next_ready(self._schedules, now)
                if chosen is None and self._short.unsettled and self._wake.wait(min(_QUIET_SECONDS, self._sleep_seconds(now))):
                    continue
                self._short.settle()
                if chosen is not None:
                    self._run_one(chosen)
                    continue
                self._sample(now)
                self._wake.wait(self._sleep_seconds(now))
        finally:
            try:
                self._short.close()
            finally:
                self._feeds.close()
                sys.setswitchinterval(switch)

    def _go_short(self) -> bool:
        """Bring over what has come; returns whether something had."""
        some = False
        for schedule in self._schedules.values():
            if schedule.state != "waiting":
                continue
            flow = self.map.flows[schedule.name]
            for taken in self._short.take(flow):
                some = True
                self._let_held_run(flow, deleted=taken.deleted)
                for observer in self.observers:
                    observer.applied(flow, taken)
            self._note_way(flow)
        return some

    def _note_way(self, flow: Flow) -> None:
        reason = self._short.closed.get(flow.name, "")
        if self._ways.get(flow.name) == reason or (not reason and not self._short.open(flow)):
            return
        self._ways[flow.name] = reason
        for observer in self.observers:
            observer.short_way(flow, reason)

    def _sleep_seconds(self, now: float) -> float:
        due = min((s.due for s in self._schedules.values()), default=float("inf"))
        return max(0.0, min(due - now, _LONGEST_SLEEP_SECONDS))

    def _renew_lease(self, now: float) -> None:
        if now - self._renewed >= _RENEW_SECONDS:
            self._renewed = now
            self.renew()

    def _makes_room(self, now: float) -> bool:
        if now - self._looked < _ASKED_SECONDS:
            return False
        self._looked = now
        return self.asked()

    def _mark_alerts(self) -> None:
        for schedule in self._schedules.values():
            flow = self.map.flows[schedule.name]
            # While its short way is open a run looks only at what was left to it: what has just come is taken in the next round.
            short = self._short.open(flow)
            schedule.alerted = any(h.pressing if short else h.alerted for h in self._feeds.of(flow))

    def _run_one(self, schedule: FlowSchedule) -> None:
        flow, now, began = self.map.flows[schedule.name], self.clock(), time.monotonic()
        run, stages = self.new_run(now), StageClock(began)
        schedule.begin(began)
        self._feeds.flow = flow.name

        def progress(sentence: str) -> None:
            moment = time.monotonic()
            stages.step(sentence, moment)
            self._renew_lease(moment)

        for observer in self.observers:
            observer.started(flow, run, now)
        try:
            listen = not self._feeds.quiet(flow)
            result = run_flow(self.map, flow, self._held, self.store, run=run, now=now, progress=progress, listen=listen)
        except Exception as met:
            # Not swallowed: a defect of ours is told with its trace, like any other error, and the other flows go on.
            error = met if isinstance(met, AccordError) else defect_of(met)
            if ends_watch(error) or isinstance(met.__cause__, KeyboardInterrupt):  # which DuckDB has an error of its own for
                raise
            schedule.failed(error, time.monotonic(), self._rng)
            for observer in self.observers:
                observer.failed(flow, run, error, self.clock())
        else:
            ended = time.monotonic()
            stages.end(ended)
            again = bool(result.counts.get("stale")) or result.older_seconds > 0
            schedule.finished(began - result.older_seconds, ended, again=again)
            schedule.refused = bool(result.counts.get("refused"))
            self._let_held_run(flow, deleted=result.counts.get("deleted", 0))
            self._tell(flow, result, stages)
            self._short.follow(flow)
        self._note_way(flow)
        self._note_state(schedule, run)

    def _let_held_run(self, flow: Flow, *, deleted: int) -> None:
        """Let those run again whose rows a system may have kept only because rows of this flow, by now deleted, pointed at them."""
        if not deleted:
            return
        now = time.monotonic()
        for schedule in self._schedules.values():
            if schedule.refused and schedule.state == "waiting" and rests_on(self.map, flow.name, [schedule.name]):
                schedule.due = min(schedule.due, max(now, schedule.began + _HELD_SECONDS))

    def _tell(self, flow: Flow, result: FlowResult, stages: StageClock) -> None:
        for observer in self.observers:
            observer.finished(flow, result, self.clock(), stages.seconds)

    def _note_state(self, schedule: FlowSchedule, run: str) -> None:
        """Tell the observers, and the log when the state is another one: that is what ``accord status`` reads while this runs."""
        self._report(schedule, {})
        before, after = self._states.get(schedule.name), schedule.state
        if before == after or (before is None and after == "waiting"):
            return
        self._states[schedule.name] = after
        now = self.clock()
        body = {"flow": schedule.name, "run": run, "state": after, "reason": schedule.reason, "failures": schedule.failures}
        about = (ObjectRef("flow", schedule.name), ObjectRef("run", run))
        event = Event(f"{run}:{schedule.name}:flow.state_changed", "flow.state_changed", now, f"flow:{schedule.name}", body, about)
        self.store.append([event])

    def _report(self, schedule: FlowSchedule, feed_lag: Mapping[str, int]) -> None:
        moment, success = time.monotonic(), schedule.succeeded
        last = None if success is None else self.clock() - timedelta(seconds=moment - success)
        again = max(0.0, schedule.due - moment) if schedule.state == "backing_off" else None
        lag = self.lag_seconds(schedule)
        report = FlowReport(schedule.name, schedule.state, schedule.reason, lag, schedule.failures, last, feed_lag, again)
        for observer in self.observers:
            observer.state(report)

    def lag_seconds(self, schedule: FlowSchedule) -> float | None:
        """How old a change may be that the targets lack: 0 while every source tells of its changes and none waits."""
        if schedule.succeeded is None:
            return None
        flow = self.map.flows[schedule.name]
        held = self._feeds.of(flow)
        told = {(h.system, h.resource) for h in held}
        sources = {(b.holder, b.resource) for b in flow.bindings.values() if b.direction != "write"}
        longest = time.monotonic() - schedule.succeeded
        if not sources <= told or schedule.state != "waiting":
            return longest
        waiting = [h.oldest() for h in held if h.alerted]
        known = [moment for moment in waiting if moment is not None]
        if len(known) < len(waiting):
            return longest
        # Between two clocks; where they differ it is still no longer than since a run that saw everything.
        return min(longest, max(0.0, (self.clock() - min(known)).total_seconds())) if known else 0.0

    def _sample(self, now: float) -> None:
        """Now and then, while no run is due: how late each flow is, and more rarely how far the systems' logs are ahead."""
        if now - self._reported < _REPORT_SECONDS:
            return
        self._reported = now
        if now - self._sampled < _SAMPLE_SECONDS:
            for schedule in self._schedules.values():
                self._report(schedule, {})
            return
        self._sampled = now
        for schedule in self._schedules.values():
            found: dict[str, int] = {}
            for held in self._feeds.of(self.map.flows[schedule.name]):
                connector = self.connectors[held.system]
                if isinstance(connector, Logged):
                    found |= self._lag_of(connector, held.system, held.resource, held.name, held.start)
            self._report(schedule, found)

    def _lag_of(self, connector: Logged, system: str, resource: str, name: str, after: str | None) -> dict[str, int]:
        try:
            lag = connector.feed_lag(resource, name=name, after=after)
        except AccordError:
            return {}  # the system is away: the flow's own run meets the same error and reports it
        return {} if lag is None else {f"{system}/{resource}": lag}
