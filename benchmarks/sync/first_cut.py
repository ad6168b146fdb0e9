"""100,000 rows SQLite → SQLite: the first sync against a bare upsert loop, and looking again against the first sync.

Each repeat is one process doing all of it in a row in a fresh folder; ratios are made within a repeat, and the median of them is given.
"Looking again" is measured twice: when every row is read and compared, and when change tokens show that no system was written.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow

ROWS = 100_000
REPEATS = 5
COLUMNS = {"id": "INTEGER PRIMARY KEY", "name": "TEXT", "budget": "NUMERIC(12,2)", "status": "TEXT", "due": "TIMESTAMP", "done": "BOOLEAN"}
TYPES = {"id": "integer", "name": "text", "budget": "number(12,2)", "status": "text", "due": "timestamp", "done": "boolean"}
UPSERT = (
    "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "name = excluded.name, budget = excluded.budget, status = excluded.status, due = excluded.due, done = excluded.done"
)


def _database(path: Path, rows: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE items ({', '.join(f'{c} {t}' for c, t in COLUMNS.items())})")
        db.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
            (
                (i, f"item {i}", round(i * 1.37, 2), ("open", "done")[i % 2], f"2026-01-{i % 28 + 1:02d} 08:{i % 60:02d}:00", i % 2)
                for i in range(rows)
            ),
        )
    db.close()


def _bare_loop(folder: Path) -> float:
    """Seconds for what one writes by hand: read every row, upsert it, full durability."""
    source, target = folder / "source.db", folder / "bare.db"
    _database(target, 0)
    start = time.perf_counter()
    read, write = sqlite3.connect(source), sqlite3.connect(target)
    write.execute("PRAGMA synchronous = FULL")
    for row in read.execute("SELECT * FROM items"):
        write.execute(UPSERT, row)
    write.commit()
    read.close()
    write.close()
    return time.perf_counter() - start


def _repeat(rows: int) -> tuple[float, float, float, float]:
    """Seconds of: the bare loop, the first sync, a second run that reads everything again, a third that need not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _database(folder / "source.db", rows)
        _database(folder / "target.db", 0)
        bare = _bare_loop(folder)
        systems = {n: System(n, "sqlite", f"{n}.db") for n in ("source", "target")}
        fields = {n: Field(n, t, required=n == "id") for n, t in TYPES.items()}
        mapped = {n: FieldMapping(n) for n in TYPES}
        bindings = {
            "source": Binding("source", "items", mapped, direction="read"),
            "target": Binding("target", "items", mapped, direction="write"),
        }
        flow = Flow("items", "item", bindings)  # type: ignore[arg-type]
        map_ = IntegrationMap("bench", systems=systems, entities={"item": Entity("item", ("id",), fields)}, flows={"items": flow})
        connectors = {n: open_connector(s, base=folder) for n, s in systems.items()}
        seconds = []
        with open_store(folder / "store.db", segments=folder / "segments") as store:
            for number in (1, 2, 3):
                start = time.perf_counter()
                result = run_flow(map_, flow, connectors, store, run=f"r{number}", now=datetime(2026, 3, 2, tzinfo=UTC))
                seconds.append(time.perf_counter() - start)
                assert result.counts["inserted"] == (rows if number == 1 else 0)
                assert result.rows == {"source": rows, "target": rows if number > 1 else 0}
    return bare, seconds[0], seconds[1], seconds[2]


def run() -> list[dict[str, Any]]:
    """Measure, and hold against the bars of the specification."""
    measured = [_repeat(ROWS) for _ in range(REPEATS)]
    small = statistics.median(again for _, _, again, _ in (_repeat(60) for _ in range(REPEATS)))
    bare, first = (statistics.median(times) for times in list(zip(*measured, strict=True))[:2])
    ratio = statistics.median(b / f for b, f, _, _ in measured)
    reread = statistics.median(again / f for _, f, again, _ in measured)
    idle = statistics.median(rest / f for _, f, _, rest in measured)
    loop, took = f"loop {ROWS / bare:,.0f} rows/s", f"first {first:.2f} s"
    return [
        _row("first sync, rows per second", ROWS / first, "rows/s", loop),
        _row("first sync against a bare upsert loop", ratio, "x", loop, bar=0.5, met=ratio >= 0.5),
        _row("idle re-check against first sync", idle, "x", took, bar=0.05, met=idle <= 0.05),
        _row("reading every row again against first sync", reread, "x", took),
        _row("reading a flow of 60 rows again", small, "s", ""),
    ]


def _row(name: str, value: float, unit: str, peer: str, *, bar: float | None = None, met: bool = True) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met}


if __name__ == "__main__":
    for row in run():
        print(row)
