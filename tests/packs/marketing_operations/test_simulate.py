"""The processes of the pack are carried out to their ends by simulated people, and reach the log and the KPIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

import accord_marketing_operations
from accord.govern.coverage import coverage, declared_ids, ran_ids
from accord.lifecycle.acting import registered_functions
from accord.mapfile import load_map
from accord.measure import load_kpis, measure_since_golive, open_measure
from accord.measure.kpi import discover_kpis, kpi_folders
from accord.measure.runner import overall
from accord.measure.window import ALL, named_window
from accord.model.event import Event
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


def test_kpis_of_the_joint_cycles_agree_with_a_second_computation(told: Told) -> None:
    """Plain Python over the events shares nothing with the queries, so a mistake in one of them shows."""
    kpis = {name: kpi for name, kpi in discover_kpis(told.map).items() if name in ORACLES}
    with open_measure(told.map, told.store, now=LATER) as measure:
        figures = {name: overall(measure, kpi, ALL)[0] for name, kpi in kpis.items()}
    events = [stored.event for stored in told.store.read()]

    assert {name: figure.value for name, figure in figures.items()} == pytest.approx({n: f(events) for n, f in ORACLES.items()})
    assert {figure.label for figure in figures.values()} == {"simulated"}


def done(events: list[Event], process: str, step: str) -> list[Event]:
    """The last time each instance did a step."""
    found = [e for e in events if e.type == "task.completed" and (e.attributes["process"], e.attributes["step"]) == (process, step)]
    return list({e.attributes["instance"]: e for e in found}.values())


def lives(events: list[Event], process: str) -> dict[str, tuple[datetime, datetime]]:
    """When each instance of a process began and ended."""
    of = {e.attributes["instance"]: e for e in events if e.type == "process.started" and e.attributes["process"] == process}
    ends = {e.attributes["instance"]: e.time for e in events if e.type == "process.completed"}
    return {instance: (e.time, ends[instance]) for instance, e in of.items() if instance in ends}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _decided(events: list[Event]) -> float:
    began = lives(events, "optimization")
    decided = {e.attributes["instance"]: e.time for e in done(events, "optimization", "decide")}
    return _mean([float(decided[i] <= start + timedelta(days=5)) for i, (start, _) in began.items()])


def _verified(events: list[Event]) -> float:
    began = lives(events, "improvement")
    judged = {e.attributes["instance"]: e.time for e in done(events, "improvement", "judge")}
    return median((at - began[i][0]) / timedelta(days=1) for i, at in judged.items())


def _rework(events: list[Event]) -> float:
    hours: dict[str, float] = {e.attributes["instance"]: 0.0 for e in done(events, "content_delivery", "hand_in")}
    for e in events:
        given = e.attributes.get("variables") or {}
        if e.type == "task.completed" and e.attributes["step"] in ("correct", "repair") and e.attributes["process"] == "content_delivery":
            hours[e.attributes["instance"]] += given["hours"]
    return _mean(list(hours.values()))


def _stable(events: list[Event]) -> float:
    plans = [e for e in events if e.type == "task.completed" and e.attributes["step"] == "joint_planning"]
    rows: dict[str, list[tuple[date, date]]] = {}
    for plan in plans:
        for row in plan.attributes["variables"]["planned"]:
            rows.setdefault(row["task"], []).append((plan.time.date(), date.fromisoformat(row["begins"])))
    known = {task: versions for task, versions in rows.items() if any((begins - made).days >= 14 for made, begins in versions)}
    moved = [any(new != old and 0 <= (old - made).days < 14 for (_, old), (made, new) in pairwise(versions)) for versions in known.values()]
    return 1 - _mean([float(m) for m in moved])


def _delay(events: list[Event]) -> float:
    due: dict[str, datetime] = {}
    found = []
    for e in events:
        task = str(e.attributes.get("task", ""))
        if e.type == "task.escalated":
            found.append((e.time - due[task]) / timedelta(minutes=1))
        elif e.type.startswith("task.") and e.attributes.get("due_at"):
            due[task] = datetime.fromisoformat(str(e.attributes["due_at"]))
    return median(found)


_STATES = {"task.offered": "offered", "task.returned": "returned", "task.dead": "dead", "task.cancelled": "", "task.completed": ""}


def _blocked(events: list[Event]) -> float:
    """Minute by minute would be too slow, so the moments at which anything changes are walked through, instance by instance."""
    moves: dict[str, list[tuple[datetime, str, str]]] = {}
    for e in events:
        told = e.type.startswith("task.") and e.type not in ("task.escalated", "task.delegated", "task.commented", "task.skipped")
        if told and "/undo" not in str(e.attributes["task"]):
            given = {"task.ready", "task.reopened"}
            state = str(e.attributes["state"]) if e.type in given else _STATES.get(e.type, "going on")
            moves.setdefault(str(e.attributes["instance"]), []).append((e.time, str(e.attributes["task"]), state))
    blocked = lead = 0.0
    for found in moves.values():
        now: dict[str, str] = {}
        for (moment, task, state), following in zip(found, [*found[1:], found[-1]], strict=True):
            now[task] = state
            hours = (following[0] - moment) / timedelta(hours=1)
            lead += hours if set(now.values()) - {"", "waiting"} else 0.0
            blocked += hours if set(now.values()) & {"offered", "returned", "dead"} else 0.0
    return blocked / lead


ORACLES: dict[str, Callable[[list[Event]], float]] = {
    "alert_delay": _delay,
    "blocked_time_share": _blocked,
    "recommendations_decided": _decided,
    "recommendations_accepted": lambda e: len(done(e, "optimization", "apply")) / len(done(e, "optimization", "decide")),
    "plans_signed": lambda e: len(done(e, "joint_cycles", "joint_execution")) / len(lives(e, "joint_cycles")),
    "plan_stability": _stable,
    "idea_to_verified_time": _verified,
    "rework_hours": _rework,
}


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

    # Targets are judged in a run, which is another story.
    claims = {name: [c for c in found if c.kind != "target"] for name, found in declared_ids(told.map, kpis={}).items()}
    ids = [*(f"W{n}" for n in range(1, 13)), *(f"C{n}" for n in range(1, 6))]
    rows = coverage(dict.fromkeys(ids, ""), declared=claims, ran=ran_ids(told.store, told.map))

    for row in rows:
        lacks = [said for said in row.evidence if "lacks:" in said]
        assert (row.status == "demonstrated") != bool(lacks), row
        assert not any("did not run" in said for said in row.evidence), row
    assert again.summary == told.summary
    for opened in (told, again):
        opened.store.close()
