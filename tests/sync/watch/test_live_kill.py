"""The short way under a real watch: edits on both sides, kill -9 at any moment, and in the end everything agrees and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.cli.main import main
from accord.store import open_store

KEYS = 40
MAP = """
name: pair
systems:
  a: {{connector: postgresql, at: "{a}"}}
  b: {{connector: postgresql, at: "{b}"}}
entities:
  item:
    key: [id]
    fields: {{id: {{type: integer, required: true}}, left: text, right: text, both: text}}
flows:
  items:
    entity: item
    freshness: 15m
    delete_guard: 100%
    bindings:
      a: {{resource: items, capture: cdc, fields: {{id: id, left: l, right: r, both: x}}}}
      b: {{resource: items, capture: cdc, fields: {{id: id, left: l, right: r, both: x}}}}
"""


@pytest.fixture
def pair(logical_server: str, tmp_path: Path) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """Databases a and b of one server, and the map beside them in ``tmp_path``."""
    host = logical_server.split("host=", 1)[1]
    urls, connections = {}, {}
    with psycopg.connect(logical_server, autocommit=True) as admin:
        for name in "ab":
            admin.execute(f'CREATE DATABASE "kill{os.getpid()}{name}"'.encode())
            urls[name] = f"postgresql://postgres:@/kill{os.getpid()}{name}?host={quote(host, safe='/')}"
    for name, url in urls.items():
        connections[name] = psycopg.connect(url, autocommit=True)
        connections[name].execute("CREATE TABLE items (id bigint PRIMARY KEY, l text, r text, x text)")
    (tmp_path / "map.yaml").write_text(MAP.format(**urls))
    yield connections
    for connection in connections.values():
        connection.close()
    with psycopg.connect(logical_server, autocommit=True) as admin:
        for name in "ab":
            database = f"kill{os.getpid()}{name}"
            for _ in range(100):
                try:
                    admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (database,))
                    break
                except psycopg.errors.ObjectInUse:
                    time.sleep(0.05)  # the server has yet to notice that its client was killed
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())


def murder(folder: Path, db: dict[str, psycopg.Connection[Any]], kills: int, *, seed: int) -> None:
    """Edit, kill, edit on; then agree and compare with what must be there."""
    rng = random.Random(seed)
    wanted: dict[int, dict[str, str]] = {}
    tried: dict[int, set[str]] = {}  # all values ever written to the contested field
    for key in range(KEYS):
        db["a"].execute("INSERT INTO items VALUES (%s, '', '', '')", (key,))
        wanted[key] = {"l": "", "r": ""}
    number = 0
    for _ in range(kills):
        with (folder / "watch.log").open("w") as log:
            watch = subprocess.Popen([sys.executable, "-m", "accord", "sync", "--watch", "--json"], cwd=folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while '"open": true' not in (folder / "watch.log").read_text():
            assert watch.poll() is None, (folder / "watch.log").read_text()
            assert time.monotonic() < deadline, (folder / "watch.log").read_text()
            time.sleep(0.05)  # another process: there is nothing to wait on
        number += 1
        db["a"].execute("UPDATE items SET l = %s WHERE id = 0", (f"a{number}",))
        wanted[0]["l"] = f"a{number}"
        while db["b"].execute("SELECT l FROM items WHERE id = 0").fetchone() != (f"a{number}",):
            assert time.monotonic() < deadline, (folder / "watch.log").read_text()
            time.sleep(0.01)  # so that it is killed at work, however slow the machine is
        until = time.monotonic() + rng.uniform(0.05, 0.8)
        while time.monotonic() < until:
            number += 1
            side, key = rng.choice("ab"), rng.randrange(KEYS)
            # Each side has a field of its own, whose last value must arrive, and one that both edit.
            column = rng.choice(("l" if side == "a" else "r", "l" if side == "a" else "r", "x"))
            changed = db[side].execute(f"UPDATE items SET {column} = %s WHERE id = %s".encode(), (f"{side}{number}", key)).rowcount
            if changed and column != "x":
                wanted[key][column] = f"{side}{number}"
            elif changed:
                tried.setdefault(key, set()).add(f"{side}{number}")
            time.sleep(rng.choice((0, 0, 0.002, 0.01)))
        watch.send_signal(signal.SIGKILL)
        watch.wait()
    release(db)
    accord(folder, "sync")
    accord(folder, "reconcile")
    held = {name: {row[0]: row[1:] for row in c.execute("SELECT id, l, r, x FROM items").fetchall()} for name, c in db.items()}
    assert held["a"] == held["b"]
    assert {key: {"l": row[0], "r": row[1]} for key, row in held["a"].items()} == wanted
    assert all(row[2] == "" or row[2] in tried[key] for key, row in held["a"].items())
    with open_store(folder / ".accord" / "store.db", segments=folder / ".accord" / "segments") as store:
        store.verify()
        assert store.rows("SELECT count(*) FROM live_change") == [(0,)]
        assert any(True for _ in store.read(types=["flow.live_intended"]))


def release(db: dict[str, psycopg.Connection[Any]]) -> None:
    """Wait until the server noticed that its client is gone."""
    for _ in range(200):
        if not db["a"].execute("SELECT 1 FROM pg_replication_slots WHERE active").fetchall():
            return
        time.sleep(0.05)


def accord(folder: Path, command: str) -> None:
    """Run a command that must succeed."""
    for _ in range(20):
        code = main([command, str(folder)])
        if code != 3:  # 3: the slot is still held by the one that was killed
            break
        time.sleep(0.5)
    assert code == 0


def test_killed_in_the_middle_of_single_changes_nothing_is_lost(pair: Any, tmp_path: Path) -> None:
    """Intents before the write and feeds that are acknowledged last are what this rests on."""
    murder(tmp_path, pair, 1, seed=1)


@pytest.mark.prove
def test_killed_again_and_again_nothing_is_lost(pair: Any, tmp_path: Path) -> None:
    """The long form."""
    murder(tmp_path, pair, 40, seed=2)
