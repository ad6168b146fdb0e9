"""What 100,000 waiting instances cost: memory, the first answer after a restart, an idle worker, finding the one timer that is due."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.mapfile import load_map
from accord.model.event import Event
from accord.store import open_store
from accord.work import open_work
from accord.work.action import Context
from accord.work.engine import _DUE
from accord.work.moves import Moves
from accord.work.runner import EmbeddedRunner

FEW, MANY, IDLE_SECONDS, TIMERS = 1_000, 100_000, 10.0, 20
MAP = """
name: bench
teams: {a: {owner: Mia}}
processes:
  wait: {steps: {ready: {kind: wait, delay: 30d}, done: {team: a, after: [ready]}}}
"""
CHILD = """
import resource, sys, time
start = time.perf_counter()
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import waiting
print(*waiting.look(Path(sys.argv[1]), start))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _fill(folder: Path, instances: int) -> None:
    """Instances that wait, begun as ``Work.start`` does, many to a transaction."""
    (folder / "map.yaml").write_text(MAP)
    with open_store(folder / "store.db", segments=folder / "segments") as store:
        work = open_work(load_map(folder / "map.yaml"), store)
        now = datetime.now(UTC)
        for first in range(0, instances, 1000):

            def decide(rows: Any, first: int = first) -> tuple[list[Event], None]:
                moves = Moves(rows, work.library, now=now, by="Mia", key=f"fill{first}")
                for number in range(first, min(first + 1000, instances)):
                    moves.start(work.library.current("wait"), f"wait-{number}", case=f"C{number}", variables={})
                return moves.taken(), None

            store.transact(decide)


def look(folder: Path, start: float) -> tuple[float, float, float, float]:
    """In a process of its own: seconds and CPU seconds to the first answer, share of a core while idle, slowest due timer in ms of CPU."""
    with open_store(folder / "store.db", segments=folder / "segments") as store:
        work = open_work(load_map(folder / "map.yaml"), store)
        work.task("wait-7/ready/1")
        work.fire()
        answered, worked = time.perf_counter() - start, time.process_time()
        runner, stop = EmbeddedRunner(work, Context()), threading.Event()
        thread = threading.Thread(target=runner.run, args=(stop,))
        thread.start()
        time.sleep(0.5)
        spent, began = sum(os.times()[:2]), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        idle = (sum(os.times()[:2]) - spent) / (time.perf_counter() - began)
        stop.set()
        thread.join()
        slowest = 0.0
        ((earliest,),) = store.rows("SELECT min(due_at) FROM work_timer")
        for _ in range(TIMERS):
            began = time.thread_time()
            assert store.rows(_DUE, earliest, 100)
            slowest = max(slowest, time.thread_time() - began)
    return answered, worked, idle, slowest * 1000


def _measure(instances: int) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder), instances)
        given = [sys.executable, "-c", CHILD, folder, str(Path(__file__).resolve().parent)]
        first, second = subprocess.run(given, check=True, capture_output=True, text=True).stdout.splitlines()
    return (*map(float, first.split()), float(second) / 1024)


def run() -> list[dict[str, Any]]:
    """Rows for ``make bench``."""
    *_, few = _measure(FEW)
    answered, worked, idle, slowest, many = _measure(MANY)
    rows = [
        ("memory of 100,000 waiting instances to that of 1,000", round(many / few, 3), "ratio", f"{few:.0f} MB", 1.2),
        ("first answer after a restart, imports included", round(worked, 2), "s of CPU", f"by the clock: {answered:.2f} s", 2.0),
        ("a worker that has nothing to do", round(idle * 100, 2), "% of a core", "", 5.0),
        ("due timer found among 100,000, slowest of 20", round(slowest, 3), "ms of CPU", "all due at one moment", 10.0),
    ]
    return [{"name": n, "value": v, "unit": u, "peer": p, "bar": b, "met": v <= b} for n, v, u, p, b in rows]


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
