"""A first load in one pass between systems that tell their changes: what happens meanwhile is in the log that was begun before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import reconcile, run_flow

FIELDS = {"id": Field("id", "integer"), "name": Field("name"), "amount": Field("amount", "number(12,2)")}
COLUMNS = "(id bigint PRIMARY KEY, name text, amount numeric(12,2))"


Run = Callable[..., Any]


@pytest.fixture
def db(logical_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The database as another program has it, with 200 rows on the left and none on the right."""
    with psycopg.connect(logical_url, autocommit=True) as connection:
        for table in ("left_things", "right_things"):
            connection.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} {COLUMNS}".encode())
        connection.execute("INSERT INTO left_things SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 200) i")
        yield connection
        connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")


@pytest.fixture
def run(db: psycopg.Connection[Any], logical_url: str, tmp_path: Path) -> Iterator[Run]:
    """Runs of the flow by number; ``None`` gives the proof that both sides agree."""
    mapped = {f: FieldMapping(f) for f in FIELDS}
    bindings = {n: Binding(n, f"{n}_things", mapped, system="pg", capture="cdc") for n in ("left", "right")}
    entity, flow = Entity("thing", ("id",), FIELDS), Flow("things", "thing", bindings)
    system = System("pg", "postgresql", logical_url)
    map_ = IntegrationMap("test", systems={"pg": system}, entities={"thing": entity}, flows={"things": flow})
    connectors: Any = {"pg": open_connector(system, base=tmp_path)}
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:

        def go(number: int | None, capture: str = "cdc", **more: Any) -> Any:
            told = replace(flow, bindings={n: replace(b, capture=capture) for n, b in bindings.items()})
            if number is None:
                return reconcile(map_, flow, connectors, store, run="p", now=datetime(2026, 3, 3, tzinfo=UTC)).pairs[0]
            now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number)
            return run_flow(replace(map_, flows={"things": told}), told, connectors, store, run=f"r{number}", now=now, **more)

        yield go
    connectors["pg"].close()


@pytest.mark.parametrize("when", ["loading", "noting and committing", pytest.param("reading the log of right", marks=pytest.mark.prove)])
def test_an_edit_during_the_load_arrives_with_the_next_run(
    db: psycopg.Connection[Any], run: Run, went_directly: list[bool], when: str
) -> None:
    """Whether the load saw it or not."""

    def meanwhile(sentence: str) -> None:
        if when in sentence and True not in went_directly:
            db.execute("UPDATE left_things SET name = 'edited' WHERE id = 5")
            db.execute("DELETE FROM left_things WHERE id = 6; INSERT INTO left_things VALUES (900, 'late', 1)")

    loaded = run(0, progress=meanwhile)
    run(1)
    quiet = run(2)
    right = dict(db.execute("SELECT id, name FROM right_things").fetchall())

    assert went_directly == [True]
    assert loaded.counts["inserted"] == 200
    assert (right[5], right.get(6), right[900]) == ("edited", None, "late")
    assert len(right) == 200
    assert run(None).agrees
    assert not quiet.changed


def test_the_run_after_a_load_looks_at_what_others_wrote_and_not_at_the_load(
    db: psycopg.Connection[Any], run: Run, went_directly: list[bool]
) -> None:
    """The load's own rows are in the target's log; an edit of one of them, a delete and a new row right behind it are not passed over."""
    run(0)
    db.execute("UPDATE right_things SET name = 'theirs' WHERE id = 7; DELETE FROM right_things WHERE id = 8")
    db.execute("INSERT INTO right_things VALUES (901, 'new', 2)")

    after = run(1)
    db.execute("UPDATE right_things SET amount = 9 WHERE id = 9")
    later = run(2)
    left = dict(db.execute("SELECT id, name FROM left_things").fetchall())

    assert went_directly == [True]
    assert after.rows == {"left": 2, "right": 2}
    assert (left[7], left.get(8), left[901]) == ("theirs", None, "new")
    assert later.counts["updated"] == 1
    assert run(None).agrees
    assert not run(3).changed


def test_a_system_is_read_by_its_log_from_some_time_after_a_load_on(
    db: psycopg.Connection[Any], run: Run, went_directly: list[bool]
) -> None:
    """What is remembered of the load is when the source was read, which is no transaction of its log."""
    run(0, capture="sweep")
    db.execute("UPDATE left_things SET name = 'edited' WHERE id = 5; DELETE FROM right_things WHERE id = 6")
    run(1)
    db.execute("UPDATE left_things SET name = 'again' WHERE id = 7")
    run(2)

    right, left = (dict(db.execute(f"SELECT id, name FROM {t}_things".encode()).fetchall()) for t in ("right", "left"))
    assert went_directly == [True]
    assert right == left
    assert (right[5], right.get(6), right[7], len(right)) == ("edited", None, "again", 199)
    assert run(None).agrees
