"""People who edit while runs read and write, and runs that die: sums come out right, and no value is lost without a record.

The oracle knows nothing of merging. What somebody typed is shown in the end, or was replaced by the same system's people, or was seen in
another system or agreed on, or stands among the recorded losers.
"""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync import FlowResult, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIELDS = {"id": Field("id", required=True), "name": Field("name"), "size": Field("size", "integer"), "hits": Field("hits", "integer")}
MOMENTS = ("", "", "flow.intended", "flow.applying", "flow.applied", "flow.run_finished")
KEYS = [f"k{n}" for n in range(6)]


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


@dataclass
class World:
    """Two or three SQLite files that keep a record of each value they ever showed, and a flow over them."""

    folder: Path
    rng: random.Random
    sums: bool
    beside: bool = False  # rows have a counter, too, that nobody edits: what stands beside one is agreed on in other steps
    runs: int = 0
    edits: int = 0
    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 100))
    typed: set[tuple[str, str, str, Any]] = field(default_factory=set)  # system, key, field, value; not those replaced there since
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng, self.names = self.rng, "abc"[: self.rng.choice([2, 3])]
        for name in self.names:
            self.sql(name, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, hits INTEGER)")
            self.sql(name, "CREATE TABLE seen (id TEXT, name TEXT, size INTEGER)")
            for op in ("INSERT", "UPDATE"):
                written = "BEGIN INSERT INTO seen VALUES (NEW.id, NEW.name, NEW.size); END"
                self.sql(name, f"CREATE TRIGGER note_{op} AFTER {op} ON things {written}")
        for key in KEYS:
            self.sql(self.names[0], "INSERT INTO things VALUES (?, 'first', 1, 100)", key)
        authority = {"*": rng.choice(self.names), "size": rng.choice([*self.names, "latest"])}
        authority |= {"hits": "merge"} if self.sums or self.beside else {}
        mapped = {name: FieldMapping(name) for name in FIELDS}
        bindings = {name: Binding(name, "things", mapped, capture=rng.choice(["sweep", "cdc"])) for name in self.names}
        systems = {name: System(name, "sqlite", f"{name}.db") for name in self.names}
        flow = Flow("things", "thing", bindings, authority=authority)
        self.map = IntegrationMap("amid", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows={"things": flow})
        self.connectors = {name: open_connector(system, base=self.folder) for name, system in systems.items()}
        self.store = open_store(self.folder / "store.db", segments=self.folder / "segments")

    def sql(self, system: str, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / f"{system}.db", timeout=20)) as db, db:
            return db.execute(statement, values).fetchall()

    def edit(self) -> None:
        """Somebody adds to a counter, or types values nobody else types, or deletes a row, or makes one again."""
        system, key = self.rng.choice(self.names), self.rng.choice(KEYS)
        self.edits += 1
        if self.sums and self.rng.random() < 0.6:
            self.added[key] += 1000 + 37 * self.edits
            self.sql(system, "UPDATE things SET hits = hits + ? WHERE id = ?", 1000 + 37 * self.edits, key)
            return
        there = self.sql(system, "SELECT 1 FROM things WHERE id = ?", key)
        name, size = f"v{self.edits}", 10_000 + self.edits
        chosen = {"name": name, "size": size}
        if there and not self.sums and self.rng.random() < 0.15:
            self.sql(system, "DELETE FROM things WHERE id = ?", key)
            self.typed = {t for t in self.typed if t[:2] != (system, key)}
            chosen = {}
        elif there:
            chosen = {f: chosen[f] for f in self.rng.sample(["name", "size"], self.rng.randint(1, 2))}
            sets = ", ".join(f"{f} = ?" for f in chosen)
            self.sql(system, f"UPDATE things SET {sets} WHERE id = ?", *chosen.values(), key)
        else:
            self.sql(system, "INSERT INTO things (id, name, size) VALUES (?, ?, ?)", key, name, size)
        self.typed = {t for t in self.typed if not (t[:2] == (system, key) and t[2] in chosen)}
        self.typed |= {(system, key, f, v) for f, v in chosen.items()}
        self.story.append(f"      {system}.{key} {chosen or 'deleted'}")

    def run(self, *, edits: bool = True, dies: int = 0, at: str = "", again: bool = False, whole: bool = False) -> FlowResult | None:
        """A run in which people go on; with ``dies`` it ends at that step, or around the next event of type ``at``."""
        self.runs += not again
        steps, store, append = 0, self.store, type(self.store).append
        now = NOW + timedelta(seconds=len(self.story))

        def progress(sentence: str) -> None:
            nonlocal steps
            steps += 1
            self.story.append(f"run {self.runs} {steps}: {sentence}")
            if edits and self.rng.random() < 0.35:
                self.edit()
            if steps == dies and not at:
                raise Crash

        def noted(events: Any) -> Any:
            given = list(events)
            struck = bool(dies and at) and steps >= dies and given[0].type == at
            if struck and self.rng.random() < 0.5:
                raise Crash
            done = append(store, given)
            if struck:
                raise Crash
            return done

        store.append = noted  # type: ignore[method-assign]
        options: dict[str, Any] = {"allow_deletes": True, "progress": progress, "whole": whole}
        try:
            return run_flow(self.map, "things", self.connectors, store, run=f"r{self.runs}", now=now, **options)
        except Crash:
            self.story.append(f"died {at}")
            return None
        finally:
            del store.append  # type: ignore[method-assign]

    def check(self) -> None:
        """All is quiet, every system shows the same, every addition is in the sums and every value is accounted for."""
        ended = [self.run(edits=False) for _ in range(5)][-1]
        assert ended is not None
        assert not ended.changed
        looked = self.run(edits=False, whole=True)
        assert looked is not None
        assert not looked.changed
        shown = {n: {r[0]: r[1:] for r in self.sql(n, "SELECT * FROM things")} for n in self.names}
        first = shown[self.names[0]]
        assert all(rows == first for rows in shown.values()), shown
        if self.sums:
            assert {key: row[2] for key, row in first.items()} == self.added
        lost = {(json.loads(r["key"])["id"], r["field"], r["losing_value"]) for r in self.rows("conflicts")}
        agreed = {(r["id"], f, r[f]) for r in self.rows("golden") for f in ("name", "size")}
        for system, key, name, value in self.typed:
            elsewhere = (self.sql(n, f"SELECT 1 FROM seen WHERE id = ? AND {name} = ?", key, value) for n in self.names if n != system)
            kept = key in first and first[key][name == "size"] == value
            known = kept or (key, name, value) in agreed or (key, name, str(value)) in lost or any(elsewhere)
            assert known, (system, key, name, value, first.get(key))

    def rows(self, role: str) -> list[dict[str, Any]]:
        """What any run ever put into a role of the flow's state."""
        found: list[dict[str, Any]] = []
        for stored in self.store.read(types=["flow.run_finished"]):
            for sha in (stored.event.attributes.get("state") or {}).get(role, ()):
                found += duckdb.sql(f"SELECT * FROM read_parquet('{self.store.read_segment(sha)}')").to_arrow_table().to_pylist()
        return found


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for large tables, on small ones."""
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_FROM", 1)


def live(folder: Path, seed: int, *, sums: bool, turns: int, beside: bool = False) -> None:
    """One world from beginning to rest."""
    rng = random.Random(seed)
    world = World(folder, rng, sums, beside)
    try:
        world.run(edits=False)
        for _ in range(turns):
            for _ in range(rng.randrange(6)):
                world.edit()
            if rng.random() < 0.55:
                world.run(dies=rng.randint(3, 14), at=rng.choice(MOMENTS), edits=rng.random() < 0.7, again=rng.random() < 0.3)
            else:
                world.run()
        world.check()
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *world.story])) from error
    finally:
        world.store.close()


@pytest.mark.parametrize("sums", [False, True])
def test_edits_amid_runs_that_die_are_all_accounted_for(tmp_path: Path, sums: bool) -> None:
    """A short life; what is between reading and writing is where edits are lost."""
    live(tmp_path, 3, sums=sums, turns=3)


@pytest.mark.prove
@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("seed", range(100, 140))
def test_edits_amid_runs_that_die_are_all_accounted_for_again_and_again(tmp_path: Path, seed: int, sums: bool) -> None:
    """The long form: 80 lives."""
    live(tmp_path, seed, sums=sums, turns=8)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [110, 115, 120, 126])  # each lost a value once
def test_edits_beside_a_counter_amid_runs_that_die_are_all_accounted_for(tmp_path: Path, seed: int) -> None:
    """Rows come and go as well: of a new one, and of one made again, no value is lost either."""
    live(tmp_path, seed, sums=False, turns=8, beside=True)
