"""The whole step on a small organization in real systems."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.lifecycle.assess import analyze
from accord.lifecycle.context import StepContext
from accord.workspace import Workspace, open_workspace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAP = """
name: small
title: Small organization
teams: {marketing: {title: Marketing}, operations: {title: Operations}}
systems:
  planner: {connector: sqlite, at: planner.db, owner: marketing}
  tracker: {connector: sqlite, at: tracker.db, owner: operations}
  gone: {connector: sqlite, at: nowhere.db, owner: operations}
entities:
  task:
    key: [id]
    owner: operations
    fields:
      id: {type: text, required: true}
      title: {type: text, required: true}
      hours: {type: "number(12,2)", unit: h, minimum: 0, maximum: 100}
      status: {type: text, values: [open, done]}
  handoff:
    key: [id]
    fields:
      id: text
      task: {type: text, references: task}
      giver: text
      taker: text
      offered_at: timestamp
      accepted_at: timestamp
      attempt: integer
      sla: "number(8,2)"
flows:
  tasks:
    entity: task
    owner: operations
    authority: {"*": planner}
    bindings:
      planner:
        resource: tasks
        fields: {id: id, title: name, hours: {column: minutes, unit: min}, status: {column: st, codes: {o: open, d: done}}}
      tracker: {resource: issues, fields: {id: ref, title: summary, hours: effort, status: state}}
  handoffs:
    entity: handoff
    owner: operations
    bindings:
      tracker:
        resource: handoffs
        direction: read
        fields: {id: id, task: task, giver: giver, taker: taker, offered_at: offered, accepted_at: accepted, attempt: attempt, sla: sla}
  lost:
    entity: task
    bindings:
      planner: {resource: tasks, direction: read, fields: {id: id, title: name}}
      gone: {resource: tasks, direction: write, fields: {id: id, title: title}}
processes:
  work:
    case: task
    steps: {do: {team: operations, sla: 2d}, check: {team: marketing}}
    handoffs:
      {entity: handoff, case: task, from_team: giver, to_team: taker, offered: offered_at,
       accepted: accepted_at, attempts: attempt, sla_hours: sla}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.yaml").write_text(MAP)
    with sqlite3.connect(folder / "planner.db") as db:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, name TEXT, minutes INTEGER, st TEXT)")
        db.executemany("INSERT INTO tasks VALUES (?, ?, ?, ?)", [(f"T{i}", f"task {i}", 60 * (i % 7 + 1), "od"[i % 2]) for i in range(40)])
        db.execute("UPDATE tasks SET st = 'x' WHERE id = 'T3'")
    db.close()
    with sqlite3.connect(folder / "tracker.db") as db:
        db.execute("CREATE TABLE issues (ref TEXT, summary TEXT, effort NUMERIC, state TEXT)")
        rows = [(f"T{i}", f"task {i}", float(i % 7 + 1), ("open", "done")[i % 2]) for i in range(40)]
        db.executemany("INSERT INTO issues VALUES (?, ?, ?, ?)", [r for r in rows if r[0] != "T7"])
        db.execute("UPDATE issues SET effort = effort * 60 WHERE ref = 'T8'")
        db.execute("UPDATE issues SET summary = 'old' WHERE ref = 'T9'")
        db.execute(
            "CREATE TABLE handoffs (id TEXT PRIMARY KEY, task TEXT, giver TEXT, taker TEXT, "
            "offered TEXT, accepted TEXT, attempt INTEGER, sla REAL)"
        )
        db.executemany(
            "INSERT INTO handoffs VALUES (?, ?, 'marketing', 'operations', ?, ?, ?, 24)",
            [
                (f"H{i}", f"T{i}", f"2026-01-{i + 1:02} 08:00:00", f"2026-01-{i + 2:02} {6 + i % 4:02}:00:00", 1 + (i == 5))
                for i in range(20)
            ],
        )
    db.close()
    with open_workspace(folder, root=tmp_path / "state") as opened:
        yield opened


def test_each_defect_is_found_once_with_its_key(workspace: Workspace) -> None:
    """The assessment names system, resource, key and field, so that someone can mend it."""
    analysis = analyze(StepContext(workspace, "r1", NOW))

    found = {(d["kind"], d["system"], d["key"], d["field"]) for d in analysis.defects.to_pylist()}
    late = {("late_handoff", "tracker", f"H{i}", "accepted_at") for i in range(20) if i % 4 == 3}
    assert found == late | {
        ("bad_code", "planner", "T3", "status"),
        ("missing_record", "tracker", "T7", ""),
        ("unit_error", "tracker", "T8", "hours"),
        ("stale_field", "tracker", "T9", "title"),
        ("rework", "tracker", "H5", "attempt"),
    }


def test_an_unreachable_system_is_a_finding_and_the_others_go_on(workspace: Workspace) -> None:
    """One system that is down must not hide what the others say."""
    analysis = analyze(StepContext(workspace, "r1", NOW))

    assert analysis.unreachable == ("gone",)
    assert [f.subject for f in analysis.findings if f.kind == "unreachable"] == ["gone"]
    assert {m.target: m.value.value for m in analysis.metrics}["accuracy"] == 1.0


def test_handoffs_are_timed_before_anything_was_synchronized(workspace: Workspace) -> None:
    """The baseline must exist before the change."""
    (fact,) = analyze(StepContext(workspace, "r1", NOW)).processes

    assert fact.handoff.n == 20
    assert fact.handoff.value == pytest.approx(23.5)
    assert fact.late_share.value == pytest.approx(0.25)


def test_the_documents_are_the_same_when_nothing_changed(workspace: Workspace) -> None:
    """«No change» must be true to be worth saying."""
    from accord.lifecycle.runner import deliverable_builders
    from accord.report.canonical import digest

    digests = []
    for run in ("r1", "r2"):
        ctx = StepContext(workspace, run, NOW)
        analysis = analyze(ctx)
        digests.append({name: digest(build(ctx, analysis)) for name, build in deliverable_builders("assess")})

    assert digests[0] == digests[1]
    assert len(digests[0]) == 5


def test_the_baseline_is_frozen_once_and_only_when_every_system_was_read(workspace: Workspace) -> None:
    """A baseline that lacks a system, or moves, judges nothing."""
    first = analyze(StepContext(workspace, "r1", NOW))
    sqlite3.connect(workspace.map_folder / "nowhere.db").execute("CREATE TABLE tasks (id TEXT, title TEXT)").connection.close()
    second = analyze(StepContext(workspace, "r2", NOW))
    third = analyze(StepContext(workspace, "r3", NOW.replace(month=4)))

    assert first.frozen == ()
    assert second.frozen[0] == "baseline"
    assert third.frozen == second.frozen
    assert third.baseline == second.baseline
    assert not any("run r2" in e.detail for f in second.baseline for e in f.evidence)
