"""A small organization of real SQLite files, and a shortcut to run a flow over them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import AggregateCheck, Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.store.records import change_records
from accord.sync import FlowResult, Reconciliation, reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


@pytest.fixture
def ending() -> Iterator[Callable[[Any], Any]]:
    """Gives back what it is given, and closes its store and its connectors once the test is over."""
    given: list[Any] = []

    def keep(one: Any) -> Any:
        given.append(one)
        return one

    yield keep
    for one in given:
        one.store.close()
        for connector in one.connectors.values():
            connector.close()


@dataclass
class World:
    """Systems in a folder, one flow over them, and a store; ``sync`` runs the flow once."""

    folder: Path
    store: Store
    map: IntegrationMap
    connectors: dict[str, Any]
    runs: int = 0
    flow: str = "things"
    options: dict[str, Any] = field(default_factory=dict)
    now: datetime = NOW

    def sync(self, **options: Any) -> FlowResult:
        self.runs += 1
        return run_flow(self.map, self.flow, self.connectors, self.store, run=f"run-{self.runs}", now=self.now, **options)

    def crash(self, sentence: str, meanwhile: Callable[[str], None] = lambda said: None) -> None:
        """A run that dies when it is about to do that; ``meanwhile`` is told every step before."""

        def die(said: str) -> None:
            meanwhile(said)
            if said.endswith(sentence):
                raise Crash

        with pytest.raises(Crash):
            self.sync(progress=die, allow_deletes=True)

    def reconcile(self) -> Reconciliation:
        self.runs += 1
        return reconcile(self.map, self.flow, self.connectors, self.store, run=f"run-{self.runs}", now=self.now)

    def sql(self, system: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def rows(self, system: str, table: str = "things") -> dict[Any, tuple[Any, ...]]:
        """Key: the other columns, read with sqlite3 and nothing of ours."""
        return {row[0]: row[1:] for row in self.sql(system, f"SELECT * FROM {table}")}

    def segments(self, role: str, shas: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Rows of a role of the flow's state, or of its records; of other segments of that role when they are given."""
        if shas is None:
            records = role in ("changes", "conflicts")
            shas = self.store.flow_records(self.flow, role).values() if records else self.store.flow_state(self.flow).get(role, ())
        found: list[dict[str, Any]] = []
        for sha in shas:
            path = self.store.read_segment(sha)
            rows = f"SELECT * EXCLUDE filename FROM {change_records([path])}" if role == "changes" else f"FROM read_parquet('{path}')"
            found += duckdb.sql(rows).to_arrow_table().to_pylist()
        return found

    def reasons(self) -> dict[tuple[str, str], list[str]]:
        """Quarantine: (binding, key) → reasons."""
        return {(r["binding"], json.loads(r["key"])["id"] if r["key"] else ""): r["reasons"] for r in self.segments("quarantine")}


@pytest.fixture
def world_class() -> type[World]:
    """The class, for tests that make their systems themselves."""
    return World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Any]:
    """Build a world: ``tables`` are the CREATE statements per system, ``fields`` the entity, the rest goes to the flow."""
    stores: list[Store] = []

    def build(
        tables: Mapping[str, str],
        fields: Sequence[Field],
        bindings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        rules: Sequence[Rule] = (),
        checks: Sequence[AggregateCheck] = (),
        key: Sequence[str] = ("id",),
        map_more: Mapping[str, Any] | None = None,
        **flow: Any,
    ) -> World:
        systems = {}
        for name, create in tables.items():
            with sqlite3.connect(tmp_path / f"{name}.db") as db:
                db.execute(create)
            db.close()
            systems[name] = System(name, "sqlite", f"{name}.db")
        made = {}
        for name in tables:
            given = dict((bindings or {}).get(name, {}))
            mappings = given.pop("fields", {f.name: FieldMapping(f.name) for f in fields})
            made[name] = Binding(name, given.pop("resource", "things"), mappings, **given)
        contract: Any = {"rules": {r.name: r for r in rules}, "checks": {c.name: c for c in checks}}
        entity = Entity("thing", tuple(key), {f.name: f for f in fields}, **contract)
        more = dict(map_more or {})
        entities = {"thing": entity, **more.pop("entities", {})}
        flows = {"things": Flow("things", "thing", made, **flow), **more.pop("flows", {})}
        map_ = IntegrationMap("test", systems=systems, entities=entities, flows=flows, **more)
        store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
        stores.append(store)
        connectors = {name: open_connector(system, base=tmp_path) for name, system in systems.items()}
        return World(tmp_path, store, map_, connectors)

    yield build
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def left() -> dict[str, World]:
    """Worlds as their beginning left them, by its name."""
    return {}


