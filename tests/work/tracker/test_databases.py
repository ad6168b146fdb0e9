"""Tickets, starts and reviews on both databases a store may lie in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors.protocol import ChangeBatch
from accord.govern.reviews import finish_action, hold, list_reviews, note_due
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store
from accord.work import Work
from accord.work.starts import start_from_entities
from accord.work.tracker import WorkTracker, open_refusals

MAP = """
systems: {planner: {connector: csv, at: .}}
entities: {campaign: {key: [id], fields: {id: text, status: text}}}
flows: {campaigns: {entity: campaign, bindings: {planner: {resource: c, fields: {id: id, status: status}}}}}
processes:
  poster:
    owner: marketing
    starts: {approved: {entity: campaign, when: "status = 'approved'"}}
    steps: {brief: {team: marketing}, draw: {team: studio, after: [brief], form: {link: {type: text, required: true}}}}
"""


def batch(op: str = "update", **values: tuple[Any, Any]) -> ChangeBatch:
    """One row of the drawing's ticket; each value with what is expected to stand there."""
    row: dict[str, Any] = {"_op": op, "task": "poster-1/draw/1"}
    row |= {name: new for name, (_, new) in values.items()} | {f"_old_{name}": old for name, (old, _) in values.items()}
    return ChangeBatch("tasks", ("task",), tuple(values), pa.table({n: pa.array([v], pa.string()) for n, v in row.items()}), "b")


def test_a_ticket_moves_its_task_in_either_database(work_with: Callable[..., Work], store: Store) -> None:
    """The queries are those both databases share."""
    work = work_with(MAP)
    tracker = WorkTracker(System("work", "accord", "."), work)
    feed = tracker.open_feed("tasks", ["task"], name="f", after="0")
    token = tracker.change_token("tasks")
    work.start("poster", case="C", by="Mia", key="1")
    work.complete("poster-1/brief/1", by="Mia")

    refused = tracker.apply(batch(status=("open", "done"), assignee=(None, "Sue"))).refused
    assert refused is not None
    assert "'link' is a required property" in str(refused["reason"][0])
    assert [(r.task, r.person) for r in open_refusals(store, team="studio")] == [("poster-1/draw/1", "Sue")]
    done = batch(**{"status": ("open", "done"), "assignee": (None, "Sue"), "answer.link": (None, "x")})
    assert (tracker.apply(done).updated, tracker.apply(done).unchanged) == (1, 1)
    with duckdb.connect() as con:
        rows = con.execute(f'SELECT step, status, ended_by, "answer.link" FROM {tracker.scan(con, "tasks")} ORDER BY step').fetchall()
        handoffs = con.execute(f"SELECT from_team, state FROM {tracker.scan(con, 'handoffs')}").fetchall()

    assert rows == [("brief", "done", "Mia", None), ("draw", "done", "Sue", "x")]
    assert handoffs == [("marketing", "started")]
    changes = feed.read()
    assert changes is not None
    assert changes.keys is not None
    assert sorted(changes.keys["task"].to_pylist()) == ["poster-1/brief/1", "poster-1/draw/1"]
    assert tracker.change_token("tasks") != token
    assert open_refusals(store) == []


def test_a_start_and_a_review_stand_in_either_database(work_with: Callable[..., Work], store: Store, clock: Any) -> None:
    """As above."""
    work = work_with(MAP)
    given = {"flow": "campaigns", "run": "r", "status": "done", "state": {}, "counts": {}}
    store.append([Event("r", "flow.run_finished", clock(), "flow:campaigns", given)])
    assert start_from_entities(work) == []
    live = {"flow": "campaigns", "intent": "i", "rows": [{"key": ["C"], "golden": {"id": "C", "status": "approved"}}]}
    store.append([Event("l", "flow.live_applied", clock(), "flow:campaigns", live)])
    assert [b.instance for b in start_from_entities(work)] == ["poster-approved-C"]
    assert start_from_entities(work) == []

    map_ = IntegrationMap("m")
    assert note_due(map_, store, now=clock()) == 2
    later = clock() + timedelta(days=35)
    held = hold(map_, store, "integration_validation", by="Mia", decisions=["go on"], actions=["x"], now=later)
    assert finish_action(store, held.actions[0].id, by="Sam", now=later).done_by == "Sam"
    assert [(h.period, h.state) for h in list_reviews(map_, store, now=later)] == [("2026-03", "held"), ("2026-Q1", "due")]
