"""Files that are gone, empty or half there when a run reads them: a clear word, nothing lost, and all well once they are back."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import AccordError, DataRefused, SystemUnreachable, UnknownName
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FULL_TARGET = Path(__file__).with_name("full_target.py")
FILES = {"csv": "b/things.csv", "jsonl": "b/things.jsonl", "xlsx": "b/book.xlsx", "sqlite": "b/b.db", "duckdb": "b/b.duckdb"}


class World:
    """SQLite and a file of some kind, two-way; the file is made by the first run."""

    def __init__(self, folder: Path, kind: str, *, create: bool = True, rows: int = 5) -> None:
        self.folder, self.file, self.runs = folder, folder / FILES[kind], 0
        self.file.parent.mkdir()
        with sqlite3.connect(folder / "a.db") as db:
            db.execute("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
            db.executemany("INSERT INTO things VALUES (?, ?)", [(f"K{i}", f"name {i}") for i in range(rows)])
        db.close()
        at = "b" if kind in ("csv", "jsonl") else FILES[kind]
        self.systems = {
            "a": System("a", "sqlite", "a.db"),
            "b": System("b", kind, at, resources={"things": Resource("things", key=("id",))}),
        }
        mapped = {name: FieldMapping(name) for name in ("id", "name")}
        bindings = {"a": Binding("a", "things", mapped), "b": Binding("b", "things", mapped, create=create)}
        fields = {"id": Field("id"), "name": Field("name")}
        flow = Flow("things", "thing", bindings)
        self.map = IntegrationMap(
            "files", systems=self.systems, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow}
        )

    def sync(self) -> Any:
        """One run, as a process of its own has it."""
        self.runs += 1
        connectors = {name: open_connector(system, base=self.folder) for name, system in self.systems.items()}
        with open_store(str(self.folder / "store.db"), segments=self.folder / "segments") as store:
            try:
                return run_flow(self.map, "things", connectors, store, run=f"run-{self.runs}", now=NOW)
            finally:
                for connector in connectors.values():
                    connector.close()

    def rows(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.folder / "a.db") as db:
            found = db.execute("SELECT id, name FROM things ORDER BY id").fetchall()
        db.close()
        return found

    def refuses(self, kind: type[AccordError], word: str) -> None:
        before = self.rows()
        with pytest.raises(kind, match=word):
            self.sync()
        assert self.rows() == before


def vanish(world: World) -> tuple[type[AccordError], str]:
    world.file.unlink()
    return SystemUnreachable, "not there any more|no such file"


def empty(world: World) -> tuple[type[AccordError], str]:
    world.file.write_bytes(b"")
    return (SystemUnreachable, "not there any more") if world.file.suffix == ".db" else (DataRefused, "empty|cannot be read|damaged")


def half(world: World) -> tuple[type[AccordError], str]:
    data = world.file.read_bytes()
    world.file.write_bytes(data[: len(data) // 2 + 1])
    return DataRefused, "columns|cannot be read|damaged|no JSON"


def check(world: World, harms: list[Callable[[World], tuple[type[AccordError], str]]]) -> None:
    world.sync()
    whole = world.folder / "whole"
    shutil.copy2(world.file, whole)
    before = world.rows()
    for harm in harms:
        world.refuses(*harm(world))
        shutil.copy2(whole, world.file)
    assert not world.sync().changed
    assert world.rows() == before


@pytest.mark.parametrize("kind", ["csv", pytest.param("sqlite", marks=pytest.mark.prove), pytest.param("xlsx", marks=pytest.mark.prove)])
def test_a_file_that_is_gone_or_half_there_stops_the_run_and_loses_nothing(tmp_path: Path, kind: str) -> None:
    """An empty file would read as «everything was deleted», and one made anew in the place of one that is gone, too."""
    check(World(tmp_path, kind), [vanish, empty, half])


@pytest.mark.prove
def test_lines_of_json_that_are_gone_or_half_there_stop_the_run(tmp_path: Path) -> None:
    """An empty file of lines is a list without rows; that one is the guard's to judge."""
    check(World(tmp_path, "jsonl"), [vanish, half])


def test_a_table_that_was_read_and_is_gone_is_no_mistake_of_the_map(tmp_path: Path) -> None:
    """Exit code 3: try again. A name that never was is the map's (2), and stops all flows."""
    world = World(tmp_path, "sqlite", create=False)
    world.refuses(SystemUnreachable, "no such file")
    for name in ("first", "again"):
        with sqlite3.connect(world.file) as db:
            if name == "first":
                db.execute("CREATE TABLE others (id TEXT PRIMARY KEY)")
                world.refuses(UnknownName, "others")
            db.execute("CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY, name TEXT)")
        db.close()
        world.sync()
        with sqlite3.connect(world.file) as db:
            db.execute("ALTER TABLE things RENAME TO parked")
        db.close()
        world.refuses(SystemUnreachable, r"'b' at .*b\.db could not be reached: 'things', which was read before, is not there any more")
        with sqlite3.connect(world.file) as db:
            db.execute("ALTER TABLE parked RENAME TO things")
        db.close()
    assert not world.sync().changed


@pytest.mark.prove
@pytest.mark.parametrize("kinds", ["csv jsonl xlsx sqlite duckdb"])
def test_a_full_disk_under_a_target_is_told_and_costs_nothing(tmp_path: Path, kinds: str) -> None:
    """A real file system of 4 MB: the target is as it was, and once there is space the same run arrives."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    mount = tmp_path / "small"
    mount.mkdir()
    run = f'mount -t tmpfs -o size=4m tmpfs "{mount}" || exit 77; exec "{sys.executable}" "{FULL_TARGET}" "{tmp_path}" {kinds}'

    ended = subprocess.run(["unshare", "--mount", "--map-root-user", "sh", "-c", run], capture_output=True, text=True, timeout=300)

    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip(f"no small file system can be mounted here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    in_turn = [word for kind in kinds.split() for word in (kind, "full", "kept", "arrived")]
    assert ended.stdout.split() == [*in_turn, "wal", "full", "full", "kept"]
