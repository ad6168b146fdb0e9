"""Hours of ``accord sync --watch`` in minutes: what grows with time, and not with the data, is a leak."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import sqlite3
import statistics
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

SECONDS = float(os.environ.get("ACCORD_SOAK_SECONDS", "480"))
ROWS = 300  # of each table, for ever
SHARED, CHURN = range(200), range(200, 260)  # edited by both sides; deleted and made again by the side they belong to; the rest by anyone
PROBE = 1000
PARTS = 4  # the last one is held against the first, as the last hour of four against the first
LONG = SECONDS >= 3600  # the bars of the specification; in less time, chance and what allocators keep weigh more
WARM_SECONDS = min(900.0, SECONDS / 4)  # that are not counted: some ten thousand queries fill caches and what allocators keep
COLUMNS = ("l", "r", "x", "note", "state", "at", "size", "n")
TABLE = "CREATE TABLE {} (id bigint PRIMARY KEY, l text, r text, x text, note text, state text, at timestamp, size bigint, n bigint)"
MAP = """
name: soak
systems:
  a: {{connector: postgresql, at: "{a}"}}
  b: {{connector: postgresql, at: "{b}"}}
  s: {{connector: sqlite, at: s.db}}
  sheets: {{connector: csv, at: sheets, resources: {{stock: {{key: [id]}}}}}}
  lines: {{connector: jsonl, at: lines, resources: {{stock: {{key: [id]}}}}}}
entities:
  thing:
    key: [id]
    fields:
      id: {{type: integer, required: true}}
      l: text
      r: text
      x: text
      note: text
      state: text
      updated_at: timestamp
      size: {{type: integer, minimum: 0}}
      n: integer
  good:
    key: [id]
    fields: {{id: {{type: integer, required: true}}, name: text, size: {{type: integer, minimum: 0}}}}
flows:
  items:
    entity: thing
    freshness: 15m
    delete_guard: 100%
    authority: &who {{note: merge, state: latest, updated_at: latest}}
    bindings:
      a:
        resource: items
        capture: cdc
        fields: &all {{id: id, l: l, r: r, x: x, note: note, state: state, updated_at: at, size: size, n: n}}
      b: {{resource: items, capture: cdc, fields: *all}}
  people:
    entity: thing
    freshness: 15m
    delete_guard: 100%
    authority: *who
    bindings:
      a: {{resource: people, capture: cdc, fields: *all}}
      s: {{resource: people, capture: cdc, fields: *all}}
  goods:
    entity: good
    freshness: 6s
    delete_guard: 100%
    bindings:
      sheets: {{resource: stock, direction: read, fields: &few {{id: id, name: name, size: size}}}}
      s: {{resource: stock, direction: write, fields: *few}}
      lines: {{resource: stock, direction: write, create: true, fields: *few}}
