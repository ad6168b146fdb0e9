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

FIELDS = {"id": Field("id", "integer"), "name": Field("name")}
Sync = Callable[[], tuple[Any, list[str]]]


@pytest.fixture
def sync(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sync]:
    """Runs a flow from table ``src`` (40 rows) to the empty ``tgt`` by a first load in one pass, then as it comes."""
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
        "source": Binding("source", "src", mapped, system="pg", direction="read"),
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
