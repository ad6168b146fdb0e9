"""Reconciled by digests, of the systems or made as rows pass, or row by row: the same differences, counts, and rows in quarantine."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store, open_store
from accord.sync import Reconciliation, reconcile
from accord.sync.proof.native import read_suspects
from accord.sync.run import open_cycle

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# Field with its contract, the column's type per kind of system, and values of which some are nearly the same.
COLUMNS: tuple[tuple[Field, Mapping[str, str], Sequence[str]], ...] = (
    (Field("name", values=("a", "A", "a ", "", "ä", "a\u0308", "b")), {}, ("'a'", "'A'", "'a '", "''", "'ä'", "'a\u0308'", "'zz'", "NULL")),
    (Field("short"), {"postgresql": "char(3)"}, ("'a'", "'a '", "'A'", "NULL")),
    (Field("amount", "number(12,2)", minimum="-5"), {"": "numeric(12,2)"}, ("5", "-5", "0", "0.05", "-5.01", "NULL")),
    (Field("free", "number"), {"postgresql": "numeric", "": "decimal(30,9)"}, ("1", "1.0", "1.000", "-1", "10000", "NULL")),
    (Field("score", "double"), {"": "double precision"}, ("0.0", "-0.0", "'NaN'", "0.1", "0.10000000000000002", "NULL")),
    (Field("count", "integer", maximum="4294967296"), {"": "bigint"}, ("0", "1", "-1", "4294967296", "4294967297", "NULL")),
    (Field("label"), {"": "int"}, ("0", "1", "NULL")),
    (Field("active", "boolean"), {"": "boolean"}, ("true", "false", "NULL")),
    (Field("born", "date"), {"": "date"}, ("'2000-01-01'", "'1999-12-31'", "'0001-01-01'", "NULL")),
    (
        Field("seen", "timestamp", minimum="1971-01-01 00:00:00Z"),
        {"": "timestamptz"},
        ("'1970-01-01 00:00:00Z'", "'2000-01-01 00:00:00.000001Z'", "'2000-01-01 01:11:34.967296Z'", "NULL"),
    ),
    (Field("wall", "timestamp"), {"": "timestamp"}, ("'2000-01-01 00:00:00'", "'2000-01-01 00:00:00.5'", "NULL")),
    (Field("code", "uuid"), {"": "uuid"}, (f"'{'0' * 31}1'", f"'{'0' * 31}2'", "NULL")),
    (
        Field("data", "json"),
        {"postgresql": "jsonb", "": "json"},
        ('\'{"a": 1, "b": 2}\'', '\'{"b": 2, "a": 1}\'', "'5'", "'-5'", "'5.0'", "'null'", "NULL"),
    ),
    (Field("raw", "json"), {"": "json"}, ('\'{"a": 1, "b": 2}\'', '\'{"b": 2,  "a": 1.0}\'', "'[1]'", "NULL")),
    (Field("tags", "json"), {"": "varchar[]"}, ("ARRAY['a', 'b']", "ARRAY['ab']", "ARRAY['b', 'a']", "NULL")),
    (Field("must", required=True), {}, ("'x'", "'y'", "'x'", "'y'", "NULL")),
)
RULE = Rule("no_old_zero", "born > '1999-12-31' OR NOT count = 0")
# Values for which a scan shows the whole column as texts.
ODD = {"amount": "'NaN'", "free": "0.12345678901234"}
EVERYWHERE = ("name", "amount", "score", "count", "label", "must")
ENDLESS = {"born": "'infinity'", "seen": "'infinity'", "wall": "'-infinity'"}
PLACES = ("'p'", "'P'", "'p '")


@dataclass
class World:
    """Tables of one kind that were alike and then went their own ways, and a flow over them."""

    kinds: Sequence[str]
    ats: Sequence[str]
    execute: Callable[[int, Sequence[str]], None]
    chosen: random.Random
    keys: int = 40
    odd: bool = False
    columns: list[tuple[Field, Mapping[str, str], Sequence[str]]] = field(default_factory=list)
    placed: bool = False

    def build(self) -> None:
        chosen = self.chosen
        known = COLUMNS if len(set(self.kinds)) == 1 else [c for c in COLUMNS if c[0].name in EVERYWHERE]
        self.columns, self.placed = chosen.sample(known, chosen.randint(1, len(known))), chosen.random() < 0.4
        rows = [self.row(number, endless=chosen.random() < 0.05) for number in range(self.keys)]
        for side, kind in enumerate(self.kinds):
            table = f"t{side}"
            kinds = [f"{f.name} {kinds.get(kind, kinds.get('', 'text'))}" for f, kinds, _ in self.columns]
            mine = self.changed(rows)
            put = [f"INSERT INTO {table} VALUES {', '.join(mine)}"] if mine else []
            made = f"CREATE TABLE {table} (id bigint, place text, {', '.join(kinds)})"
            self.execute(side, [f"DROP TABLE IF EXISTS {table}", made, *put])

    def row(self, number: int, *, endless: bool = False) -> list[str]:
        values = [self.chosen.choice(values) for _, _, values in self.columns]
        if endless:
            values = [ENDLESS.get(f.name, v) for (f, _, _), v in zip(self.columns, values, strict=True)]
        return [str(number), self.chosen.choice(PLACES) if self.placed else "'p'", *values]

    def changed(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """One side's rows: some changed, gone, new, there twice, or without a key."""
        chosen, found = self.chosen, []
        rate = chosen.choice((0.0, 0.1, 0.3))
        for number, row in enumerate(rows):
            mine = list(row)
            if chosen.random() < rate:
                place = chosen.randrange(len(self.columns))
                mine[2 + place] = chosen.choice(self.columns[place][2])
            if chosen.random() < rate / 2:
                mine = self.row(number)
            if chosen.random() < rate / 2:
                mine[chosen.randrange(2)] = "NULL"
            if chosen.random() >= rate / 2:
                found.append(mine)
            if chosen.random() < rate / 2:
                found.append(mine if chosen.random() < 0.5 else self.row(number))
            if chosen.random() < rate / 2:
                found.append(self.row(1_000 + chosen.randrange(20)))
            if self.odd and set(self.kinds) == {"postgresql"} and number == 7:
                found.append([ODD.get(c, v) for c, v in zip(("id", "place", *(f.name for f, _, _ in self.columns)), mine, strict=True)])
        chosen.shuffle(found)
        return [f"({', '.join(row)})" for row in found]

    def reconcile(self, store: Store, folder: Path, *, read_all: bool) -> Reconciliation:
        key = ("id", "place") if self.placed else ("id",)
        fields = {f.name: f for f in (Field("id", "integer"), *((Field("place"),) if self.placed else ()), *(c[0] for c in self.columns))}
        rules = {RULE.name: RULE} if {"born", "count"} <= set(fields) else {}
        entity = Entity("thing", key, fields, rules=rules)
        names = [f"s{n}" for n in range(len(self.ats))]
        bindings = {n: Binding(n, f"t{i}", {f: FieldMapping(f) for f in fields}) for i, n in enumerate(names)}
        systems = {n: System(n, kind, at) for n, kind, at in zip(names, self.kinds, self.ats, strict=True)}
        map_ = IntegrationMap("m", systems=systems, entities={"thing": entity}, flows={"things": Flow("things", "thing", bindings)})
        with ExitStack() as opened:
            connectors = {n: opened.enter_context(closing(open_connector(s, base=folder))) for n, s in systems.items()}
            return reconcile(map_, "things", connectors, store, run="r", now=NOW, read_all=read_all)


