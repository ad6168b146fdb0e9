"""The whole step on a small organization in real systems, and its proposal written into the map."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.lifecycle.context import StepContext
from accord.lifecycle.design import DesignAnalysis, analyze
from accord.mapfile import load_map
from accord.workspace import Workspace, open_workspace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAP = """
# the organization's own words
name: small
teams: {marketing: {}, operations: {}}
systems:
  planner: {connector: sqlite, at: "${data}/planner.db", owner: marketing}
  tracker: {connector: sqlite, at: "${data}/tracker.db", owner: operations}
variables: {data: .}
entities:
  task:
    key: [id]
    owner: operations
    fields:
      id: {type: text, required: true}
      title: text  # what people call it
      hours: {type: "number(12,2)", unit: h}
      status: text
flows:
  tasks:
    entity: task
    owner: operations
    bindings:
      planner: {resource: tasks, fields: {id: task_id, title: name, hours: {column: minutes, unit: min}, status: state}}
      tracker: {resource: issues, fields: {id: ref, title: summary, hours: effort, status: condition}}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.yaml").write_text(MAP)
    states = ("open", "done", "checked")
    with sqlite3.connect(folder / "planner.db") as db:
        db.execute("CREATE TABLE tasks (task_id TEXT PRIMARY KEY, name TEXT, minutes INTEGER, state TEXT, contact TEXT)")
        rows = [(f"T-{i:03}", f"task {i}", 60 * (i % 7 + 1), states[i % 3], f"p{i}@example.org") for i in range(60)]
        db.executemany("INSERT INTO tasks VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
    with sqlite3.connect(folder / "tracker.db") as db:
        db.execute("CREATE TABLE issues (ref TEXT PRIMARY KEY, summary TEXT, effort NUMERIC, condition TEXT)")
        db.executemany("INSERT INTO issues VALUES (?, ?, ?, ?)", [(r[0], r[1], r[2] / 60, r[3]) for r in rows])
        db.execute("CREATE TABLE remarks (remark_id INTEGER PRIMARY KEY, issue TEXT, body TEXT)")
        db.executemany("INSERT INTO remarks VALUES (?, ?, ?)", [(i, f"T-{i % 60:03}", f"said {i}") for i in range(90)])
    db.close()
    with open_workspace(folder, root=tmp_path / "state") as opened:
        yield opened


def _analyze(workspace: Workspace, **options: object) -> DesignAnalysis:
    return analyze(StepContext(workspace, "r1", NOW, options=dict(options)))


def test_declared_mappings_are_found_again(workspace: Workspace) -> None:
    """Precision and recall against what is known say how far a proposal for the unknown can be trusted."""
    metrics = {m.target: m.value.value for m in _analyze(workspace).metrics}

    assert metrics["mapping_precision"] == 1.0
    assert metrics["mapping_recall"] == 1.0
    assert metrics["standards"] == 1.0
    assert metrics["data_flow_efficiency"] == 1.0


def test_contracts_columns_and_resources_are_proposed_from_the_data(workspace: Workspace) -> None:
    """What the data shows and the map does not say is offered, with the reason."""
    analysis = _analyze(workspace)

    proposed = {(c.field, c.change): c.value for c in analysis.contracts}
    assert proposed["status", "values"] == ("checked", "done", "open")
    assert proposed["title", "required"] is True
    assert proposed["id", "pattern"] == "T-[0-9]{3}"
    assert [(f.resource, f.inferred.field.name, f.inferred.field.personal) for f in analysis.new_fields] == [("tasks", "contact", True)]
    (new,) = analysis.new_entities
    assert (new.resource, new.key, new.references, new.like) == ("remarks", ("remark_id",), (("issue", "task"),), "")


def test_the_proposal_is_written_into_the_map_and_then_nothing_more_is_proposed(workspace: Workspace, tmp_path: Path) -> None:
    """A proposal that does not load, or is made again after it was accepted, costs more than it gives."""
    folder = workspace.map_folder
    proposed = _analyze(workspace).proposal
    assert proposed is not None

    written = _analyze(workspace, write=True).written

    assert written == ("map.yaml", "proposed.yaml")
    text = (folder / "map.yaml").read_text()
    assert "# the organization's own words" in text
    assert "# what people call it" in text
    assert '"${data}/planner.db"' in text
    again = load_map(folder)
    assert again.entities["task"].fields["status"].values == ("checked", "done", "open")
    assert again.flows["tasks"].authority["title"] == "planner"
    assert again.entities["remark"].fields["issue"].references == "task"
    with open_workspace(folder, root=tmp_path / "second") as second:
        proposal = _analyze(second).proposal
        assert proposal is not None
        assert proposal.words == ()


def test_without_write_the_map_is_left_alone(workspace: Workspace) -> None:
    """A design is a proposal until someone accepts it."""
    before = (workspace.map_folder / "map.yaml").read_bytes()

    analysis = _analyze(workspace)

    assert analysis.written == ()
    assert analysis.proposal is not None
    assert analysis.proposal.changed
    assert (workspace.map_folder / "map.yaml").read_bytes() == before
    assert not (workspace.map_folder / "proposed.yaml").exists()


def test_the_documents_are_the_same_when_nothing_changed(workspace: Workspace) -> None:
    """«No change» must be true to be worth saying."""
    from accord.lifecycle.runner import deliverable_builders
    from accord.report.canonical import digest

    digests = []
    for run in ("r1", "r2"):
        ctx = StepContext(workspace, run, NOW)
        analysis = analyze(ctx)
        digests.append({name: digest(build(ctx, analysis)) for name, build in deliverable_builders("design")})

    assert digests[0] == digests[1]
    assert len(digests[0]) == 5
