"""kill -9 between a ticket and the command it stands for: the next run ends as if nothing had happened."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TASKS = 3
WORKER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from accord.sync import run_flow
from accord.work.tracker import WorkTracker
from accord.workspace import open_workspace

folder, number, moment = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
write, calls = WorkTracker._write, 0

def dying(self, *given):
    global calls
    calls += 1
    if calls == number and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = write(self, *given)
    if calls == number and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

WorkTracker._write = dying
with open_workspace(folder / "map.yaml") as workspace:
    print("ready", flush=True)
    run_flow(workspace.map, "tickets", workspace.connectors(), workspace.store, run="killed", now=datetime(2026, 3, 2, 12, tzinfo=UTC))
"""


def prepare(board: Any) -> None:
    """Tickets that somebody closed, right and wrong, and one whose task goes on in Accord."""
    for number in range(TASKS):
        board.work.start("poster", case=f"P{number}", by="Mia", key=str(number))
        board.work.complete(f"poster-{number}/brief/1", by="Mia")
    board.sync()
    board.edit(state="closed", person="Sue", closed_by="Sue", link="https://x")


def killed(folder: Path, number: int, moment: str, *, after_seconds: float = 0.0) -> int:
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(number), moment], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if after_seconds:
        time.sleep(after_seconds)
        process.kill()
    process.communicate()
    return process.returncode


def whole(board: Any) -> None:
    """Every task was finished once, by the one who closed its ticket, and both sides rest."""
    board.settle()
    finished = [e["task"] for e in board.events("task.completed") if e["step"] == "draw"]
    assert sorted(finished) == [f"poster-{number}/draw/1" for number in range(TASKS)]
    assert board.sql("SELECT DISTINCT state, closed_by FROM tickets") == [("closed", "Sue")]
    assert [(t.step, t.state) for t in board.work.tasks()] == [("print", "offered")] * TASKS
    assert board.events("tracker.refused") == []


def test_a_run_that_dies_between_two_commands_is_taken_up(board: Any, tmp_path: Path) -> None:
    """The first ticket's command stands and is found as wanted; the others are carried out."""
    prepare(board)

    assert killed(tmp_path, 2, "before") == -9

    assert len(board.events("tracker.applied")) == 1
    whole(board)


@pytest.mark.prove
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, TASKS + 1))
def test_each_moment_of_a_run_is_one_to_die_at(board: Any, tmp_path: Path, number: int, moment: str) -> None:
    """The long form."""
    prepare(board)
    assert killed(tmp_path, number, moment) == -9
    whole(board)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(40))
def test_random_moments_too(board: Any, tmp_path: Path, seed: int) -> None:
    """Before, within and behind the commands."""
    prepare(board)
    for _ in range(2):
        killed(tmp_path, 0, "never", after_seconds=random.Random(seed).uniform(0.05, 1.0))
    whole(board)
