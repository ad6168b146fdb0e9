"""What it costs an append that values about persons are sealed: the same events of work with and without, and reading them back.

Both take turns in each round, so that they meet the same machine. The CPU time says what sealing costs by itself, the ratio what is felt.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from accord.mapfile import load_map
from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store
from accord.store.sealing import PersonalValues

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENTS, BATCH, PEOPLE, ROUNDS = 4_000, 8, 200, 5
MAP = """
name: sealing
entities: {customer: {key: [id], fields: {id: text, name: {type: text, personal: true}}}}
processes:
  care:
    owner: sales
    case: customer
    variables: {phone: {type: text, personal: true}}
    steps: {call: {team: sales}}
teams: {sales: {}}
"""


def _events() -> list[Event]:
    return [
        Event(
            str(n),
            "comment.made",
            NOON,
            "process:care",
            {
                "instance": f"i{n % PEOPLE}",
                "process": "care",
                "by": f"person {n % 40}",
                "task": f"i{n % PEOPLE}/call/1",
                "step": "call",
                "attempt": 1,
                "case": f"c{n % PEOPLE}",
                "variables": {"phone": f"0151-{n}", "interested": True},
            },
            (ObjectRef("process_instance", f"i{n % PEOPLE}"), ObjectRef("case", f"c{n % PEOPLE}")),
        )
        for n in range(EVENTS)
    ]


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds and seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _append(store: Store, events: list[Event]) -> None:
    for first in range(0, len(events), BATCH):
        store.append(events[first : first + BATCH])


def run() -> list[dict[str, Any]]:
    """Rows for ``make bench``."""
    events, rounds = _events(), []
    with tempfile.TemporaryDirectory() as top:
        path = Path(top) / "map.yaml"
        path.write_text(MAP, encoding="utf-8")
        marking = PersonalValues(load_map(path))
    for _ in range(ROUNDS):
        spent: dict[bool, tuple[tuple[float, float], tuple[float, float]]] = {}
        for sealed in (False, True):
            with tempfile.TemporaryDirectory() as top, open_store(Path(top) / "s.db", segments=Path(top) / "segments") as store:
                if sealed:
                    store.protect(marking)
                spent[sealed] = _spent(partial(_append, store, events)), _spent(lambda s=store: list(s.read()))
        (cpu, wall), (read, _) = spent[True]
        (cpu0, wall0), (read0, _) = spent[False]
        rounds.append(((cpu - cpu0) / EVENTS * 1e6, wall / wall0, (read - read0) / EVENTS * 1e6))
    micros, ratio, opening = (statistics.median(column) for column in zip(*rounds, strict=True))
    said = f"the same events unsealed; {BATCH} events a commit, two persons in each"
    return [
        _row("seal the persons of an event, CPU", round(micros), "µs", said, None),
        _row("append with sealed persons to one without, commit included", round(ratio, 2), "ratio", said, 1.5),
        _row("open the persons of an event, CPU", round(opening), "µs", said, None),
    ]


def _row(name: str, value: float, unit: str, peer: str, bar: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": None if bar is None else value <= bar}
