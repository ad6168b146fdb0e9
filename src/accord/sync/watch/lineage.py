"""Runs as OpenLineage events: which resources a flow reads and writes, column by column, and what became of the rows.

Source:
    OpenLineage 2-0-2, facets ColumnLineage 1-2-0, Schema 1-2-0, DataQualityMetrics (input) 1-0-3, OutputStatistics 1-0-2,
    ErrorMessage 1-0-1; dataset names by its naming page.
"""

from __future__ import annotations

import json
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from accord import __version__
from accord.model.entity import Entity
from accord.model.errors import AccordError
from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.sync.live.path import Taken
from accord.sync.mapping.fields import mapped_columns
from accord.sync.result import FlowResult
from accord.sync.watch.observe import FlowReport

PRODUCER = f"urn:accord:{__version__}"
_SPEC = "https://openlineage.io/spec"
_QUEUE = 1000  # events; more than that are waiting only when the receiver has been away for long
_SEND_SECONDS = 5.0
Emit = Callable[[Mapping[str, Any]], None]


class Lineage:
    """An observer that gives START, COMPLETE and FAIL events of each run to ``emit``."""

    def __init__(self, integration_map: IntegrationMap, emit: Emit) -> None:
        self._map, self._emit = integration_map, emit

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """START."""
        self._emit(run_event(self._map, flow, run, "START", now))

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """COMPLETE, with row counts."""
        self._emit(run_event(self._map, flow, result.run, "COMPLETE", now, result=result))

    def applied(self, flow: Flow, taken: Taken) -> None:
        """Told with the run that takes them into its state."""

    def short_way(self, flow: Flow, reason: str) -> None:
        """No part of lineage."""

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """FAIL, with the message."""
        self._emit(run_event(self._map, flow, run, "FAIL", now, error=error))

    def state(self, report: FlowReport) -> None:
        """States are no part of lineage."""


def run_event(
    map_: IntegrationMap,
    flow: Flow,
    run: str,
    kind: str,
    now: datetime,
    *,
    result: FlowResult | None = None,
    error: AccordError | None = None,
) -> dict[str, Any]:
    """One OpenLineage run event as plain JSON."""
    entity = map_.entities[flow.entity]
    sources = [b for b in flow.bindings.values() if b.direction != "write"]
    inputs, outputs = [], []
    for binding in sources:
        facets: dict[str, Any] = {}
        if result is not None and binding.name in result.rows:
            facets["dataQualityMetrics"] = _facet(
                "facets/1-0-3/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet",
                rowCount=result.rows[binding.name],
                columnMetrics={},
            )
        inputs.append({**dataset(map_, binding), "facets": {"schema": _schema(entity, binding)}, "inputFacets": facets})
    for binding in flow.bindings.values():
        if binding.direction == "read":
            continue
        written = {}
        if result is not None and len([b for b in flow.bindings.values() if b.direction != "read"]) == 1:
            rows = sum(result.counts.get(name, 0) for name in ("inserted", "updated", "deleted"))
            written["outputStatistics"] = _facet(
                "facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet", rowCount=rows
            )
        lineage = _columns(map_, binding, [s for s in sources if s.name != binding.name])
        facets = {"schema": _schema(entity, binding), "columnLineage": lineage}
        outputs.append({**dataset(map_, binding), "facets": facets, "outputFacets": written})
    facets = {}
    if result is not None:
        facets["accord_counts"] = _facet("OpenLineage.json#/$defs/RunFacet", version="2-0-2", counts=_quality(result))
    if error is not None:
        facets["errorMessage"] = _facet(
            "facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", message=str(error), programmingLanguage="Python"
        )
    return {
        "eventType": kind,
        "eventTime": now.isoformat(),
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"accord:{run}:{flow.name}")), "facets": facets},
        "job": {"namespace": f"accord://{map_.name}", "name": flow.name, "facets": {}},
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def dataset(map_: IntegrationMap, binding: Binding) -> dict[str, str]:
    """Namespace and name of a binding's resource; no user, no password."""
    system = map_.systems.get(binding.holder)
    at = system.at if system is not None else ""
    if "://" in at:
        try:
            parts = urlsplit(at)
            host, port = parts.hostname or "localhost", parts.port
        except ValueError:
            return {"namespace": f"accord://{binding.holder}", "name": binding.resource}
        scheme = "postgres" if parts.scheme.startswith("postgres") else parts.scheme
        database = parts.path.strip("/")
        return {
            "namespace": f"{scheme}://{host}" + (f":{port}" if port else ""),
            "name": ".".join(p for p in (database, binding.resource) if p),
        }
    return {"namespace": f"accord://{binding.holder}", "name": binding.resource}


