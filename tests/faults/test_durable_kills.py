"""``accord sync`` killed at each of its durable calls (n-th sync to disk, rename, write): the next run makes it whole, once."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from accord.cli.main import main
from accord.store import open_store

MAP = """
name: kills
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
  c: {connector: csv, at: ".", resources: {things: {key: [id]}}}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, name: text, hits: integer}}
flows:
  things:
    entity: thing
    authority: {"*": a, hits: AUTHORITY}
    bindings:
"""
BINDING = "      {name}: {{resource: things, capture: {capture}, create: true, fields: {{id: id, name: name, hits: hits}}}}\n"
KEYS = 40
Rows = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Form:
    """A way of running: systems, how changes are found, who wins the counter, and the command that is killed."""

    systems: str = "abc"
    capture: str = "sweep"
    authority: str = "a"
    command: str = "sync"
    first: bool = False


FORMS = {
    "ordinary": Form(),
    "merged": Form(authority="merge"),
    "partial": Form(capture="cdc"),
    "first": Form(systems="ab", first=True),
    "plan": Form(command="apply"),
}


STARTER = """
import json, os, signal, sys
from importlib import import_module
for name in json.loads(sys.stdin.readline()):
    import_module(name)
from accord.cli.main import main
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.stdin.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(main(json.loads(line)))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def seen(process: int, line: str) -> bool:
    return line in Path(f"/proc/{process}/status").read_text()


