"""Run by test_files_gone.py with a file system of 4 MB at ``small``: sync into a file there until nothing fits, and after."""

import contextlib
import os
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import StorageFull
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FILES = MappingProxyType({"csv": "things.csv", "jsonl": "things.jsonl", "xlsx": "book.xlsx", "sqlite": "b.db", "duckdb": "b.duckdb"})


def say(word: str) -> None:
    sys.stdout.write(word + "\n")


def rows_of(connector: Any) -> list[Any]:
    with duckdb.connect() as con:
        return con.execute(f"SELECT id, name FROM {connector.scan(con, 'things')} ORDER BY id").fetchall()


def check(base: Path, kind: str) -> None:
    home, small = base / kind, base / "small"
    home.mkdir()
    source = home / "a.db"
    with sqlite3.connect(source) as db:
        db.execute("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO things VALUES (?, ?)", [(f"K{i:04}", f"name {i}") for i in range(40)])
    db.close()
    at = "small" if kind in ("csv", "jsonl") else f"small/{FILES[kind]}"
    systems = {"a": System("a", "sqlite", str(source)), "b": System("b", kind, at, resources={"things": Resource("things", key=("id",))})}
    mapped = {name: FieldMapping(name) for name in ("id", "name")}
    bindings = {"a": Binding("a", "things", mapped), "b": Binding("b", "things", mapped, create=True)}
    entity = Entity("thing", ("id",), {"id": Field("id"), "name": Field("name")})
    flow = Flow("things", "thing", bindings)
    map_ = IntegrationMap("full", systems=systems, entities={"thing": entity}, flows={"things": flow})
    connectors = {name: open_connector(system, base=base) for name, system in systems.items()}
    with open_store(home / "store.db", segments=home / "segments") as store:
        run_flow(map_, "things", connectors, store, run="first", now=NOW)
        before = rows_of(connectors["b"])
        with sqlite3.connect(source) as db:  # more than fits: compressed or not
            db.executemany("UPDATE things SET name = ? WHERE id = ?", [(os.urandom(8000).hex(), f"K{i:04}") for i in range(40)])
            db.executemany("INSERT INTO things VALUES (?, ?)", [(f"N{i:04}", os.urandom(8000).hex()) for i in range(20)])
        db.close()
        ballast = small / "ballast"
        free = os.statvfs(small)
        ballast.write_bytes(os.urandom(free.f_bavail * free.f_frsize - 200_000))
        say(kind)
        try:
            run_flow(map_, "things", connectors, store, run="second", now=NOW)
        except StorageFull:
            say("full")
        if rows_of(connectors["b"]) == before and {p.name for p in small.iterdir()} - {f"{FILES[kind]}.wal"} == {"ballast", FILES[kind]}:
            say("kept")
        ballast.unlink()
        run_flow(map_, "things", connectors, store, run="third", now=NOW)
        with sqlite3.connect(source) as db:
            wanted = db.execute("SELECT id, name FROM things ORDER BY id").fetchall()
        db.close()
        again = run_flow(map_, "things", connectors, store, run="fourth", now=NOW)
        if rows_of(connectors["b"]) == wanted and len(wanted) == 60 and not again.changed:
            say("arrived")
    for connector in connectors.values():
        connector.close()
    for path in small.iterdir():
        path.unlink()


def check_wal(small: Path) -> None:
    """SQLite reads nothing in WAL mode without room for what readers share, and speaks of input and output then."""
    system = System("b", "sqlite", str(small / "wal.db"))
    with sqlite3.connect(small / "wal.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
        db.execute("INSERT INTO things VALUES ('1', 'one')")
    db.close()

    def read() -> list[Any]:
        connector = open_connector(system, base=small)
        try:
            return rows_of(connector)
        finally:
            connector.close()

    def open_ours() -> None:
        with open_store(small / "store.db", segments=small / "segments"):
            pass

    open_ours()
    with contextlib.suppress(OSError), (small / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    say("wal")
    for opened in (read, open_ours):
        try:
            opened()
        except StorageFull:
            say("full")
    (small / "ballast").unlink()
    open_ours()
    if read() == [("1", "one")]:
        say("kept")


if __name__ == "__main__":
    for given in sys.argv[2:]:
        check(Path(sys.argv[1]), given)
    check_wal(Path(sys.argv[1]) / "small")
