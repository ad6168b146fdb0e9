"""Rows that a system refuses for a while, and people who go on meanwhile: no value is overruled unseen and without a record.

The oracle knows nothing of merging. What somebody typed is agreed in the end, or was edited or deleted by a person before whom it stood, or
is among the recorded losers.
"""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.model.values import Duration
from accord.store import open_store
from accord.store.folding import folded
from accord.sync import FlowResult, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIELDS = {"id": Field("id", required=True), "name": Field("name"), "size": Field("size", "integer"), "day": Field("day", "date")}
NAMES, KEYS = "abc", [f"k{n}" for n in range(8)]
TYPED = tuple(FIELDS)[1:]


@dataclass
class World:
    """Three SQLite files that refuse rows of some keys, and a flow over them."""

    folder: Path
    rng: random.Random
    runs: int = 0
    edits: int = 0
    typed: set[tuple[str, str, Any]] = field(default_factory=set)  # key, field, value; not those somebody has answered
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = self.rng
        for name in NAMES:
            self.sql(name, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, day DATE, at TIMESTAMP)")
            self.sql(name, "CREATE TABLE barred (id TEXT)")
            for op, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                refuse = f"WHEN {row}.id IN (SELECT id FROM barred) BEGIN SELECT RAISE(ABORT, 'not now'); END"
                self.sql(name, f"CREATE TRIGGER no_{op} BEFORE {op} ON things {refuse}")
        authority = {"*": "a", "name": rng.choice(NAMES), "size": "latest", "day": rng.choice(["human", "merge", "c"])}
        mapped = {name: FieldMapping(name) for name in FIELDS}
        modes = {name: rng.choice(["sweep", "cdc", "snapshot", "cursor"]) for name in NAMES}
        bindings = {n: Binding(n, "things", mapped, cursor="at", capture=modes[n], overlap=Duration(0)) for n in NAMES}  # type: ignore[arg-type]
        systems = {name: System(name, "sqlite", f"{name}.db") for name in NAMES}
        flow = Flow("things", "thing", bindings, authority=authority, deletes=rng.choice(["propagate", "propagate", "ignore"]))
        self.map = IntegrationMap("refusing", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
        self.connectors = {name: open_connector(system, base=self.folder) for name, system in systems.items()}
        self.store = open_store(self.folder / "store.db", segments=self.folder / "segments")
        self.story.append(f"{authority} {modes} {flow.deletes}")

    def sql(self, system: str, *statements: str, **values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / f"{system}.db", timeout=20)) as db, db:
            return [row for statement in statements for row in db.execute(statement, values).fetchall()]

    def edit(self) -> None:
        """Somebody types values nobody else types, whom the system refuses nothing, or deletes a row, or makes one."""
        rng, self.edits = self.rng, self.edits + 1
        system, key = rng.choice(NAMES), rng.choice(KEYS)
        new = {"name": f"v{self.edits}", "size": self.edits, "day": str(date(2000, 1, 1) + timedelta(days=self.edits))}
        values = {f: new[f] for f in rng.sample(TYPED, rng.randint(1, len(TYPED)))}
        stood = self.shown(system).get(key)
        at = (NOW + timedelta(seconds=len(self.story))).strftime("%Y-%m-%d %H:%M:%S")
        if stood is None:
            act = f"INSERT INTO things (id, {', '.join(values)}, at) VALUES (:key, {', '.join(f':{f}' for f in values)}, :at)"
        elif rng.random() < 0.15:
            act, values = "DELETE FROM things WHERE id = :key", {}
            self.typed -= {(key, f, v) for f, v in stood.items()}
        else:
            act = f"UPDATE things SET {', '.join(f'{f} = :{f}' for f in values)}, at = :at WHERE id = :key"
            self.typed -= {(key, f, v) for f, v in stood.items() if f in values}
        barred = self.sql(system, "SELECT 1 FROM barred WHERE id = :key", key=key)
        self.sql(system, "DELETE FROM barred WHERE id = :key", act, key=key, at=at, **values)
        if barred:
            self.sql(system, "INSERT INTO barred VALUES (:key)", key=key)
        self.typed |= {(key, f, v) for f, v in values.items()}
        self.story.append(f"      {system}.{key} {values or 'deleted'}")

    def bar(self, *, lift: bool = False) -> None:
        """From now on other rows are refused, or none."""
        for system in NAMES:
            chosen = [] if lift else self.rng.sample(KEYS, self.rng.choice([0, 3, 6]))
            self.sql(system, "DELETE FROM barred", *(f"INSERT INTO barred VALUES ('{key}')" for key in chosen))
            self.story.append(f"    {system} refuses {chosen}")

    def run(self, *, edits: bool = False, whole: bool = False) -> FlowResult:
        """A run; with ``edits`` people go on while it reads and writes."""

        def progress(sentence: str) -> None:
            self.story.append(f"run {self.runs}: {sentence}")
            for _ in range(self.rng.choice([0, 0, 1, 3]) if edits else 0):
                self.edit()

        self.runs += 1
        now = NOW + timedelta(seconds=len(self.story))
        options: dict[str, Any] = {"allow_deletes": True, "progress": progress, "whole": whole}
        return run_flow(self.map, "things", self.connectors, self.store, run=f"r{self.runs}", now=now, **options)

    def shown(self, system: str) -> dict[str, dict[str, Any]]:
        rows = self.sql(system, f"SELECT id, {', '.join(TYPED)} FROM things")
        return {row[0]: dict(zip(TYPED, row[1:], strict=True)) for row in rows}

    def rows(self, shas: Any) -> list[dict[str, Any]]:
        paths = [str(self.store.read_segment(sha)) for sha in shas]
        return [row for path in paths for row in duckdb.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table().to_pylist()]

    def rest(self) -> None:
        """Nothing moves any more, whatever is still refused; and nothing that was overruled unseen is forgotten."""
        counts = [self.run().counts for _ in range(2)][-1]
        moved = {name: counts[name] for name in ("inserted", "updated", "deleted", "conflicts", "stale") if counts[name]}
        assert not moved, moved
        lost = {
            (json.loads(r["key"])["id"], r["field"], r["losing_value"])
            for r in self.rows(self.store.flow_records("things", "conflicts").values())
        }
        agreed = self.agreed()
        for key, name, value in self.typed:
            assert (key, name, str(value)) in lost or str(agreed.get(key, {}).get(name)) == str(value), (key, name, value)

    def agreed(self) -> dict[str, dict[str, Any]]:
        paths = [self.store.read_segment(sha) for sha in self.store.flow_state("things").get("golden", ())]
        rows = duckdb.sql(folded(paths, ["id"])).to_arrow_table().to_pylist() if paths else []
        return {row["id"]: row for row in rows}


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for large tables, on small ones."""
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_FROM", 1)


def live(folder: Path, seed: int, *, turns: int, amid: bool) -> None:
    """One world from beginning to rest."""
    world = World(folder, random.Random(seed))
    try:
        for _ in range(turns):
            for _ in range(world.rng.choice([4, 12, 16])):
                world.edit()
            if world.rng.random() < 0.8:
                world.bar()
            world.run(edits=amid and world.rng.random() < 0.7)
        world.rest()
        world.bar(lift=True)
        world.rest()
        assert not world.run(whole=True).changed
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *world.story])) from error
    finally:
        world.store.close()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.prove) for seed in (0, 4, 5, 6))])
def test_no_value_is_overruled_unseen_without_a_record(tmp_path: Path, seed: int) -> None:
    """Short lives, each of which lost a value once."""
    live(tmp_path, seed, turns=3, amid=False)


@pytest.mark.parametrize("stood", [True, False])
def test_the_authority_decides_between_what_is_agreed_and_a_system_that_refused_it(tmp_path: Path, stood: bool) -> None:
    """Who never saw a value has not answered it; with ``stood`` the row was edited, else made."""
    world = World(tmp_path, random.Random(0))
    flow = replace(world.map.flows["things"], authority={"*": "a", "size": "latest", "day": "human"}, deletes="propagate")
    world.map = replace(world.map, flows={"things": flow})

    def put(system: str, name: str, size: int) -> None:
        at = f"2026-03-02 09:00:0{size}"
        day = f"2026-01-0{size}"
        world.sql(system, "INSERT OR REPLACE INTO things VALUES ('k', :name, :size, :day, :at)", name=name, size=size, day=day, at=at)

    if stood:
        put("a", "x", 1)
        world.run()
    world.sql("c", "INSERT INTO barred VALUES ('k')")
    put("a", "y", 2)
    assert world.run().counts["refused"] == 1
    world.sql("c", "DELETE FROM barred")
    put("c", "z", 3)
    world.rest()

    agreed = {"name": "y", "size": 3, "day": "2026-01-02"}
    assert [world.shown(s)["k"] for s in NAMES] == [agreed, agreed, {**agreed, "day": "2026-01-03"}]
    lost = {(r["loser"], r["field"], r["losing_value"]) for r in world.rows(world.store.flow_records("things", "conflicts").values())}
    assert lost == {("c", "name", "z"), ("a", "size", "2"), ("c", "day", "2026-01-03")}
    world.store.close()


@pytest.mark.prove
@pytest.mark.parametrize("amid", [False, True])
@pytest.mark.parametrize("seed", range(100, 140))
def test_no_value_is_overruled_unseen_without_a_record_again_and_again(tmp_path: Path, seed: int, amid: bool) -> None:
    """The long form: 80 lives; with ``amid``, rows are stale to the last try as well."""
    live(tmp_path, seed, turns=10, amid=amid)
