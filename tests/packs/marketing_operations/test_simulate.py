"""The processes of the pack are carried out to their ends by simulated people, and reach the log and the KPIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import accord_marketing_operations
from accord.govern.coverage import coverage, declared_ids, ran_ids
from accord.lifecycle.acting import registered_functions
from accord.mapfile import load_map
from accord.measure import load_kpis, measure_since_golive, open_measure
from accord.measure.kpi import kpi_folders
from accord.measure.runner import overall
from accord.measure.window import named_window
from accord.model.integration_map import IntegrationMap
from accord.packs import find_pack
from accord.store import Store, open_store
from accord.work.gates import share
from accord_marketing_operations.organization.people import GATES
from accord_marketing_operations.simulate import Summary, simulate_work

MAP = Path(accord_marketing_operations.__file__).parent / "map"
LATER = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Told:
    map: IntegrationMap
    store: Store
    summary: Summary


def _tell(folder: Path, campaigns: int) -> Told:
    integration_map = load_map(MAP)
    store = open_store(folder / "store.db", segments=folder / "segments")
    summary = simulate_work(integration_map, store, registered_functions(), number=campaigns)
    assert summary is not None
    return Told(integration_map, store, summary)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    made = _tell(tmp_path_factory.mktemp("told"), 2)
    yield made
    made.store.close()


def test_every_instance_comes_to_an_end(told: Told) -> None:
    """Work that is left lying would count as overdue for ever, and a stuck instance is a mistake of the map."""
    rows = dict(told.store.rows("SELECT status, count(*) FROM work_instance GROUP BY status"))

    assert set(rows) <= {"completed", "cancelled"}
    assert (told.summary.completed, told.summary.open) == (rows["completed"], 0)
    assert told.store.rows("SELECT count(*) FROM work_timer") == [(0,)]


def test_each_process_of_the_map_was_gone_to_its_end(told: Told) -> None:
    """P1 to P5: a process that nobody can finish is a drawing."""
    done = {row[0] for row in told.store.rows("SELECT DISTINCT process FROM work_instance WHERE status = 'completed'")}

    assert set(told.map.processes) - done <= {"improvement"}  # begun only where somebody has an idea


def test_it_is_recorded_as_simulated_and_happens_once(told: Told) -> None:
    """A second go would double the weeks; without the record nobody could tell what was assumed."""
    (event,) = list(told.store.read(types=["work.simulated"]))
    head = told.store.head()

    assert simulate_work(told.map, told.store, registered_functions(), number=2) is None
    assert told.store.head() == head
    assert {"rejected", "left_after_checks", "looks_after_minutes"} <= set(event.event.attributes["assumed"])


def test_figures_of_handoffs_and_gates_after_golive_have_values_that_say_they_are_simulated(told: Told) -> None:
    """F2, F3, F4 and F10 are what go-live is for; a simulated figure must not pass for an observed one."""
    kpis = load_kpis(kpi_folders()[:1])
    names = ("handoff_time", "handoff_time_p90", "first_time_accepted", "coordination_effectiveness", "first_pass_yield")
    with open_measure(told.map, told.store, now=LATER) as measure:
        since = named_window("since_golive", golive=told.map.golive, now=LATER)
        figures = [overall(measure, kpis[name], since)[0] for name in names]
        beside = measure_since_golive(measure, {name: kpis[name] for name in names})

    assert all(figure.value is not None and figure.label == "simulated" for figure in figures)
    assert beside == []  # nothing lies before go-live here


def test_cancelled_campaign_gives_its_hours_back(told: Told) -> None:
    """What finished steps did is taken back when an instance is cancelled."""
    rows = told.store.rows("SELECT state FROM work_task WHERE kind = 'undo' AND action = 'release_allocation'")

    assert rows == [("completed",)]


def test_gates_of_the_map_are_those_the_systems_keep() -> None:
    """Two definitions of one gate would give two verdicts on the same content."""
    gates = load_map(MAP).gates

    for name, title, _, threshold, checks in GATES:
        assert (gates[name].title, share(gates[name].threshold) * 100) == (title, threshold)
        assert list(gates[name].checks) == checks.split(",")
        assert len(gates[name].teams) == 2


def test_the_demo_finds_the_people_of_the_pack() -> None:
    """The command knows no pack by name."""
    assert find_pack("marketing-operations").simulate is simulate_work


@pytest.mark.prove
def test_the_demo_shows_each_step_of_the_specification(tmp_path: Path) -> None:
    """W1 to W12 and C1 to C5, each done in an instance that came to its end; what one lacks is said."""
    told = _tell(tmp_path, 12)
    again = _tell(tmp_path / "again", 12)

    claims = declared_ids(told.map, kpis={})
    ids = [*(f"W{n}" for n in range(1, 13)), *(f"C{n}" for n in range(1, 6))]
    rows = coverage(dict.fromkeys(ids, ""), declared=claims, ran=ran_ids(told.store, told.map))

    for row in rows:
        lacks = [said for said in row.evidence if "lacks:" in said]
        assert (row.status == "demonstrated") != bool(lacks), row
        assert not any("did not run" in said for said in row.evidence), row
    assert again.summary == told.summary
    for opened in (told, again):
        opened.store.close()
