"""The sample organization is the same for the same seed, broken exactly where it says, and sound everywhere else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from accord.model.errors import SystemUnreachable, UsageError
from accord_marketing_operations.generator import build, simulate, tables_of
from accord_marketing_operations.organization.defects import INJECTIONS, inject
from accord_marketing_operations.organization.truth import Truth

SMALL = 24


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("organization")
    return folder, build(folder, campaigns=SMALL)


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_same_seed_gives_the_same_organization(built: tuple[Path, Truth], tmp_path: Path) -> None:
    """A figure that moves between two runs must come from the engine, never from the sample."""
    folder, truth = built

    again = build(tmp_path, campaigns=SMALL)

    assert again == truth
    for text in (*folder.glob("*/*.jsonl"), *folder.glob("*/*.csv"), *folder.glob("*/*.parquet")):
        other = tmp_path / text.relative_to(folder)
        assert hashlib.sha256(text.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest(), text.name
    for database in folder.glob("*.db"):
        assert _dump(database) == _dump(tmp_path / database.name)


def test_another_seed_gives_another_organization(built: tuple[Path, Truth], tmp_path: Path) -> None:
    """A seed that is ignored would make every run on «another» organization the same run."""
    _, truth = built

    assert build(tmp_path, seed=8, campaigns=SMALL).defects != truth.defects


def test_every_injection_is_declared_as_often_as_it_was_asked_for() -> None:
    """The answer sheet is what an assessment is judged by, so it must be complete: the declared share of each table, at least one row."""
    world = simulate(campaigns=SMALL)
    tables = tables_of(world)
    sizes = {f"{t.system}.{t.name}": len(t.rows) for t in tables}

    found = Counter((d.kind, f"{d.system}.{d.resource}", d.field) for d in inject(tables, world, seed=7))

    for injection in INJECTIONS:
        field = "" if injection.kind in ("missing_record", "duplicate_record") else injection.field
        # A duplicate adds a row, which later shares of the same table see.
        wanted = max(1, round(sizes[injection.table] * injection.share))
        assert abs(found[injection.kind, injection.table, field] - wanted) <= 1, injection


def test_no_record_is_broken_twice(built: tuple[Path, Truth]) -> None:
    """Two defects in one record would hide each other, and nobody could say which one was found."""
    _, truth = built
    injected = [d for d in truth.defects if d.kind not in ("late_handoff", "rework")]

    assert len({(d.entity, d.key) for d in injected}) == len(injected)


def test_rows_that_break_a_contract_are_few_against_those_to_repair() -> None:
    """They count as failures of synchronization, so they must be real, and few enough that 95 % is a fair target."""
    world = simulate()
    kinds = Counter(d.kind for d in inject(tables_of(world), world, seed=7))

    broken = sum(kinds[k] for k in ("unit_error", "duplicate_record", "orphan", "bad_code", "missing_value"))
    repairable = sum(kinds[k] for k in ("missing_record", "stale_field", "time_zone_error"))
    assert all(kinds[k] >= 5 for k in ("unit_error", "duplicate_record", "orphan", "bad_code", "missing_value"))
    assert 0.01 <= broken / repairable <= 0.025


def test_answer_sheet_survives_its_file(built: tuple[Path, Truth], tmp_path: Path) -> None:
    """Tests of the engine read the answers from the file, not from memory."""
    _, truth = built

    truth.write(tmp_path / "truth.json")

    assert Truth.read(tmp_path / "truth.json") == truth


def test_postgres_tracker_holds_the_same_rows_as_the_sqlite_one(built: tuple[Path, Truth], tmp_path: Path, postgres_url: str) -> None:
    """The demo must not change its answers with the database behind the tracker."""
    folder, truth = built

    on_server = build(tmp_path / "first", campaigns=SMALL, tracker_url=postgres_url)
    build(tmp_path / "second", campaigns=SMALL, tracker_url=postgres_url)  # replaces the tables of the first

    assert on_server == truth
    assert not (tmp_path / "first" / "tracker.db").exists()
    with psycopg.connect(postgres_url) as server, closing(sqlite3.connect(folder / "tracker.db")) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall():
            count = server.execute(f'SELECT count(*), max(id) FROM "{name}"').fetchone()
            assert count == file.execute(f'SELECT count(*), max(id) FROM "{name}"').fetchone(), name
        zone = server.execute(
            "SELECT to_char(due_on AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM versions ORDER BY id LIMIT 1"
        ).fetchone()
        assert zone == file.execute("SELECT due_on FROM versions ORDER BY id LIMIT 1").fetchone()
        # An insert without an id must not collide with the rows that are there.
        server.execute("INSERT INTO projects (ref, name) VALUES ('CMP-9999', 'new')")


def test_foreign_tables_are_never_dropped(tmp_path: Path, postgres_url: str) -> None:
    """Someone who gives the URL of a database in use must keep their data."""
    with psycopg.connect(postgres_url) as server:
        server.execute("CREATE TABLE tasks (mine text)")
        server.execute("INSERT INTO tasks VALUES ('keep')")

    with pytest.raises(UsageError, match="'tasks' is already there"):
        build(tmp_path, campaigns=SMALL, tracker_url=postgres_url)

    with psycopg.connect(postgres_url) as server:
        assert server.execute("SELECT mine FROM tasks").fetchone() == ("keep",)
        assert server.execute("SELECT to_regclass('projects')").fetchone() == (None,)


def test_absent_database_is_named_and_its_password_is_not(tmp_path: Path) -> None:
    """The message ends up on a screen and in a log."""
    with pytest.raises(SystemUnreachable, match="tracker") as caught:
        build(tmp_path, campaigns=2, tracker_url="postgresql://someone:geheim@localhost:1/none")

    assert "geheim" not in str(caught.value)


def test_work_is_slow_and_imperfect_in_the_declared_measure() -> None:
    """The baseline is a daily exchange with acceptance by e-mail: if it were fast, there would be nothing to improve."""
    world = simulate()

    waits = sorted((h["accepted_at"] - h["handed_over_at"]).total_seconds() / 3600 for h in world.handoff if h["accepted_at"])
    first_time = sum(h["attempt"] == 1 for h in world.handoff) / len(world.handoff)
    due = [c for c in world.campaign if c["status"] != "cancelled"]
    in_time = sum(bool(c["launched_at"]) and c["launched_at"] <= c["planned_launch"] for c in due) / len(due)

    assert 30 <= waits[len(waits) // 2] <= 50
    assert waits[len(waits) * 9 // 10] > 90
    assert 0.7 <= first_time <= 0.82
    assert 0.4 <= in_time <= 0.8


def test_world_is_sound_before_it_is_broken() -> None:
    """Every reference resolves and every row has its own key; what an assessment finds beyond the answer sheet is then its own error."""
    world = simulate(campaigns=SMALL)
    ids = {name: {r["id"] for r in getattr(world, name)} for name in ("campaign", "deliverable", "task", "resource", "gate", "ticket")}
    references = {
        "campaign_id": "campaign",
        "deliverable_id": "deliverable",
        "task_id": "task",
        "task_from": "task",
        "task_to": "task",
        "resource_id": "resource",
        "assignee": "resource",
        "gate": "gate",
        "ticket_id": "ticket",
    }
    for entity in world.__slots__:
        rows = getattr(world, entity)
        key = {"outcome": ("campaign_id", "day"), "capacity": ("resource_id", "week")}.get(entity, ("id",))
        assert rows, entity
        assert len({tuple(r[k] for k in key) for r in rows}) == len(rows), entity
        for row in rows:
            for field, target in references.items():
                assert row.get(field) is None or row[field] in ids[target], (entity, field, row[field])


def test_json_lines_hold_one_object_each(built: tuple[Path, Truth]) -> None:
    """The content system is read line by line."""
    folder, truth = built

    lines = (folder / "content" / "items.jsonl").read_text(encoding="utf-8").splitlines()

    assert len(lines) == truth.rows["content.items"]
    assert all(isinstance(json.loads(line), dict) for line in lines)
