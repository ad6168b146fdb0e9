"""What a watch hears between runs: it listens to every log from the start, and nothing it has heard makes it run in circles."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connectors
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import run_flow
from accord.sync.watch.loop import Watch

PATIENCE_SECONDS = 30.0
FIELDS = {"id": Field("id", "integer", required=True), "name": Field("name")}


@dataclass
class Counting:
    """An observer that counts the runs that ended well."""

    runs: int = 0

    def started(self, *_: Any) -> None:
        """Nothing."""

    def finished(self, *_: Any) -> None:
        self.runs += 1

    applied = short_way = failed = state = started


@dataclass
class Listening:
    """A watch over two tables of one database that agreed before it began, and have been quiet since."""

    db: psycopg.Connection[Any]
    watch: Watch
    counting: Counting
    first_lag: float | None

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for what another thread does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)

    def there(self) -> list[Any]:
        return self.db.execute("SELECT id, name FROM b ORDER BY id").fetchall()


@pytest.fixture
def listening(logical_url: str, tmp_path: Path) -> Iterator[Listening]:
    """Changes are looked for once in a quarter of an hour only, so that whatever arrives was heard."""
    names = itertools.count(1)
    db = psycopg.connect(logical_url, autocommit=True)
    for table in "ab":
        db.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text)".encode())
    db.execute("INSERT INTO a VALUES (1, 'one')")
    mapped = {name: FieldMapping(name) for name in FIELDS}
    bindings = {table: Binding(table, table, mapped, system="here", capture="cdc") for table in "ab"}
    flow = Flow("things", "thing", bindings, delete_guard="100%")
    systems = {"here": System("here", "postgresql", logical_url)}
    map_ = IntegrationMap("m", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
    store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
    connectors = open_connectors(systems, base=tmp_path)
    for _ in range(4):  # the last of them found nothing to do, and knows by which signs the next one may see the same
        run_flow(map_, flow, connectors, store, run=f"run-{next(names)}", now=datetime.now(UTC))
    counting = Counting()
    watch = Watch(
        map_,
        ["things"],
        connectors,
        store,
        new_run=lambda now: f"run-{next(names)}",
        clock=lambda: datetime.now(UTC),
        renew=lambda: None,
        observers=[counting],
    )
    (schedule,) = watch._schedules.values()
    made = Listening(db, watch, counting, watch.lag_seconds(schedule))
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        made.wait(lambda: counting.runs > 0)
        yield made
    finally:
        watch.end()
        thread.join(timeout=PATIENCE_SECONDS)
        for connector in connectors.values():
            connector.close()
        store.close()
        db.close()
    assert not thread.is_alive()


def test_a_change_after_a_quiet_start_arrives_at_once(listening: Listening) -> None:
    """A first run that sees that nothing was written reads no system; the logs have to be listened to all the same.

    How old a change may be that is missing is known before the first run: a flow that is parked at once has a lag too.
    """
    assert listening.first_lag is not None
    assert 0 < listening.first_lag < 600
    listening.db.execute("INSERT INTO a VALUES (2, 'two')")

    listening.wait(lambda: listening.there() == [(1, "one"), (2, "two")])


def test_a_connection_that_broke_while_all_is_quiet_costs_one_run(listening: Listening) -> None:
    """A run for which nothing was written would leave the broken feed as it is, and be asked for again at once, for ever."""
    listening.db.execute("UPDATE a SET name = 'uno'")
    listening.wait(lambda: listening.there() == [(1, "uno")])
    for _ in range(2):  # the second time nothing at all was written since a run
        before = listening.counting.runs
        listening.db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()")
        listening.wait(lambda before=before: listening.counting.runs > before)  # type: ignore[misc]
        time.sleep(0.7)

    assert listening.counting.runs - before <= 4  # one for each feed, and one that the schedule may have had due
    listening.db.execute("UPDATE a SET name = 'eins'")
    listening.wait(lambda: listening.there() == [(1, "eins")])
