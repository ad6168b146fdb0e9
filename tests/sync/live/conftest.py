"""Two PostgreSQL databases kept in agreement, with the short way open between them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.sync import FlowResult, Reconciliation, reconcile, run_flow
from accord.sync.live import LivePath, Taken, open_live

_names = itertools.count(1)
FIELDS = {
    "id": Field("id", "integer", required=True),
    "name": Field("name", required=True),
    "price": Field("price", "number(10,2)", minimum="0", unit="EUR"),
    "state": Field("state", values=("open", "done")),
    "at": Field("at", "timestamp"),
    "code": Field("code", unique=True),
}
TABLES = {
    "a": "CREATE TABLE items (id bigint PRIMARY KEY, name text, price numeric(10,2), state text, at timestamptz, code text)",
    "b": "CREATE TABLE items (no bigint PRIMARY KEY, title varchar(40), cents bigint, flag text, at timestamp, code text)",
}
MAPPINGS = {
    "a": {f: FieldMapping(f) for f in FIELDS},
    "b": {
        "id": FieldMapping("id", column="no"),
        "name": FieldMapping("name", column="title"),
        "price": FieldMapping("price", column="cents", unit="cent"),
        "state": FieldMapping("state", column="flag", codes={"o": "open", "d": "done"}),
        "at": FieldMapping("at", timezone="Europe/Berlin"),
        "code": FieldMapping("code"),
    },
}


@dataclass
class Pair:
    """The systems, their store, and what a watch would do with them."""

    map: IntegrationMap
    store: Store
    connectors: dict[str, Any]
    db: dict[str, psycopg.Connection[Any]]
    folder: Path
    runs: int = 0
    live: LivePath | None = None
    urls: dict[str, str] = field(default_factory=dict)

    def sync(self, **options: Any) -> FlowResult:
        self.runs += 1
        if self.live is not None:
            self.live.settle()  # as a watch does before every run
        return run_flow(self.map, "items", self.connectors, self.store, run=f"run-{self.runs}", now=datetime.now(UTC), **options)

    def reconcile(self) -> Reconciliation:
        self.runs += 1
        return reconcile(self.map, "items", self.connectors, self.store, run=f"run-{self.runs}", now=datetime.now(UTC))

    def open(self) -> LivePath:
        """The short way, after a run."""
        self.runs += 1
        if self.live is not None:
            self.live.close()
        flow = self.map.flows["items"]
        live, reason = open_live(self.map, flow, self.connectors, self.store, clock=lambda: datetime.now(UTC), run=f"live-{self.runs}")
        assert live is not None, reason
        self.live = live
        return live

    def take(self, binding: str, *keys: int) -> Taken:
        assert self.live is not None
        return self.live.take(binding, [((str(key),), None) for key in keys])

    def rows(self, system: str) -> dict[int, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in self.db[system].execute("SELECT * FROM items").fetchall()}


@pytest.fixture
def pair(postgres_server: str, tmp_path: Path) -> Iterator[Pair]:
    """Two databases whose tables differ in names, types, units, codes and time zones."""
    host = postgres_server.split("host=", 1)[1]
    systems, connections, made, urls = {}, {}, [], {}
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        for system, table in TABLES.items():
            name = f"live{os.getpid()}_{next(_names)}"
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
            made.append(name)
            urls[system] = f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
            systems[system] = System(system, "postgresql", urls[system])
            connections[system] = psycopg.connect(urls[system], autocommit=True)
            connections[system].execute("SET TimeZone = 'UTC'")
            connections[system].execute(table.encode())
    rules = {"paid": Rule("paid", "state <> 'done' OR price IS NOT NULL", reason="done without a price")}
    entity = Entity("item", ("id",), FIELDS, rules=rules)
    flow = Flow("items", "item", {n: Binding(n, "items", MAPPINGS[n]) for n in TABLES}, delete_guard="100%")
    map_ = IntegrationMap("live", systems=systems, entities={"item": entity}, flows={"items": flow})
    store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
    connectors = {name: open_connector(system, base=tmp_path) for name, system in systems.items()}
    world = Pair(map_, store, connectors, connections, tmp_path, urls=urls)
    yield world
    if world.live is not None:
        world.live.close()
    for connection in connections.values():
        connection.close()
    for connector in connectors.values():
        connector.close()
    store.close()
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        for name in made:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
