"""Instances that a change of an entity starts: once for each key, whatever happens in between."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from accord.cli import watching
from accord.cli.main import main
from accord.mapfile import lint
from accord.model.event import Event
from accord.sync import run_flow
from accord.sync.live import Taken
from accord.work.starts import Begun, start_from_entities
from accord.workspace import Workspace, open_workspace

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAP = """
name: test
teams: {marketing: {owner: Mia}}
systems:
  planner: {connector: sqlite, at: planner.db}
entities:
  campaign:
    key: [id]
    fields: {id: {type: text, required: true}, status: text, budget: "number(12,2)", launch: date}
flows:
  campaigns:
    entity: campaign
    bindings: {planner: {resource: campaigns, fields: {id: id, status: status, budget: budget, launch: launch}}}
processes:
  delivery:
    owner: marketing
    case: campaign
    variables: {budget: {type: "number(12,2)", required: true}, launch: date}
    starts: {approved: {entity: campaign, when: "status = 'approved'"}}
    steps: {brief: {team: marketing}}
"""


@dataclass
class World:
    """A planner in SQLite whose campaigns start deliveries."""

    folder: Path
    workspace: Workspace
    runs: int = 0

    def sql(self, statement: str, *values: Any) -> None:
        with sqlite3.connect(self.folder / "planner.db") as db:
            db.execute(statement, values)
        db.close()

    def sync(self) -> None:
        self.runs += 1
        run_flow(self.workspace.map, "campaigns", self.workspace.connectors(), self.workspace.store, run=f"r{self.runs}", now=NOW)

    def look(self) -> list[Begun]:
        return start_from_entities(self.workspace.work())

    def instances(self) -> dict[str, str]:
        return dict(self.workspace.store.rows("SELECT instance, case_id FROM work_instance ORDER BY instance"))


def opened(folder: Path, text: str = MAP) -> World:
    (folder / "map.yaml").write_text(text)
    return World(folder, open_workspace(folder / "map.yaml"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One campaign that was approved before anybody looked, and one that is planned."""
    made = opened(tmp_path)
    made.sql("CREATE TABLE campaigns (id TEXT PRIMARY KEY, status TEXT, budget NUMERIC, launch TEXT)")
    made.sql("INSERT INTO campaigns VALUES ('C1', 'approved', 100, NULL), ('C2', 'planned', 250.5, '2026-05-01')")
    yield made
    made.workspace.close()


def test_a_row_that_comes_to_meet_the_condition_starts_one_instance(world: World) -> None:
    """What was approved long ago is not; what went back and is approved again is not, either."""
    assert world.look() == []  # no flow has run: nothing is agreed
    world.sync()
    assert world.look() == []
    world.sql("UPDATE campaigns SET status = 'approved' WHERE id = 'C2'")
    world.sql("INSERT INTO campaigns VALUES ('C/3 ü', 'approved', 1, NULL)")
    world.sync()

    begun = world.look()

    assert [(b.process, b.start, b.key, b.reason) for b in begun] == [
        ("delivery", "approved", '["C/3 ü"]', ""),
        ("delivery", "approved", '["C2"]', ""),
    ]
    found = world.instances()
    assert found["delivery-approved-C2"] == "C2"
    assert sorted(found.values()) == ["C/3 ü", "C2"]
    assert all("/" not in instance for instance in found)
    variables = world.workspace.store.rows("SELECT name, value FROM work_variable WHERE instance = 'delivery-approved-C2' ORDER BY name")
    assert variables == [("budget", "250.5"), ("launch", '"2026-05-01"')]
    world.sql("UPDATE campaigns SET status = 'planned'")
    world.sync()
    assert world.look() == []
    world.sql("UPDATE campaigns SET status = 'approved'")
    world.sync()
    assert world.look() == []
    before = world.workspace.store.table("work_start")
    world.workspace.store.rebuild()
    assert world.workspace.store.table("work_start") == before


def test_what_died_between_the_run_and_the_look_is_made_up_for(world: World, tmp_path: Path) -> None:
    """Runs may follow each other without a look: the agreed rows are compared, not the last run's changes."""
    world.sync()
    world.look()
    for status in ("done", "approved"):
        world.sql("UPDATE campaigns SET status = ? WHERE id = 'C2'", status)
        world.sync()
    again = World(tmp_path, open_workspace(tmp_path / "map.yaml"))

    assert [b.instance for b in start_from_entities(again.workspace.work())] == ["delivery-approved-C2"]
    assert world.look() == []
    again.workspace.close()


