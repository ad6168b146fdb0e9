"""What Accord carries out itself reaches the standard views and the figures F2, F3, F4 and F10, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.mapfile import load_map
from accord.measure import Measure, load_kpis, measure_kpis, open_measure
from accord.measure.kpi import kpi_folders
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.store import Store, open_store
from accord.work import open_work

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAP = """
name: test
teams: {planning: {}, studio: {}, legal: {}}
gates: {G: {checks: {brand: {reason: off brand}}}}
entities:
  handoff: {key: [id], fields: {id: text, giver: text, taker: text, offered: timestamp, accepted: timestamp, n: integer, hours: double}}
  task: {key: [id], fields: {id: text, done: timestamp}, events: [{type: task.completed, time: done, process: other}]}
flows:
  handoffs: {entity: handoff, bindings: {files: {resource: handoffs, fields: {id: id}}}}
  tasks: {entity: task, bindings: {files: {resource: tasks, fields: {id: id}}}}
systems: {files: {connector: csv, at: data}}
processes:
  program: {steps: {all: {kind: foreach, each: items, process: delivery, case: item}}}
  other:
    handoffs: {entity: handoff, case: id, from_team: giver, to_team: taker, offered: offered, accepted: accepted, attempts: n}
  delivery:
    steps:
      order: {team: planning}
      produce: {team: studio, after: [order], sla: 2d, accept_within: 4h}
      review:
        kind: decision
        team: legal
        after: [produce, mend]
        join: any
        accept_within: 4h
        gate: G
        form: {brand: {type: boolean, required: true}}
        routes: {good: {when: passed}, bad: {to: mend}}
      mend: {team: studio, accept_within: 4h}
