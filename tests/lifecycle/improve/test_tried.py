"""Changes that processes measured themselves are told with their numbers; where nobody measured one, none is made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accord.lifecycle.improve.tried import tried_changes
from accord.lifecycle.measuring import measuring
from accord.mapfile import load_map
from accord.measure import open_measure
from accord.model.integration_map import IntegrationMap
from accord.store import Store, open_store
from accord.work import Work, open_work
from accord.work.action import Context
from accord.work.runner import carry_out

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAP = """
name: shop
unit_values: {hour: {amount: "50.00", currency: EUR, unit: h, kpi: hours_needed, owner: Ana}}
teams: {sales: {owner: Ana}}
processes:
  order:
    owner: sales
    steps: {do: {team: sales, form: {hours: {type: number, required: true}}}}
  trial:
    owner: sales
    steps:
      begin: {team: sales}
      measured: {kind: auto, team: sales, after: [begin], action: measure_change, arguments: {kpi: "'hours_needed'", since: "'begin'"}}
"""
KPI = """-- name: hours_needed
-- title: Hours an order needs
-- unit: h
-- better: lower
-- aggregate: mean
-- cluster: order
-- window: all
-- source: the test
-- processes: order
-- example:
--   work_step(process, instance, activity, attributes): ('order', 'a', 'do', '{"variables": {"hours": 2}}')
--   expect: 2
SELECT instance AS cluster, CAST(attributes ->> '$.variables.hours' AS DOUBLE) AS value, complete_at AS at
FROM work_step
WHERE process = 'order' AND activity = 'do'
"""


class World:
    """Orders, and a change whose effect on them is measured; the clock stands where the test puts it."""

    def __init__(self, integration_map: IntegrationMap, store: Store) -> None:
        self.map, self.store, self.now = integration_map, store, NOW
        self.work: Work = open_work(integration_map, store, clock=lambda: self.now)

    def orders(self, hours: list[float]) -> None:
        for given in hours:
            self.now += timedelta(hours=1)
            self.work.start("order", case="", by="Ana")
            (task,) = self.work.tasks()
            self.work.complete(task.task, by="Ana", answer={"hours": given})

    def change(self) -> None:
        self.now += timedelta(hours=1)
        self.work.start("trial", case="T1", by="Ana")
        self.work.complete(self.work.tasks()[0].task, by="Ana")

    def measure(self) -> dict[str, object]:
        """Let the queued step measure an hour later, and give what it said."""
        self.now += timedelta(hours=1)
        (task,) = self.work.queued()
        carry_out(self.work, task, Context(functions=measuring(self.map, self.store, lambda: self.now)))
        last = [e.event.attributes for e in self.store.read(types=["task.completed"])][-1]
        said: dict[str, object] = last["variables"]["measured"]
        return said


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "shop.yaml").write_text(MAP)
    (tmp_path / "kpis").mkdir()
    (tmp_path / "kpis" / "hours_needed.sql").write_text(KPI)
    with open_store(str(tmp_path / "store.db"), segments=tmp_path / "segments") as store:
        yield World(load_map(tmp_path / "shop.yaml"), store)


def test_a_change_is_told_with_its_interval_and_what_it_gave_back(world: World) -> None:
    """Six orders of about four hours, then six of about two: hours and money are those of the orders since."""
    world.orders([4, 4.5, 3.5, 4, 4.5, 3.5])
    world.change()
    world.orders([2, 2.5, 1.5, 2, 2.5, 1.5])

    said = world.measure()

    with open_measure(world.map, world.store, now=world.now) as measure:
        (tried,) = tried_changes(measure)
    assert (tried.before, tried.after, tried.change, tried.verdict, tried.simulated) == (4, 2, -2, "better", False)
    assert tried.low is not None
    assert tried.high is not None
    assert tried.low < -2 < tried.high < 0
    assert (said["gain"], said["money"], said["currency"]) == (12, 600, "EUR")


def test_too_few_cases_are_said_to_be_too_few(world: World) -> None:
    """An interval over two orders would look like knowledge."""
    world.orders([4, 4])
    world.change()
    world.orders([1])

    said = world.measure()

    assert (said["before"], said["after"], said["verdict"]) == (4, 1, "too little data")
