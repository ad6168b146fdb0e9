"""Real stores and real log files for the tests of the steps; a small organization in three systems of three waves."""

from __future__ import annotations

import csv
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.lifecycle.context import StepContext
from accord.measure import Measure, import_log, open_measure
from accord.model.entity import Entity, Field
from accord.model.event import Event
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.model.process import HandoffRule, Log, Process
from accord.store import Store, open_store
from accord.workspace import Workspace, open_workspace

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_numbers = itertools.count(1)

HANDOFF = {
    "id": "text",
    "case": "text",
    "giver": "text",
    "taker": "text",
    "offered": "timestamp",
    "accepted": "timestamp",
    "attempts": "integer",
    "sla": "double",
}
_ARROW = {"text": pa.string(), "timestamp": pa.timestamp("us", tz="UTC"), "integer": pa.int64(), "double": pa.float64()}


@pytest.fixture
def step_now() -> datetime:
    return NOW


@pytest.fixture
def step_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db"), segments=tmp_path / "segments") as opened:
        yield opened


@pytest.fixture
def measured(step_store: Store, tmp_path: Path) -> Iterator[Callable[..., Measure]]:
    """Open a measurement over events (case, activity, resource, team, start, complete) and handoff rows (keys of ``HANDOFF``).

    Events go through a CSV file and the log import, handoffs through a segment of agreed rows, as in a real run.
    """
    opened: list[Measure] = []

    def run(
        events: Sequence[Sequence[Any]] = (), handoffs: Sequence[dict[str, Any]] = (), *, process: Process | None = None, **more: Any
    ) -> Measure:
        logs, processes, entities, flows = {}, {}, {}, {}
        if events:
            path = tmp_path / f"log{next(_numbers)}.csv"
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["case", "activity", "resource", "team", "start", "complete"])
                for case, activity, resource, team, start, complete in events:
                    writer.writerow([case, activity, resource, team, start.isoformat() if start else "", complete.isoformat()])
            log = Log(
                "history", str(path), case="case", activity="activity", time="complete", start="start", resource="resource", team="team"
            )
            logs["history"] = log
            import_log(log, step_store, base=tmp_path, now=NOW, run="r")
            declared = process or Process("work")
            processes[declared.name] = Process(declared.name, declared.title, declared.owner, steps=declared.steps, log="history")
        if handoffs:
            rule = HandoffRule(
                entity="handoff",
                case="case",
                from_team="giver",
                to_team="taker",
                offered="offered",
                accepted="accepted",
                attempts="attempts",
                sla_hours="sla",
            )
            processes["passing"] = Process("passing", handoffs=rule)
            entities["handoff"] = Entity("handoff", ("id",), {n: Field(n, t) for n, t in HANDOFF.items()})
            flows["handoffs"] = Flow("handoffs", "handoff", {})
            rows = [dict.fromkeys(HANDOFF) | {"id": f"h{i}"} | row for i, row in enumerate(handoffs)]
            segment = step_store.write_segment(pa.Table.from_pylist(rows, pa.schema([(n, _ARROW[t]) for n, t in HANDOFF.items()])))
            number = next(_numbers)
            body = {
                "flow": "handoffs",
                "run": f"r{number}",
                "status": "done",
                "counts": {},
                "seconds": 0.0,
                "state": {"golden": [segment.sha]},
            }
            step_store.append([Event(f"put:{number}", "flow.run_finished", NOW, "test", body)])
        integration_map = IntegrationMap("test", logs=logs, processes=processes, entities=entities, flows=flows, **more)
        opened.append(open_measure(integration_map, step_store, now=NOW))
        return opened[-1]

    yield run
    for measure in opened:
        measure.close()


@pytest.fixture
def at() -> Callable[..., datetime]:
    """A moment so many hours after the first Monday of 2026."""
    return lambda hours: datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=hours)


