"""The simulated weeks of ``accord demo`` count when they were told to their end, and only then."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accord.cli.commands.demo import _simulated
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.store import Store, open_store

NOW = datetime(2026, 1, 9, tzinfo=UTC)
MAP = "name: small\n"


def told(name: str) -> Event:
    return Event(f"work.{name}:1", f"work.{name}", NOW, "simulation", {"since": NOW.isoformat()})


class People:
    """People who do their work at once, as a pack would give them."""

    def __init__(self) -> None:
        self.times = 0

    def simulate(self, integration_map: IntegrationMap, store: Store, functions: Any, *, seed: int) -> Any:
        if any(store.read(types=["work.simulated"], limit=1)):
            return None
        self.times += 1
        store.append([told("simulated")])
        store.append([told("simulation_ended")])
        return SimpleNamespace(calls={"claim": 1}, completed=1, cancelled=0, open=0, since=NOW, until=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def simulated(folder: Path, people: Any) -> str:
    return _simulated(people, SimpleNamespace(map_folder=folder, variables={}), folder, 7)


def events(folder: Path) -> list[str]:
    with open_store(str(folder / ".accord" / "store.db"), segments=folder / ".accord" / "segments") as store:
        return [stored.event.type for stored in store.read()]


def test_people_work_once_and_nothing_is_left_beside_the_state(folder: Path) -> None:
    """The second demo must not double the weeks."""
    people = People()

    said, again = simulated(folder, people), simulated(folder, people)

    assert (said[:28], again, people.times) == ("simulated people carried out", "", 1)
    assert events(folder) == ["work.simulated", "work.simulation_ended"]
    assert not (folder / ".simulating").exists()


def test_weeks_that_were_cut_off_are_told_anew(folder: Path) -> None:
    """A kill in the middle leaves half a log; nothing can be taken out of it, so it must never have counted."""
    left = folder / ".simulating" / ".accord"
    left.mkdir(parents=True)
    with open_store(str(left / "store.db"), segments=left / "segments", keys=left / "keys") as store:
        store.append([told("simulated")])

    simulated(folder, People())

    assert events(folder) == ["work.simulated", "work.simulation_ended"]
    assert not (folder / ".simulating").exists()


def test_a_state_that_stands_is_kept(folder: Path) -> None:
    """Somebody may have run other commands first; people then work in that state."""
    with open_store(str(folder / ".accord" / "store.db"), segments=folder / ".accord" / "segments") as store:
        store.append([Event("note:1", "run.started", NOW, "test", {"run": "r", "command": "run", "map_hash": "x"})])

    simulated(folder, People())

    assert events(folder) == ["run.started", "work.simulated", "work.simulation_ended"]
