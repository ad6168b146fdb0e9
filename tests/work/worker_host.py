"""Run by the kill tests in a process of its own: workers as its children, killed at random and begun anew.

    worker_host.py KIND URL SEGMENTS MAP EFFECTS KILLS SEED

Prints «killed» when it has killed so often, keeps its workers alive until its input ends, and takes them along.
With KILLS = once: no children; carries out what is due, plays the person, and ends when nothing is left.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.mapfile import load_map
from accord.model.errors import AccordError, LeaseHeld
from accord.store import open_store
from accord.work import Work, open_work
from accord.work.action import Call, Context
from accord.work.queue_runner import QueueRunner
from accord.work.runner import EmbeddedRunner


def effect(folder: str, call: Call) -> dict[str, Any]:
    """Something outside that knows a repeat by its key, and counts how often it was called."""
    time.sleep(random.random() * 0.02)
    with contextlib.closing(sqlite3.connect(folder, timeout=60)) as outside, outside:
        outside.execute("PRAGMA synchronous=OFF")
        outside.execute("CREATE TABLE IF NOT EXISTS effect (key TEXT PRIMARY KEY, task TEXT)")
        outside.execute("CREATE TABLE IF NOT EXISTS call (key TEXT)")
        outside.execute("INSERT INTO call VALUES (?)", [call.key])
        outside.execute("INSERT INTO effect VALUES (?, ?) ON CONFLICT DO NOTHING", [call.key, call.task])
    return {"last": call.step}


def runner_on(kind: str, url: str, segments: str, map_path: str, effects: str) -> tuple[Work, EmbeddedRunner | QueueRunner]:
    """Work with a runner whose effects go to a file."""
    store = open_store(url, segments=Path(segments))
    work = open_work(load_map(map_path), store, clock=lambda: datetime.now(UTC))
    context = Context(functions={"note": lambda call: effect(effects, call)})
    if kind == "queue":
        return work, QueueRunner(work, context, url, heartbeat_seconds=0.2, stalled_seconds=1.0)
    return work, EmbeddedRunner(work, context)


def serve(kind: str, *given: str) -> None:
    """A worker's whole life; what it meets while others die and the database restarts is no reason to end."""
    while True:
        try:
            runner_on(kind, *given)[1].run(threading.Event())
        except LeaseHeld:
            time.sleep(0.01)  # the one before it has not been missed yet
        except AccordError:
            time.sleep(0.1)


def once(*given: str) -> None:
    """Everything to its end, people's steps included."""
    work, runner = runner_on(*given)
    work.start("five", case="C", by="Mia", key="1")
    while True:
        done = runner.drain()
        open_tasks = work.tasks()
        for task in open_tasks:
            work.complete(task.task, by="Sam", answer={"fine": True})
        if not done and not open_tasks:
            return


def host(kills: int, seed: int, *given: str) -> None:
    """Two workers, killed at random moments."""
    children: list[int] = []

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(KeyboardInterrupt):
                serve(*given)
            os._exit(1)
        return pid

    chance = random.Random(seed)
    try:
        children += [fork(), fork()]
        for _ in range(kills):
            time.sleep(0.05 + chance.random() * 0.5)
            victim = chance.randrange(2)
            os.kill(children[victim], signal.SIGKILL)
            os.waitpid(children[victim], 0)
            children[victim] = fork()
        sys.stdout.write("killed\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    *where, how, number = sys.argv[1:]
    if how == "once":
        once(*where)
    else:
        host(int(how), int(number), *where)
