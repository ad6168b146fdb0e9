"""A network that fails before a store on PostgreSQL: commands end with exit code 3 in time, a repeat ends right, nothing is there twice."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.store import open_store

MAP = """
name: both
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, name: text}}
flows:
  things:
    entity: thing
    bindings:
      a: {resource: things, fields: {id: id, name: name}}
      b: {resource: things, fields: {id: id, name: name}}
teams: {marketing: {owner: Mia}, studio: {owner: Sam}}
processes:
  campaign:
    steps:
      brief: {team: marketing, form: {budget: integer}}
      draw: {team: studio, after: [brief]}
"""
LONGEST_SECONDS = 40  # one silence and a question (18), three connections that are not made (5 each); and a busy machine
SETTINGS = {"reset": "cut_after", "cut": "cut_after", "lost answer": "cut_sent", "black hole": "mute_after"}


class Home:
    """A map with two systems and a process, its store behind a wire."""

    def __init__(self, wire: Any, url: str, direct: str, folder: Path, printed: Callable[[], str]) -> None:
        self.wire, self.url, self.direct, self.folder, self.printed = wire, url, direct, folder, printed
        self.edits, self.wanted = 0, {f"K{n}": "first" for n in range(40)}
        (folder / "map.yaml").write_text(MAP)
        for name in "ab":
            self.sql(name, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
        with closing(sqlite3.connect(folder / "a.db")) as db, db:
            db.executemany("INSERT INTO things VALUES (?, ?)", self.wanted.items())

    def sql(self, system: str, statement: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / f"{system}.db")) as db, db:
            return db.execute(statement, values).fetchall()

    def edit(self) -> None:
        """A change in each system, a row more and one less."""
        self.edits += 1
        first, second, gone, new = f"K{self.edits % 20}", f"K{20 + self.edits % 20}", min(self.wanted), f"N{self.edits}"
        for system, statement, *values in (
            ("a", "UPDATE things SET name = ? WHERE id = ?", f"edit {self.edits}", first),
            ("b", "UPDATE things SET name = ? WHERE id = ?", f"edit {self.edits}", second),
            ("a", "DELETE FROM things WHERE id = ?", gone),
            ("b", "INSERT INTO things VALUES (?, ?)", new, "new"),
        ):
            self.sql(system, statement, *values)
        self.wanted |= {k: f"edit {self.edits}" for k in (first, second) if k in self.wanted}
        self.wanted.pop(gone, None)
        self.wanted[new] = "new"

    def call(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and what was said, of a command that ends in time."""
        self.printed()
        began = time.monotonic()
        where = ["--map", str(self.folder)] if arguments[0] == "work" else [str(self.folder), "--allow-deletes"]
        code = main([*arguments, *where, "--store", self.url, "--json"])
        seconds = time.monotonic() - began
        assert seconds < LONGEST_SECONDS, f"{arguments}: {seconds:.0f} s"
        said = self.printed()
        return code, json.loads(said) if said else {}

    def agree(self) -> None:
        """A repeat ends right: both systems as people left them, the log whole, each change in it once."""
        self.wire.cut()
        self.wire.clear()
        code, said = self.call("sync")
        assert code == 0, said
        shown = [dict(self.sql(n, "SELECT * FROM things")) for n in "ab"]
        assert shown == [self.wanted] * 2
        code, quiet = self.call("sync")
        assert (code, quiet["flows"][0]["changed"]) == (0, False)

    def whole(self) -> dict[str, int]:
        """How often each kind of event of work is in the log, which holds together."""
        with open_store(self.direct, segments=self.folder / ".accord" / "segments") as store:
            store.verify()
            found: dict[str, int] = {}
            for stored in store.read():
                found[stored.event.type] = found.get(stored.event.type, 0) + 1
        return found