"""


class Side:
    """A table in one system, as a client that is none of ours sees it."""

    def __init__(self, at: str | Path, table: str) -> None:
        self.table, self._server = table, isinstance(at, str)
        self._db: Any = (
            psycopg.connect(at, autocommit=True)
            if self._server
            else sqlite3.connect(at, timeout=60, isolation_level=None, check_same_thread=False)
        )

    def run(self, statement: str, *values: Any) -> Any:
        """A committed statement over ``{t}``; ``?`` stands for values."""
        statement = statement.replace("{t}", self.table)
        return self._db.execute(statement.replace("?", "%s") if self._server else statement, values)

    def rows(self) -> dict[int, dict[str, Any]]:
        """All rows by key."""
        found = self.run(f"SELECT id, {', '.join(COLUMNS)} FROM {{t}}").fetchall()
        return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in found}

    def close(self) -> None:
        """The client leaves."""
        self._db.close()


@dataclass
class Pair:
    """Edits of a table that two systems share, and what must be there in the end."""

    sides: tuple[Side, Side]
    rng: random.Random
    wanted: dict[int, dict[str, str]] = field(default_factory=dict)  # by key: the last value of what one side alone edits
    tried: dict[int, set[str]] = field(default_factory=dict)
    broken: dict[int, int] = field(default_factory=dict)  # key that breaks the contract: the edit after which it is corrected
    number: int = 0

    def fill(self) -> None:
        """The rows that the first run brings to the other side."""
        for key in [*range(ROWS), PROBE, PROBE + 1]:
            self.make(0, key, f"row {key}")
            self.wanted[key] = {"l": f"row {key}", "r": "", "first": "first", "last": "last", "x": "", "state": ""}

    def make(self, side: int, key: int, said: str) -> bool:
        """A row, unless it is there."""
        values = (key, said, "first\nthe middle, which nobody ever edits\nlast", now())
        row = "INSERT INTO {t} VALUES (?, ?, '', '', ?, '', ?, 1, 0) ON CONFLICT DO NOTHING"
        return bool(self.sides[side].run(row, *values).rowcount)

    def edit(self) -> int:
        """One step of the users; returns how many commits that changed something it was."""
        self.number += 1
        due = [key for key, until in self.broken.items() if until <= self.number]
        if due:
            del self.broken[due[0]]
            return self._set(0, due[0], "size = ?", self.number)
        side, key, dice = self.rng.randrange(2), self.rng.choice(SHARED), self.rng.random()
        said = f"{'ab'[side]}{self.number}"
        if dice < 0.83:
            self.wanted[key]["lr"[side]] = said
            return self._set(side, key, f"{'lr'[side]} = ?", said)
        if dice < 0.95:
            return self._churn()
        if dice < 0.965:  # both at once: a conflict, or nearly
            column = self.rng.choice(("x", "state"))
            self.tried.setdefault(key, set()).update((f"a{self.number}", f"b{self.number}"))
            return sum(self._set(s, key, f"{column} = ?, at = ?", f"{'ab'[s]}{self.number}", now()) for s in (side, 1 - side))
        if dice < 0.975:
            return self._note(side, key, said)
        if dice < 0.985 and key not in self.broken:
            self.broken[key] = self.number + 40
            return self._set(0, key, "size = ?", -self.number)
        key = self.rng.choice(range(CHURN.stop, ROWS))  # anything by anyone: both sides must come to the same
        if dice < 0.992:
            return int(self.sides[side].run("DELETE FROM {t} WHERE id = ?", key).rowcount)
        return int(self.make(side, key, said)) or self._set(side, key, "x = ?", said)

    def _set(self, side: int, key: int, what: str, *values: Any) -> int:
        return int(self.sides[side].run(f"UPDATE {{t}} SET {what} WHERE id = ?", *values, key).rowcount)

    def _churn(self) -> int:
        key = self.rng.choice(CHURN)
        side = key % 2
        if key in self.wanted:
            gone = int(self.sides[side].run("DELETE FROM {t} WHERE id = ?", key).rowcount)
            if gone:  # one that the first run made there may not have come yet
                del self.wanted[key]
            return gone
        said = f"again {self.number}"
        made = self.make(side, key, said)
        assert made, "a row that its own side deleted came back"
        self.wanted[key] = {"l": said, "r": "", "first": "first", "last": "last"}
        return 1

    def _note(self, side: int, key: int, said: str) -> int:
        """A text that both edit, each in a place of its own, as editors do that look before they save."""
        while True:
            (text,) = self.sides[side].run("SELECT note FROM {t} WHERE id = ?", key).fetchone()
            lines = text.split("\n")
            lines[-side] = said
            if self.sides[side].run("UPDATE {t} SET note = ? WHERE id = ? AND note = ?", "\n".join(lines), key, text).rowcount:
                self.wanted[key]["first" if side == 0 else "last"] = said
                return 1

    def correct(self) -> int:
        """All rows keep the contract again."""
        changed = sum(self._set(0, key, "size = ?", self.number) for key in self.broken)
        self.broken.clear()
        return changed

    def check(self) -> None:
        """Both sides hold the same, and every edit is in it that nothing may take back."""
        assert alike(self)
        left = self.sides[0].rows()
        kept = {key: row for key, row in left.items() if key in self.wanted and not CHURN.stop <= key < PROBE}
        assert {k for k in left if k in CHURN} == {k for k in self.wanted if k in CHURN}
        for key, row in kept.items():
            first, _, last = row["note"].split("\n")
            found = {"l": row["l"], "r": row["r"], "first": first, "last": last}
            assert found == {name: self.wanted[key][name] for name in found}, key
            assert {row["x"], row["state"]} <= self.tried.get(key, set()) | {""}


@dataclass
class Sheet:
    """A file that somebody saves anew as a whole."""

    path: Path
    rng: random.Random
    rows: dict[int, tuple[str, int]] = field(default_factory=lambda: {key: (f"good {key}", key) for key in range(ROWS)})
    number: int = 0

    def save(self) -> None:
        """In the place of the old one."""
        beside = self.path.with_suffix(".new")
        with beside.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "name", "size"), *((key, *row) for key, row in sorted(self.rows.items()))])
        beside.replace(self.path)

    def edit(self) -> int:
        """Eight rows edited, deleted or made again, one of them now and then against the contract until the next time."""
        self.correct()
        for key in self.rng.sample(range(ROWS), 8):
            self.number += 1
            if key in self.rows and self.rng.random() < 0.2:
                del self.rows[key]
            else:
                self.rows[key] = (f"good {self.number}", self.number if self.rng.random() < 0.95 else -self.number)
        self.save()
        return 8

    def correct(self) -> int:
        """All rows keep the contract."""
        bad = {key: (name, -size) for key, (name, size) in self.rows.items() if size < 0}
        self.rows |= bad
        return len(bad)


def now() -> str:
    """The time as a column of a database holds it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class Work:
    """Threads that do something at a steady pace until the block ends; what goes wrong in one is raised there."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.waits: list[tuple[float, str, float]] = []  # moment, way, milliseconds from the commit to the sight of it
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def every(self, seconds: float, name: str, act: Callable[[], int]) -> None:
        """Start one; what ``act`` returns is counted."""

        def keep() -> None:
            due = time.monotonic()
            try:
                while not self._over.wait(max(0.0, due - time.monotonic())):
                    self.counts[name] += act()
                    due = max(due + seconds, time.monotonic() - 5)  # no storm after a pause
            except BaseException as error:  # noqa: BLE001 - raised again by ``wait``
                self._failures.append(error)

        self._threads.append(threading.Thread(target=keep, name=name))
        self._threads[-1].start()

    def probe(self, way: str, source: Side, target: Side, key: int) -> Callable[[], int]:
        """One edit, and the wait until it is seen on the other side."""
        number = 0

        def act() -> int:
            nonlocal number
            number += 1
            source.run("UPDATE {t} SET n = ? WHERE id = ?", number, key)
            began = time.monotonic()
            while target.run("SELECT n FROM {t} WHERE id = ?", key).fetchone() != (number,):
                assert time.monotonic() < began + 60, f"{way}: {number} did not come"
                time.sleep(0.004)  # polling another process: there is nothing to wait on
            self.waits.append((time.monotonic(), way, (time.monotonic() - began) * 1000))
            return 1

        return act

    def wait(self, seconds: float, watcher: Any) -> None:
        """Let them work beside a watch that is still there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._failures:
            assert watcher.process.poll() is None, watcher.process.stderr.read()
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
        self.raise_failure()

    def raise_failure(self) -> None:
        """What went wrong in a thread."""
        if self._failures:
            raise self._failures[0]

    def end(self) -> None:
        """Let them finish what they are at."""
        self._over.set()
        for thread in self._threads:
            thread.join()


