"""Columns that come, go, change their names, types and places while people edit: no value is read from, or written to, what it is not.

A world keeps two or three systems of random kinds in agreement under one policy (``drift``), and their owners change the tables behind its
back, between runs and amid them. The oracle knows what each column really holds, whatever it is called: a run may only write a cell of the
field's own column, and only a value that somebody gave that field of that row; it empties nothing. Policy ``stop`` ends the run and writes
nothing; the others go on. Once the tables are put back, or the map follows, all systems show what was typed last, and a further run writes
nothing.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import AccordError, GuardStopped
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.model.values import Duration
from accord.store import open_store
from accord.sync import FlowResult, reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KINDS = ("sqlite", "duckdb", "csv", "jsonl", "parquet", "xlsx")
SERVERS = ("postgresql", "mysql")
LOGGED = ("sqlite", *SERVERS)
PLACES = {"sqlite": "lite.db", "duckdb": "duck.duckdb", "xlsx": "book.xlsx"}
TYPES = {"id": "text", "name": "text", "town": "text", "size": "integer", "rank": "integer", "price": "number(12,2)", "seen": "timestamp"}
ALIKE = (("name", "town"), ("size", "rank"))
POLICIES = ("stop", "quarantine", "evolve")
ROWS = 9  # more than the five that a guard always lets pass
WAY_OUT = re.compile(r"Correct the map|Map '|map it elsewhere|accepts? the column|takes the column|bring the column back|Bring them back")
CHANGES = (
    "new", "new", "unmapped", "reorder", "drop", "rename", "taken", "anew", "swap", "retype", "retype", "widen", "key", "back", "header",
)  # fmt: skip
Key = str
Row = dict[str, Any]


@dataclass
class World:
    """The systems, what people want in them, and how they are kept in agreement."""

    random: random.Random
    policy: Any
    tables: Any  # the module ``changing_tables``
    seats: list[Any]
    map: IntegrationMap
    connectors: dict[str, Any]
    store: Any
    amid: bool  # owners go on while runs read and write
    types: dict[str, dict[str, tuple[str, str]]]  # seat → column → its type as a run accepted it
    runs: int = 0
    given: int = 0
    wanted: dict[Key, Row] = field(default_factory=dict)
    agreed: dict[Key, Row] = field(default_factory=dict)
    started: dict[Key, Row] = field(default_factory=dict)  # what was wanted when the last run began
    either: dict[tuple[Key, str], list[Any]] = field(default_factory=dict)  # what may be agreed as well: it was dropped, or cut
    locks: dict[tuple[Key, str], str] = field(default_factory=dict)  # who edits a cell: nobody disagrees
    few: dict[tuple[str, str], int] = field(default_factory=dict)  # edits left in a column that no run has seen changed yet
    away: set[tuple[str, str]] = field(default_factory=set)  # seat and field whose column the last run did not find
    gone: set[Key] = field(default_factory=set)
    story: list[str] = field(default_factory=list)

    # What people do

    def value(self, of: str) -> Any:
        """One that was never given before."""
        self.given += 1
        n = self.given
        return {
            "id": f"k{n}",
            "name": f"name {n}",
            "town": f"town {n}",
            "size": 100_000 + n,
            "rank": 200_000 + n,
            "price": Decimal(300_000 + n) + Decimal("0.25"),
            "seen": datetime(2025, 1, 1, 5, 3, 7, tzinfo=UTC) + timedelta(hours=n),
        }[of]

    def open_fields(self, seat: Any) -> list[str]:
        return [c.field for c in seat.columns if c.field and c.field != "id" and not (c.cut or c.anew) and c.field in seat.mapped]

    def insert(self, seat: Any) -> None:
        if seat.header or any(c.cut for c in seat.columns):
            return
        row = {"id": self.value("id")} | {f: self.value(f) for f in self.open_fields(seat)}
        seat.native.put({c.name: row.get(c.field, c.default) for c in seat.columns})
        self.wanted[row["id"]] = dict.fromkeys(TYPES) | row
        self.locks |= {(row["id"], f): seat.name for f in TYPES}
        seat.look()
        self.story.append(f"{seat.name}: new {row}")

    def edit(self, seat: Any) -> None:
        fields = self.open_fields(seat)
        if seat.header or not fields or not seat.rows:
            return
        key, of = self.random.choice(sorted(seat.rows)), self.random.choice(fields)
        if key not in self.wanted or self.locks.get((key, of), seat.name) != seat.name or (key, of) in self.either:
            return
        if (left := self.few.get((seat.name, of))) is not None:
            if not left:
                return
            self.few[seat.name, of] = left - 1
        value, column = self.value(of), seat.home(of)
        seat.native.change((key,), {column.name: value})
        self.wanted[key][of] = value
        self.locks[key, of] = seat.name
        seat.look()
        self.story.append(f"{seat.name}: {key}.{of} in '{column.name}' = {value}")

    def delete(self, seat: Any) -> None:
        free = [k for k in sorted(seat.rows) if k in self.wanted and not any((k, f) in self.locks for f in TYPES)]
        if seat.header or len(free) < ROWS - 2 or not all(free[0] in s.rows for s in self.seats):
            return
        seat.native.drop((free[0],))
        del self.wanted[free[0]]
        self.gone.add(free[0])
        seat.look()
        self.story.append(f"{seat.name}: {free[0]} deleted")

    def work(self) -> None:
        for _ in range(self.random.randint(0, 5)):
            self.edit(self.random.choice(self.seats))
        if self.random.random() < 0.4:
            self.insert(self.random.choice(self.seats))
        if self.random.random() < 0.2:
            self.delete(self.random.choice(self.seats))

    # What owners of tables do

    def change(self, seat: Any) -> None:
        """One change of the table, of those that can be made of it now."""
        for _ in range(5 if not seat.header else 0):
            how = self.random.choice(CHANGES)
            before = [f"{c.name}:{c.field}" for c in seat.columns]
            if getattr(self, f"change_{how}")(seat):
                after = [f"{c.name}:{c.field}{':' if c.cut else ''}{c.cut}" for c in seat.columns]
                self.story.append(f"{seat.name} ({seat.kind}): {how} {before} -> {after}")
                return

    def quiet(self, seat: Any, of: str) -> bool:
        """Nobody's edit of the field waits there."""
        return (seat.name, of) not in {(s, f) for (_, f), s in self.locks.items()}

    def maybe(self, key: Key, of: str, value: Any) -> None:
        if key in self.wanted:
            self.either.setdefault((key, of), []).append(value)

    def change_new(self, seat: Any) -> bool:
        source = self.random.choice([c for c in seat.columns if c.field != "id"])
        how = self.random.choice(["empty", "default", "copy"])
        type_, default = source.type if how == "copy" else "text", f"d{self.given}" if how == "default" else None
        seat.add(self.tables.Column(seat.free("extra"), None, type_, default=default), source.name if how == "copy" else "")
        return True

    def change_unmapped(self, seat: Any) -> bool:
        spare = [c for c in seat.columns if c.field is None and c.name.startswith("extra")]
        for column in spare[:1]:
            seat.drop(column)
        return bool(spare)

    def change_drop(self, seat: Any) -> bool:
        sound = seat.sound()
        for column in self.random.sample(sound, min(1, len(sound))):
            self.lose(seat, column)
        return bool(sound)

    def lose(self, seat: Any, column: Any) -> None:
        """It is dropped; what was typed there, and nobody else has seen yet, may be lost with it."""
        for key in seat.rows:
            if self.locks.get((key, column.field)) == seat.name:
                self.maybe(key, column.field, self.agreed.get(key, {}).get(column.field))
        seat.drop(column)

    def change_rename(self, seat: Any) -> bool:
        sound = seat.sound()
        for column in self.random.sample(sound, min(1, len(sound))):
            seat.rename(column, seat.free(f"{column.field}_"))
        return bool(sound)

    def change_taken(self, seat: Any) -> bool:
        """It is renamed, and another gets its name."""
        sound = [c for c in seat.sound() if self.quiet(seat, c.field)]
        for column in self.random.sample(sound, min(1, len(sound))):
            seat.rename(column, seat.free(f"{column.field}_"))
            default = self.value(column.field) if self.random.random() < 0.5 and column.field != "seen" else None
            seat.add(self.tables.Column(column.name, None, column.type, default=default))
            self.few[seat.name, column.field] = 1
        return bool(sound)

    def change_anew(self, seat: Any) -> bool:
        """It is dropped and made again, where that can be known."""
        sound = [c for c in seat.sound() if seat.kind in self.tables.TABLES and c is not seat.columns[-1]]
        for column in self.random.sample(sound, min(1, len(sound))):
            default = self.value(column.field) if self.random.random() < 0.5 and column.field != "seen" else None
            self.lose(seat, column)
            seat.add(self.tables.Column(column.name, column.field, column.type, default=default, anew=True))
        return bool(sound)

    def change_swap(self, seat: Any) -> bool:
        sound = {c.field: c for c in seat.sound() if seat.kind in self.tables.TABLES}
        pairs = [pair for pair in ALIKE if all(f in sound and self.quiet(seat, f) for f in pair)]
        for pair in self.random.sample(pairs, min(1, len(pairs))):
            self.exchange(seat, *(sound[f] for f in pair))
        return bool(pairs)

    def exchange(self, seat: Any, one: Any, two: Any) -> None:
        seat.exchange(one, two)
        self.few |= {(seat.name, of): 1 for of in (one.field, two.field)}

    def change_retype(self, seat: Any) -> bool:
        sound = [c for c in seat.sound() if seat.kind in self.tables.CUTS.get(c.field, ("", "", ()))[2]]
        for column in self.random.sample(sound, min(1, len(sound))):
            for key, row in seat.rows.items() if self.policy == "evolve" else ():
                how = self.tables.CUTS[column.field][0]
                self.maybe(key, column.field, self.tables.normal(column.field, self.tables.cut(how, row[column.name])))
            seat.retype(column)
        return bool(sound)

    def change_widen(self, seat: Any) -> bool:
        widened = [c for c in seat.sound() if c.type == "number(12,2)" and seat.kind in self.tables.DECLARING and seat.kind != "sqlite"]
        for column in widened:
            seat.widen(column)
        return bool(widened)

    def change_key(self, seat: Any) -> bool:
        column = seat.home("id")
        if column.name != seat.mapped["id"]:
            return False
        # Amid a run a new row is written under the exchanged names, as it has no value that is expected there.
        other = next((c for c in seat.sound() if c.field == "town" and seat.kind == "sqlite" and not self.amid), None)
        if other is not None and self.random.random() < 0.5:
            self.exchange(seat, column, other)
        else:
            seat.rename(column, "ident")
        return True

    def change_reorder(self, seat: Any) -> bool:
        """Dropped and made anew as it was, with its columns in another order."""
        if any(c.field and (c.cut or c.anew or seat.mapped.get(c.field) != c.name) for c in seat.columns):
            return False
        seat.rebuild(self.random.sample(seat.columns, len(seat.columns)))
        return True

    def change_back(self, seat: Any) -> bool:
        """A column that was gone in a run is made anew, empty or with a default."""
        gone = [f for f, c in seat.mapped.items() if (seat.name, f) in self.away and seat.home(f) is None and seat.named(c) is None]
        for of in gone[:1] if self.policy != "stop" else ():
            default = self.value(of) if self.random.random() < 0.5 and of != "seen" else None
            seat.add(self.tables.Column(seat.mapped[of], of, TYPES[of], default=default))
        return bool(gone) and self.policy != "stop"

    def change_header(self, seat: Any) -> bool:
        """Two columns of one name."""
        if seat.kind != "csv" or any(c.name != seat.mapped.get(c.field) for c in seat.columns if c.field):
            return False
        seat.spoil(self.random.randrange(len(seat.columns)))
        return True

    # How it is settled

    def settle(self) -> None:
        for seat in self.seats:
            if seat.header:
                seat.mend()
            elif self.random.random() < 0.5 or not self.follow(seat):
                self.put_back(seat)

    def put_back(self, seat: Any) -> None:
        """The table as the map has it: values from where they are, and from a backup where they are nowhere."""
        homes = {f: seat.home(f) for f in seat.mapped}
        broken = [f for f, c in seat.mapped.items() if homes[f] is None or homes[f].name != c or homes[f].cut or homes[f].anew]
        if not broken:
            return
        columns = [
            self.tables.Column(seat.mapped[c.field], c.field, seat.types[c.field] if c.cut else c.type) if c.field else replace(c)
            for c in seat.columns
            if c.field or c.name not in seat.mapped.values()
        ]
        for of in broken:
            if homes[of] is None:
                columns.insert(self.random.randint(0, len(columns)), self.tables.Column(seat.mapped[of], of, seat.types[of]))
        empty = self.random.random() < 0.5

        def value(row: Row, column: Any) -> Any:
            if column.field is None:
                return row.get(column.name)
            home, key = homes[column.field], row[homes["id"].name]
            if home is None and empty and (seat.name, column.field) in self.away:
                return None
            if home is not None and not (home.cut or home.anew):
                return row[home.name]
            # A cut that counts as edits is undone by people, a backup is as old as it is.
            backup = {} if self.policy == "evolve" and home and home.cut else seat.saved.get(key, {})
            return backup.get(column.field, self.wanted.get(key, {}).get(column.field))

        seat.rebuild(columns, value)
        self.story.append(f"{seat.name}: put back {broken} {'empty' if empty else 'with values'}")

    def follow(self, seat: Any) -> bool:
        """The map says where the values are now."""
        homes = {f: seat.home(f) for f in seat.mapped}
        if any(home is None or home.cut or home.anew for home in homes.values()):
            return False
        moved = {f: home.name for f, home in homes.items() if home.name != seat.mapped[f]}
        if not moved or ("id" in moved and seat.kind not in self.tables.TABLES):
            return False
        seat.mapped |= moved
        self.remap(seat, fields=mapping(seat))
        self.story.append(f"{seat.name}: map follows {moved}")
        return True

    def remap(self, seat: Any, **given: Any) -> None:
        flow = self.map.flows["things"]
        bindings = {**flow.bindings, seat.name: replace(flow.bindings[seat.name], **given)}
        self.map = replace(self.map, flows={"things": replace(flow, bindings=bindings)})

    # Runs, and what must hold of them

    def trouble(self) -> list[tuple[Any, str, str]]:
        """Seat, field and column of all that is not as the map has it."""
        found = []
        for seat in self.seats:
            for of, name in seat.mapped.items():
                column = seat.named(name)
                retyped = column is not None and column.cut and self.types[seat.name].get(name) != (column.type, column.cut)
                if column is None or column.field != of or column.anew or retyped:
                    found.append((seat, of, name))
        return found

    def run(self, *, amid: bool = False) -> FlowResult | None:
        self.runs += 1
        self.started = {k: dict(r) for k, r in self.wanted.items()}
        trouble, before, result = self.trouble(), {s.name: s.rows for s in self.seats}, None
        spoiled = any(s.header for s in self.seats)
        steps, at = 0, self.random.randint(2, 9) if amid else 0

        def progress(sentence: str) -> None:
            nonlocal steps
            steps += 1
            if steps == at:
                self.story.append(f"  amid the run: {sentence}")
                self.safe()
                if self.random.random() < 0.5:
                    self.work()
                self.change(self.random.choice(self.seats))

        stopped: AccordError | None = None
        try:
            now = NOW + timedelta(minutes=self.runs)
            result = run_flow(self.map, "things", self.connectors, self.store, run=f"r{self.runs}", now=now, progress=progress)
            self.story.append(f"run {self.runs}: {dict(result.counts)} {[(f.kind, f.sentence) for f in result.findings]}")
        except AccordError as error:
            stopped = error
            self.story.append(f"run {self.runs}: {type(error).__name__} {error}")
        if not at or steps < at:
            self.judge(stopped, result, trouble, spoiled=spoiled)
            assert not stopped or {s.name: s.read() for s in self.seats if not s.header} == {
                s.name: before[s.name] for s in self.seats if not s.header
            }
        self.safe()
        if result is not None:
            self.few.clear()
            self.away = {(s.name, f) for s in self.seats for f, c in s.mapped.items() if s.named(c) is None}
            for seat in self.seats if self.policy == "evolve" else ():
                self.types[seat.name] |= {c.name: (c.type, c.cut) for c in seat.columns}
        return result

    def judge(self, stopped: AccordError | None, result: FlowResult | None, trouble: list[tuple[Any, str, str]], *, spoiled: bool) -> None:
        """The map's policy is kept, and what is said names the system, the column and a way out."""
        key = any(of == "id" for _, of, _ in trouble)
        assert bool(stopped) == (spoiled or key or (self.policy == "stop" and bool(trouble))), [(s.name, f, n) for s, f, n in trouble]
        if stopped and not spoiled:
            assert isinstance(stopped, GuardStopped)
            assert any(f"'{name}'" in str(stopped) and seat.name in str(stopped) for seat, _, name in trouble)
            assert WAY_OUT.search(str(stopped))
        if result is not None:
            for seat, _, name in trouble:
                assert any(f"'{name}'" in f.sentence and seat.name in f.sentence for f in result.findings), (seat.name, name)

    def safe(self) -> None:
        """Nothing stands where it should not, and nothing is gone that was there."""
        wrong: list[str] = []
        for seat in self.seats:
            if seat.header:
                continue
            found = seat.read()
            wrong += [f"{seat.name} lacks {k}" for k in seat.rows.keys() - found.keys() - self.gone]
            wrong += [f"{seat.name} got {k}" for k in found.keys() - seat.rows.keys() if k not in self.wanted]
            for key, row in found.items():
                was = seat.rows.get(key)
                for column in seat.columns:
                    now = row[column.name]
                    if key in self.wanted and (was is None or now != was[column.name]) and not self.may(seat, key, column, now, was):
                        had = None if was is None else was[column.name]
                        wrong.append(f"{seat.name} {key}: '{column.name}', which holds {column.field}, got {now!r} for {had!r}")
            seat.rows = found
        assert not wrong, "\n".join(wrong)

    def may(self, seat: Any, key: Key, column: Any, now: Any, was: Row | None) -> bool:
        """Whether a run may have written the value there."""
        of = column.field
        if was is None and (now in (None, column.default) or (self.amid and (of is None or seat.mapped.get(of) != column.name))):
            return True  # a new row's; and amid a run a row that is made has no value that is expected there
        if of is None or seat.mapped.get(of) != column.name or now is None:
            return False
        due = [rows[key][of] for rows in (self.wanted, self.agreed, self.started) if key in rows] + self.either.get((key, of), [])
        if column.cut in self.tables.COARSER:
            due += [self.tables.normal(of, self.tables.cut(column.cut, value)) for value in due]
        return self.tables.normal(of, now) in due

    def agree(self) -> None:
        """What is settled comes to rest, and shows everywhere."""
        for _ in range(2):
            result = self.run()
            for found in result.findings if result else ():
                if found.kind == "renamed_column":  # rows of a new order whose values are all new; any edit of the binding accepts them
                    self.remap(next(s for s in self.seats if found.subject.startswith(f"{s.name}/")), overlap=Duration(300 + self.runs))
        result = self.run()
        assert result is not None
        written = {name: result.counts[name] for name in ("inserted", "updated", "deleted", "stale", "refused", "quarantined")}
        assert (any(written.values()), result.changed, result.waiting) == (False, False, 0), written
        wrong = [f"{s.name} still has {k}" for s in self.seats for k in s.rows.keys() - self.wanted.keys()]
        for key, row in self.wanted.items():
            for of, due in row.items():
                shown = {s.name: self.tables.normal(of, s.rows.get(key, {}).get(s.mapped[of])) for s in self.seats if of in s.mapped}
                first = next(iter(shown.values()))
                if any(value != first for value in shown.values()) or first not in (due, *self.either.get((key, of), ())):
                    wrong.append(f"{key}.{of}: {shown}, due {due!r} or {self.either.get((key, of), ())}")
                row[of] = first
        assert not wrong, "\n".join(wrong)
        self.agreed = {k: dict(r) for k, r in self.wanted.items()}
        for kept in (self.locks, self.either, self.gone, *(s.saved for s in self.seats)):
            kept.clear()
        self.types = {s.name: {c.name: (c.type, c.cut) for c in s.columns} for s in self.seats}
        self.story.append("agreed")

    def live(self, turns: int) -> None:
        self.agree()
        for _ in range(turns):
            self.work()
            for _ in range(self.random.choice([1, 1, 2])):
                self.change(self.random.choice(self.seats))
            self.work()
            for _ in range(self.random.choice([1, 2])):
                self.run(amid=self.amid)
                self.work()
                if self.random.random() < 0.3:
                    self.change(self.random.choice(self.seats))
            if self.random.random() < 0.8:
                self.settle()
                self.agree()
        self.settle()
        self.agree()
        proof = reconcile(self.map, "things", self.connectors, self.store, run="proof", now=NOW + timedelta(days=1))
        assert proof.agrees, proof.differences.to_pylist()


