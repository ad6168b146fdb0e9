"""Append to the event log against a bare loop of inserts into SQLite with the same journal and the same synchronization.

The bare loop keeps the same text of each event and nothing else: no hash chain, no check for repeats, no projections, no lease.
Both commit after each event (what a command does between steps), then after each hundred (what a run does with its figures).
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.model.event import Event, ObjectRef
from accord.store import open_store

SINGLE, BATCHED, BATCH, ROUNDS = 400, 10_000, 100, 5
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _events(total: int) -> list[Event]:
    return [
        Event(
            str(n),
            "kpi.measured",
            NOON,
            "benchmark",
            {"kpi": f"kpi_{n % 20}", "dims": {"team": f"t{n % 7}"}, "window": "all", "value": n / 7, "unit": "h", "n": n, "run": "r"},
            (ObjectRef("kpi", f"kpi_{n % 20}"),),
        )
        for n in range(total)
    ]


def _ours(folder: Path, events: list[Event], batch: int) -> float:
    with open_store(folder / "store.db", segments=folder / "segments") as store, store.lease("benchmark"):
        start = time.perf_counter()
        for first in range(0, len(events), batch):
            store.append(events[first : first + batch])
        return len(events) / (time.perf_counter() - start)


def _bare(folder: Path, events: list[Event], batch: int) -> float:
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as con:
        con.execute("PRAGMA journal_mode=WAL")
        con.execute("PRAGMA synchronous=FULL")
        con.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)")
        start = time.perf_counter()
        for first in range(0, len(events), batch):
            con.execute("BEGIN IMMEDIATE")
            con.executemany("INSERT INTO event (id, body) VALUES (?, ?)", [(e.id, e.canonical()) for e in events[first : first + batch]])
            con.execute("COMMIT")
        return len(events) / (time.perf_counter() - start)


def _rates(events: list[Event], batch: int) -> tuple[float, float, float]:
    """Ours, the bare loop's and their ratio: medians of rounds that take turns, so that both meet the same machine."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append((_ours(Path(folder), events, batch), _bare(Path(folder), events, batch)))
    ours, bare = zip(*rounds, strict=True)
    return statistics.median(ours), statistics.median(bare), statistics.median(o / b for o, b in rounds)


def _verify_rate(events: list[Event]) -> float:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.db", segments=Path(folder) / "segments") as store:
        store.append(events)
        start = time.perf_counter()
        store.verify()
        return len(events) / (time.perf_counter() - start)


def run() -> list[dict[str, Any]]:
    """Rows for ``make bench``."""
    single, batched = _events(SINGLE), _events(BATCHED)
    rows = []
    for name, events, batch, bar in (("one event per commit", single, 1, 0.5), ("100 events per commit", batched, BATCH, 0.2)):
        ours, bare, ratio = _rates(events, batch)
        rows.append(_row(f"append, {name}", round(ours), "events/s", f"bare insert loop: {bare:,.0f} events/s", None))
        rows.append(_row(f"append against a bare insert loop, {name}", round(ratio, 3), "ratio", "bare insert loop = 1", bar))
    rows.append(_row("verify the hash chain", round(_verify_rate(batched)), "events/s", "", None))
    return rows


def _row(name: str, value: float, unit: str, peer: str, bar: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": None if bar is None else value >= bar}


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