@pytest.fixture(params=["postgresql", "duckdb", "mixed"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Makes a world of a number of systems from a seed."""
    kinds = {"mixed": ("postgresql", "sqlite", "duckdb")}.get(request.param, (str(request.param),) * 3)
    at = str(request.getfixturevalue("postgres_url")) if "postgresql" in kinds else ""
    ats = [at if kind == "postgresql" else f"s{n}.{kind}" for n, kind in enumerate(kinds)]

    def execute(side: int, statements: Sequence[str]) -> None:
        if kinds[side] == "postgresql":
            with psycopg.connect(at, autocommit=True) as db:
                db.execute("; ".join(statements).encode())
            return
        connect: Any = duckdb.connect if kinds[side] == "duckdb" else sqlite3.connect
        with closing(connect(str(tmp_path / ats[side]))) as db:
            for statement in statements:
                db.execute(statement)
            db.commit() if kinds[side] == "sqlite" else None

    def build(seed: int, sides: int, **options: Any) -> World:
        world = World(kinds[:sides], ats[:sides], execute, random.Random(seed), **options)
        world.build()
        return world

    return build


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Where the proofs go."""
    with closing(open_store(tmp_path / "store.db", segments=tmp_path / "segments")) as opened:
        yield opened


def told(proof: Reconciliation) -> Any:
    """All that a proof says but how it came to know."""
    pairs = [(p.left, p.right, p.keys, p.missing, p.extra, p.different, p.left_digest == p.right_digest) for p in proof.pairs]
    return pairs, sorted(map(str, proof.differences.to_pylist())), dict(proof.quarantined), dict(proof.rows)


def hold_against_each_other(make: Any, store: Store, folder: Path, seeds: Sequence[int]) -> list[Reconciliation]:
    """Both ways over a world of every seed; gives the proofs that came by digests."""
    found = []
    for seed in seeds:
        world = make(seed, 2 + seed % 2, odd=seed % 7 == 0)
        native, portable = (world.reconcile(store, folder, read_all=read_all) for read_all in (False, True))
        assert told(native) == told(portable), f"seed {seed}"
        assert all((p.left_digest == p.right_digest) == p.agrees for p in (*native.pairs, *portable.pairs)), f"seed {seed}"
        assert {p.method for p in portable.pairs} == {"portable"}
        assert seed % 7 == 0 or {p.method for p in native.pairs} == {"native" if len(set(world.kinds)) == 1 else "portable"}, f"seed {seed}"
        found.append(native)
    return found


def test_both_ways_say_the_same(make: Any, store: Store, tmp_path: Path) -> None:
    """Of values that are nearly the same, rows there twice or without a key, and rows that break the contract."""
    found = hold_against_each_other(make, store, tmp_path, (3, 4, 7))

    assert sum(p.different for proof in found for p in proof.pairs) > 5
    assert sum(p.missing + p.extra for proof in found for p in proof.pairs) > 5
    assert sum(sum(proof.quarantined.values()) for proof in found) > 5


def test_only_rows_that_may_differ_are_read(postgres_url: str, store: Store, tmp_path: Path) -> None:
    """Of a large table in agreement but for a few rows that is nearly nothing, in memory and in work; two thousand are still few."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        for table in "lr":
            db.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text, at timestamptz)".encode())
            db.execute(f"INSERT INTO {table} SELECT i, 'n' || i, '2026-01-01' FROM generate_series(1, 60000) i".encode())
        db.execute("UPDATE r SET name = 'x' WHERE id % 30 = 0; DELETE FROM r WHERE id = 7; UPDATE l SET name = NULL WHERE id = 8")
    fields = {f.name: f for f in (Field("id", "integer"), Field("name", required=True), Field("at", "timestamp"))}
    bindings = {n: Binding(n, n, {f: FieldMapping(f) for f in fields}, system="db") for n in "lr"}
    map_ = IntegrationMap("m", entities={"thing": Entity("thing", ("id",), fields)}, flows={"things": Flow("things", "thing", bindings)})
    with closing(open_connector(System("db", "postgresql", postgres_url), base=tmp_path)) as connector:
        with open_cycle(map_, "things", {"db": connector}, store, run="r", now=NOW, progress=None) as cycle, ExitStack() as held:
            alike = read_suspects(cycle, held)
            read = [cycle.count(f"SELECT count(*) FROM {side.table('cap')}") for side in cycle.sides]
        proof = reconcile(map_, "things", {"db": connector}, store, run="r", now=NOW)

    assert alike is not None
    assert (alike.keys, read) == (60_000 - 2_002, [2_002, 2_001])
    (pair,) = proof.pairs
    assert (pair.method, pair.keys, pair.missing, pair.extra, pair.different) == ("native", 59_998, 1, 0, 2_000)
    assert (dict(proof.quarantined), dict(proof.rows)) == ({"l": 1, "r": 0}, {"l": 60_000, "r": 59_999})


@pytest.mark.prove
def test_both_ways_say_the_same_of_many_worlds(make: Any, store: Store, tmp_path: Path) -> None:
    """The long form."""
    hold_against_each_other(make, store, tmp_path, range(100, 500))
