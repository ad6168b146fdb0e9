"""Erasing from the store: whatever moment it dies at, doing it again leaves nothing, and nobody else loses a value."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from accord.mapfile import load_map
from accord.model.errors import LeaseHeld, UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.store import Store, open_store
from accord.store.erasing import Erasure
from accord.store.postgres import PostgresDatabase
from accord.store.sealing import PersonalValues
from accord.store.sqlite import SqliteDatabase

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MAP = """
name: erasing
teams: {sales: {}}
systems: {a: {connector: sqlite, at: a.db}, b: {connector: sqlite, at: b.db}}
entities:
  customer:
    key: [id]
    fields: {id: text, name: {type: text, personal: true}, size: integer}
  order:
    key: [number]
    person: customer
    fields: {number: text, customer: {type: text, references: customer}, wish: {type: text, personal: true}}
flows:
  customers:
    entity: customer
    bindings:
      a: {resource: customers, fields: {id: id, name: name, size: size}}
      b: {resource: customers, fields: {id: id, name: name, size: size}}
  orders:
    entity: order
    bindings:
      a: {resource: orders, fields: {number: number, customer: customer, wish: wish}}
      b: {resource: orders, fields: {number: number, customer: customer, wish: wish}}
processes:
  call:
    case: customer
    variables: {phone: {type: text, personal: true}, friends: {type: json}}
    steps: {ring: {team: sales}}
