"""Fixtures of the measure tests: a real store on disk, agreed rows put into it, and helpers to open a measurement."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.measure import Measure, open_measure
from accord.model.entity import Entity, Field
from accord.model.event import Event
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.model.process import HandoffRule, Process
from accord.store import Store, open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)
_ARROW = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "integer": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as opened:
        yield opened


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Put rows under a role of a flow, as a finished run of it leaves them; types are canonical types by column."""

    def run(flow: str, role: str, types: Mapping[str, str], rows: list[dict[str, Any]]) -> None:
        schema = pa.schema([(name, _ARROW[kind]) for name, kind in types.items()])
        segment = store.write_segment(pa.Table.from_pylist(rows, schema))
        number = next(_numbers)
        body = {"flow": flow, "run": f"r{number}", "status": "done", "counts": {}, "seconds": 0.0, "state": {role: [segment.sha]}}
        store.append([Event(f"put:{number}", "flow.run_finished", NOW, "test", body)])

    return run


@pytest.fixture
def entity_map() -> Callable[..., IntegrationMap]:
    """A map with one flow «<entity>s» for each entity given as name: {field: type}; the first field is the key."""

    def build(entities: Mapping[str, Mapping[str, str]], **more: Any) -> IntegrationMap:
        made = {n: Entity(n, (next(iter(f)),), {c: Field(c, t) for c, t in f.items()}) for n, f in entities.items()}
        flows = {f"{n}s": Flow(f"{n}s", n, {}) for n in entities}
        return IntegrationMap("test", entities=made, flows=flows, **more)

    return build


HANDOFF_TYPES = {
    "id": "text",
    "campaign": "text",
    "giver": "text",
    "taker": "text",
    "offered": "timestamp",
    "accepted": "timestamp",
    "started": "timestamp",
    "attempts": "integer",
    "hours": "double",
    "auto": "boolean",
}


@pytest.fixture
def handoffs(store: Store, put: Callable[..., None], entity_map: Callable[..., IntegrationMap]) -> Iterator[Callable[..., Measure]]:
    """A measurement over these handoff rows (columns of ``HANDOFF_TYPES``), closed after the test."""
    opened: list[Measure] = []
    rule = HandoffRule(
        entity="handoff",
        case="campaign",
        from_team="giver",
        to_team="taker",
        offered="offered",
        accepted="accepted",
        started="started",
        attempts="attempts",
        sla_hours="hours",
        automatic="auto",
    )

    def run(rows: list[dict[str, Any]], **more: Any) -> Measure:
        integration_map = entity_map({"handoff": HANDOFF_TYPES}, processes={"delivery": Process("delivery", handoffs=rule)}, **more)
        put("handoffs", "golden", HANDOFF_TYPES, rows)
        opened.append(open_measure(integration_map, store, now=NOW))
        return opened[-1]

    yield run
    for measure in opened:
        measure.close()
