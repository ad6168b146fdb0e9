"""``accord run`` from outside: eight steps, a second run that stands still, and a kill at any moment."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from accord.lifecycle.context import STEPS
from accord.report.stamp import without_stamp

Run = Callable[..., CompletedProcess[str]]


def end_state(shop: Path) -> dict[str, Any]:
    """What a run leaves: the systems' content and every deliverable without its stamp, read without Accord's connectors."""
    with sqlite3.connect(shop / "systems" / "crm.db") as db:
        crm = sorted(db.execute("SELECT * FROM customers").fetchall())
    db.close()
    with (shop / "systems" / "desk" / "clients.csv").open(newline="") as file:
        desk = sorted(tuple(sorted(row.items())) for row in csv.DictReader(file))
    people = sorted((shop / "systems" / "mail" / "people.jsonl").read_text().splitlines())
    mail = sorted((json.loads(line)["person"], json.loads(line)["address"]) for line in people)
    pages = {}
    for page in sorted((shop / "deliverables").rglob("*.md")):  # also what a killed run left half written, if nobody cleared it
        pages[str(page.relative_to(shop))] = without_run(without_stamp(page.read_text()))
    return {"crm": crm, "desk": desk, "mail": mail, "pages": pages}


def without_run(text: str) -> str:
    """Run ids out of a page: they differ between any two runs by design."""
    import re

    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", text)


def contents(shop: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file outside the state, with the moment of its last writing."""
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in shop.rglob("*") if p.is_file() and ".accord" not in p.parts}


@dataclass
class Story:
    """One organization over three runs: from disagreement, once more with nothing changed, and after a change."""

    pristine: Path
    first: CompletedProcess[str]
    first_state: dict[str, Any]
    before: dict[Path, tuple[int, bytes]]
    second: dict[str, Any]
    after: dict[Path, tuple[int, bytes]]
    third: dict[str, Any]
    third_state: dict[str, Any]


@pytest.fixture(scope="module")
def story(make_shop: Callable[..., Path], run_process: Run, tmp_path_factory: pytest.TempPathFactory) -> Story:
    pristine = make_shop(tmp_path_factory.mktemp("story") / "pristine")
    shop = copy_of(pristine, pristine.parent / "shop")
    first = run_process("run", shop, "--json")
    first_state, before = end_state(shop), contents(shop)
    second = json.loads(run_process("run", shop, "--json").stdout)
    after = contents(shop)
    with sqlite3.connect(shop / "systems" / "crm.db") as db:
        db.execute("UPDATE customers SET email = 'new@example.org' WHERE id = 'C010'")
    db.close()
    third = json.loads(run_process("run", shop, "--json").stdout)
    return Story(pristine, first, first_state, before, second, after, third, end_state(shop))


def test_a_run_brings_the_systems_into_agreement_and_leaves_all_deliverables(story: Story) -> None:
    """The promise of the first page of the manual, seen from outside."""
    body = json.loads(story.first.stdout)
    state = story.first_state
    assert story.first.returncode in (0, 1), story.first.stderr
    assert [s["step"] for s in body["steps"]] == list(STEPS)
    assert all(s["deliverables"] for s in body["steps"])
    emails = {row[0]: row[1] for row in state["crm"]}
    assert len(emails) == 60
    assert {dict(row)["client"]: dict(row)["mail"] for row in state["desk"]} == emails
    assert dict(state["mail"]) == emails
    assert {dict(row)["note"] for row in state["desk"]} >= {"note, 1"}, "a column Accord does not know must survive"


def test_a_second_run_says_no_change_and_writes_nothing(story: Story) -> None:
    """Running twice must be as harmless as running once."""
    assert story.second["changed"] is False
    assert story.after == story.before


def test_a_change_after_a_run_is_carried_by_the_next(story: Story) -> None:
    """Standing still must not mean being blind."""
    assert story.third["changed"] is True
    assert dict(story.third_state["mail"])["C010"] == "new@example.org"


def kill_during(shop: Path, after_seconds: float) -> bool:
    """Start a run and kill it with -9; false when it had already ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "accord", "run", str(shop), "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_seconds)
    running = process.poll() is None
    if running:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return running


def copy_of(shop: Path, to: Path) -> Path:
    """The same organization once more, times of files included: they are facts the assessment records."""
    shutil.copytree(shop, to)
    return to


def check_kills(make_shop: Callable[..., Path], run_accord: Run, folder: Path, kills: int, seed: int) -> int:
    pristine = make_shop(folder / "pristine")
    undisturbed = copy_of(pristine, folder / "undisturbed")
    began = time.monotonic()
    run_accord("run", undisturbed, "--json")
    length = time.monotonic() - began
    expected = end_state(undisturbed)
    rng = random.Random(seed)
    hit = 0
    for number in range(kills):
        shop = copy_of(pristine, folder / f"killed{number}")
        hit += kill_during(shop, rng.uniform(0.2, length))
        result = run_accord("run", shop, "--json")
        assert result.returncode in (0, 1), result.stdout + result.stderr
        assert end_state(shop) == expected
        assert run_accord("status", shop, "--verify", "--json").returncode == 0
    return hit


def test_a_run_killed_at_any_moment_ends_the_same_after_a_second_run(story: Story, run_accord: Run, tmp_path: Path) -> None:
    """A laptop lid closes at any moment; the second try must not see a different world than the first would have left.

    Here it closes while the pages of the second of eight steps are written, so that the kill hits on every machine.
    """
    shop = copy_of(story.pristine, tmp_path / "killed")
    process = subprocess.Popen([sys.executable, "-m", "accord", "run", str(shop)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((shop / "deliverables" / "design").glob("[!.]*.md")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    result = run_accord("run", shop, "--json")

    assert result.returncode in (0, 1), result.stdout + result.stderr
    assert end_state(shop) == story.first_state
    assert run_accord("status", shop, "--verify", "--json").returncode == 0


@pytest.mark.prove
def test_fifty_random_kills_of_a_run_leave_the_same_end_state(make_shop: Callable[..., Path], run_accord: Run, tmp_path: Path) -> None:
    """The long form of the proof above."""
    assert check_kills(make_shop, run_accord, tmp_path, kills=50, seed=2) >= 25


def test_the_same_map_runs_on_a_postgresql_store(shop: Path, run_accord: Run, postgres_url: str) -> None:
    """Who outgrows the laptop keeps the map and the commands."""
    first = json.loads(run_accord("run", shop, "--store", postgres_url, "--json").stdout)
    second = json.loads(run_accord("run", shop, "--store", postgres_url, "--json").stdout)

    assert [s["step"] for s in first["steps"]] == list(STEPS)
    assert second["changed"] is False
    assert len(end_state(shop)["mail"]) == 60
    assert not (shop / ".accord" / "store.db").exists()