"""
SECRETS = ("Xanthippe", "violet harp", "0151-7733")


@pytest.fixture(scope="module")
def map_(tmp_path_factory: pytest.TempPathFactory) -> IntegrationMap:
    """Customers, their orders, and calls."""
    path = tmp_path_factory.mktemp("map") / "map.yaml"
    path.write_text(MAP, encoding="utf-8")
    return load_map(path)


def _fill(store: Store, map_: IntegrationMap) -> None:
    """A history in which customer c1 is agreed once and then gone, and c2 stays."""
    store.protect(PersonalValues(map_))
    both = pa.table({"id": ["c1", "c2"], "name": ["Xanthippe", "Bert"], "size": [1, 2]})
    orders = pa.table({"number": ["o1", "o2"], "customer": ["c1", "c2"], "wish": ["violet harp", "green drum"]})
    lost = pa.table({"flow": ["customers"] * 2, "key": ['{"id":"c1"}', '{"id":"c2"}'], "losing_value": ["Xanthippe", "Berta"]})
    waits = pa.table({"flow": ["customers"] * 2, "key": ['{"id":"x1"}', '{"id":"x2"}'], "keeps": [['{"id":"c1"}'], ['{"id":"c2"}']]})
    shas = [store.write_segment(t).sha for t in (both, lost, both.slice(1), orders, orders.slice(1), waits)]

    def ran(number: int, flow: str, **state: list[str]) -> Event:
        body = {"flow": flow, "run": f"r{number}", "status": "done", "state": state}
        return Event(f"run{number}", "flow.run_finished", NOW, f"flow:{flow}", body, (ObjectRef("flow", flow),))

    started = [
        {"instance": f"call-{case}", "process": "call", "definition": "d", "case": case, "by": "Ann", "variables": {"phone": phone}}
        for case, phone in (("c1", "0151-7733"), ("c2", "0151-9944"))
    ]
    row = {"key": ["o1"], "op": "update", "golden": {"customer": "c1", "wish": "violet harp"}, "sides": {"a": {"wish": "violet harp"}}}
    unknown = {"key": ["o1"], "op": "delete", "golden": None, "sides": {"b": {"wish": "violet harp"}}}
    live = [
        Event(f"live{n}", "flow.live_applied", NOW, "flow:orders", {"flow": "orders", "run": "r", "intent": f"i{n}", "rows": [given]})
        for n, given in enumerate((row, unknown))
    ]
    store.append([ran(1, "customers", golden=[shas[0]], conflicts=[shas[1]], quarantine=[shas[5]]), ran(2, "orders", golden=[shas[3]])])
    store.append([Event(f"s{n}", "process.started", NOW, "process:call", body) for n, body in enumerate(started)])
    store.append([*live, ran(3, "customers", golden=[shas[2]]), ran(4, "orders", golden=[shas[4]])])


def _everything(store: Store, folder: Path) -> str:
    parts = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    parts += [str(duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()) for path in folder.rglob("*.parquet")]
    if store.dialect == "postgresql":
        tables = store.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        parts += [str(store.rows(f'SELECT * FROM "{table}"')) for (table,) in tables]
    return "\n".join(parts)


def _erase(store: Store, map_: IntegrationMap, person: str = "c1", run: str = "e1") -> Any:
    store.protect(PersonalValues(map_))
    with store.lease("erase"):
        return Erasure(map_, store, person, entity="customer").erase(by="Ann", reason="asked", run=run, now=NOW)


def _is_erased(store: Store, map_: IntegrationMap, folder: Path) -> None:
    found = _everything(store, folder)
    assert [secret for secret in SECRETS if secret in found] == []
    assert "green drum" in found
    assert "Berta" in found
    assert store.verify_segments() == ()
    assert store.verify().seq == store.head().seq
    ((kek,),) = store.rows("SELECT kek FROM sealing")
    assert (folder / "keys" / f"sealing-{kek}.key").is_file()
    calls = [s.event.attributes for s in store.read(types=["process.started"])]
    assert [(c["variables"]["phone"], c["by"]) for c in calls] == [(None, "Ann"), ("0151-9944", "Ann")]
    assert Erasure(map_, store, "c1", entity="customer").find().nothing


def test_nothing_of_the_person_is_left_and_others_lose_nothing(
    open_here: Callable[..., Store], map_: IntegrationMap, tmp_path: Path
) -> None:
    """On both databases; also the value whose event did not say whose row it was about."""
    store = open_here()
    _fill(store, map_)
    head = store.head()
    before = Erasure(map_, store, "c1", entity="customer").find()
    assert (before.events, before.segments and sum(before.segments.values()), before.present) == (3, 4, {})

    left = _erase(store, map_)

    assert (left.nothing, left.clear, left.unknown) == (True, (), ())
    _is_erased(store, map_, tmp_path)
    assert store.verify(through=head).seq == head.seq + 2
    assert _erase(store, map_, run="e2").nothing
    assert store.head().seq == head.seq + 2


def test_a_segment_that_was_erased_reads_as_its_other_rows_and_is_not_missed(
    open_here: Callable[..., Store], map_: IntegrationMap, tmp_path: Path
) -> None:
    """States, intents and baselines in the log name segments as they were; whoever reads them must get what may still be read."""
    store = open_here()
    _fill(store, map_)
    (first, *_) = [s.event.attributes["state"]["golden"][0] for s in store.read(types=["flow.run_finished"])]

    _erase(store, map_)

    assert duckdb.sql(f"SELECT id FROM read_parquet('{store.read_segment(first)}')").fetchall() == [("c2",)]
    assert store.verify_segments() == ()
    assert store.table("erased_segment").num_rows == 4
    store.read_segment(first).unlink()
    assert {fault.fault for fault in store.verify_segments()} == {"missing"}
    again = store.write_segment(pa.table({"id": ["c1", "c2"], "name": ["Xanthippe", "Bert"], "size": [1, 2]}))
    assert again.sha == first
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{store.read_segment(first)}')").fetchall() == [(2,)]


class Dead(BaseException):
    """The process is gone."""


class Mortal:
    """Dies before, and the next time after, the durable steps it is counting; once dead, nothing more is written."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.steps = at, 0
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(owner, name, self._mortal(getattr(owner, name)))
        for kind in (SqliteDatabase, PostgresDatabase):
            patch.setattr(kind, "write", self._transaction(kind.write))
            patch.setattr(kind, "run", self._mortal(kind.run, only="VACUUM"))

    def step(self) -> None:
        if self.steps >= self.at:
            raise Dead
        self.steps += 1

    def _mortal(self, done: Callable[..., Any], only: str = "") -> Callable[..., Any]:
        def act(*given: Any, **more: Any) -> Any:
            if only and not str(given[1]).startswith(only):
                return done(*given, **more)
            self.step()
            result = done(*given, **more)
            self.step()
            return result

        return act

    def _transaction(self, write: Callable[..., Any]) -> Callable[..., Any]:
        @contextlib.contextmanager
        def act(database: Any, **options: Any) -> Iterator[Any]:
            with write(database, **options) as tx:
                yield tx
                self.step()
            self.step()

        return act