def test_a_row_the_process_cannot_start_with_is_told_once_and_tried_again(world: World) -> None:
    """The reason names what is missing, and the others start."""
    world.sync()
    world.look()
    world.sql("INSERT INTO campaigns VALUES ('C4', 'approved', NULL, NULL), ('C5', 'approved', 5, NULL)")
    world.sync()
    first = world.look()

    assert [(b.instance, "'budget' is a required property" in b.reason) for b in first] == [("", True), ("delivery-approved-C5", False)]
    assert world.look() == []
    world.sql("UPDATE campaigns SET budget = 7 WHERE id = 'C4'")
    world.sync()
    assert [b.instance for b in world.look()] == ["delivery-approved-C4"]


def test_a_personal_key_stands_nowhere_in_the_clear(world: World, tmp_path: Path) -> None:
    """Neither in ids nor in what is kept of the keys that are known."""
    text = MAP.replace("id: {type: text, required: true}", "id: {type: text, required: true, personal: true}")
    made = opened(tmp_path, text)
    made.sync()
    made.look()
    made.sql("INSERT INTO campaigns VALUES ('sue@home', 'approved', 5, NULL), ('sam@home', 'approved', NULL, NULL)")
    made.sync()

    assert sorted(b.key for b in made.look()) == ['["sam@home"]', '["sue@home"]']
    assert made.look() == []
    store = made.workspace.store
    assert list(made.instances().values()) == ["sue@home"]
    kept = [str(r) for table in ("event", "work_start") for r in store.rows(f"SELECT * FROM {table}")]
    known = store.read_segment(store.rows("SELECT known FROM work_start WHERE key = ''")[0][0])
    assert not any("@home" in text for text in kept)
    assert "C1" not in str(pq.read_table(known).to_pylist())
    made.workspace.close()


def test_rows_that_are_there_already_start_too_where_the_map_says_so(world: World, tmp_path: Path) -> None:
    """For a process that has to catch up."""
    world.sync()
    text = MAP.replace("when: \"status = 'approved'\"", "existing: start, when: \"status = 'approved'\"")
    (tmp_path / "map.yaml").write_text(text)
    again = World(tmp_path, open_workspace(tmp_path / "map.yaml"))

    assert [b.instance for b in again.look()] == ["delivery-approved-C1"]
    again.workspace.close()


def test_what_went_the_short_way_counts_before_it_is_part_of_the_state(world: World) -> None:
    """A watch agrees on single rows without a run; the log has them, the segments not yet."""
    world.sync()
    world.look()
    golden = {"id": "C2", "status": "approved", "budget": "250.50", "launch": "2026-05-01"}
    rows = [{"key": ["C2"], "golden": golden}, {"key": ["C1"], "golden": None}]
    body = {"flow": "campaigns", "intent": "i", "rows": rows, "withdrawn": []}
    world.workspace.store.append([Event("live", "flow.live_applied", NOW, "flow:campaigns", body)])

    assert [b.instance for b in world.look()] == ["delivery-approved-C2"]


def test_the_command_and_the_watch_start_what_they_brought_about(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to ask for it."""
    assert main(["sync", str(tmp_path / "map.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["started"] == []
    world.sql("UPDATE campaigns SET status = 'approved' WHERE id = 'C2'")
    assert main(["sync", str(tmp_path / "map.yaml"), "--dry-run"]) == 0
    assert world.instances() == {}
    assert main(["sync", str(tmp_path / "map.yaml")]) == 0
    assert "started: delivery-approved-C2" in capsys.readouterr().out

    starter = watching.Starter(world.workspace.work(), watching.Told(as_json=True))
    world.sql("INSERT INTO campaigns VALUES ('C6', 'approved', NULL, NULL), ('C7', 'approved', 7, NULL)")
    world.sync()
    starter.applied(world.workspace.map.flows["campaigns"], Taken(inserted=2))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["key"]) for line in lines] == [("not_started", '["C6"]'), ("process_started", '["C7"]')]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("entity: campaign, when", "entity: campain, when", "entity 'campain' does not exist"),
        ("when: \"status = 'approved'\"", "when: \"stats = 'approved'\"", "column 'stats' does not exist"),
        ("when: \"status = 'approved'\"", "when: budget", "gives decimal(12,2), not true or false"),
        ("entity: campaign, when: \"status = 'approved'\"", "when: true", "nothing starts it"),
        ("entity: campaign, when", "entity: campaign, message: go, when", "a message and an entity"),
        ("    steps: {brief: {team: marketing}}\n", "", "it has no steps"),
    ],
)
def test_a_start_that_never_comes_is_found_by_lint(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Nobody would notice it otherwise."""
    (tmp_path / "map.yaml").write_text(MAP.replace(old, new, 1))

    problems = lint(tmp_path / "map.yaml")

    assert (len(problems), said in problems[0].message) == (1, True), problems
