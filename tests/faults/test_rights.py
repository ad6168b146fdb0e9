"""A run without the rights it needs: a clear error, and once they are granted the next run makes it good."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MAP = """
name: files
systems:
  a: {connector: sqlite, at: a/a.db}
  b: {connector: csv, at: b, resources: {things: {key: [id]}}}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, name: text}}
flows:
  things:
    entity: thing
    bindings:
      a: {resource: things, fields: {id: id, name: name}}
      b: {resource: things, fields: {id: id, name: name}}
"""


class Home:
    """A folder with a map, a database and a folder of CSV; ``sync`` runs the command in a process of its own."""

    def __init__(self, folder: Path, start: list[str]) -> None:
        self.folder, self.start = folder, start
        for name in "ab":
            (folder / name).mkdir()
        self.sql("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
        self.sql("INSERT INTO things VALUES ('K1', 'one'), ('K2', 'two')")
        (folder / "b" / "things.csv").write_text("id,name\nK3,three\n")
        (folder / "map.yaml").write_text(MAP)

    def sql(self, statement: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.folder / "a" / "a.db") as db:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def sync(self) -> tuple[int, str]:
        """Exit code and all that was said."""
        command = [*self.start, sys.executable, "-m", "accord", "sync", str(self.folder), "--json"]
        environment = {**os.environ, "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        json.loads(done.stdout)
        return done.returncode, done.stdout + done.stderr

    def agrees(self) -> None:
        code, said = self.sync()
        assert code == 0, said
        with (self.folder / "b" / "things.csv").open(newline="") as file:
            there = sorted((row["id"], row["name"]) for row in csv.DictReader(file))
        assert there == self.sql("SELECT id, name FROM things ORDER BY id")
        assert [row[0] for row in there] == ["K1", "K2", "K3"]


def give(path: Path) -> None:
    """To the user nobody."""
    for found in (path, *path.rglob("*")):
        os.chown(found, 65534, 65534)


def no_map(home: Home) -> Callable[[], None]:
    (home.folder / "map.yaml").chmod(0)
    give(home.folder)
    return lambda: (home.folder / "map.yaml").chmod(0o644)


def no_target(home: Home) -> Callable[[], None]:
    give(home.folder)
    os.chown(home.folder / "b", 0, 0)
    os.chown(home.folder / "b" / "things.csv", 0, 0)
    return lambda: give(home.folder)


def no_database(home: Home) -> Callable[[], None]:
    give(home.folder)
    (home.folder / "a" / "a.db").chmod(0o444)
    (home.folder / "a").chmod(0o555)
    return lambda: (home.folder / "a").chmod(0o755) or (home.folder / "a" / "a.db").chmod(0o644)


def no_place_for_state(home: Home) -> Callable[[], None]:
    give(home.folder)
    os.chown(home.folder, 0, 0)
    home.folder.chmod(0o755)
    return lambda: os.chown(home.folder, 65534, 65534)


def state_of_another(home: Home) -> Callable[[], None]:
    give(home.folder)
    home.sync()
    home.sql("UPDATE things SET name = 'changed' WHERE id = 'K1'")
    for found in (home.folder / ".accord", *(home.folder / ".accord").rglob("*")):
        os.chown(found, 0, 0)
    return lambda: give(home.folder / ".accord")


def segments_of_another(home: Home) -> Callable[[], None]:
    give(home.folder)
    segments = home.folder / ".accord" / "segments"
    segments.mkdir(parents=True)
    os.chown(segments.parent, 65534, 65534)
    return lambda: os.chown(segments, 65534, 65534)


def no_file(home: Home) -> Callable[[], None]:
    give(home.folder)
    (home.folder / "b" / "things.csv").chmod(0)
    return lambda: (home.folder / "b" / "things.csv").chmod(0o644)


def no_way_to_the_file(home: Home) -> Callable[[], None]:
    give(home.folder)
    (home.folder / "b").chmod(0)
    return lambda: (home.folder / "b").chmod(0o755)


def no_way_to_the_database(home: Home) -> Callable[[], None]:
    give(home.folder)
    (home.folder / "a").chmod(0)
    return lambda: (home.folder / "a").chmod(0o755)


def no_reading_of_the_database(home: Home) -> Callable[[], None]:
    give(home.folder)
    (home.folder / "a" / "a.db").chmod(0)
    return lambda: (home.folder / "a" / "a.db").chmod(0o644)


def denied(home: Home, *what: Callable[[Home], Callable[[], None]], codes: tuple[int, ...] = (1, 2, 3)) -> None:
    for harm in what:
        grant = harm(home)

        code, said = home.sync()

        assert code in codes, said
        assert any(word in said.lower() for word in ("permission", "read-only", "readonly", "writ", "read", "open")), said
        assert "defect" not in said
        grant()
    home.agrees()


def test_a_place_that_may_not_be_written_is_named_and_nothing_is_lost(tmp_path: Path, as_nobody: list[str]) -> None:
    """Services do not run as root: what they may not do is said in a sentence, and once it is granted everything arrives."""
    denied(Home(tmp_path, as_nobody), segments_of_another, no_target, codes=(3,))


@pytest.mark.prove
@pytest.mark.parametrize(
    "what",
    [state_of_another, no_file, no_way_to_the_file, no_way_to_the_database, no_reading_of_the_database],
    ids=lambda call: call.__name__,
)
def test_what_may_not_be_reached_is_named_and_costs_nothing(
    what: Callable[[Home], Callable[[], None]], tmp_path: Path, as_nobody: list[str]
) -> None:
    """The same for the store and the sources: exit code 3, try again once it is granted."""
    denied(Home(tmp_path, as_nobody), what, codes=(3,))


@pytest.mark.prove
@pytest.mark.parametrize("what", [no_map, no_database, no_place_for_state], ids=lambda call: call.__name__)
def test_a_right_that_is_missing_is_named(what: Callable[[Home], Callable[[], None]], tmp_path: Path, as_nobody: list[str]) -> None:
    """The same for the map and for a database that may only be read."""
    denied(Home(tmp_path, as_nobody), what)