def _die_everywhere(map_: IntegrationMap, folder: Path, url: Callable[[], str], every: int) -> int:
    """Let an erasure die at each durable step, in a store of its own, and do it again; returns how many steps there are."""
    steps, at = 1_000_000, 0
    while at < steps:
        here, place = folder / str(at), url()
        with open_store(place or here / "store.db", segments=here / "segments") as store:
            _fill(store, map_)
        (key,) = here.glob("keys/*")
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, at if at else 1_000_000)
            with contextlib.suppress(Dead), open_store(place or here / "store.db", segments=here / "segments") as store:
                _erase(store, map_)
        if not at:
            steps = mortal.steps
        with open_store(place or here / "store.db", segments=here / "segments") as store:
            with store._database.write() as tx:
                tx.run("UPDATE lease SET holder = ''")  # its process is this one, and lives; a dead one's is taken over
            _erase(store, map_, run="again")
            _is_erased(store, map_, here)
        assert not key.exists()
        shutil.rmtree(here)
        at += every
    return steps


def test_an_erasure_that_died_is_finished_by_doing_it_again(map_: IntegrationMap, tmp_path: Path) -> None:
    """Somebody who asked to be erased must not stay because a machine was switched off."""
    assert _die_everywhere(map_, tmp_path, lambda: "", every=13) > 30


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_erasure_may_die_at_every_durable_step(map_: IntegrationMap, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """The long form: each of them, on both databases."""
    url = request.getfixturevalue("new_schema") if kind == "postgresql" else lambda: ""
    assert _die_everywhere(map_, tmp_path, url, every=1) > 30


def test_a_reader_that_keeps_the_journal_is_said_and_a_repeat_finishes(map_: IntegrationMap, tmp_path: Path) -> None:
    """While another process reads, old pages cannot be wiped; to report success would be untrue."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        _fill(store, map_)
        reader = SqliteDatabase(tmp_path / "store.db")
        reader._connection.execute("BEGIN")
        reader.rows("SELECT count(*) FROM event")
        store._database.rows("PRAGMA busy_timeout=50")
        with pytest.raises(LeaseHeld, match="stop it and repeat"):
            _erase(store, map_)
        assert store.unscrubbed()
        reader.close()

        _erase(store, map_, run="e2")

        assert not store.unscrubbed()
        _is_erased(store, map_, tmp_path)


def test_who_cannot_be_meant_is_refused(store: Store, map_: IntegrationMap) -> None:
    """A typo must not be answered with «nothing is known of this person»."""
    with pytest.raises(UnknownName, match="customer"):
        Erasure(map_, store, "c1", entity="custmer")
    with pytest.raises(UsageError, match="--entity customer"):
        Erasure(map_, store, "o1", entity="order")
    with pytest.raises(UsageError, match="nobody"):
        Erasure(map_, store, " ")


def test_records_that_name_a_person_by_a_number_go_with_the_rows(open_here: Callable[..., Store], tmp_path: Path) -> None:
    """Records of conflicts name their row by its key as JSON; those of what arrived at first contact by the fields themselves."""
    path = tmp_path / "map.yaml"
    path.write_text(MAP.replace("fields: {id: text,", "fields: {id: integer,"), encoding="utf-8")
    map_, store = load_map(path), open_here()
    tables = {
        "golden": pa.table({"id": [7, 8], "name": ["Xanthippe", "Bert"], "size": [1, 2]}),
        "conflicts": pa.table({"flow": ["customers"] * 2, "key": ['{"id":"7"}', '{"id":"8"}'], "losing_value": ["Xanthippe", "Berta"]}),
        "changes": pa.table({"_key": [{"id": 7}, {"id": 8}], "run": ["r1", "r1"]}),
    }
    shas = {role: store.write_segment(table).sha for role, table in tables.items()}
    body = {"flow": "customers", "run": "r1", "status": "done", "state": {role: [sha] for role, sha in shas.items()}}
    store.append([Event("run1", "flow.run_finished", NOW, "flow:customers", body, (ObjectRef("flow", "customers"),))])

    _erase(store, map_, "7")

    left = {role: duckdb.sql(f"SELECT count(*) FROM read_parquet('{store.read_segment(sha)}')").fetchall() for role, sha in shas.items()}
    assert left == {role: [(1,)] for role in shas}
    assert "Xanthippe" not in _everything(store, tmp_path)
