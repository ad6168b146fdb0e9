"""A team's tracker in an SQLite file, kept in agreement with the engine's tasks by a flow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from accord.connectors.protocol import ChangeBatch
from accord.sync import FlowResult, run_flow
from accord.work import Task, Work, open_work
from accord.workspace import Workspace, open_workspace

MAP = """
name: test
teams: {marketing: {owner: Mia}, studio: {owner: Sam, backup: Sue}}
systems:
  board: {connector: sqlite, at: board.db, owner: studio}
  work: {connector: accord, at: .}
entities:
  ticket:
    key: [id]
    fields:
      id: {type: text, required: true}
      title: text
      status: {type: text, values: [open, started, rejected, done, cancelled]}
      person: text
      closed_by: text
      link: text
      reason: text
      note: text
flows:
  tickets:
    entity: ticket
    existence: [work]
    authority: {"*": work, status: latest, person: latest, closed_by: latest, link: board, reason: latest, note: work}
    bindings:
      work:
        resource: tasks
        cursor: changed_at
        where: team = 'studio'
        fields:
          id: task
          title: {column: title, direction: read}
          status: status
          person: assignee
          closed_by: ended_by
          link: answer.link
          reason: reason
          note: {column: refused, direction: read}
      board:
        resource: tickets
        cursor: changed
        fields:
          id: task
          title: title
          status: {column: state, codes: {todo: open, doing: started, back: rejected, closed: done, dropped: cancelled}}
          person: person
          closed_by: closed_by
          link: link
          reason: reason
          note: note
processes:
  poster:
    owner: marketing
    steps:
      brief: {team: marketing, title: Write the brief}
      draw: {team: studio, title: Draw it, after: [brief], form: {link: {type: text, required: true}}}
      print: {team: marketing, after: [draw]}
"""


COLUMNS = "task TEXT PRIMARY KEY, title TEXT, state TEXT, person TEXT, closed_by TEXT, link TEXT, reason TEXT, note TEXT, changed TEXT"


class Clock:
    """A Monday morning, until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Board:
    """A workspace with a tracker; ``sync`` runs the flow once."""

    folder: Path
    workspace: Workspace
    work: Work
    clock: Clock
    runs: int = 0

    def sync(self) -> FlowResult:
        self.runs += 1
        self.clock.time += timedelta(minutes=1)
        connectors, run = self.workspace.connectors(), f"run-{self.runs}"
        return run_flow(self.workspace.map, "tickets", connectors, self.workspace.store, run=run, now=self.clock.time)

    def settle(self) -> None:
        """Until nothing is written any more."""
        for _ in range(4):
            if not self.sync().changed:
                return
        raise AssertionError("the flow does not come to rest")

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "board.db") as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def edit(self, **values: Any) -> None:
        """What a person does in the tracker, a minute after everything before."""
        self.clock.time += timedelta(minutes=1)
        values["changed"] = self.clock.time.isoformat()
        self.sql(f"UPDATE tickets SET {', '.join(f'{name} = ?' for name in values)}", *values.values())

    def row(self, resource: str = "tasks") -> dict[str, Any]:
        """The studio's task (or its handoff) as a flow reads it."""
        with duckdb.connect() as con:
            name = self.workspace.connector("work").scan(con, resource)
            (row,) = con.execute(f"SELECT * FROM {name} WHERE step = 'draw'").to_arrow_table().to_pylist()
        return dict(row)

    def write(self, *, resource: str = "tasks", op: str = "update", key: str = "", **values: Any) -> tuple[str, str]:
        """Write columns as a flow does, against what stands there now; gives what became of it, and the reason of a refusal."""
        before, name = self.row(resource), "task" if resource == "tasks" else "handoff"
        given = {column.replace("__", "."): value for column, value in values.items()}
        columns = tuple(given) if given else ("status",)
        row = {"_op": op, name: key or before[name]}
        row |= {c: given.get(c, before[c]) for c in columns} | {f"_old_{c}": before[c] for c in columns}
        table = pa.table({c: pa.array([v], pa.string()) for c, v in row.items()})
        result = self.workspace.connector("work").apply(ChangeBatch(resource, (name,), columns, table, "b"))
        if result.refused is not None:
            return "refused", str(result.refused["reason"][0])
        outcomes = {"updated": result.updated, "unchanged": result.unchanged, "stale": 0 if result.stale is None else result.stale.num_rows}
        return next(outcome for outcome, count in outcomes.items() if count), ""

    def begin(self) -> Board:
        """A poster whose brief is written."""
        self.work.start("poster", case="P1", by="Mia", key="1")
        self.work.complete("poster-1/brief/1", by="Mia")
        return self

    def events(self, type_: str) -> list[dict[str, Any]]:
        """What the log holds of a type."""
        return [dict(stored.event.attributes) for stored in self.workspace.store.read(types=[type_])]

    def ticket(self, *columns: str) -> tuple[Any, ...]:
        """The one ticket, read with sqlite3 and nothing of ours."""
        (row,) = self.sql(f"SELECT {', '.join(columns or ('state', 'person'))} FROM tickets")
        return row

    def task(self) -> Task:
        """The studio's task."""
        (name,) = next(iter(self.workspace.store.rows("SELECT task FROM work_task WHERE step = 'draw'")))
        return self.work.task(name)

    def offered(self) -> Board:
        """As ``begin``, and the tracker shows the ticket."""
        self.begin().sync()
        return self


def open_board(folder: Path, *, text: str = MAP) -> Board:
    """A workspace in a folder, with the table of the map above."""
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    workspace = open_workspace(folder / "map.yaml")
    clock = Clock()
    made = Board(folder, workspace, open_work(workspace.map, workspace.store, clock=clock, folder=folder), clock)
    if "entity: ticket" in text:
        made.sql(f"CREATE TABLE tickets ({COLUMNS})")
    return made


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """A workspace with an empty tracker."""
    made = open_board(tmp_path)
    yield made
    made.workspace.close()


@pytest.fixture
def opened() -> Any:
    """``open_board``, for tests with a map of their own."""
    return open_board


@pytest.fixture
def gated() -> str:
    """The map, with a gate behind the drawing."""
    gate = "gates: {web: {checks: {web: {check: \"link LIKE 'https://%'\", reason: no web address}}}}\nprocesses:"
    return MAP.replace("processes:", gate).replace("after: [brief], form", "after: [brief], gate: web, form")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A workspace whose task no test moves."""
    made = open_board(tmp_path_factory.mktemp("shared")).begin()
    yield made
    made.workspace.close()


@pytest.fixture
def text() -> str:
    """The map."""
    return MAP