class Starter:
    """A process that has read the code and starts each command as a copy of itself: reading it costs more than a run."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", STARTER], stdin=pipe, stdout=pipe, text=True)
        self.tell([name for name in sys.modules if name.split(".")[0] in ("accord", "duckdb", "pyarrow")])

    def tell(self, words: list[str]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def killed(self, words: list[str], call: str, n: int) -> bool:
        """Whether the command died as it was about to make the n-th call; if not, it made fewer and ended well."""
        self.tell(words)
        assert self.process.stdout is not None
        child = int(self.process.stdout.readline())
        while not seen(child, "State:\tT"):
            time.sleep(0.005)
        inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        with subprocess.Popen([*inject, "-p", str(child)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as strace:
            while not seen(child, "State:\tt") or seen(child, "TracerPid:\t0\n"):
                assert strace.poll() is None, strace.stderr.read() if strace.stderr else ""
                time.sleep(0.005)  # another process: there is nothing to wait on
            os.kill(child, signal.SIGCONT)
            ended = int(self.process.stdout.readline())
        assert ended in (0, -signal.SIGKILL)
        return ended != 0

    def close(self) -> None:
        """End it."""
        self.process.communicate()


class Home:
    """Systems with edits that a run is about to carry over, and what all of them must show after it."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder, self.form = folder, form
        self.wanted: Rows = {f"K{i:02}": (f"first {i}", i) for i in range(KEYS)}
        folder.mkdir()
        modes = {name: "sweep" if name == "c" else form.capture for name in form.systems}
        text = MAP.replace("AUTHORITY", form.authority) + "".join(BINDING.format(name=n, capture=m) for n, m in modes.items())
        (folder / "map.yaml").write_text(text)
        self.sql("a", "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, hits INTEGER)")
        self.sql("a", "INSERT INTO things VALUES (?, ?, ?)", *((k, *v) for k, v in self.wanted.items()))
        if form.first:
            return
        assert self.accord("sync") == 0
        for system, part in (("a", 0), ("b", 1)):
            keys = [k for k in self.wanted if k[0] == "K" and int(k[1:]) % 2 == part]
            self.sql(system, "UPDATE things SET name = ?, hits = hits + 100 WHERE id = ?", *((f"by {system}", k) for k in keys[:6]))
            self.sql(system, "DELETE FROM things WHERE id = ?", *((k,) for k in keys[6:8]))
            self.sql(system, "INSERT INTO things VALUES (?, ?, ?)", (f"N{system}", "new", 7))
            self.wanted |= {k: (f"by {system}", self.wanted[k][1] + 100) for k in keys[:6]} | {f"N{system}": ("new", 7)}
            for key in keys[6:8]:
                del self.wanted[key]
        if form.command == "apply":
            assert self.accord("plan", "--out", str(folder / "plan.json")) == 0

    def sql(self, system: str, statement: str, *rows: tuple[object, ...]) -> list[tuple[str, str, int]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            found = db.executemany(statement, rows) if rows else db.execute(statement)
            listed = [] if rows else found.fetchall()
        db.close()
        return listed

    def accord(self, *words: str) -> int:
        """The command, in this process."""
        return main([*words, str(self.folder)])

    def copied(self, folder: Path) -> Home:
        """The same, elsewhere: a run starts from here any number of times."""
        shutil.copytree(self.folder, folder)
        there = object.__new__(Home)
        there.folder, there.form, there.wanted = folder, self.form, self.wanted
        return there

    def killed(self, starter: Starter, call: str, n: int) -> bool:
        """Run in a process of its own that dies as it is about to make the n-th call; false: it made fewer and ended well."""
        words = [str(self.folder / "plan.json")] if self.form.command == "apply" else []
        return starter.killed([self.form.command, *words, str(self.folder)], call, n)

    def set_back(self) -> None:
        """Somebody sets a counter in b to the number it had before the run: an edit if the run wrote it, and none if it did not."""
        (now,) = (hits for key, _, hits in self.sql("b", "SELECT id, name, hits FROM things") if key == "K02")
        self.sql("b", "UPDATE things SET hits = ? WHERE id = ?", (2, "K02"))
        name, hits = self.wanted["K02"]
        self.wanted = {**self.wanted, "K02": (name, hits + 2 - now)}

    def shown(self, system: str) -> Rows:
        if system == "c":
            with (self.folder / "things.csv").open(newline="") as file:
                return {row["id"]: (row["name"], int(row["hits"])) for row in csv.DictReader(file)}
        return {row[0]: row[1:] for row in self.sql(system, "SELECT id, name, hits FROM things")}

    def check(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A run after the kill arrives; the next has nothing to do; the log is whole and no half-written file stays."""
        assert self.accord("sync") == 0
        for system in self.form.systems:
            assert self.shown(system) == self.wanted, system
        capsys.readouterr()
        assert self.accord("sync", "--whole", "--json") == 0
        (flow,) = json.loads(capsys.readouterr().out)["flows"]
        assert sum(flow["counts"][word] for word in ("inserted", "updated", "deleted", "conflicts")) == 0
        with open_store(self.folder / ".accord" / "store.db", segments=self.folder / ".accord" / "segments") as store:
            assert store.verify().seq == len(list(store.read()))
            assert store.verify_segments() == ()
        assert [p.name for p in self.folder.glob(".*.tmp")] == []


def kill_at(tmp_path: Path, form: Form, call: str, numbers: Iterator[int], capsys: pytest.CaptureFixture[str]) -> int:
    """Kill at these calls, until there are none any more; returns how often."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    home = Home(tmp_path / "before", form)
    with closing(Starter()) as starter:
        for killed, n in enumerate(numbers):
            place = home.copied(tmp_path / f"{call}{n}")
            if not place.killed(starter, call, n):
                return killed
            if form.authority == "merge":
                place.set_back()
            place.check(capsys)
            shutil.rmtree(place.folder)
    return killed + 1


def test_a_sync_killed_at_a_durable_call_is_taken_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of the many moments: a target has taken its rows, and the log does not know; the long form takes each."""
    assert kill_at(tmp_path, FORMS["ordinary"], "rename", iter((3,)), capsys) == 1


@pytest.mark.prove
@pytest.mark.parametrize(("call", "step"), [("fdatasync", 1), ("fsync", 1), ("rename", 1), ("pwrite64", 11)])
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_sync_killed_at_each_durable_call_is_taken_up(
    form: Form, call: str, step: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every wait for the disk and every rename, and every eleventh write: between two waits the writes are of one transaction."""
    counted: Callable[[], Iterator[int]] = lambda: itertools.count(1, step)  # noqa: E731
    kills = kill_at(tmp_path, form, call, counted(), capsys)
    sys.stderr.write(f"{kills} kills\n")