@dataclass
class Meter:
    """What a watch holds and has used, seen from outside."""

    pid: int
    port: int
    folder: Path
    server: psycopg.Connection[Any]
    samples: list[dict[str, float]] = field(default_factory=list)

    def sample(self, committed: int) -> None:
        """Write down one moment."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        cpu = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if not line.startswith("#")]
        store, segments = self.folder / ".accord", list((self.folder / ".accord" / "segments").rglob("*.*"))
        kept = "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)), 0) FROM pg_replication_slots WHERE active"
        self.samples.append(
            {
                "at": time.monotonic(),
                "committed": committed,
                "applied": sum(float(value) for name, _, value in lines if name.startswith("accord_changes_applied_total{")),
                "runs": sum(float(value) for name, _, value in lines if name.startswith("accord_runs_total{")),
                "series": len(lines),
                "cpu": (int(cpu[11]) + int(cpu[12])) / os.sysconf("SC_CLK_TCK"),
                "rss MB": int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024,
                "threads": int(re.findall(r"Threads:\s+(\d+)", status)[0]),
                "open files": sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()),
                "temporary files": sum(1 for _ in (self.folder / "tmp").rglob("*")),
                "store MB": (store / "store.db").stat().st_size / 1e6,
                "wal MB": sum(p.stat().st_size for p in store.glob("store.db-wal")) / 1e6,
                "segments": len(segments),
                "outbox": self._outbox(),
                "slot MB": float(self.server.execute(kept).fetchone()[0]) / 1e6,  # type: ignore[index]
            }
        )

    def _outbox(self) -> int:
        with closing(sqlite3.connect(self.folder / "s.db", timeout=60)) as db:
            names = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'") if n.startswith("_accord_outbox_")]
            return sum(int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names)

    def tables(self) -> dict[str, int]:
        """Rows of each table of the store."""
        with closing(sqlite3.connect(f"file:{self.folder}/.accord/store.db?mode=ro", uri=True, timeout=60)) as db:
            names = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
            return {name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}

    def parts(self, waits: list[tuple[float, str, float]]) -> list[dict[str, float]]:
        """The figures of each part of the time: differences of what is counted, medians of what is held."""
        borders, made = [part * (len(self.samples) - 1) // PARTS for part in range(PARTS + 1)], []
        for begin, end in pairwise(borders):
            inside = self.samples[begin : end + 1]
            first, last = inside[0], inside[-1]
            spent = {name: last[name] - first[name] for name in ("at", "committed", "applied", "runs", "cpu", "store MB")}
            found = {f"{name}/s": spent[name] / spent["at"] for name in ("committed", "applied", "runs")}
            found["cpu ms/commit"] = 1000 * spent["cpu"] / max(1, spent["committed"])
            found["cpu ms/run"] = 1000 * spent["cpu"] / max(1, spent["runs"])
            found["store kB/commit"] = 1000 * spent["store MB"] / max(1, spent["committed"])
            held = ("rss MB", "threads", "open files", "temporary files", "series", "store MB", "wal MB", "segments", "outbox", "slot MB")
            found |= {name: statistics.median(s[name] for s in inside) for name in held}
            for way in sorted({w for _, w, _ in waits}):
                times = sorted(ms for at, w, ms in waits if w == way and first["at"] <= at <= last["at"])
                found |= {f"{way} p{q} ms": times[min(len(times) - 1, len(times) * q // 100)] for q in (50, 99) if times}
            made.append(found)
        return made


@contextmanager
def databases(server: str) -> Iterator[dict[str, str]]:
    """Databases ``a`` and ``b`` on the server, taken away with their slots."""
    host, names = server.split("host=", 1)[1], {name: f"soak{os.getpid()}{name}" for name in "ab"}
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names.values():
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield {side: f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}" for side, name in names.items()}
        for name in names.values():
            admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (name,))
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def soak(
    server: str, place: Any, seconds: float, warm_seconds: float, *, seed: int
) -> tuple[list[dict[str, float]], dict[str, tuple[int, int]]]:
    """Edit for so long beside a watch, prove that all is there; the figures of each part of the time, and rows of the store's tables."""
    rng, folder = random.Random(seed), place.folder
    for name in ("sheets", "lines", "tmp"):
        (folder / name).mkdir()
    with databases(server) as urls, psycopg.connect(server, autocommit=True) as admin:
        (folder / "map.yaml").write_text(MAP.format(**urls))
        sides = [Side(urls["a"], "items"), Side(urls["b"], "items"), Side(urls["a"], "people"), Side(folder / "s.db", "people")]
        for side in sides:
            side.run(TABLE.format(side.table))
        place.sql("s", "CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
        items, people = Pair((sides[0], sides[1]), rng), Pair((sides[2], sides[3]), random.Random(seed + 1))
        sheet = Sheet(folder / "sheets" / "stock.csv", random.Random(seed + 2))
        for filled in (items, people):
            filled.fill()
        sheet.save()
        watcher = place.start("--metrics-port", "0", env={"TMPDIR": str(folder / "tmp")})
        port = watcher.until("watching")["port"]
        watcher.until("short_way", flow="items", open=True)
        place.wait(lambda: place.sql("s", "SELECT count(*) FROM stock") == [(ROWS,)] and len(sides[3].rows()) == ROWS + 2)

        meter, work = Meter(watcher.process.pid, port, folder, admin), Work()
        ways = {"a to b": (urls["a"], urls["b"], "items"), "a to s": (urls["a"], folder / "s.db", "people")}
        ends = {way: (Side(one, table), Side(other, table)) for way, (one, other, table) in ways.items()}
        ends |= {f"{way[-1]} to {way[0]}": (Side(other, table), Side(one, table)) for way, (one, other, table) in ways.items()}
        try:
            work.every(1 / 10, "items", items.edit)
            work.every(2.0, "people", lambda: sum(people.edit() for _ in range(8)))
            work.every(3.0, "goods", sheet.edit)
            for way, (one, other) in ends.items():
                work.every(1.5, way, work.probe(way, one, other, PROBE + (way[0] > way[-1])))
            work.wait(warm_seconds, watcher)
            before, step = meter.tables(), seconds / max(20, seconds // 10)
            meter.sample(work.counts.total())
            until = time.monotonic() + seconds
            while time.monotonic() < until or len(meter.samples) <= PARTS:
                work.wait(step, watcher)
                meter.sample(work.counts.total())
            after = meter.tables()
        finally:
            work.end()
        work.raise_failure()
        items.correct()
        people.correct()
        sheet.correct()
        sheet.save()
        good = sorted((key, *row) for key, row in sheet.rows.items())
        place.wait(lambda: alike(items) and alike(people) and place.sql("s", "SELECT id, name, size FROM stock ORDER BY id") == good)

        proof = place.accord("reconcile")

        assert proof.returncode == 0, proof.stdout + proof.stderr
        items.check()
        people.check()
        lines = [json.loads(line) for line in (folder / "lines" / "stock.jsonl").read_text().splitlines()]
        assert sorted((row["id"], row["name"], row["size"]) for row in lines) == good
        assert watcher.end() == 0
        said = [*watcher.seen, *watcher.lines.queue]
        assert [line for line in said if line["event"] in ("failed", "state")] == []
        for side in (*sides, *(end for pair in ends.values() for end in pair)):
            side.close()
    return meter.parts(work.waits), {name: (before[name], after[name]) for name in after}


def alike(pair: Pair) -> bool:
    """Whether both sides hold the same, but for the time of an edit that both made."""
    left, right = ({key: {**row, "at": 0} for key, row in side.rows().items()} for side in pair.sides)
    return left == right


def told(parts: list[dict[str, float]], tables: dict[str, tuple[int, int]]) -> str:
    """The figures as a table for people."""
    lines = [f"{name:18}" + "".join(f"{part.get(name, 0):12.2f}" for part in parts) for name in parts[-1]]
    return "\n".join([*lines, *(f"{name:34}{one:10}{two:10}" for name, (one, two) in tables.items() if one != two)])


def test_edits_of_all_kinds_beside_a_watch_arrive(logical_server: str, place: Any) -> None:
    """The soak in its shortest form: what it measures is there, and what it proves is proven."""
    parts, tables = soak(logical_server, place, 1.0, 0.0, seed=1)

    assert {"committed/s", "applied/s", "cpu ms/run", "rss MB", "open files", "slot MB"} <= parts[-1].keys()
    assert tables["event"][0] > 0


@pytest.mark.prove
def test_nothing_grows_but_the_log(logical_server: str, place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A watch runs for months: what its last hour costs must be what its first one did."""
    parts, tables = soak(logical_server, place, SECONDS, WARM_SECONDS, seed=2)

    with capsys.disabled():
        sys.stdout.write(f"\n{told(parts, tables)}\n")
    first, last = parts[0], parts[-1]
    assert last["applied/s"] / last["committed/s"] >= (0.95 if LONG else 0.85) * first["applied/s"] / first["committed/s"]
    assert last["rss MB"] <= (1.05 if LONG else 1.2) * first["rss MB"]
    for held, more in (("threads", 1), ("open files", 2), ("temporary files", 0), ("series", 40), ("outbox", 200), ("slot MB", 5)):
        assert last[held] <= first[held] + more, held
    # With fewer runs each has more to do, as a busy machine will have it: what grows with age makes both cost more.
    assert any(last[cost] <= 1.15 * first[cost] for cost in ("cpu ms/commit", "cpu ms/run"))
    assert last["store kB/commit"] <= 1.25 * first["store kB/commit"]
