"""Figures of a watch for Prometheus: what is scraped from ``/metrics``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from accord.model.errors import AccordError
from accord.model.flow import Flow
from accord.sync.live.path import Taken
from accord.sync.result import FlowResult
from accord.sync.watch.observe import FlowReport

_STATES = ("waiting", "running", "backing_off", "parked")
_APPLIED = ("inserted", "updated", "deleted")
_SILENT_SECONDS = 15.0  # between two reports of a flow; a loop with nothing to do makes one every second
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """An observer that keeps counters and gauges in a registry of its own, and the last report of each flow for ``/health``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reports: dict[str, FlowReport] = {}
        self._learned: dict[str, float] = {}
        self._runs = self._counter("accord_runs", "Runs of a flow by how they ended.", "flow", "status")
        self._changes = self._counter("accord_changes_applied", "Rows written to targets.", "flow", "operation")
        self._left = self._counter("accord_live_fallback", "Rows the short way left to a run, by reason.", "flow", "reason")
        self._conflicts = self._counter("accord_conflicts", "Values that lost a conflict and were recorded.", "flow")
        self._errors = self._counter("accord_errors", "Failed runs by kind of error.", "flow", "kind")
        self._lag = self._gauge("accord_flow_lag_seconds", "No change older than this is missing in the targets.", "flow")
        self._feed_lag = self._gauge("accord_feed_lag", "Bytes or changes the system's log is ahead of us.", "flow", "resource")
        self._success = self._gauge("accord_flow_last_success_timestamp_seconds", "When the last successful run began.", "flow")
        self._waiting = self._gauge("accord_quarantine_waiting", "Rows that wait in quarantine.", "flow")
        self._open = self._gauge("accord_conflicts_open", "Conflicts that wait for a person.", "flow")
        self._state = self._gauge("accord_flow_state", "1 for the state the flow is in.", "flow", "state")
        self._short = self._gauge("accord_short_way_open", "1 while single changes of the flow go the short way.", "flow")
        self._lease = Gauge("accord_lease_held", "1 while this process holds the store's lease.", registry=self.registry)
        self._stage = Histogram(
            "accord_stage_seconds", "Seconds per stage of a run.", ("flow", "stage"), registry=self.registry, buckets=_BUCKETS_SECONDS
        )
        self._live = Histogram(
            "accord_live_seconds",
            "Seconds from a seen change to its agreement.",
            ("flow",),
            registry=self.registry,
            buckets=_BUCKETS_SECONDS,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """Every series of the flow is there from its first run on, so that a rate over it never starts with a gap."""
        for operation in _APPLIED:
            self._changes.labels(flow.name, operation)
        self._conflicts.labels(flow.name)

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """Count what the run did."""
        self._runs.labels(flow.name, result.status).inc()
        for operation in _APPLIED:
            self._changes.labels(flow.name, operation).inc(result.counts.get(operation, 0))
        self._conflicts.labels(flow.name).inc(result.counts.get("conflicts", 0))
        self._waiting.labels(flow.name).set(result.waiting)
        self._open.labels(flow.name).set(result.open_conflicts)
        for stage, seconds in stages.items():
            self._stage.labels(flow.name, stage).observe(seconds)

    def applied(self, flow: Flow, taken: Taken) -> None:
        """Count what went the short way."""
        self._changes.labels(flow.name, "inserted").inc(taken.inserted)
        self._changes.labels(flow.name, "updated").inc(taken.updated)
        self._changes.labels(flow.name, "deleted").inc(taken.deleted)
        for reason, count in taken.why.items():
            self._left.labels(flow.name, reason).inc(count)
        if taken.inserted or taken.updated or taken.deleted:
            self._live.labels(flow.name).observe(taken.seconds)

    def short_way(self, flow: Flow, reason: str) -> None:
        """1 while it is open."""
        self._short.labels(flow.name).set(0 if reason else 1)

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """Count the failure by its kind."""
        self._runs.labels(flow.name, "failed").inc()
        self._errors.labels(flow.name, type(error).__name__).inc()

    def state(self, report: FlowReport) -> None:
        """Keep the report; the lag is computed when it is asked for, since it grows by itself."""
        self.reports[report.flow] = report
        self._learned[report.flow] = time.monotonic()
        for state in _STATES:
            self._state.labels(report.flow, state).set(1 if state == report.state else 0)
        for resource, lag in report.feed_lag.items():
            self._feed_lag.labels(report.flow, resource).set(lag)
        if report.last_success is not None:
            self._success.labels(report.flow).set(report.last_success.timestamp())
        if report.lag_seconds is not None:
            self._lag.labels(report.flow).set_function(partial(self._lag_now, report.flow))

    def lag_seconds(self, flow: str) -> float | None:
        """The flow's lag now; ``None`` before its first success."""
        lag, silent = self.reports[flow].lag_seconds, time.monotonic() - self._learned[flow]
        if lag is None:
            return None
        # Who is told nothing for so long does not know any more that nothing waits: the loop is busy with another flow.
        return lag + silent if lag or silent > _SILENT_SECONDS else 0.0

    def _lag_now(self, flow: str) -> float:
        return self.lag_seconds(flow) or 0.0

    @contextmanager
    def holding(self) -> Iterator[None]:
        """While the block runs, this process holds the store."""
        self._lease.set(1)
        try:
            yield
        finally:
            self._lease.set(0)