@pytest.fixture
def begun_once(
    left: dict[str, World], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, ending: Callable[[Any], Any]
) -> Callable[[Callable[[], World]], World]:
    """A world after its beginning, which is played once; every further test gets a copy of the folder, opened anew."""

    def begun(play: Callable[[], World]) -> World:
        name = f"{play.__module__}.{play.__qualname__}"
        if name not in left:
            world = play()
            world.store.close()
            for connector in world.connectors.values():
                connector.close()
            left[name] = replace(world, folder=tmp_path_factory.mktemp("left"))
            shutil.copytree(tmp_path, left[name].folder, dirs_exist_ok=True)
        else:
            shutil.copytree(left[name].folder, tmp_path, dirs_exist_ok=True)
        connectors = {name: open_connector(system, base=tmp_path) for name, system in left[name].map.systems.items()}
        store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
        again = replace(left[name], folder=tmp_path, store=store, connectors=connectors, options=dict(left[name].options))
        opened: World = ending(again)
        return opened

    return begun


@pytest.fixture
def two(make_world: Any) -> World:
    """Two systems a and b with (id, name, size), two-way; a is the authority."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
    fields = [Field("id", required=True), Field("name"), Field("size", "integer")]
    return make_world({"a": table, "b": table}, fields)


@pytest.fixture
def forty(make_world: Any) -> Callable[..., World]:
    """In agreement on 40 things (id '1' to '40', name 'old', size as the id), which are made in ``a``.

    Of the function: ``bindings`` and more of the flow as ``make_world`` takes them, ``a`` the system in place of a SQLite file, with an
    empty table, and ``run`` what runs a statement there.
    """
    values = ", ".join(f"('{i}', 'old', {i})" for i in range(1, 41))
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
    fields = [Field("id", required=True), Field("name"), Field("size", "integer")]

    def filled(
        bindings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        a: System | None = None,
        run: Callable[[str], object] | None = None,
        **flow: Any,
    ) -> World:
        world: World = make_world({"a": table, "b": table}, fields, bindings, **flow)
        if a is not None:
            world.connectors["a"] = open_connector(a, base=world.folder)
        (run or partial(world.sql, "a"))(f"INSERT INTO things VALUES {values}")
        world.sync()
        return world

    return filled


@pytest.fixture
def open_system(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], tuple[str, Callable[[str], list[Any]]]]:
    """Of a kind and a name: where an empty system is (``at`` of the map), and how somebody else runs a statement there."""

    def opened(kind: str, name: str) -> tuple[str, Callable[[str], list[Any]]]:
        def in_sqlite(statement: str) -> list[Any]:
            with closing(sqlite3.connect(tmp_path / f"{name}.db")) as db, db:
                return db.execute(statement).fetchall()

        def in_duckdb(statement: str) -> list[Any]:
            with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as db:
                return db.execute(statement).fetchall()

        if kind == "sqlite":
            return f"{name}.db", in_sqlite
        if kind == "duckdb":
            return f"{name}.duckdb", in_duckdb
        at = str(request.getfixturevalue("mysql_url" if kind == "mysql" else "postgres_url"))

        def in_postgresql(statement: str) -> list[Any]:
            with psycopg.connect(at, autocommit=True) as db:
                found = db.execute(statement.encode())
                return found.fetchall() if found.description else []

        if kind == "postgresql":
            return at, in_postgresql
        server = request.getfixturevalue("mysql_server")
        return at, lambda statement: list(server.execute(statement, database=urlsplit(at).path[1:]))

    return opened
