"""kill -9 at random moments: the next run ends as if nothing had happened."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

WORKER = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow
from accord.sync.state import segments as state

state.CHANGES_FROM = 1  # segments of changes for small states, too

def work(folder, run, capture, whole):
    systems = {n: System(n, "sqlite", f"{n}.db") for n in "ab"}
    fields = {"id": Field("id", "integer"), "name": Field("name")}
    flow = Flow("things", "thing", {n: Binding(n, "things", {f: FieldMapping(f) for f in fields}, capture=capture) for n in "ab"})
    map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow})
    connectors = {n: open_connector(s, base=folder) for n, s in systems.items()}
    with open_store(folder / "store.db", segments=folder / "segments") as store:
        print(os.getpid(), flush=True)
        result = run_flow(map_, flow, connectors, store, run=run, now=datetime(2026, 3, 2, tzinfo=UTC), allow_deletes=True, whole=whole)
        store.verify()
        print(sum(result.counts[c] for c in ("inserted", "updated", "deleted")), flush=True)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        folder, *options = json.loads(line)
        work(Path(folder), *options)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Worker:
    """A process that has read the program's code and makes each run in a copy of itself, so that a kill costs a run and no start."""

    def __init__(self, folder: Path, capture: str) -> None:
        self.folder, self.capture = folder, capture
        self.process = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, run: str, *, whole: bool = False) -> int:
        """Let a run begin; gives a descriptor of its process, which nobody else's can take the place of."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(self.folder), run, self.capture, whole]) + "\n")
        self.process.stdin.flush()
        return os.pidfd_open(int(self.process.stdout.readline()))

    def ended(self, run: int) -> tuple[int, list[str]]:
        """Wait for its end: the code, and what it said before."""
        assert self.process.stdout is not None
        said = []
        while not (line := self.process.stdout.readline()).startswith("ended "):
            said.append(line)
        os.close(run)
        return int(line.split()[1]), said

    def finish(self, run: str, *, whole: bool = False) -> int:
        """A run that must end well; how many rows it wrote."""
        code, said = self.ended(self.begin(run, whole=whole))
        assert code == 0
        return int(said[0])

    def killed(self, run: str, after: float) -> bool:
        """Whether a run was still at work when it was killed."""
        descriptor = self.begin(run)
        time.sleep(after)
        with suppress(ProcessLookupError):  # it was done
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        code, _ = self.ended(descriptor)
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def close(self) -> None:
        """End it."""
        self.process.communicate()
        assert self.process.returncode == 0


def rows(path: Path) -> dict[int, str]:
    with sqlite3.connect(path) as db:
        found = dict(db.execute("SELECT id, name FROM things").fetchall())
    db.close()
    return found


def murder(folder: Path, kills: int, *, keys: int, seed: int, capture: str = "sweep") -> None:
    """Edit both systems, start a run, kill it somewhere; after every few let one end and compare with what must be there.

    A run that was done before it was to be killed does not count as one of ``kills``.
    """
    rng, span, killed, worker = random.Random(seed), 0.6, 0, Worker(folder, capture)
    for name in "ab":
        with sqlite3.connect(folder / f"{name}.db") as db:
            db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
        db.close()
    wanted: dict[int, str] = {}
    if capture == "cdc":
        with sqlite3.connect(folder / "a.db") as db:
            wanted = dict.fromkeys(range(0, keys, 2), "first")
            db.executemany("INSERT INTO things VALUES (?, ?)", wanted.items())
        db.close()
        worker.finish("first")
    for number in itertools.count():
        # Each key is edited in one system only, so what must come out is known without knowing how far the killed run got.
        for name, part in (("a", 0), ("b", 1)):
            with sqlite3.connect(folder / f"{name}.db", timeout=30) as db:
                for key in rng.sample(range(part, keys, 2), keys // 10):
                    if key in wanted and rng.random() < 0.2 and db.execute("SELECT 1 FROM things WHERE id = ?", (key,)).fetchone():
                        db.execute("DELETE FROM things WHERE id = ?", (key,))
                        del wanted[key]
                    else:
                        wanted[key] = f"{name}{number}"
                        db.execute(
                            "INSERT INTO things VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name", (key, wanted[key])
                        )
            db.close()
        killed += worker.killed(f"killed-{number}", rng.random() * span)
        if number % 5 == 4 or killed == kills:
            began = time.monotonic()
            worker.finish(f"ended-{number}")
            span = (time.monotonic() - began) * 1.1  # kills fall on all of a run and seldom after it, also on a busy machine
            assert rows(folder / "a.db") == rows(folder / "b.db") == wanted
            assert worker.finish(f"again-{number}", whole=True) == 0
        if killed == kills:
            worker.close()
            return


def test_a_run_killed_at_any_moment_is_taken_up_by_the_next_without_loss(tmp_path: Path) -> None:
    """Power cuts and impatient people do not choose their moment."""
    murder(tmp_path, 2, keys=400, seed=1)


def test_a_killed_run_that_was_told_what_moved_is_told_again(tmp_path: Path) -> None:
    """Positions move with their effect: what a dead run was told of and did not store comes again, and a full look finds no more."""
    murder(tmp_path, 1, keys=400, seed=3, capture="cdc")


@pytest.mark.prove
@pytest.mark.parametrize("capture", ["sweep", "cdc"])
def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path, capture: str) -> None:
    """The long form."""
    murder(tmp_path, 200, keys=2000, seed=2, capture=capture)