ORGANIZATION = """
name: studio
title: A small studio
golive: "2026-05-01"
teams:
  sales: {title: Sales desk, domain: marketing, owner: Ana}
  floor: {title: Shop floor, domain: operations, owner: Ben}
systems:
  crm: {connector: sqlite, at: crm.db, title: Customer file, owner: sales, priority: 1}
  desk: {connector: sqlite, at: desk.db, title: Service desk, owner: floor, priority: 1}
  web: {connector: sqlite, at: web.db, title: Web shop, owner: floor, priority: 3}
entities:
  client:
    key: [id]
    owner: sales
    fields:
      id: {type: text, required: true}
      tier: {type: text, values: [basic, gold]}
  order:
    key: [id]
    owner: floor
    fields:
      id: {type: text, required: true}
      client: {type: text, references: client}
      from_team: text
      to_team: text
      offered: timestamp
      accepted: timestamp
      attempts: integer
      sla: double
flows:
  clients:
    entity: client
    title: Clients everywhere
    owner: sales
    authority: {"*": crm}
    bindings:
      crm: {resource: clients, fields: {id: id, tier: tier}}
      desk: {resource: clients, fields: {id: id, tier: tier}}
  orders:
    entity: order
    title: Orders to the shop
    owner: floor
    bindings:
      crm:
        resource: orders
        direction: read
        fields: {id: id, client: client, from_team: giver, to_team: taker, offered: offered, accepted: accepted, attempts: attempts,
                 sla: sla}
      web: {resource: orders, direction: write, fields: {id: id, client: client}}
processes:
  care:
    title: Care of clients
    owner: floor
    case: client
    handoffs: {entity: order, case: client, from_team: from_team, to_team: to_team, offered: offered, accepted: accepted,
               attempts: attempts, sla_hours: sla}
targets:
  together: {kpi: coordination_effectiveness, title: Nine of ten handoffs in time, at_least: 0.9, owner: floor}
objectives:
  swift: {title: Nobody waits, owner: floor, kpis: [coordination_effectiveness], processes: [care]}
"""


def build_organization(folder: Path, *, orders: int = 40) -> Path:
    """Write the map and the systems. Every fourth order is accepted at the second offer, every fifth 30 h after it (agreed: 24 h)."""
    folder.mkdir()
    (folder / "studio.yaml").write_text(ORGANIZATION)
    tables = {
        "crm": ["clients (id TEXT PRIMARY KEY, tier TEXT)", _ORDERS],
        "desk": ["clients (id TEXT PRIMARY KEY, tier TEXT)"],
        "web": ["orders (id TEXT PRIMARY KEY, client TEXT)"],
    }
    for system, statements in tables.items():
        with sqlite3.connect(folder / f"{system}.db") as db:
            for statement in statements:
                db.execute(f"CREATE TABLE {statement}")
            if system == "crm":
                db.executemany("INSERT INTO clients VALUES (?, ?)", [(f"C{i}", "gold" if i % 3 else "basic") for i in range(orders)])
                for i in range(orders):
                    offered = datetime(2026, 5, 1, 8, tzinfo=UTC) + timedelta(hours=i)
                    accepted = offered + timedelta(hours=30 if i % 5 == 0 else 2)
                    row = (
                        f"O{i:03}",
                        f"C{i}",
                        "sales",
                        "floor",
                        offered.isoformat(),
                        accepted.isoformat(),
                        2 if i % 4 == 0 else 1,
                        24.0,
                    )
                    db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.close()
    return folder


_ORDERS = (
    "orders (id TEXT PRIMARY KEY, client TEXT, giver TEXT, taker TEXT, offered TIMESTAMP, accepted TIMESTAMP, attempts INTEGER, sla REAL)"
)


@pytest.fixture
def organization(tmp_path: Path) -> Path:
    return build_organization(tmp_path / "studio")


@pytest.fixture
def open_step(organization: Path) -> Iterator[Callable[..., StepContext]]:
    """The context of a run on the organization; the steps named are taken as done, so that one step can be tested by itself."""
    with steps_of(organization) as run:
        yield run


@pytest.fixture(scope="module")
def open_shared_step(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., StepContext]]:
    """The same for an organization that the tests of a module share, and only read."""
    with steps_of(build_organization(tmp_path_factory.mktemp("shared") / "studio")) as run:
        yield run


@pytest.fixture
def open_step_in() -> Iterator[Callable[[Path], Callable[..., StepContext]]]:
    """``open_step`` for a folder with an organization in it."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(steps_of(folder))


@contextmanager
def steps_of(organization: Path) -> Iterator[Callable[..., StepContext]]:
    """Opens contexts; the workspaces are closed at the end."""
    opened: list[Workspace] = []

    def run(name: str = "run1", *, done: Sequence[str] = ("assess", "design"), root: Path | None = None, **options: Any) -> StepContext:
        workspace = open_workspace(organization, root=root or organization)
        opened.append(workspace)
        body = {"run": name, "status": "done", "metrics": [], "changed": True}
        workspace.store.append([Event(f"done:{s}:{name}", "step.finished", NOW, "test", {"step": s, **body}) for s in done])
        return StepContext(workspace, name, NOW, options=options)

    yield run
    for workspace in opened:
        workspace.close()
