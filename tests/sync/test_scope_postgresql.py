"""Runs told by PostgreSQL's own log and by digests it computes."""

from __future__ import annotations

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
from accord.sync.capture.moved import feed_name, named

FIELDS = {"id": Field("id", "integer"), "name": Field("name"), "amount": Field("amount", "number(12,2)")}


@pytest.mark.parametrize("capture", ["cdc", "sweep"])
def test_changes_told_by_the_server_arrive_and_a_look_at_everything_finds_nothing_more(
    logical_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: str
) -> None:
    """Updates, deletes and inserts on both sides of a two-way flow, with no table read whole."""
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    with psycopg.connect(logical_url, autocommit=True) as db:
        for table in ("left_things", "right_things"):
            db.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text, amount numeric(12,2))".encode())
        db.execute("INSERT INTO left_things SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 200) i")
    mapped = {f: FieldMapping(f) for f in FIELDS}
    bindings = {n: Binding(n, f"{n}_things", mapped, system="pg", capture=capture) for n in ("left", "right")}  # type: ignore[arg-type]
    entity, flow = Entity("thing", ("id",), FIELDS), Flow("things", "thing", bindings)
    systems = {"pg": System("pg", "postgresql", logical_url)}
    map_ = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": flow})
    connector: Any = open_connector(systems["pg"], base=tmp_path)
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:

        def run(number: int, **more: Any) -> Any:
            now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number)
            return run_flow(map_, flow, {"pg": connector}, store, run=f"r{number}", now=now, **more)

        for number in range(3):
            run(number)
        with psycopg.connect(logical_url, autocommit=True) as db:
            db.execute("UPDATE left_things SET name = 'x' WHERE id % 50 = 0; DELETE FROM right_things WHERE id = 7")
            db.execute("INSERT INTO right_things VALUES (1000, 'new', 0.25); UPDATE right_things SET id = 2000 WHERE id = 9")
        whole: list[str] = []
        real = PostgresConnector.scan
        monkeypatch.setattr(PostgresConnector, "scan", lambda self, con, resource: (whole.append(resource), real(self, con, resource))[1])

        told, again = run(10), run(11)
        read_whole = list(whole)
        everything = run(12, whole=True)

        with psycopg.connect(logical_url) as db:
            left, right = (db.execute(f"SELECT * FROM {t}_things ORDER BY id".encode()).fetchall() for t in ("left", "right"))
        for side in ("left", "right"):
            connector.drop_feed(f"{side}_things", name=_feed(store, side))
        connector.close()
    assert read_whole == []
    assert {k: v for k, v in told.counts.items() if k in ("inserted", "updated", "deleted")} == {"inserted": 2, "updated": 4, "deleted": 2}
    assert (again.changed, everything.changed, left) == (False, False, right)
    assert {row[0] for row in left} >= {1000, 2000}


def _feed(store: Any, side: str) -> str:
    return feed_name(store, "things", side) if named(store) else "none"
