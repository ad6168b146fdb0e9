"""A first load in one pass between systems that tell their changes: what happens meanwhile is in the log that was begun before."""

from __future__ import annotations

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


@pytest.mark.parametrize("when", ["reading the log of right", "loading", "noting and committing"])
def test_an_edit_during_the_load_arrives_with_the_next_run(logical_url: str, tmp_path: Path, went_directly: list[bool], when: str) -> None:
    """Whether the load saw it or not."""
    mapped = {f: FieldMapping(f) for f in FIELDS}
    bindings = {n: Binding(n, f"{n}_things", mapped, system="pg", capture="cdc") for n in ("left", "right")}
    entity, flow = Entity("thing", ("id",), FIELDS), Flow("things", "thing", bindings)
    system = System("pg", "postgresql", logical_url)
    map_ = IntegrationMap("test", systems={"pg": system}, entities={"thing": entity}, flows={"things": flow})
    connectors: Any = {"pg": open_connector(system, base=tmp_path)}

    with psycopg.connect(logical_url, autocommit=True) as db, open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        for table in ("left_things", "right_things"):
            db.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} {COLUMNS}".encode())
        db.execute("INSERT INTO left_things SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 200) i")

        def meanwhile(sentence: str) -> None:
            if when in sentence and True not in went_directly:
                db.execute("UPDATE left_things SET name = 'edited' WHERE id = 5")
                db.execute("DELETE FROM left_things WHERE id = 6; INSERT INTO left_things VALUES (900, 'late', 1)")

        def run(number: int, **more: Any) -> Any:
            now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number)
            return run_flow(map_, flow, connectors, store, run=f"r{number}", now=now, **more)

        loaded = run(0, progress=meanwhile)
        run(1)
        quiet = run(2)
        right = dict(db.execute("SELECT id, name FROM right_things").fetchall())
        (pair,) = reconcile(map_, flow, connectors, store, run="p", now=datetime(2026, 3, 3, tzinfo=UTC)).pairs

        connectors["pg"].close()
        db.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
    assert went_directly == [True]
    assert loaded.counts["inserted"] == 200
    assert (right[5], right.get(6), right[900]) == ("edited", None, "late")
    assert len(right) == 200
    assert pair.agrees
    assert not quiet.changed
