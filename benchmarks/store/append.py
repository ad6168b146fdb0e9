"""Append to the event log against a bare loop of inserts into SQLite with the same journal and the same synchronization.

The bare loop keeps the same text of each event and nothing else: no hash chain, no check for repeats, no projections, no lease.
Both commit after each event (what a command does between steps), then after each hundred (what a run does with its figures).

What chain and Merkle tree cost is measured against the same append with hashing switched off, here only: two stores take turns append by
append, and the one with them pays also for the root over all its events, which otherwise is computed when somebody asks for it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.model.event import Event, ObjectRef
from accord.store import log, open_store
from accord.store.merkle import MerkleTree, leaf_hash

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


def _appends(folder: Path, events: list[Event], batch: int) -> tuple[list[float], list[float], float]:
    """Seconds of each append with hashes and without, and the seconds one append's share of the Merkle root takes."""
    real, kinds = log.chain_hash, ("with", "without")
    spent: dict[str, list[float]] = {kind: [] for kind in kinds}
    with contextlib.ExitStack() as opened:
        stores = {k: opened.enter_context(open_store(folder / k / "store.db", segments=folder / k / "segments")) for k in kinds}
        try:
            for first in range(0, len(events), batch):
                for kind in kinds if first // batch % 2 else reversed(kinds):
                    log.chain_hash = real if kind == "with" else _no_hash
                    start = time.perf_counter()
                    stores[kind].append(events[first : first + batch])
                    spent[kind].append(time.perf_counter() - start)
        finally:
            log.chain_hash = real
        start = time.perf_counter()
        MerkleTree(leaf_hash(body.encode()) for body in log.bodies(stores["with"]._database)).root()
        share = (time.perf_counter() - start) / len(spent["with"])
    return spent["with"], spent["without"], share


def _no_hash(previous: str, body: bytes) -> str:
    return ""


def _hashed(events: list[Event], batch: int) -> tuple[float, float, float]:
    """Median milliseconds of an append with chain and tree, and without, and their ratio: medians of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            hashed, bare, share = _appends(Path(folder), events, batch)
            rounds.append((statistics.median(hashed) + share, statistics.median(bare)))
    mine, without = (statistics.median(values) * 1000 for values in zip(*rounds, strict=True))
    return mine, without, statistics.median(a / b for a, b in rounds)


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
    for name, events, batch in (("one event", single, 1), ("100 events", batched, BATCH)):
        mine, without, ratio = _hashed(events, batch)
        said = f"the same append without hashes: {without:.3f} ms"
        rows.append(_row(f"append with chain and Merkle tree, {name} per commit", round(mine, 3), "ms", said, None))
        row = _row(f"append with chain and Merkle tree to one without, {name} per commit", round(ratio, 3), "ratio", said, 1.1)
        rows.append(row | {"met": ratio <= 1.1})
    rows.append(_row("verify the hash chain", round(_verify_rate(batched)), "events/s", "", None))
    return rows


def _row(name: str, value: float, unit: str, peer: str, bar: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": None if bar is None else value >= bar}


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
