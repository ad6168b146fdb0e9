"""Continuous mode as people run it: the command line in a process of its own, over real files and databases."""

from __future__ import annotations

import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 60.0


@dataclass
class Watcher:
    """A running ``accord sync --watch --json`` and the lines it printed."""

    process: subprocess.Popen[str]
    lines: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    seen: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def read() -> None:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                self.lines.put(json.loads(line))

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()

    def until(self, event: str, **wanted: Any) -> dict[str, Any]:
        """Wait for a line; fails with everything printed when it does not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                if self.process.poll() is not None:
                    break
                continue
            self.seen.append(line)
            if line["event"] == event and all(line.get(k) == v for k, v in wanted.items()):
                return line
        said = self.process.stderr.read() if self.process.stderr is not None and self.process.poll() is not None else ""
        raise AssertionError(f"no line {event} {wanted}; code {self.process.poll()}; seen {self.seen}; {said}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)


@dataclass
class Place:
    """A folder with a map over SQLite files ``a`` and ``b``."""

    folder: Path
    start: Callable[..., Watcher]

    def sql(self, system: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{system}.db", timeout=30) as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def accord(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command, ended."""
        return subprocess.run(
            [sys.executable, "-m", "accord", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for what another process does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)  # polling another process: there is nothing to wait on


MAP = """
name: place
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
entities:
  thing:
    key: [id]
    fields: {id: {type: text, required: true}, name: text, size: {type: integer, minimum: 0}}
flows:
  things:
    entity: thing
    freshness: 1s
    delete_guard: 100%
    bindings:
      a: {resource: things, fields: {id: id, name: name, size: size}}
      b: {resource: things, fields: {id: id, name: name, size: size}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Two systems kept in agreement within a second."""
    started: list[Watcher] = []

    def start(*arguments: str, env: dict[str, str] | None = None, within: Sequence[str] = ()) -> Watcher:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "accord", "sync", "--watch", "--json", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        started.append(Watcher(process))
        return started[-1]

    (tmp_path / "map.yaml").write_text(MAP)
    made = Place(tmp_path, start)
    for system in "ab":
        made.sql(system, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
    yield made
    for watcher in started:
        if watcher.process.poll() is None:
            watcher.process.kill()
        watcher.process.wait()
        watcher.reader.join()
        for stream in (watcher.process.stdout, watcher.process.stderr):
            if stream is not None:
                stream.close()
