"""``accord worker``: what is due is carried out, and what cannot be is said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accord.cli.main import main
from accord.mapfile import load_map
from accord.store import open_store
from accord.work import open_work

MAP = """
name: test
teams: {a: {owner: Mia}}
processes:
  tell:
    steps:
      tell: {kind: auto, action: mail, arguments: {to: "'sam@example.org'", subject: "'Brief ' || case_name", text: "'Please look.'"}}
"""


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    """A map with one instance begun."""
    path = tmp_path / "map.yaml"
    path.write_text(MAP)
    with open_store(tmp_path / ".accord" / "store.db", segments=tmp_path / ".accord" / "segments") as store:
        open_work(load_map(path), store).start("tell", case="C", by="Mia", variables={"case_name": "Spring"})
    return path


def states(map_path: Path) -> list[tuple[str, str]]:
    with open_store(map_path.parent / ".accord" / "store.db", segments=map_path.parent / ".accord" / "segments") as store:
        return [(state, reasons) for state, reasons in store.rows("SELECT state, reasons FROM work_task")]


def test_due_actions_are_carried_out_and_counted(
    map_path: Path, mail_server: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The mail arrives once, with a Message-ID that a repeat would have too."""
    url, kept = mail_server
    assert main(["worker", str(map_path), "--json", "--mail", url, "--sender", "accord@example.org"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert main(["worker", str(map_path), "--mail", url, "--sender", "accord@example.org"]) == 0

    (message,) = kept
    assert all(part in message for part in ("Subject: Brief Spring", "To: sam@example.org", "Message-ID: <", "Please look."))
    assert states(map_path) == [("completed", "[]")]


def test_an_action_that_lacks_what_it_needs_waits_for_a_person(map_path: Path) -> None:
    """Nothing is lost, and the way out stands with it."""
    assert main(["worker", str(map_path)]) == 0

    ((state, reasons),) = states(map_path)
    assert (state, "--mail smtp://host:port" in reasons) == ("dead", True)


def test_many_workers_need_a_store_they_all_reach(map_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is on one machine."""
    assert main(["worker", str(map_path), "--many"]) == 2
    assert "postgresql://" in capsys.readouterr().err


def test_a_changed_map_is_worked_by_without_a_new_start(tmp_path: Path) -> None:
    """An action begins a part by the map as it is, and not as it was when somebody started the worker weeks ago."""
    path = tmp_path / "map.yaml"
    parts = (
        "name: test\nteams: {a: {owner: Mia}}\nprocesses: {p: {steps: {rest: {kind: wait, team: a, message: go, delay: 1s}, "
        "part: {kind: subprocess, team: a, process: one, after: [rest]}}}, one: {steps: {STEP: {team: a}}}}\n"
    )
    path.write_text(parts.replace("STEP", "before"))
    command = [sys.executable, "-m", "accord", "worker", str(path), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while not (tmp_path / ".accord" / "store.db").exists():
                time.sleep(0.05)
            path.write_text(parts.replace("STEP", "after_the_change"))
            assert "work goes on by the new one" in process.stderr.readline()
            assert main(["work", "start", "p", "--case", "C", "--map", str(path)]) == 0
            with open_store(tmp_path / ".accord" / "store.db", segments=tmp_path / ".accord" / "segments") as store:
                while not (found := open_work(load_map(path), store).tasks()):
                    time.sleep(0.05)
            assert [task.step for task in found] == ["after_the_change"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