def _quality(result: FlowResult) -> dict[str, int]:
    return {**result.counts, "quarantine_waiting": result.waiting, "conflicts_open": result.open_conflicts}


def _facet(schema: str, *, version: str = "", **body: Any) -> dict[str, Any]:
    path = f"{version}/{schema}" if version else schema
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/{path}", **body}


def _schema(entity: Entity, binding: Binding) -> dict[str, Any]:
    fields = [{"name": m.column or name, "type": entity.fields[name].type} for name, m in binding.fields.items() if not m.value]
    return _facet("facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", fields=fields)


def _columns(map_: IntegrationMap, target: Binding, sources: list[Binding]) -> dict[str, Any]:
    """Which columns of the other systems each column of the target may come from."""
    fields = {}
    for name, mapping in target.fields.items():
        direction = mapping.direction or target.direction
        if mapping.value or direction == "read":
            continue
        origins = []
        for source in sources:
            given = source.fields.get(name)
            if given is None or (given.direction or source.direction) == "write":
                continue
            plain = not (given.codes or given.unit or given.format or given.read or mapping.codes or mapping.unit or mapping.write)
            for column in mapped_columns(given):
                change = {"type": "DIRECT", "subtype": "IDENTITY" if plain else "TRANSFORMATION"}
                origins.append({**dataset(map_, source), "field": column, "transformations": [change]})
        if origins:
            fields[mapping.column or name] = {"inputFields": origins}
    return _facet("facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet", fields=fields)


def to_file(path: Path, *, tell: Callable[[str], None]) -> Emit:
    """Append each event as one line of JSON; a line that cannot be written is told and does not hold up the flow."""

    def emit(event: Mapping[str, Any]) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
        except OSError as error:
            tell(f"lineage could not be written to {path}: {error.strerror or error}")

    return emit


class Poster:
    """Sends events to an OpenLineage endpoint from a thread of its own, so that a slow receiver never holds up a run.

    Lineage is a report and no part of what is promised: when the receiver stays away, the oldest events are dropped and counted.
    """

    def __init__(self, url: str, *, tell: Callable[[str], None]) -> None:
        self._url, self._tell = url, tell
        self._events: queue.Queue[Mapping[str, Any] | None] = queue.Queue(_QUEUE)
        self.dropped = 0
        self._failing = False
        self._thread = threading.Thread(target=self._send, name="lineage", daemon=True)
        self._thread.start()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Queue one event."""
        while True:
            try:
                return self._events.put_nowait(event)
            except queue.Full:
                try:
                    self._events.get_nowait()
                    self.dropped += 1
                except queue.Empty:
                    continue  # the thread took it meanwhile

    def _send(self) -> None:
        with httpx.Client(timeout=_SEND_SECONDS) as client:
            while (event := self._events.get()) is not None:
                try:
                    client.post(self._url, json=event).raise_for_status()
                    self._failing = False
                except httpx.HTTPError as error:
                    self.dropped += 1
                    if not self._failing:  # once, not for every run
                        self._tell(f"lineage could not be sent to {self._url}: {error}")
                    self._failing = True

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        try:
            self._events.put(None, timeout=_SEND_SECONDS)
        except queue.Full:
            return
        self._thread.join(timeout=_SEND_SECONDS)
