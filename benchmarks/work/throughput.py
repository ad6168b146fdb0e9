"""Processes of five steps and two handoffs, 20 and 100 at once, against DBOS, SpiffWorkflow and the bare commits of the same store.

Each contender takes turns with ours on the same machine, with the same journal and synchronization: SQLite in WAL mode with FULL,
PostgreSQL as installed. A step of ours reads, checks and writes what a step of the others does, and besides it the log with its hash
chain, who has the task, both handoffs with their clocks, and every projection.

The floor of a step is what the same process costs as a bare loop on rows at full durability; what one commit of one row costs, which is no
process yet and depends on the disk alone, stands beside it.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from accord.mapfile import load_map
from accord.store import open_store
from accord.work import Work, open_work

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers.environment import HERE as PEERS
from peers.environment import python_of
from peers.postgres import server

ROUNDS = 3
STEPS = ("one", "two", "three", "four", "five")
MAP = """
name: bench
teams: {marketing: {owner: Mia}, studio: {owner: Sam}, legal: {owner: Lea}}
processes:
  campaign:
    steps:
      one: {team: marketing}
      two: {team: marketing, after: [one]}
      three: {team: studio, after: [two]}
      four: {team: studio, after: [three]}
      five: {team: legal, after: [four]}
"""


def _one(work: Work, key: str) -> None:
    instance = work.start("campaign", case=key, by="Mia", key=key)
    for step in STEPS:
        work.complete(f"{instance}/{step}/1", by="Mia", answer={step: True})


def _ours(url: str, folder: Path, at_once: int, total: int) -> float:
    """Processes a second."""
    (folder / "map.yaml").write_text(MAP)
    with open_store(url, segments=folder / "segments") as store:
        work = open_work(load_map(folder / "map.yaml"), store)
        _one(work, "warm")
        start = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda n: _one(work, str(n)), range(total)))
        return total / (time.perf_counter() - start)


def _peer(script: str, environment: str, *given: object) -> float:
    command = [python_of(environment), str(PEERS / script), *map(str, given)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=900).stdout.split()[-1])


def _durable(file: Path) -> sqlite3.Connection:
    con = sqlite3.connect(file, isolation_level=None)
    con.execute("PRAGMA journal_mode=WAL")
    con.execute("PRAGMA synchronous=FULL")
    return con


def _floor(folder: Path, rows: int) -> list[float]:
    """Seconds of each bare commit of one row."""
    spent = []
    with closing(_durable(folder / "floor.db")) as con:
        con.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)")
        for number in range(rows):
            start = time.perf_counter()
            con.execute("BEGIN IMMEDIATE")
            con.execute("INSERT INTO event (id, body) VALUES (?, ?)", (str(number), "x" * 400))
            con.execute("COMMIT")
            spent.append(time.perf_counter() - start)
    return spent


def _bare_loop(folder: Path, instances: int) -> list[float]:
    """Seconds of each step of the same process as a bare loop on rows: read the task, end it, begin the next one, keep what was said."""
    spent = []
    with closing(_durable(folder / "loop.db")) as con:
        con.execute("CREATE TABLE instance (instance TEXT PRIMARY KEY, status TEXT NOT NULL, variables TEXT NOT NULL)")
        con.execute("CREATE TABLE task (task TEXT PRIMARY KEY, instance TEXT NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL)")
        con.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)")
        for number in range(instances):
            con.execute("INSERT INTO instance VALUES (?, 'running', '{}')", (str(number),))
            con.execute("INSERT INTO task VALUES (?, ?, ?, 'ready')", (f"{number}/{STEPS[0]}", str(number), STEPS[0]))
            for step, following in zip(STEPS, (*STEPS[1:], ""), strict=True):
                start = time.perf_counter()
                con.execute("BEGIN IMMEDIATE")
                task = f"{number}/{step}"
                select = "SELECT state, variables FROM task JOIN instance USING (instance) WHERE task = ?"
                state, variables = con.execute(select, (task,)).fetchone()
                assert state == "ready"
                said = json.dumps({**json.loads(variables), step: True})
                con.execute("UPDATE task SET state = 'completed' WHERE task = ?", (task,))
                status = "running" if following else "completed"
                con.execute("UPDATE instance SET status = ?, variables = ? WHERE instance = ?", (status, said, str(number)))
                if following:
                    con.execute("INSERT INTO task VALUES (?, ?, ?, 'ready')", (f"{number}/{following}", str(number), following))
                con.execute("INSERT INTO event (id, body) VALUES (?, ?)", (uuid.uuid4().hex, json.dumps({"task": task, "by": "Mia"})))
                con.execute("COMMIT")
                spent.append(time.perf_counter() - start)
    return spent


def _steps(folder: Path, instances: int) -> list[float]:
    """Seconds of each step, one after the other."""
    (folder / "map.yaml").write_text(MAP)
    spent = []
    with open_store(folder / "store.db", segments=folder / "segments") as store:
        work = open_work(load_map(folder / "map.yaml"), store)
        for number in range(instances):
            instance = work.start("campaign", case="C", by="Mia", key=str(number))
            for step in STEPS:
                start = time.perf_counter()
                work.complete(f"{instance}/{step}/1", by="Mia", answer={step: True})
                spent.append(time.perf_counter() - start)
    return spent


def _turns(ours: Callable[[Path], float], theirs: Callable[[Path], float]) -> tuple[float, float, float]:
    """Medians of both, and of their ratio in each round."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            rounds.append((ours(Path(folder)), theirs(Path(other))))
    mine, peer = zip(*rounds, strict=True)
    return statistics.median(mine), statistics.median(peer), statistics.median(a / b for a, b in rounds)