@pytest.fixture
def home(wired: tuple[Any, str], logical_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    return Home(*wired, logical_url, tmp_path, lambda: capsys.readouterr().out)


def test_a_commit_whose_answer_is_lost_is_told_and_a_repeat_doubles_nothing(home: Home) -> None:
    """Nobody can know whether it happened. The command says that the store is out of reach, and can be given again."""
    home.wire.cut_text, home.wire.cut_nth = b"COMMIT", 2
    codes = [home.call("sync")[0]]
    home.agree()
    start = ("work", "start", "campaign", "--case", "C1", "--key", "k1", "--by", "Mia")
    home.wire.cut_text = b"COMMIT"
    codes.append(home.call(*start)[0])
    home.wire.clear()
    code, started = home.call(*start)
    complete = ("work", "complete", f"{started['instance']}/brief/1", "--answer", "budget=5", "--by", "Mia")
    home.wire.cut_text = b"COMMIT"
    codes.append(home.call(*complete)[0])
    home.wire.clear()
    again, body = home.call(*complete)

    assert (codes, code) == ([3, 3, 3], 0)
    assert (again, body.get("error", {}).get("kind")) in ((0, None), (1, "TerminalError"))  # the latter: it is done already
    counted = home.whole()
    assert [counted[kind] for kind in ("process.started", "task.completed")] == [1, 1]


@pytest.mark.prove
@pytest.mark.parametrize("fault", [*SETTINGS, "refuse", "commit"])
def test_a_sync_whose_store_cannot_be_reached_at_any_moment_ends_with_exit_code_3(fault: str, home: Home) -> None:
    """The long form: many moments of a run, with the times the product has."""
    home.agree()
    home.edit()
    home.wire.clear()
    assert home.call("sync")[0] == 0
    received, sent = home.wire.received, home.wire.sent
    moments = {"refuse": 1, "black hole": 4, "commit": 3}.get(fault, 12)
    codes = []
    for number in range(moments):
        home.edit()
        home.wire.clear()
        home.wire.reset = fault == "reset"
        if fault == "refuse":
            home.wire.refuse()
        elif fault == "commit":
            home.wire.cut_text, home.wire.cut_nth = b"COMMIT", number + 1
        else:
            setattr(home.wire, SETTINGS[fault], int((sent if fault == "lost answer" else received) * 0.95 * number / moments))
        codes.append(home.call("sync")[0])
        if fault == "refuse":
            home.wire.open()
        home.agree()
    assert set(codes) <= {0, 3}
    assert codes.count(3) > len(codes) / 3, codes
    home.whole()


@pytest.mark.prove
@pytest.mark.parametrize("fault", SETTINGS)
def test_commands_of_work_whose_store_cannot_be_reached_are_told_and_happen_once(fault: str, home: Home) -> None:
    """The long form for people at work: whatever the moment, the repeat ends right."""
    codes, moments = [], 2 if fault == "black hole" else 8
    ordinary: dict[str, tuple[int, int]] = {}
    for number in range(moments + 1):
        start = ("work", "start", "campaign", "--case", f"C{number}", "--key", f"k{number}", "--by", "Mia")
        complete = ("work", "complete", f"campaign-k{number}/brief/1", "--answer", "budget=5", "--by", "Mia")
        for command in (start, complete):
            home.wire.clear()
            home.wire.reset = fault == "reset"
            if number:  # the first one is measured
                past = ordinary[command[1]][fault == "lost answer"]
                setattr(home.wire, SETTINGS[fault], int(past * 0.95 * (number - 1) / moments))
                codes.append(home.call(*command)[0])
                home.wire.cut()
                home.wire.clear()
            code, said = home.call(*command)
            assert code == 0 or (code, said["error"]["kind"]) == (1, "TerminalError"), said
            if not number:
                ordinary[command[1]] = (home.wire.received, home.wire.sent)
    assert set(codes) <= {0, 3}
    assert codes.count(3) > len(codes) / 3, codes
    counted = home.whole()
    assert [counted[kind] for kind in ("process.started", "task.completed")] == [moments + 1] * 2