"""


class World:
    """Two deliverables of one campaign, by hand, with times that are easy to add up."""

    def __init__(self, folder: Path) -> None:
        (folder / "map.yaml").write_text(MAP, encoding="utf-8")
        self.map: IntegrationMap = load_map(folder / "map.yaml")
        self.store: Store = open_store(folder / "store.db", segments=folder / "segments")
        self.now = START
        self.work = open_work(self.map, self.store, clock=lambda: self.now)

    def at(self, hours: float) -> World:
        self.now = START + timedelta(hours=hours)
        return self

    def task(self, step: str, case: str) -> str:
        return next(t.task for t in self.work.tasks(states=("offered", "ready", "started")) if (t.step, t.case) == (step, case))

    def do(self, step: str, case: str, by: str, **answer: Any) -> None:
        self.work.complete(self.task(step, case), by=by, answer=answer)


def _play(world: World) -> None:
    """d1: produce rejected once (accepted after 6 h), review failed once. d2: everything at the first go, but produce accepted late."""
    work = world.work
    work.start("program", case="c1", by="ann", variables={"items": ["d1", "d2"]})
    world.at(1).do("order", "d1", "ann")
    world.do("order", "d2", "ann")
    world.at(3)
    work.reject(world.task("produce", "d1"), by="sam", reason="unclear")
    world.at(4).do("order", "d1", "ann")
    world.at(7)
    work.accept(world.task("produce", "d1"), by="sam")  # 6 h after the first offer at 1
    work.accept(world.task("produce", "d2"), by="sue")  # 6 h, agreed were 4
    world.at(8)
    work.claim(world.task("produce", "d1"), by="sam")
    world.at(10).do("produce", "d1", "sam")
    world.do("produce", "d2", "sue")
    world.at(11)
    work.claim(world.task("review", "d1"), by="lea")  # 1 h
    work.claim(world.task("review", "d2"), by="lea")  # 1 h
    world.at(12).do("review", "d1", "lea", brand=False)
    world.do("review", "d2", "lea", brand=True)
    world.at(14).do("mend", "d1", "sam")  # accepted and done 2 h after it came back
    world.at(15).do("review", "d1", "lea", brand=True)  # 1 h


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    _play(made)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def measure(world: World) -> Iterator[Measure]:
    with open_measure(world.map, world.store, now=START + timedelta(days=30)) as opened:
        yield opened


def test_each_attempt_of_a_step_is_an_event_with_its_case_person_and_times(measure: Measure) -> None:
    """Mining looks at cases, activities and who did them; rework must show as the same activity again."""
    rows = measure.arrow(
        "SELECT case_id, activity, team, resource, (epoch(start_at) - epoch($s)) / 3600 AS started, "
        "(epoch(complete_at) - epoch($s)) / 3600 AS done FROM event_log WHERE process = 'delivery' ORDER BY case_id, complete_at, seq",
        {"s": START},
    ).to_pylist()

    assert [tuple(row.values()) for row in rows] == [
        ("d1", "order", "planning", "ann", 1, 1),
        ("d1", "order", "planning", "ann", 4, 4),
        ("d1", "produce", "studio", "sam", 8, 10),
        ("d1", "review", "legal", "lea", 11, 12),
        ("d1", "mend", "studio", "sam", 14, 14),
        ("d1", "review", "legal", "lea", 15, 15),
        ("d2", "order", "planning", "ann", 1, 1),
        ("d2", "produce", "studio", "sue", 10, 10),
        ("d2", "review", "legal", "lea", 11, 12),
    ]


def test_handoffs_stand_with_the_outermost_case_and_the_clock_of_the_first_offer(measure: Measure) -> None:
    """What belongs to one campaign varies together; a rejection restarts nothing."""
    rows = measure.arrow("SELECT case_id, step, from_team, to_team, attempts, wait_hours FROM handoff ORDER BY handoff_id").to_pylist()

    assert sorted(tuple(row.values()) for row in rows) == sorted(
        [
            ("c1", "produce", "planning", "studio", 2, 6.0),
            ("c1", "produce", "planning", "studio", 1, 6.0),
            ("c1", "review", "studio", "legal", 1, 1.0),
            ("c1", "review", "studio", "legal", 1, 1.0),
            ("c1", "mend", "legal", "studio", 1, 2.0),
            ("c1", "review", "studio", "legal", 1, 1.0),
        ]
    )


def test_figures_of_work_are_those_counted_by_hand(measure: Measure) -> None:
    """F2: median of 1 1 1 2 6 6. F3: 5 of 6 at the first offer. F4: 4 of 6 also within 4 h. F10: 1 of 2 passed at the first try."""
    kpis = load_kpis(kpi_folders()[:1])
    names = ("handoff_time", "first_time_accepted", "coordination_effectiveness", "first_pass_yield")

    found = {f.name: (f.value, f.n) for f in measure_kpis(measure, [kpis[n] for n in names], breakdown=False)}

    assert found == {
        "handoff_time": (1.5, 6),
        "first_time_accepted": (pytest.approx(5 / 6), 6),
        "coordination_effectiveness": (pytest.approx(4 / 6), 6),
        "first_pass_yield": (0.5, 2),
    }


def test_a_handoff_that_a_system_keeps_too_counts_once(tmp_path: Path) -> None:
    """The tracker's copy carries the id of Accord's own; counted twice, one late handoff would be two."""
    world = World(tmp_path)
    world.work.start("delivery", case="d1", by="ann")
    world.at(1).do("order", "d1", "ann")
    world.at(3)
    accepted = world.work.accept(world.task("produce", "d1"), by="sam")
    own = world.store.table("handoff").to_pylist()[0]
    rows = [{"id": own["handoff"], "offered": START}, {"id": "theirs", "offered": START}]
    _agreed(world.store, "handoffs", [row | {"giver": "a", "taker": "b", "accepted": START + timedelta(hours=9)} for row in rows])
    _agreed(world.store, "tasks", [{"id": key, "done": START} for key in (accepted.from_task, "theirs")])

    with open_measure(world.map, world.store, now=START + timedelta(days=30)) as opened:
        handoffs = opened.arrow("SELECT handoff_id, wait_hours FROM handoff ORDER BY wait_hours").to_pylist()
        events = opened.arrow("SELECT case_id FROM event_log ORDER BY case_id").to_pylist()
    world.store.close()

    assert [(row["handoff_id"], row["wait_hours"]) for row in handoffs] == [(own["handoff"], 2.0), ("theirs", 9.0)]
    assert [row["case_id"] for row in events] == ["d1", "theirs"]


def _agreed(store: Store, flow: str, rows: list[dict[str, Any]]) -> None:

    segment = store.write_segment(pa.Table.from_pylist(rows))
    body = {"flow": flow, "run": "r", "status": "done", "counts": {}, "seconds": 0.0, "state": {"golden": [segment.sha]}}
    store.append([Event(f"put:{flow}", "flow.run_finished", START, "test", body)])


def test_offer_withdrawn_before_anybody_took_it_is_not_due(tmp_path: Path) -> None:
    """Work that was taken off must not count against the team it was offered to."""
    world = World(tmp_path)
    instance = world.work.start("delivery", case="d1", by="ann")
    world.at(1).do("order", "d1", "ann")
    world.work.cancel(instance, by="ann", reason="not wanted any more")

    with open_measure(world.map, world.store, now=START + timedelta(days=30)) as opened:
        rows = opened.arrow("SELECT handoff_id FROM handoff").to_pylist()
    world.store.close()

    assert rows == []


def test_map_without_carried_out_work_measures_as_before(tmp_path: Path) -> None:
    """The tables of work are made only where there is some."""
    world = World(tmp_path)
    with open_measure(world.map, world.store, now=START) as opened:
        why = opened.why_empty(["gate_result"])
    world.store.close()

    assert "no process was carried out" in why
