"""Lives of rows in three SQLite files: random edits, runs and crashes, and beside the engine an oracle (``history_oracle``).

Every key of a world lives its own history (edits, deletes, re-creations on three systems, runs, crashes between two steps, repeats), so one
world of 60 keys is 60 histories. After each run that ends, every system, the recorded losers and the held values must be the oracle's.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.model.values import Duration
from accord.store import open_store
from accord.sync import FlowResult, run_flow

NOTE = "\n".join(f"line{n}" for n in range(12))
VALUES = {"name": [None, "x", "y", "z"], "size": [None, 1, 2, 3]}
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Row = dict[str, Any]


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


class World:
    """Three SQLite files, the engine over them, and the oracle beside it."""

    def __init__(self, folder: Path, oracle: Any, capture: dict[str, str] | None = None) -> None:
        rules = oracle.rules
        self.folder, self.rules, self.runs = folder, rules, itertools.count(1)
        self.clock, self.numbers = itertools.count(1), itertools.count(1)
        systems = {}
        for name in rules.names:
            with sqlite3.connect(folder / f"{name}.db") as db:
                db.execute(
                    "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, hits INTEGER, tags TEXT, note TEXT, at TIMESTAMP)"
                )
            db.close()
            systems[name] = System(name, "sqlite", f"{name}.db")
        fields = (
            Field("id"),
            Field("name"),
            Field("size", "integer"),
            Field("hits", "integer"),
            Field("tags", separator=";"),
            Field("note"),
        )
        entity = Entity("thing", ("id",), {f.name: f for f in fields if f.name in ("id", *rules.fields)})
        mapped = {f: FieldMapping(f) for f in ("id", *rules.fields)}
        modes = capture or dict.fromkeys(rules.names, "sweep")
        bindings = {
            n: Binding(n, "things", mapped, direction=rules.direction[n], cursor="at", capture=modes[n], overlap=Duration(0))  # type: ignore[arg-type]
            for n in rules.names
        }
        flow = Flow("things", "thing", bindings, authority=rules.authority, existence=rules.existence, deletes=rules.deletes)  # type: ignore[arg-type]
        self.map = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": flow})
        self.store = open_store(folder / "store.db", segments=folder / "segments")
        self.connectors = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.oracle = oracle
        self.history: list[str] = []

    def edit(self, statements: list[tuple[str, str, str, Row]]) -> None:
        """Users at work: (system, key, op, values); the oracle's systems see the same."""
        for name in self.rules.names:
            with sqlite3.connect(self.folder / f"{name}.db") as db:
                for system, key, op, values in statements:
                    if system != name:
                        continue
                    rows = self.oracle.cur[system]
                    stamp = (NOW + timedelta(seconds=next(self.clock))).strftime("%Y-%m-%d %H:%M:%S")
                    values = {f: v(rows.get(key, {}).get(f)) if callable(v) else v for f, v in values.items()}
                    self.history.append(f"{op} {system}.{key} {values}")
                    stored = {f: text_of(v) for f, v in values.items()}
                    if op == "delete":
                        db.execute("DELETE FROM things WHERE id = ?", (key,))
                        rows.pop(key, None)
                    elif key in rows:
                        rows[key].update(values, at=stamp)
                        db.execute(
                            f"UPDATE things SET {', '.join(f'{f} = ?' for f in values)}, at = ? WHERE id = ?",
                            (*stored.values(), stamp, key),
                        )
                    else:
                        rows[key] = {**dict.fromkeys(self.rules.fields), **values, "at": stamp}
                        row = {"id": key, **{f: text_of(v) for f, v in rows[key].items()}}
                        db.execute(f"INSERT INTO things ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
            db.close()

    def shown(self, system: str) -> dict[str, tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            found = db.execute(f"SELECT id, {', '.join(self.rules.fields)} FROM things").fetchall()
        db.close()
        return {row[0]: tuple(value_of(f, v) for f, v in zip(self.rules.fields, row[1:], strict=True)) for row in found}

    def run(self, progress: Callable[[str], None] | None = None, *, whole: bool = False) -> FlowResult:
        now = NOW + timedelta(seconds=next(self.clock))
        return run_flow(
            self.map,
            "things",
            self.connectors,
            self.store,
            run=f"r{next(self.runs)}",
            now=now,
            allow_deletes=True,
            progress=progress,
            whole=whole,
        )

    def crash(self, at: int, noted: str = "") -> None:
        """Run until the step numbered ``at`` is about to begin, and die there.

        With ``noted`` it is the moment before (``flow.applying``) or after (``flow.applied``) the commit of the first system that is
        written at that step or later and is asked about its batches.
        """
        steps: list[str] = []
        store = self.store

        def append(events: Any) -> Any:
            now = len(steps) > at and events[0].type == noted
            if now and noted == "flow.applied":
                raise Crash
            done = type(store).append(store, events)
            if now:
                steps.remove(f"things: writing {events[0].attributes['target']}")  # it is taken back
                raise Crash
            return done

        def die(sentence: str) -> None:
            if len(steps) == at and not noted:
                raise Crash
            steps.append(sentence)

        store.append = append  # type: ignore[method-assign]
        try:
            self.run(die)
        except Crash:
            intended = any("noting" in s for s in steps)
            written = [n for n in self.rules.names if f"things: writing {n}" in steps]
            self.history.append(f"crash after {steps[-1:]} written={written}")
            self.oracle.crashed(written, noted=intended)
        else:
            self.history.append("ran")
            self.oracle.finished()
        finally:
            del store.append  # type: ignore[method-assign]

    def lost(self) -> set[tuple[str, str, str, Any]]:
        found = set()
        for sha in self.store.flow_records("things", "conflicts").values():
            for row in duckdb.sql(f"SELECT * FROM read_parquet('{self.store.read_segment(sha)}')").to_arrow_table().to_pylist():
                value = row["losing_value"]
                shown = int(value) if row["field"] in ("size", "hits") and value else value_of(row["field"], value)
                found.add((row["loser"], json.loads(row["key"])["id"], row["field"], shown))
        return found

    def check(self) -> None:
        for name in self.rules.names:
            wanted = {k: tuple(v[f] for f in self.rules.fields) for k, v in self.oracle.cur[name].items()}
            shown = self.shown(name)
            wrong = {k: (shown.get(k), wanted.get(k)) for k in shown.keys() | wanted.keys() if shown.get(k) != wanted.get(k)}
            assert not wrong, f"{name}: {wrong}\n{self.rules}\n{self.story(wrong)}"
        missing = self.oracle.lost - self.lost()
        assert not missing, f"discarded and not recorded: {missing}\n{self.rules}\n{self.story({m[1] for m in missing})}"

    def story(self, keys: Any) -> str:
        some = sorted(keys)[:2]
        return "\n".join(h for h in self.history if not any(c in h for c in (".k",)) or any(f".{k} " in h for k in some))


def text_of(value: Any) -> Any:
    """As a system keeps it; sets as items in some order."""
    return ";".join(sorted(value)) or None if isinstance(value, frozenset) else value


def value_of(field: str, value: Any) -> Any:
    return (frozenset(value.split(";")) if value else None) if field == "tags" else value


def random_oracle(rng: random.Random, oracles: Any, merged: tuple[str, ...] = ()) -> Any:
    names = ("a", "b", "c")
    direction = {n: rng.choice(["both", "both", "both", "read", "write"]) for n in names}
    if all(d == "write" for d in direction.values()):
        direction["a"] = "both"
    readable = [n for n in names if direction[n] != "write"]
    authority = {"*": rng.choice(readable), "size": rng.choice([*readable, "latest", "human"])}
    existence = tuple(rng.sample(readable, rng.randint(1, len(readable)))) if rng.random() < 0.4 else ()
    authority |= dict.fromkeys(merged, "merge")
    rules = oracles.Rules(names, direction, authority, existence, rng.choice(["propagate", "propagate", "mark", "ignore"]), merged)
    return (oracles.MergingOracle if merged else oracles.Oracle)(rules, {n: {} for n in names})


def random_edits(rng: random.Random, world: World, keys: int) -> list[tuple[str, str, str, Row]]:
    edits = []
    for number in range(keys):
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
            key, system = f"k{number}", rng.choice(world.rules.names)
            if rng.random() < 0.2:
                edits.append((system, key, "delete", {}))
            else:
                chosen = rng.sample(tuple(VALUES), rng.randint(1, 2))
                values: Row = {f: rng.choice(VALUES[f]) for f in chosen}
                if world.rules.merged:
                    values |= merged_edit(rng, next(world.numbers))
                edits.append((system, key, "put", values))
    return edits


def merged_edit(rng: random.Random, number: int) -> Row:
    """An addition no other sum of additions gives by chance, and an item nobody else puts in, or one taken out."""
    edit: Row = {"hits": lambda now: (now or 0) + 1000 + 37 * number}
    if rng.random() < 0.7:
        edit["tags"] = lambda now: (now or frozenset()) | {f"t{number}"}
    else:
        edit["tags"] = lambda now: frozenset(sorted(now or ())[1:]) or None
    line = rng.randrange(12)
    edit["note"] = lambda now: "\n".join(f"w{number}" if n == line else old for n, old in enumerate((now or NOTE).split("\n")))
    return edit


def random_capture(rng: random.Random) -> dict[str, str]:
    """How changes are found on each system; at least one can tell."""
    modes = {n: rng.choice(["cdc", "cdc", "cursor", "sweep", "snapshot"]) for n in ("a", "b", "c")}
    return modes if set(modes.values()) != {"snapshot"} else {**modes, "a": "cdc"}


def live(oracles: Any, folder: Path, seed: int, *, keys: int, turns: int, told: bool = False, merged: tuple[str, ...] = ()) -> None:
    """One world from beginning to rest; ``oracles``: the module."""
    rng = random.Random(seed)
    world = World(folder, random_oracle(rng, oracles, merged), random_capture(rng) if told else None)
    try:
        for _ in range(turns):
            world.edit(random_edits(rng, world, keys))
            if rng.random() < 0.35:
                world.crash(rng.randint(0, 12), rng.choice(["", "", "flow.applying", "flow.applied"]))
                if rng.random() < 0.5:
                    world.edit(random_edits(rng, world, keys))
            world.history.append("ran")
            result = world.run()
            world.oracle.finished()
            world.check()
            assert result.status == "done"
        # What was told to have moved may leave nothing behind that a look at everything would find.
        counts = world.run(whole=told).counts
        writes = {c: counts[c] for c in ("inserted", "updated", "deleted", "unchanged", "conflicts") if counts[c]}
        assert not writes, f"wrote at rest: {writes}, {world.rules}"
        world.oracle.finished()
        world.check()
    finally:
        world.store.close()
