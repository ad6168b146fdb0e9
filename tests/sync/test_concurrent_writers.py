"""People write into both systems all the time while runs go on; nothing they write is lost or counted twice."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEYS = 5
EDITS = 40
TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, hits BIGINT, tags TEXT)"


def edits(writer: str) -> list[tuple[str, str, str]]:
    """(key, added to the counter, tag added) of one writer."""
    return [(str(n % KEYS), str(n % 3 + 1), f"{writer}{n:02}") for n in range(EDITS)]


_WRITE = """
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
for key, add, tag in json.load(sys.stdin):
    db.execute(
        "UPDATE things SET hits = hits + ?, tags = CASE WHEN coalesce(tags, '') = '' THEN ? ELSE tags || ';' || ? END WHERE id = ?",
        (int(add), tag, tag, key),
    )
    print(key, flush=True)
db.close()
"""


def sqlite_writer(path: Path, name: str, done: list[int]) -> Callable[[], None]:
    """In a process of its own, as people's programs are: two copies of SQLite in one process do not see each other's locks."""

    def write() -> None:
        command = [sys.executable, "-c", _WRITE, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin
            assert process.stdout
            with process.stdin as given:
                json.dump(edits(name), given)
            done.extend(1 for _ in process.stdout)

    return write


def postgres_writer(url: str, done: list[int]) -> Callable[[], None]:
    def write() -> None:
        statement = "UPDATE things SET hits = hits + %s, tags = concat_ws(';', nullif(tags, ''), %s::text) WHERE id = %s"
        with psycopg.connect(url, autocommit=True) as db:
            for key, add, tag in edits("p"):
                db.execute(statement, (int(add), tag, key))
                done.append(1)

    return write


@pytest.mark.parametrize("other", [pytest.param("sqlite", marks=pytest.mark.prove), "postgresql"])
def test_counters_and_sets_keep_every_edit_made_while_runs_write_them(tmp_path: Path, postgres_url: str, other: str) -> None:
    """A write that meets a newer value is stale, and is merged again with it; three times, then in the next run."""
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(TABLE)
        db.executemany("INSERT INTO things VALUES (?, 100, 'first')", [(str(k),) for k in range(KEYS)])
        db.commit()
    if other == "sqlite":
        with contextlib.closing(sqlite3.connect(tmp_path / "b.db")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(TABLE)
        system = System("b", "sqlite", "b.db")
    else:
        with psycopg.connect(postgres_url, autocommit=True) as pg:
            pg.execute(TABLE)
        system = System("b", "postgresql", postgres_url)
    systems = {"a": System("a", "sqlite", "a.db"), "b": system}
    fields = {"id": Field("id"), "hits": Field("hits", "integer"), "tags": Field("tags", separator=";")}
    bindings = {n: Binding(n, "things", {f: FieldMapping(f) for f in fields}) for n in systems}
    flow = Flow("things", "thing", bindings, authority={"hits": "merge", "tags": "merge"})
    map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": flow})
    connectors = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}
    done: list[int] = []

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        number = 0

        def run() -> bool:
            nonlocal number
            number += 1
            return run_flow(map_, "things", connectors, store, run=f"r{number}", now=NOW).changed

        run()
        second = sqlite_writer(tmp_path / "b.db", "p", done) if other == "sqlite" else postgres_writer(postgres_url, done)
        writers = [threading.Thread(target=sqlite_writer(tmp_path / "a.db", "s", done)), threading.Thread(target=second)]
        for writer in writers:
            writer.start()
        busy = 0
        while any(writer.is_alive() for writer in writers):
            run()
            busy += 1
        for writer in writers:
            writer.join()
        assert len(done) == 2 * EDITS
        rest = [run() for _ in range(4)]
    for connector in connectors.values():
        connector.close()

    made = [*edits("s"), *edits("p")]
    wanted = {
        str(k): (100 + sum(int(add) for key, add, _ in made if key == str(k)), {"first", *(tag for key, _, tag in made if key == str(k))})
        for k in range(KEYS)
    }
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as db:
        shown = {key: (hits, set(tags.split(";"))) for key, hits, tags in db.execute("SELECT id, hits, tags FROM things")}
    assert shown == wanted
    assert rest[-1] is False
    assert busy >= 1
