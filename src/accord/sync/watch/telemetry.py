"""Runs as OpenTelemetry spans and metrics; nothing is sent unless the extra ``observe`` is installed and an endpoint is set."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from datetime import datetime

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from accord.model.errors import AccordError
from accord.model.flow import Flow
from accord.sync.live.path import Taken
from accord.sync.result import FlowResult
from accord.sync.watch.observe import FlowReport

_NAME = "accord.sync"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")


class Telemetry:
    """An observer that makes one span a run, with the seconds of each stage, and counts as the Prometheus metrics do."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        meter = metrics.get_meter(_NAME, meter_provider=meters)
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracers)
        self._runs = meter.create_counter("accord.runs", unit="{run}", description="Runs of a flow by how they ended.")
        self._changes = meter.create_counter("accord.changes.applied", unit="{row}", description="Rows written to targets.")
        self._seconds = meter.create_histogram("accord.stage.duration", unit="s", description="Seconds per stage of a run.")
        self._lag = meter.create_gauge("accord.flow.lag", unit="s", description="No change older than this is missing in the targets.")
        self._spans: dict[str, Span] = {}

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """Open the span."""
        self._spans[flow.name] = self._tracer.start_span("sync.run", attributes={"accord.flow": flow.name, "accord.run": run})

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """Close it with the counts."""
        self._runs.add(1, {"flow": flow.name, "status": result.status})
        for operation in ("inserted", "updated", "deleted"):
            if result.counts.get(operation):
                self._changes.add(result.counts[operation], {"flow": flow.name, "operation": operation})
        for stage, seconds in stages.items():
            self._seconds.record(seconds, {"flow": flow.name, "stage": stage})
        span = self._spans.pop(flow.name, None)
        if span is not None:
            span.set_attributes({f"accord.count.{name}": count for name, count in result.counts.items()})
            span.set_attributes({f"accord.seconds.{name}": seconds for name, seconds in stages.items()})
            span.end()

    def applied(self, flow: Flow, taken: Taken) -> None:
        """Count it; a span for each would cost more than the change."""
        for operation, count in (("inserted", taken.inserted), ("updated", taken.updated), ("deleted", taken.deleted)):
            if count:
                self._changes.add(count, {"flow": flow.name, "operation": operation})

    def short_way(self, flow: Flow, reason: str) -> None:
        """Shown by the metrics."""

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """Close it as failed."""
        self._runs.add(1, {"flow": flow.name, "status": "failed"})
        span = self._spans.pop(flow.name, None)
        if span is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error)))
            span.end()

    def state(self, report: FlowReport) -> None:
        """Record the lag."""
        if report.lag_seconds is not None:
            self._lag.set(report.lag_seconds, {"flow": report.flow})


def send_telemetry(environment: Mapping[str, str] = os.environ) -> bool:
    """Send spans and metrics to the endpoint that the standard variables name; returns whether there is one and it can be used.

    ``OTEL_EXPORTER_OTLP_ENDPOINT`` and its kin are read by the SDK itself. Without the SDK, or without an endpoint, all calls do nothing.
    """
    if not any(environment.get(name) for name in _ENDPOINTS):
        return False
    try:
        traces = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        spans = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        meters = importlib.import_module("opentelemetry.sdk.metrics")
        readers = importlib.import_module("opentelemetry.sdk.metrics.export")
        figures = importlib.import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
        resources = importlib.import_module("opentelemetry.sdk.resources")
    except ImportError:
        return False
    resource = resources.Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME") or "accord"})
    provider = traces.TracerProvider(resource=resource)
    provider.add_span_processor(export.BatchSpanProcessor(spans.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    reader = readers.PeriodicExportingMetricReader(figures.OTLPMetricExporter())
    metrics.set_meter_provider(meters.MeterProvider(metric_readers=[reader], resource=resource))
    return True