def _sqlite() -> list[dict[str, Any]]:
    rows = []
    for at_once, total, peer_total in ((20, 200, 40), (100, 300, 100)):

        def ours(folder: Path, at_once: int = at_once, total: int = total) -> float:
            return _ours(str(folder / "store.db"), folder, at_once, total)

        def dbos(folder: Path, at_once: int = at_once, total: int = peer_total) -> float:
            return _peer("dbos_work.py", "dbos", f"sqlite:///{folder / 'dbos.db'}", at_once, total)

        def spiff(folder: Path, at_once: int = at_once, total: int = peer_total) -> float:
            return _peer("spiff_work.py", "spiffworkflow", folder, at_once, total)

        for name, peer, bar in (("DBOS 3.4", dbos, 8.0), ("SpiffWorkflow", spiff, 2.0)):
            mine, theirs, ratio = _turns(ours, peer)
            said = f"{name} on SQLite, WAL, FULL: {theirs:.1f}/s"
            rows.append(_row(f"processes, {at_once} at once, against {name}", round(mine, 1), "per s", said, None, None))
            rows.append(_row(f"ratio to {name}, {at_once} at once", round(ratio, 2), "ratio", said, bar, ratio >= bar))
    return rows


def _postgresql() -> list[dict[str, Any]]:
    rows = []
    with server() as running:
        for number, (at_once, total, peer_total) in enumerate(((20, 100, 60), (100, 200, 100))):
            for name in (f"ours{number}", f"dbos{number}"):
                running.run(f"CREATE DATABASE {name}")
            place = running.uri.replace("/postgres?", "/{}?")
            rates = []
            for turn in range(ROUNDS):
                with tempfile.TemporaryDirectory() as folder:
                    url = f"{place.format(f'ours{number}')}&options=-csearch_path%3Dturn{turn}"
                    mine = _ours(url, Path(folder), at_once, total)
                running.run(f"DROP DATABASE IF EXISTS dbos{number} WITH (FORCE)")
                running.run(f"CREATE DATABASE dbos{number}")
                rates.append((mine, _peer("dbos_work.py", "dbos", place.format(f"dbos{number}"), at_once, peer_total)))
            mine, theirs = (statistics.median(values) for values in zip(*rates, strict=True))
            ratio = statistics.median(a / b for a, b in rates)
            said = f"DBOS 3.4 on the same PostgreSQL: {theirs:.1f}/s"
            rows.append(_row(f"processes on PostgreSQL, {at_once} at once", round(mine, 1), "per s", said, None, None))
            rows.append(_row(f"ratio to DBOS on PostgreSQL, {at_once} at once", round(ratio, 2), "ratio", said, 5.0, ratio >= 5.0))
    return rows


def _against_floor() -> list[dict[str, Any]]:
    latencies, rates = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            floor = _floor(Path(folder), 300)
            loop = _bare_loop(Path(folder), 40)
            steps = _steps(Path(folder), 40)
            latencies.append(tuple(statistics.median(spent) for spent in (steps, loop, floor)))
        with tempfile.TemporaryDirectory() as folder:
            transactions = _ours(str(Path(folder) / "store.db"), Path(folder), 20, 200) * (len(STEPS) + 1)
            rates.append((transactions, len(floor) / sum(floor)))
    step, row_loop, commit = (statistics.median(values) * 1000 for values in zip(*latencies, strict=True))
    ratio = statistics.median(a / b for a, b, _ in latencies)
    to_one = statistics.median(a / c for a, _, c in latencies)
    mine, bare = (statistics.median(values) for values in zip(*rates, strict=True))
    share = statistics.median(b / a for a, b in rates)
    said = f"bare loop on rows: {row_loop:.2f} ms; bare commit of one row: {commit:.2f} ms"
    return [
        _row("step, p50", round(step, 2), "ms", said, None, None),
        _row("step p50 to a step of a bare loop on rows", round(ratio, 2), "ratio", "bare loop = 1", 3.0, ratio <= 3.0),
        _row("step p50 to a bare commit of one row", round(to_one, 2), "ratio", "bare commit = 1", None, None),
        _row("steps, 20 at once", round(mine), "per s", f"bare commits one after the other: {bare:.0f}/s", None, None),
        _row("bare commits to steps, 20 at once", round(share, 2), "ratio", "at most", 2.5, share <= 2.5),
    ]


def _row(name: str, value: float, unit: str, peer: str, bar: float | None, met: bool | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met}


def run() -> list[dict[str, Any]]:
    """Rows for ``make bench``."""
    return [*_against_floor(), *_sqlite(), *_postgresql()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