def mapping(seat: Any) -> dict[str, FieldMapping]:
    return {f: FieldMapping(f, column) for f, column in seat.mapped.items()}


@pytest.fixture
def live(native_systems: Any, changing_tables: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Lives a world to its end."""
    opened: list[World] = []

    def seat(random_: random.Random, n: int, kind: str) -> Any:
        name = "abc"[n]
        fields = [f for f in TYPES if f in ("id", "name", "size") or n == 0 or random_.random() < 0.8]
        columns = [changing_tables.Column(random_.choice([f, f"{f}_of", f[:2]]), f, TYPES[f]) for f in fields]
        columns += [changing_tables.Column("note", None, "text")] if random_.random() < 0.5 else []
        random_.shuffle(columns)
        (tmp_path / name).mkdir()
        urls = {"postgresql": "logical_url", "mysql": "mysql_url"}
        at = request.getfixturevalue(urls[kind]) if kind in urls else str(tmp_path / name / PLACES.get(kind, kind))
        native = native_systems.KINDS[kind](at, native_systems.Shape({}, ()))
        return changing_tables.Seat(name, kind, native, native_systems.Shape, columns, {c.field: c.name for c in columns if c.field})

    def to_its_end(seed: int, kinds: tuple[str, ...], policy: str, *, turns: int, amid: bool = False) -> None:
        random_ = random.Random(f"drift {seed}")
        seats = [seat(random_, n, kind) for n, kind in enumerate(kinds)]
        keyed = {s.name: {"things": Resource("things", key=(s.mapped["id"],))} for s in seats}
        systems = {s.name: System(s.name, s.kind, s.native.at, resources=keyed[s.name]) for s in seats}
        logs = {s.name: "cdc" if s.kind in LOGGED and random_.random() < 0.6 else "sweep" for s in seats}
        bindings = {s.name: Binding(s.name, "things", mapping(s), capture=logs[s.name]) for s in seats}  # type: ignore[arg-type]
        entity = Entity("thing", ("id",), {f: Field(f, t, required=f == "id") for f, t in TYPES.items()})
        flow = Flow("things", "thing", bindings, drift=policy)  # type: ignore[arg-type]
        map_ = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": flow})
        connectors = {name: open_connector(system, base=tmp_path) for name, system in systems.items()}
        store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
        world = World(random_, policy, changing_tables, seats, map_, connectors, store, amid, {s.name: {} for s in seats})
        opened.append(world)
        world.story.append(f"seed {seed}: {policy}, " + ", ".join(f"{s.name} = {s.kind} {logs[s.name]} {s.mapped}" for s in seats))
        for _ in range(ROWS):
            world.insert(seats[0])
        try:
            world.live(turns)
        except Exception as error:
            raise AssertionError("\n".join([*world.story, f"{type(error).__name__}: {error}"])) from error

    yield to_its_end
    for world in opened:
        world.store.close()
        for connector in world.connectors.values():
            connector.close()


def kinds_of(seed: int, first: tuple[str, ...] = KINDS) -> tuple[str, ...]:
    random_ = random.Random(f"systems {seed}")
    return (random_.choice(first), *random_.choices(KINDS, k=random_.choice([1, 1, 2])))


@pytest.mark.parametrize(("seed", "policy", "kinds"), [(8, "stop", ("sqlite", "csv")), (5, "quarantine", ("jsonl", "sqlite"))])
def test_columns_change_and_no_value_goes_astray(live: Any, seed: int, policy: str, kinds: tuple[str, ...]) -> None:
    """A short life of cheap systems; the long ones are below."""
    live(seed, kinds, policy, turns=1)


@pytest.mark.prove
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(int(os.environ.get("ACCORD_SEEDS", "20"))))
def test_columns_change_between_runs_and_no_value_goes_astray(live: Any, seed: int, policy: str) -> None:
    """The long form; ``ACCORD_SEEDS=100`` tries more."""
    live(seed, kinds_of(seed), policy, turns=3)


@pytest.mark.prove
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(1000, 1000 + int(os.environ.get("ACCORD_SEEDS", "20")) // 2))
def test_columns_change_amid_runs_and_no_value_goes_astray(live: Any, seed: int, policy: str) -> None:
    """Between reading and writing, and between writing and reading back."""
    live(seed, kinds_of(seed), policy, turns=3, amid=True)


@pytest.mark.prove
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(2000, 2000 + int(os.environ.get("ACCORD_SEEDS", "20")) // 2))
def test_columns_of_servers_change_and_no_value_goes_astray(live: Any, seed: int, policy: str) -> None:
    """With logs of changes that go on over the change, too."""
    live(seed, kinds_of(seed, SERVERS), policy, turns=3, amid=seed % 2 == 1)
