"""Values of every type through systems of every kind, there and back, against an oracle in plain Python.

A case draws rows with nasty values, puts each into one of two to five systems of different kinds with that system's own library, and has
them kept in agreement: after every run each system shows each row with the value that was written last, a second run writes nothing, and
what a system cannot hold is told and stands nowhere else in another form.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import FlowResult, reconcile, run_flow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KINDS = ("postgresql", "mysql", "sqlite", "duckdb", "csv", "jsonl", "parquet", "xlsx", "rest")
LOGGED = ("postgresql", "mysql", "sqlite")
PLACES = {"sqlite": "lite.db", "duckdb": "duck.duckdb", "xlsx": "book.xlsx"}
NUMBERS = ("number(12,2)", "number(38,9)", "number(9,0)", "number(38,0)", "number(20,3)", "number(38,38)", "number")
KEYS: dict[str, tuple[str, ...]] = {"text": ("text",), "integer": ("integer",), "uuid": ("uuid",), "composite": ("text", "integer")}
TEXTS = (
    "", " ", "  both  ", "\t", "\n", "\r", "\r\n", "two\nlines", "cr\rhere", "crlf\r\nthere", "ends\n", "007", "+1",
    "-0", "1e5", "1.50", "1,5",
    "0x10", "NULL", "null", "None", "nan", "Infinity", "\\N", "\\", "\\x41", "\\u0041", "_x0041_", "_x000D_", "true",
    "FALSE", "=1+1", "@a", "-x",
    "#N/A", "2024-02-29", "2024-02-29T10:00:00Z", "10:30", '"', '""', "'", "''", '"quoted"', "a,b;c\td|e", '{"a": 1}',
    "[1]", "é", "e\u0301",
    "\u212b", "\ufb01", "ß", "İ", "🙂", "👩\u200d👩\u200d👧", "\u200b", "\ufeff", "\ufeffbom", "\u00a0", "\u2028",
    "\u0085", "\x01", "\x1f", "\x7f",
    "\x0b", "\ufffe", "\uffff", "\U0010ffff", "\u202eabc", "%s {0} $1 :x ?", "'; DROP TABLE things; --",
    "nul\x00in", "x" * 5000, "🙂" * 300,
    "Straße", "STRASSE", "a", "A", "ä", "a ", " a", "z" * 40_000,
)  # fmt: skip
KEY_TEXTS = tuple(text for text in TEXTS if len(text) <= 300)
DOUBLES = (
    0.0, -0.0, 0.1, 1 / 3, 0.1 + 0.2, -1.5, 1e15, 1e16, 123456789.123456789, 9007199254740993.0, 1e22, 1e23, 5e-324, -5e-324,
    2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308, -1.7976931348623157e308, 1e300, 1e-300, 3.0, 1e-7,
)  # fmt: skip
INTEGERS = (0, 1, -1, 7, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 10**15, 10**15 - 1, 10**18 + 1)
DATES = (date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10), date(1899, 12, 31), date(1900, 2, 28), date(1900, 3, 1), date(2024, 2, 29))
MOMENTS = (
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
    "2024-02-29T23:59:59.123456Z",
    "2024-03-31T01:30:00.5Z", "1900-02-28T00:00:00Z", "1900-03-01T00:00:00.001Z", "2038-01-19T03:14:08Z", "2024-10-27T00:00:00.000001Z",
    "2024-06-01T00:00:00Z", "1582-10-10T12:00:00Z",
)  # fmt: skip
DOCUMENTS = (
    "null", "true", "false", "0", "1", "-0.0", "1.50", "1e400", "12345678901234567890.125", '""', '"1"', '"null"',
    '"two words"', '"\\u00e9"',
    '"e\u0301"', '"\\u0000"', '"\\ud83d\\ude42"', "[]", "{}", "[null]", "[1, 2.50, null, true]", '{"a": 1, "A": 2, " a": 3, "a ": 4}',
    '{"é": 1, "e\u0301": 2}', '{"b": {"c": [1, {"d": "e"}]}, "a": 2}', '{"": "", "0": null}', '{"a": 1, "a": 2}', "[[[[[[[[[[1]]]]]]]]]]",
    '{"big": 123456789012345678901234567890, "small": 1E-30}', '"line\\nbreak\\r"', '" "', ' {"spaces" :  1 } ', '{"quote": "\\"\\\\\'"}',
    '{"n": 9007199254740993}', '"\\u2028"', '{"a": "\\u0001"}',
)  # fmt: skip
BYTES = (b"", b"\x00", b"\x00\xff\n", b"abc", b"\\x41", b"'\"\\", bytes(range(256)), b"\xef\xbb\xbf", b" ", b"\r\n", b"\xff" * 3000)
COLUMNS = (
    "id", "k0", "k1", "c0", "c1", "c2", "t", "s", "n", "v", "i", "key", "value", "order", "Group", "select",
    "two words", "größe", "a.b", "row",
    "rows", "op", "old", "new", "base", "name", "now", "line", "_id", "x'y", "f3", "a-b", "user", "column", "index", "j", "u", "d", "m",
)  # fmt: skip
UUIDS = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "c0ffee00-1234-4321-abcd-0123456789ab")
Key = tuple[Any, ...]
Row = dict[str, Any]


def why_not(kind: str, type_: str, value: Any) -> str:
    """What a kind cannot hold, as its page says; an empty text for all else."""
    if value is None:
        return ""
    if kind == "postgresql" and "\x00" in (str(json.loads(value)) if type_ == "json" else str(value) if type_ == "text" else ""):
        return "0x00"
    if kind == "xlsx" and type_ == "text":
        if value == "":
            return "empty text"
        if len(value) > 32_767:
            return "32,767"
        if any((c < " " and c not in "\t\n\r") or c in "\ufffe\uffff" for c in value):
            return "control characters"
    return "empty text" if kind == "xlsx" and value == b"" else ""


def form(kind: str, value: Any) -> Any:
    """What a kind shows in the place of a value: an empty text is no value for every type but text, so empty bytes are none either."""
    return None if kind in ("csv", "jsonl", "rest", "xlsx") and value == b"" else value


class Draw:
    """Values of one case, from its seed."""

    def __init__(self, seed: int, tools: Any) -> None:
        self.random = random.Random(f"kinds {seed}")
        self.tools = tools

    def value(self, type_: str) -> Any:
        if self.random.random() < 0.12:
            return None
        return getattr(self, type_.partition("(")[0])(type_)

    def key(self, type_: str) -> Any:
        if type_ == "text" and self.random.random() < 0.7:
            return self.random.choice(KEY_TEXTS)
        value = getattr(self, type_)(type_)
        return value[:80] if type_ == "text" else value

    def text(self, _: str) -> str:
        if self.random.random() < 0.75:
            return self.random.choice(TEXTS)
        ranges = ((32, 126), (160, 0x24F), (0x300, 0x36F), (0x4E00, 0x4FFF), (0x1F300, 0x1F6FF), (0, 31), (0xE000, 0xE010))
        return "".join(chr(self.random.randint(*self.random.choice(ranges))) for _ in range(self.random.randint(1, 12)))

    def integer(self, _: str) -> int:
        return self.random.choice(INTEGERS) if self.random.random() < 0.7 else self.random.randint(-(10**6), 10**6)

    def number(self, type_: str) -> Decimal:
        precision, scale = digits(type_)
        most = 10**precision - 1
        whole = self.random.choice((0, 1, -1, most, -most, self.random.randint(-most, most), self.random.randint(-(10**6), 10**6) % most))
        return Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), -scale))  # exact, however long

    def double(self, _: str) -> float:
        if self.random.random() < 0.6:
            return self.random.choice(DOUBLES)
        while True:
            value: float = struct.unpack("d", self.random.randbytes(8))[0]
            if value == value and abs(value) != float("inf"):
                return value

    def boolean(self, _: str) -> bool:
        return self.random.random() < 0.5

    def date(self, _: str) -> date:
        return self.random.choice(DATES) if self.random.random() < 0.6 else date.fromordinal(self.random.randint(1, 3652059))

    def timestamp(self, _: str) -> datetime:
        if self.random.random() < 0.7:
            return datetime.fromisoformat(self.random.choice(MOMENTS))
        days, microseconds = self.random.randint(0, 3_652_058), self.random.randint(0, 86_399_999_999)
        return datetime(1, 1, 1, tzinfo=UTC) + timedelta(days=days, microseconds=microseconds)

    def uuid(self, _: str) -> str:
        return self.random.choice(UUIDS) if self.random.random() < 0.5 else str(UUID(bytes=self.random.randbytes(16)))

    def json(self, _: str) -> Any:
        return self.tools.Json(self.random.choice(DOCUMENTS))

    def binary(self, _: str) -> bytes:
        return self.random.choice(BYTES) if self.random.random() < 0.7 else self.random.randbytes(self.random.randint(1, 40))


def digits(type_: str) -> tuple[int, int]:
    """Precision and scale."""
    found = type_.partition("(")[2].rstrip(")").split(",")
    return (int(found[0]), int(found[1])) if found[0] else (38, 9)


@dataclass
class World:
    """Systems of several kinds, what they should show, and how they are kept in agreement."""

    seed: int
    draw: Draw
    shape: Any
    systems: dict[str, Any]
    map: IntegrationMap
    connectors: dict[str, Any]
    store: Any
    made: set[str]
    wanted: dict[Key, Row] = field(default_factory=dict)
    shown: dict[str, dict[Key, Row]] = field(default_factory=dict)
    runs: int = 0

    def why_not(self, kind: str, row: Row, there: Row | None = None) -> str:
        """Why a system of this kind cannot hold the row; empty bytes are nothing to write where it has no value ``there``."""
        types = self.shape.types
        written = {n: v for n, v in row.items() if not (v == b"" and there is not None and there[n] is None)}
        return next(filter(None, (why_not(kind, types[n].partition("(")[0], v) for n, v in written.items())), "")

    def row(self, kind: str, names: list[str]) -> Row:
        """Values of these fields that a system of this kind can hold."""
        row = {}
        for name in names:
            type_ = self.shape.types[name]
            while True:
                row[name] = self.draw.key(type_) if name in self.shape.key else self.draw.value(type_)
                # An API makes a row under a key without an address, and cannot change it.
                addressed = name not in self.shape.key or "rest" not in self.systems or str(row[name]).strip(".")
                told = "sqlite" not in self.systems or in_sqlite(row[name])
                if addressed and told and not self.why_not(kind, {name: row[name]}) and form(kind, row[name]) is row[name]:
                    break
        return row

    def insert(self, kind: str) -> None:
        row = self.row(kind, list(self.shape.types))
        key = self.shape.key_of(row)
        if key not in self.wanted and not any(key in rows for rows in self.shown.values()):
            self.systems[kind].put(row)
            self.wanted[key] = row

    def edit(self, kind: str, key: Key) -> None:
        names = [n for n in self.shape.types if n not in self.shape.key]
        values = self.row(kind, self.draw.random.sample(names, self.draw.random.choice((1, 1, 2, len(names)))))
        self.systems[kind].change(key, values)
        self.wanted[key] = self.wanted[key] | values

    def delete(self, kind: str, key: Key) -> None:
        self.systems[kind].drop(key)
        del self.wanted[key]

    def disturb(self) -> None:
        """Each row in one system at most, and there only while it shows what is agreed: nobody disagrees."""
        random_, kinds = self.draw.random, [k for k in self.systems if k in self.made]
        keys = [key for key in self.wanted if random_.random() < 0.6]
        deleted = 0
        for key in keys:
            kind = random_.choice(kinds)
            if self.shown.get(kind, {}).get(key) != self.wanted[key]:
                continue
            if random_.random() < 0.25 and deleted < 2:
                self.delete(kind, key)
                deleted += 1
            else:
                self.edit(kind, key)
        for _ in range(random_.randint(0, 3)):
            self.insert(random_.choice(kinds))

    def run(self) -> FlowResult:
        self.runs += 1
        now = NOW + timedelta(minutes=self.runs)
        return run_flow(self.map, "things", self.connectors, self.store, run=f"r{self.runs}", now=now)

    def stuck(self) -> set[tuple[str, Key]]:
        there = {kind: self.shown.get(kind, {}) for kind in self.systems}
        return {(kind, key) for kind in self.systems for key, row in self.wanted.items() if self.why_not(kind, row, there[kind].get(key))}

    def agree(self, *, twice: bool = True) -> None:
        """One run brings every change everywhere, and the next one has nothing to do."""
        result = self.run()
        self.made |= set(self.systems)
        stuck = self.stuck()
        for kind in self.systems:
            before = self.shown.get(kind, {})
            due = {k: before.get(k) if (kind, k) in stuck else row for k, row in self.wanted.items()}
            self.shown[kind] = {k: {n: form(kind, v) for n, v in row.items()} for k, row in due.items() if row is not None}
        self.look(result, stuck)
        if twice:
            result = self.run()
            self.look(result, stuck)
            written = {name: result.counts[name] for name in ("inserted", "updated", "deleted", "stale")}
            assert not any(written.values()), self.told(result)
            assert stuck or not result.changed, self.told(result)

    def look(self, result: FlowResult, stuck: set[tuple[str, Key]]) -> None:
        """Every system shows what it should, and of what it cannot show the run has told."""
        for kind, system in self.systems.items():
            self.compare(kind, system.read(), result)
        refused = {f.subject.split("/")[0]: f.count for f in result.findings if f.kind == "refused"}
        held = (result.counts["quarantined"], result.waiting, result.counts["conflicts"], result.open_conflicts)
        assert refused == dict(Counter(kind for kind, _ in stuck)), self.told(result)
        assert held == (0, 0, 0, 0), self.told(result)
        assert [f for f in result.findings if f.kind != "refused"] == []

    def compare(self, kind: str, rows: list[Row], result: FlowResult) -> None:
        """Every difference of a system, named."""
        found = {self.shape.key_of(row): row for row in rows}
        due = self.shown[kind]
        assert len(rows) == len(found), f"{self}: rows twice in {kind}"
        wrong = [f"{kind} lacks {key!r}" for key in due.keys() - found.keys()]
        wrong += [f"{kind} has {key!r}" for key in found.keys() - due.keys()]
        wrong += [
            f"{kind} {key!r} {name}: {found[key][name]!r}, due {value!r}"
            for key in due.keys() & found.keys()
            for name, value in due[key].items()
            if (type(found[key][name]), found[key][name]) != (type(value), value)
        ]
        assert not wrong, "\n".join([self.told(result), *wrong])

    def prove(self) -> None:
        proof = reconcile(self.map, "things", self.connectors, self.store, run="proof", now=NOW + timedelta(hours=1))
        assert not any(proof.quarantined.values()), (str(self), proof.quarantined)
        stuck = {tuple(map(str, key)) for _, key in self.stuck()}
        wrong = [row for row in proof.differences.to_pylist() if tuple(map(str, json.loads(row["key"]).values())) not in stuck]
        assert not [row for row in wrong if not self.expected(row)], "\n".join([str(self), *map(str, wrong)])

    def expected(self, row: Row) -> bool:
        """Whether a difference is one that a page tells of: empty bytes that are no value somewhere."""
        field_ = self.map.entities["thing"].fields.get(row["field"])
        left, right = row["left_value"], row["right_value"]
        empty = field_ is not None and field_.type == "binary" and {left, right} == {None, ""}
        return empty and any(form(kind, b"") is None for kind in (row["left"], row["right"]))

    def told(self, result: FlowResult) -> str:
        return f"{self}: {dict(result.counts)} {[f.sentence for f in result.findings]}"

    def __str__(self) -> str:
        logs = [b.name for b in self.map.flows["things"].bindings.values() if b.capture == "cdc"]
        return f"seed {self.seed}: {', '.join(self.systems)}, key {self.shape.key}, columns {self.shape.types}, logs {logs}"


def in_sqlite(value: Any) -> bool:
    """Whether SQLite itself can say which double this is; of the largest and smallest it loses the last digit (docs/files.md)."""
    if not isinstance(value, float):
        return True
    with closing(sqlite3.connect(":memory:")) as db:
        row = db.execute("SELECT printf('%!.17g', ?1), CAST(?1 AS TEXT), CAST(CAST(?1 AS TEXT) AS REAL) = ?1", (value,)).fetchone()
    long, short, same = row
    return float(long) == value and (float(short) == value or not same)


def build(seed: int, kinds: tuple[str, ...], native_systems: Any, open_: Any, folder: Path, *, logs: bool) -> World:
    """The systems of a case with their first rows."""
    draw = Draw(seed, native_systems)
    keys, number = KEYS[draw.random.choice(sorted(KEYS))], draw.random.choice(NUMBERS)
    of_fields = dict(enumerate((*keys, number, "text", "integer", "double", "boolean", "date", "timestamp", "uuid", "json", "binary"), 1))
    columns = dict(zip(of_fields, draw.random.sample(COLUMNS, len(of_fields)), strict=True))
    types = {columns[n]: type_ for n, type_ in of_fields.items()}
    key = [columns[n] for n in range(1, len(keys) + 1)]
    shape = native_systems.Shape(types, tuple(key))
    systems = {kind: open_(kind, shape) for kind in kinds}
    at_first = [kind for kind in kinds if draw.random.random() < 0.7] or [kinds[0]]
    api = {"items": "data", "total": "total", "page_size": "1000", "retry_seconds": "0.01", "retries": "1"}
    named = {}
    for kind, system in systems.items():
        columns_of = types if kind == "rest" else {}
        resources = {"things": Resource("things", key=tuple(key), columns=columns_of)}
        named[kind] = System(kind, kind, system.at, resources=resources, options=api if kind == "rest" else {})
    fields = {f"f{n}": Field(f"f{n}", type_) for n, type_ in of_fields.items()}
    mapped = {f"f{n}": FieldMapping(f"f{n}", column) for n, column in columns.items()}
    bindings = {
        kind: Binding(
            kind,
            "things",
            mapped,
            create=kind not in at_first and kind != "rest",
            capture="cdc" if logs and kind in LOGGED else "sweep",
        )
        for kind in kinds
    }
    map_ = IntegrationMap(
        "test",
        systems=named,
        entities={"thing": Entity("thing", tuple(fields)[: len(key)], fields)},
        flows={"things": Flow("things", "thing", bindings)},
    )
    connectors = {name: open_connector(system, base=folder) for name, system in named.items()}
    store = open_store(folder / "store.db", segments=folder / "segments")
    world = World(seed, draw, shape, systems, map_, connectors, store, set(at_first))
    for kind, system in systems.items():
        if kind in at_first or kind == "rest":
            system.make()
    for kind in at_first:
        for _ in range(draw.random.randint(1, 4)):
            world.insert(kind)
    return world


@pytest.fixture
def play(native_systems: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Plays a case to its end."""
    opened: list[World] = []

    def native(kind: str, shape: Any) -> Any:
        if kind == "rest":
            system = native_systems.Rest("", shape)
            system.api = request.getfixturevalue("rest_api")
            system.at = system.api.url
            return system
        urls = {"postgresql": "logical_url", "mysql": "mysql_url"}
        at = request.getfixturevalue(urls[kind]) if kind in urls else str(tmp_path / PLACES.get(kind, kind))
        return native_systems.KINDS[kind](at, shape)

    def to_its_end(seed: int, kinds: tuple[str, ...], *, rounds: int, logs: bool) -> None:
        world = build(seed, kinds, native_systems, native, tmp_path, logs=logs)
        opened.append(world)
        world.agree(twice=rounds > 1)
        for _ in range(rounds):
            world.disturb()
            world.agree()
        world.prove()

    yield to_its_end
    for world in opened:
        world.store.close()
        for connector in world.connectors.values():
            connector.close()


@pytest.mark.parametrize(("seed", "kinds"), [(0, KINDS[::2]), (1, KINDS[1::2])])
def test_values_of_every_type_come_through_every_kind(play: Any, seed: int, kinds: tuple[str, ...]) -> None:
    """The short form: what a kind makes of a value must go back to nobody, and be found nowhere else."""
    play(seed, kinds, rounds=1, logs=True)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(int(os.environ.get("ACCORD_SEEDS", "60"))))
def test_values_of_every_type_come_through_any_kinds(play: Any, seed: int) -> None:
    """The long form; ``ACCORD_SEEDS=500`` tries more."""
    random_ = random.Random(f"systems {seed}")
    kinds = tuple(random_.sample(KINDS, random_.randint(2, 5)))
    play(seed, kinds, rounds=2, logs=random_.random() < 0.5)
