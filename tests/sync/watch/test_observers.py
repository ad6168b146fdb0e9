"""What is told about runs is what happened, in the forms others read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from accord.model.errors import SystemUnreachable
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.sync import FlowResult
from accord.sync.watch.lineage import Poster, dataset
from accord.sync.watch.metrics import Metrics
from accord.sync.watch.observe import FlowReport
from accord.sync.watch.telemetry import Telemetry, send_telemetry

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FLOW = Flow("things", "thing", {n: Binding(n, "things", {"id": FieldMapping("id")}) for n in "ab"})


def test_a_run_is_one_span_with_its_counts_and_stages() -> None:
    """The trace of a slow run must say where the time went; a failed one is marked as failed."""
    spans, figures = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(tracers, MeterProvider(metric_readers=[figures]))

    telemetry.started(FLOW, "r1", NOW)
    telemetry.finished(FLOW, FlowResult("things", "r1", "done", {"inserted": 3}, (), 0.5, True), NOW, {"apply": 0.25})
    telemetry.started(FLOW, "r2", NOW)
    telemetry.failed(FLOW, "r2", SystemUnreachable("a", "x", "away"), NOW)

    good, bad = spans.get_finished_spans()
    assert good.attributes is not None
    assert (good.attributes["accord.count.inserted"], good.attributes["accord.seconds.apply"]) == (3, 0.25)
    assert bad.status.status_code.name == "ERROR"
    found = json.loads(figures.get_metrics_data().to_json())  # type: ignore[union-attr]
    names = {m["name"] for r in found["resource_metrics"] for s in r["scope_metrics"] for m in s["metrics"]}
    assert {"accord.runs", "accord.changes.applied", "accord.stage.duration"} <= names


def test_nothing_is_sent_without_an_endpoint() -> None:
    """A service does not talk to the network because a library happens to be installed."""
    assert not send_telemetry({})


def test_a_dataset_is_named_without_user_or_password() -> None:
    """Lineage leaves the house."""
    at = "postgresql://user:secret@db.example:5433/shop"
    map_ = IntegrationMap("m", systems={"a": System("a", "postgresql", at)})

    named = dataset(map_, FLOW.bindings["a"])

    assert named == {"namespace": "postgres://db.example:5433", "name": "shop.things"}


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """An endpoint that keeps what it is sent."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the standard library gives
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/v1/lineage", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_lineage_is_posted_in_order_and_an_absent_receiver_is_told_once(receiver: tuple[str, list[Any]]) -> None:
    """A catalog that is away must not hold up a flow, nor fill the terminal."""
    url, got = receiver
    told: list[str] = []
    poster, absent = Poster(url, tell=told.append), Poster("http://127.0.0.1:9/none", tell=told.append)

    for number in range(3):
        poster({"n": number})
        absent({"n": number})
    poster.close()
    absent.close()

    assert [event["n"] for event in got] == [0, 1, 2]
    assert len(told) == 1
    assert absent.dropped == 3


def test_the_lag_of_a_flow_that_nothing_is_told_of_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that is busy with another flow for minutes says nothing; an old «nothing waits» must not stand for now."""
    metrics, now = Metrics(), time.monotonic()
    metrics.state(FlowReport("things", "waiting", "", 0.0, 0, NOW))

    assert metrics.lag_seconds("things") == 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now + 600)
    assert metrics.lag_seconds("things") == pytest.approx(600, abs=5)
