"""kill -9 at random moments of a first load: the next run ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

ROWS = 2000
WORKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow
from accord.sync.load import first

first.SMALLEST_ROWS, first.BATCH_ROWS = 1, 100
folder, kind, a, b = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
systems = {"a": System("a", kind, a), "b": System("b", kind, b)}
fields = {"id": Field("id", "integer"), "name": Field("name")}
mapped = {f: FieldMapping(f) for f in fields}
flow = Flow("things", "thing", {"a": Binding("a", "things", mapped), "b": Binding("b", "copies", mapped)})
map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow})
connectors = {n: open_connector(s, base=folder) for n, s in systems.items()}
with open_store(folder / "store.db", segments=folder / "segments") as store:
    print("ready", flush=True)
    result = run_flow(map_, "things", connectors, store, run=sys.argv[5], now=datetime(2026, 3, 2, tzinfo=UTC))
    print(result.counts["inserted"] + result.counts["updated"] + result.counts["deleted"], result.counts["conflicts"], flush=True)
"""
CREATE = "CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT)"


def start(folder: Path, places: tuple[str, str, str], run: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(folder), *places, run], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(folder: Path, places: tuple[str, str, str], run: str) -> str:
    process = start(folder, places, run)
    printed, _ = process.communicate()
    assert process.returncode == 0
    return printed.strip()


def kill_and_take_up(folder: Path, places: tuple[str, str, str], rng: random.Random) -> None:
    """Kill a load or two, somewhere, then let one end, and one more that finds nothing to do."""
    folder.mkdir()
    for number in range(rng.randint(1, 2)):
        process = start(folder, places, f"killed-{number}")
        time.sleep(rng.random() * 0.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(folder, places, "ended")
    assert finish(folder, places, "again") == "0 0"


def in_postgres(url: str, folder: Path, times: int, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(times):
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"DROP TABLE IF EXISTS things, copies; {CREATE.format('things')}; {CREATE.format('copies')}".encode())
            db.execute(f"INSERT INTO things SELECT i, 'n' || i FROM generate_series(1, {ROWS}) i".encode())
            kill_and_take_up(folder / f"pg{number}", ("postgresql", url, url), rng)
            rows = "SELECT id, name FROM {} ORDER BY id"
            assert db.execute(rows.format("copies").encode()).fetchall() == db.execute(rows.format("things").encode()).fetchall()


def in_sqlite(folder: Path, times: int, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(times):
        a, b = folder / f"a{number}.db", folder / f"b{number}.db"
        for path, table in ((a, "things"), (b, "copies")):
            with sqlite3.connect(path) as db:
                db.execute(CREATE.format(table))
                if path is a:
                    db.executemany("INSERT INTO things VALUES (?, ?)", [(i, f"n{i}") for i in range(ROWS)])
            db.close()
        kill_and_take_up(folder / f"sqlite{number}", ("sqlite", str(a), str(b)), rng)
        with sqlite3.connect(b) as db:
            assert db.execute("SELECT * FROM copies ORDER BY id").fetchall() == [(i, f"n{i}") for i in range(ROWS)]
        db.close()


def test_a_load_killed_at_any_moment_is_taken_up_without_loss(tmp_path: Path) -> None:
    """Before the commit nothing is there, after it everything; the intent between the two says which."""
    in_sqlite(tmp_path, 1, seed=4)


@pytest.mark.prove
def test_fifty_killed_loads_lose_nothing_and_double_nothing(postgres_url: str, tmp_path: Path) -> None:
    """The long form."""
    in_postgres(postgres_url, tmp_path, 25, seed=5)
    in_sqlite(tmp_path, 25, seed=6)
