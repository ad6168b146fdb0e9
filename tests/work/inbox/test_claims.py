"""No task is ever two people's, however many want it at once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.work import open_work

CLAIMER = Path(__file__).with_name("claimer.py")
MAP = (
    "name: t\nteams: {a: {owner: Mia}}\nprocesses: {all: {steps: {each: {kind: foreach, each: items, process: one}}}, "
    "one: {steps: {x: {team: a}}}}"
)


def make_tasks(store: Store, folder: Path, count: int) -> Path:
    """So many tasks that anybody may take; the map they are of."""
    path = folder / "map.yaml"
    path.write_text(MAP)
    work = open_work(load_map(path), store)
    for first in range(0, count, 200):
        work.start("all", case=str(first), by="Mia", variables={"items": list(range(first, min(first + 200, count)))})
    return path


def check(store: Store, got: dict[str, list[str]], count: int) -> None:
    """Each task was begun once, by the person who believes to have it."""
    begun = Counter(s.event.attributes["task"] for s in store.read(types=["task.started"]))
    assert len(begun) == count
    assert set(begun.values()) == {1}
    assert {task: person for person, tasks in got.items() for task in tasks} == dict(
        store.rows("SELECT task, assignee FROM work_task WHERE state = 'started'")
    )
    assert sum(len(tasks) for tasks in got.values()) == count


def test_a_hundred_people_take_each_task_once(tmp_path: Path) -> None:
    """In one process, as a web server has it."""
    spec = importlib.util.spec_from_file_location("claimer", CLAIMER)
    assert spec is not None
    assert spec.loader is not None
    claimer: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(claimer)
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        path = make_tasks(store, tmp_path, 400)

        got = claimer.claim_together(store, path, 100, 0)

        check(store, got, 400)


@pytest.mark.prove
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_thousand_people_in_several_processes_take_ten_thousand_tasks_once_each(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """Four processes of 250 people on one store."""
    url = str(tmp_path / "store.db")
    if database == "postgresql":
        server = request.getfixturevalue("postgres_server")
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS claims WITH (FORCE)")
            admin.execute("CREATE DATABASE claims")
        url = f"postgresql://postgres:@/claims?host={quote(server.split('host=', 1)[1], safe='/')}"
    with open_store(url, segments=tmp_path / "segments") as store:
        path = make_tasks(store, tmp_path, 10_000)
        commands = [[sys.executable, str(CLAIMER), url, str(path), "250", str(250 * number)] for number in range(4)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
        ends: list[tuple[str, str]] = []
        readers = [threading.Thread(target=lambda p=process: ends.append(p.communicate(timeout=900))) for process in running]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

        assert [process.returncode for process in running] == [0] * 4, [error[-2000:] for _, error in ends]
        got = {person: tasks for out, _ in ends for person, tasks in json.loads(out).items()}
        assert len(got) == 1000
        check(store, got, 10_000)
