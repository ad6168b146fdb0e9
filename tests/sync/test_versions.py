"""Runs told by PostgreSQL's versions of rows what moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.postgresql import PostgresConnector
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow

FIELDS = {"id": Field("id", "integer"), "name": Field("name", pattern="[^!]*")}
Sync = Callable[[], tuple[Any, list[str]]]


@pytest.fixture
def sync(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Sync]:
    """Runs a flow from table ``src`` (40 rows) to the empty ``tgt``: a first load in one pass, then as it comes; parameter: a condition."""
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    monkeypatch.setattr("accord.sync.load.first.SMALLEST_ROWS", 1)
    # else a quiet server hides what is tested
    monkeypatch.setattr("accord.sync.capture.idle.change_token", lambda connector, resource: None)
    with psycopg.connect(postgres_url, autocommit=True) as db:
        for table in ("src", "tgt"):
            db.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id bigint PRIMARY KEY, name text)".encode())
        db.execute("INSERT INTO src SELECT i, 'n' || i FROM generate_series(1, 40) i")
    mapped = {f: FieldMapping(f) for f in FIELDS}
    bindings = {
        "source": Binding("source", "src", mapped, system="pg", direction="read", where=getattr(request, "param", "")),
        "target": Binding("target", "tgt", mapped, system="pg"),
    }
    flow = Flow("things", "thing", bindings, authority={"*": "target"})
    systems = {"pg": System("pg", "postgresql", postgres_url)}
    map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
    connector: Any = open_connector(systems["pg"], base=tmp_path)
    number = iter(range(100))
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:

        def run() -> tuple[Any, list[str]]:
            told: list[str] = []
            n = next(number)
            now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=n)
            return run_flow(map_, flow, {"pg": connector}, store, run=f"r{n}", now=now, progress=told.append), told

        yield run
        connector.close()


def test_a_run_after_a_load_and_one_after_a_write_find_that_nothing_moved(sync: Sync, postgres_url: str) -> None:
    """What a run wrote itself is not looked at again, and neither is what a load wrote."""
    (loaded, how), (_, after_load) = sync(), sync()
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE src SET name = 'x' WHERE id = 1; DELETE FROM src WHERE id = 2; INSERT INTO src VALUES (99, 'new')")

    (written, _), (_, after_write) = sync(), sync()

    assert loaded.counts["inserted"] == 40
    assert any("loading target from source" in sentence for sentence in how)
    assert [written.counts[c] for c in ("inserted", "updated", "deleted")] == [1, 1, 1]
    assert [told[-1] for told in (after_load, after_write)] == ["things: nothing moved since the last run"] * 2


def test_a_table_counted_as_written_is_not_added_up(sync: Sync, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sum is another: asking for it first would look at every row twice. From the first run on that has something to compare with."""
    sync(), sync()
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE src SET name = 'x' WHERE id = 1")
        db.execute("SELECT pg_stat_force_next_flush()")
    asked: list[str] = []
    real = PostgresConnector.version_sum

    def counted(self: Any, resource: str, where: str = "") -> tuple[int, int]:
        asked.append(resource)
        return real(self, resource, where)

    monkeypatch.setattr(PostgresConnector, "version_sum", counted)
    written, _ = sync()

    assert written.counts["updated"] == 1
    assert asked == ["tgt"]


def test_an_edit_between_our_write_and_the_look_at_it_is_seen_by_the_next_run(
    sync: Sync, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before values and versions are read: kept with such a version, the edit would never be seen."""
    name = "scan_versions"
    sync(), sync()
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE src SET name = 'ours' WHERE id = 1")
    applied: list[str] = []
    apply, real = PostgresConnector.apply, getattr(PostgresConnector, name)

    def noted(self: Any, batch: Any) -> Any:
        result = apply(self, batch)
        applied.append(batch.resource)
        return result

    def edited(self: Any, con: Any, resource: str, *arguments: Any, **more: Any) -> Any:
        if applied and resource == applied.pop():
            with psycopg.connect(postgres_url, autocommit=True) as db:
                db.execute("UPDATE tgt SET name = 'theirs' WHERE id = 1")
        return real(self, con, resource, *arguments, **more)

    monkeypatch.setattr(PostgresConnector, "apply", noted)
    monkeypatch.setattr(PostgresConnector, name, edited)
    sync()
    monkeypatch.undo()
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    monkeypatch.setattr("accord.sync.capture.idle.change_token", lambda connector, resource: None)

    seen, told = sync()

    assert told[-1] != "things: nothing moved since the last run"
    assert seen.rows["target"] == 1


def test_an_edit_of_the_target_after_a_load_is_seen(sync: Sync, postgres_url: str) -> None:
    """Nothing is known of the target's rows but the transaction that wrote them all."""
    sync()
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE tgt SET name = 'theirs' WHERE id = 1")

    seen, told = sync()

    assert told[-1] != "things: nothing moved since the last run"
    assert seen.rows["target"] > 0


def rows_of(postgres_url: str, table: str) -> dict[int, str]:
    with psycopg.connect(postgres_url) as db:
        return dict(db.execute(f"SELECT id, name FROM {table}".encode()).fetchall())


def test_what_a_transaction_wrote_that_was_under_way_during_a_load_is_seen_by_the_next_run(sync: Sync, postgres_url: str) -> None:
    """Its id is older than the load, and others that ended before the load have younger ones."""
    with psycopg.connect(postgres_url) as slow:
        slow.execute(
            "UPDATE src SET name = 'late' WHERE id = 5; SAVEPOINT s; DELETE FROM src WHERE id = 6; INSERT INTO src VALUES (50, 'late')"
        )
        with psycopg.connect(postgres_url, autocommit=True) as db:
            db.execute("UPDATE src SET name = 'early' WHERE id = 7")
        loaded, _ = sync()
        slow.execute("RELEASE s")
        slow.commit()

    written, _ = sync()

    assert loaded.counts["inserted"] == 40
    assert [written.counts[c] for c in ("inserted", "updated", "deleted")] == [1, 1, 1]
    assert rows_of(postgres_url, "tgt") == rows_of(postgres_url, "src")


def test_rows_that_a_load_refused_are_looked_at_when_they_are_corrected_or_gone(sync: Sync, postgres_url: str) -> None:
    """Nothing is agreed of them, so the base does not know their keys."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE src SET name = 'no!' WHERE id IN (1, 2, 3)")
        refused, _ = sync()
        same, _ = sync()
        db.execute("UPDATE src SET name = 'yes' WHERE id = 1; DELETE FROM src WHERE id = 2")
        some, _ = sync()

    assert [r.waiting for r in (refused, same, some)] == [3, 3, 1]
    assert [some.counts[c] for c in ("inserted", "updated", "deleted")] == [1, 0, 0]
    assert rows_of(postgres_url, "tgt") == {n: name for n, name in rows_of(postgres_url, "src").items() if name != "no!"}


@pytest.mark.parametrize("sync", ["name <> 'out'"], indirect=True)
def test_a_row_that_comes_under_the_condition_of_a_binding_after_a_load_is_seen(sync: Sync, postgres_url: str) -> None:
    """One comes and one goes, so there are as many as before."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("UPDATE src SET name = 'out' WHERE id = 1")
        sync()
        db.execute("UPDATE src SET name = CASE id WHEN 1 THEN 'in' ELSE 'out' END WHERE id IN (1, 2)")

    sync()

    assert rows_of(postgres_url, "tgt") == {n: name for n, name in rows_of(postgres_url, "src").items() if name != "out"}
