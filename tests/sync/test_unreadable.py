"""Texts that are none (bytes in no encoding, half a character): their rows wait with the reason, and all others pass."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.store import open_store
from accord.sync import run_flow
from accord.sync.proof.diff import compare_resources

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RESOURCES = {"things": Resource("things", key=("id",))}
Rows = Mapping[str, bytes]
LATE = {"k2": b"\xc3\xa9t\xc3\xa9", "k3": b"late \xe9"}


def _write_sqlite(at: Path, rows: Rows) -> None:
    with closing(sqlite3.connect(at)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY, v TEXT, n INTEGER)")
        db.execute("CREATE UNIQUE INDEX IF NOT EXISTS one ON things (id)")
        db.executemany(
            "INSERT INTO things VALUES (?, CAST(? AS TEXT), 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v WHERE v <> excluded.v",
            rows.items(),
        )


def _write_csv(at: Path, rows: Rows) -> None:
    at.mkdir(exist_ok=True)
    (at / "things.csv").write_bytes(b"id,v,n\n" + b"".join(b"%s,%s,1\n" % (k.encode(), v) for k, v in rows.items()))


def _write_jsonl(at: Path, rows: Rows) -> None:
    at.mkdir(exist_ok=True)
    (at / "things.jsonl").write_bytes(b"".join(b'{"id": "%s", "v": "%s", "n": 1}\n' % (k.encode(), v) for k, v in rows.items()))


def _write_parquet(at: Path, rows: Rows) -> None:
    at.mkdir(exist_ok=True)
    values = pa.array(rows.values(), pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(values), values.buffers())
    pq.write_table(pa.table({"id": pa.array(rows), "v": texts, "n": pa.array([1] * len(rows))}), at / "things.parquet")


FILES: dict[str, Callable[[Path, Rows], None]] = {
    "sqlite": _write_sqlite,
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}


@pytest.fixture
def ascii_url(logical_server: str) -> Iterator[str]:
    """A database that takes any bytes for text."""
    with psycopg.connect(logical_server, autocommit=True) as db:
        db.execute("CREATE DATABASE no_encoding ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    yield logical_server.replace("/postgres?", "/no_encoding?")
    with psycopg.connect(logical_server, autocommit=True) as db:
        slots = db.execute("SELECT slot_name FROM pg_replication_slots WHERE database = 'no_encoding'").fetchall()
    with psycopg.connect(logical_server.replace("/postgres?", "/no_encoding?"), autocommit=True) as db:
        for (slot,) in slots:
            db.execute("SELECT pg_drop_replication_slot(%s::text::name)", [slot])
    with psycopg.connect(logical_server, autocommit=True) as db:
        db.execute("DROP DATABASE no_encoding WITH (FORCE)")


class World:
    """A source of some kind, a SQLite target, and what came through."""

    def __init__(
        self, folder: Path, kind: str, at: str, *, direction: str = "read", fields: Mapping[str, FieldMapping] = {}, **source: Any
    ) -> None:
        self.folder, self.runs = folder, 0
        contract = {"id": Field("id"), "v": Field("v"), "n": Field("n", "integer")}
        mapped = {f: FieldMapping(f) for f in contract}
        bindings = {
            "a": Binding("a", "things", mapped | dict(fields), direction=direction, **source),
            "b": Binding("b", "things", mapped, direction="both" if direction == "both" else "write", create=True),
        }
        systems = {"a": System("a", kind, at, resources=RESOURCES), "b": System("b", "sqlite", "target.db", resources=RESOURCES)}
        entities = {"thing": Entity("thing", ("id",), contract)}
        self.map = IntegrationMap("t", systems=systems, entities=entities, flows={"things": Flow("things", "thing", bindings)})
        self.connectors: dict[str, Any] = {n: open_connector(s, base=folder) for n, s in systems.items()}
        self.store = open_store(folder / "store.db", segments=folder / "segments")

    def sync(self, **options: Any) -> Any:
        self.runs += 1
        return run_flow(self.map, "things", self.connectors, self.store, run=f"r{self.runs}", now=NOW, **options)

    def passed(self) -> dict[str, str]:
        with closing(sqlite3.connect(self.folder / "target.db")) as db:
            return dict(db.execute("SELECT id, v FROM things").fetchall())

    def held(self) -> dict[str, list[str]]:
        shas = self.store.flow_state("things").get("quarantine", ())
        found = [duckdb.sql(f"SELECT key, reasons FROM read_parquet('{self.store.read_segment(sha)}')").fetchall() for sha in shas]
        return {json.loads(key)["id"] if key else "": reasons for rows in found for key, reasons in rows}

    def close(self) -> None:
        self.store.close()
        for connector in self.connectors.values():
            connector.close()


def _story(world: World, write: Callable[[Rows], None]) -> None:
    """First a bad row, then another among edits, then both corrected."""
    rows = {f"k{n}": b"v%d" % n for n in range(8)} | {"k5": b"\xffA"}
    write(rows)
    world.sync()
    assert (len(world.passed()), world.held()) == (7, {"k5": ["v: '\\xFFA' is no text in UTF-8"]})

    write(rows | LATE)
    later = world.sync()
    assert (later.counts["updated"], later.counts["deleted"], later.waiting) == (1, 0, 2)
    assert (world.passed()["k2"], world.passed()["k3"], world.held()["k3"]) == ("été", "v3", ["v: 'late \\xE9' is no text in UTF-8"])

    write(rows | {"k3": b"good", "k5": b"good"})
    last = world.sync()
    assert (last.counts["released"], world.held(), world.passed()["k3"], world.passed()["k5"]) == (2, {}, "good", "good")
    world.close()


@pytest.mark.parametrize("kind", FILES)
def test_a_text_that_is_none_costs_its_row_alone(kind: str, tmp_path: Path) -> None:
    """One bad byte among a million rows must not keep all others from their systems."""
    at = tmp_path / ("source.db" if kind == "sqlite" else "source")

    _story(World(tmp_path, kind, at.name), lambda rows: FILES[kind](at, rows))


def test_a_text_that_is_none_costs_its_row_alone_in_the_log_of_sqlite(tmp_path: Path) -> None:
    """The log tells keys, and the rows behind them are read one by one."""
    at = tmp_path / "source.db"
    _write_sqlite(at, {})

    _story(World(tmp_path, "sqlite", at.name, capture="cdc"), lambda rows: _write_sqlite(at, rows))


@pytest.mark.parametrize("capture", ["sweep", "cdc"])
def test_a_text_that_is_none_costs_its_row_alone_in_a_database_without_encoding(capture: str, tmp_path: Path, ascii_url: str) -> None:
    """SQL_ASCII is what PostgreSQL calls it; the server checks nothing, and its log stops at a reader that does."""
    with psycopg.connect(ascii_url, autocommit=True) as db:
        db.execute("CREATE TABLE things (id text PRIMARY KEY, v text, n integer)")

    def write(rows: Rows) -> None:
        with psycopg.connect(ascii_url, autocommit=True) as db:
            db.cursor().executemany(
                "INSERT INTO things VALUES (%s::text, convert_from(%s, 'SQL_ASCII'), 1) "
                "ON CONFLICT (id) DO UPDATE SET v = excluded.v WHERE things.v <> excluded.v",
                list(rows.items()),
            )

    _story(World(tmp_path, "postgresql", ascii_url, capture=capture), write)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_first_load_of_many_rows_looks_at_each_of_them(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The fast path carries only what it knows to be text."""
    if kind == "sqlite":
        at = str(tmp_path / "source.db")
        _write_sqlite(Path(at), {f"k{n}": b"\xff" if n == 4000 else b"x" for n in range(12_000)})
    else:
        at = str(request.getfixturevalue("ascii_url"))
        with psycopg.connect(at, autocommit=True) as db:
            db.execute("CREATE TABLE things (id text PRIMARY KEY, v text, n integer)")
            db.execute("INSERT INTO things SELECT 'k' || n, 'x', 1 FROM generate_series(0, 11999) n")
            db.execute("UPDATE things SET v = convert_from('\\xff'::bytea, 'SQL_ASCII') WHERE id = 'k4000'")
    world = World(tmp_path, kind, at)

    world.sync()

    assert (len(world.passed()), world.held()) == (11_999, {"k4000": ["v: '\\xFF' is no text in UTF-8"]})
    world.close()


def test_half_a_character_in_json_costs_its_row_alone(tmp_path: Path) -> None:
    """JSON can spell what no text can hold."""
    _write_jsonl(tmp_path / "source", {"k1": b"x", "k2": b"\\ud83d alone", "k3": b"\\ud83d\\ude00"})
    world = World(tmp_path, "jsonl", "source")

    world.sync()

    assert (world.passed(), world.held()) == ({"k1": "x", "k3": "😀"}, {"k2": ["v: '\\uD83D alone' is no text in UTF-8"]})
    world.close()


def test_half_a_character_from_an_api_costs_its_row_alone(tmp_path: Path, rest_api: Any) -> None:
    """One item of a page is not the page."""
    for n in range(3):
        rest_api.put_text("things", json.dumps({"id": f"k{n}", "v": "\ud83d" if n == 1 else "x", "n": 1}))
    world = World(tmp_path, "jsonl", "source")
    options = {"items": "data", "pages": "cursor", "cursor_path": "next", "retry_seconds": "0.01", "retries": "1"}
    world.connectors["a"] = open_connector(System("a", "rest", rest_api.url, options=options, resources=RESOURCES), base=tmp_path)

    world.sync()

    assert (sorted(world.passed()), world.held()) == (["k0", "k2"], {"k1": ["v: '\\uD83D' is no text in UTF-8"]})
    world.close()


def test_a_key_that_is_no_text_does_not_look_like_a_delete(tmp_path: Path) -> None:
    """A row whose key was spoiled is still there, and so it stays in all other systems."""
    at = tmp_path / "source.db"
    _write_sqlite(at, {"k1": b"one", "k2": b"two"})
    world = World(tmp_path, "sqlite", at.name)
    world.sync()
    with closing(sqlite3.connect(at)) as db, db:
        db.execute("UPDATE things SET id = CAST(x'ff' AS TEXT) WHERE id = 'k2'")

    result = world.sync()

    assert (result.counts["deleted"], world.passed()) == (0, {"k1": "one", "k2": "two"})
    assert world.held() == {"": ["id: '\\xFF' is no text in UTF-8"]}
    world.close()


def test_a_row_whose_filter_is_no_text_does_not_look_like_a_delete(tmp_path: Path) -> None:
    """Nobody can tell whether it takes part; what others agreed on stays until somebody can."""
    at = tmp_path / "source.db"
    _write_sqlite(at, {"k1": b"in", "k2": b"in", "k3": b"out"})
    world = World(tmp_path, "sqlite", at.name, where="v = 'in'")
    world.sync()
    _write_sqlite(at, {"k2": b"\xff"})

    result = world.sync()

    assert (result.counts["deleted"], sorted(world.passed()), list(world.held())) == (0, ["k1", "k2"], ["k2"])
    world.close()


@pytest.mark.parametrize("kind", ["sqlite", "csv", pytest.param("jsonl", marks=pytest.mark.prove)])
def test_a_row_that_cannot_be_read_is_left_as_it_is_when_others_are_written(kind: str, tmp_path: Path) -> None:
    """Whatever stands there is somebody's value; a file that is written anew keeps its bytes."""
    at = tmp_path / ("source.db" if kind == "sqlite" else "source")
    FILES[kind](at, {"k1": b"one", "k2": b"bad \xff\xfe"})
    world = World(tmp_path, kind, at.name, direction="both")
    world.sync()
    with closing(sqlite3.connect(tmp_path / "target.db")) as db, db:
        db.execute("UPDATE things SET v = 'edited' WHERE id = 'k1'")
        db.execute("INSERT INTO things VALUES ('k3', 'new', 1)")

    for _ in range(2):
        world.sync()

    held = at.read_bytes() if kind == "sqlite" else next(at.iterdir()).read_bytes()
    assert b"bad \xff\xfe" in held
    assert b"edited" in held
    assert b"new" in held
    assert list(world.held()) == ["k2"]
    world.close()


def test_such_a_text_can_be_corrected_from_another_system(tmp_path: Path) -> None:
    """Whoever knows the right value may not have the program that wrote the wrong one."""
    at = tmp_path / "source.db"
    _write_sqlite(at, {"k1": b"one", "k2": b"two"})
    world = World(tmp_path, "sqlite", at.name, direction="both")
    world.sync()
    _write_sqlite(at, {"k2": b"it's \xc3\xa9 \\ \xff"})
    world.sync()
    with closing(sqlite3.connect(tmp_path / "target.db")) as db, db:
        db.execute("UPDATE things SET v = 'right' WHERE id = 'k2'")

    _, _, last = (world.sync() for _ in range(3))

    with closing(sqlite3.connect(at)) as db:
        assert db.execute("SELECT v FROM things WHERE id = 'k2'").fetchall() == [("right",)]
    assert (world.held(), last.changed) == ({}, False)
    world.close()


def test_codes_splits_and_expressions_over_such_a_text_are_no_values(tmp_path: Path) -> None:
    """However a column is mapped: what cannot be read gives nothing that could be taken for a value."""
    at = tmp_path / "source.db"
    _write_sqlite(at, {"k1": b"open", "k2": b"\xff"})
    mapped = {"v": FieldMapping("v", column="v", read="v || v"), "n": FieldMapping("n", column="v", codes={"open": "1"})}
    world = World(tmp_path, "sqlite", at.name, fields=mapped)
    world.sync()

    assert world.passed() == {"k1": "openopen"}
    assert world.held() == {"k2": ["n: '\\xFF' is no text in UTF-8", "v: '\\xFF' is no text in UTF-8"]}
    world.close()


def test_a_comparison_of_two_systems_shows_such_a_text_as_a_difference(tmp_path: Path) -> None:
    """It equals no text, nor a missing one."""
    _write_sqlite(tmp_path / "source.db", {"k1": b"one", "k2": b"\xff"})
    _write_sqlite(tmp_path / "target.db", {"k1": b"one", "k2": b"x"})
    world = World(tmp_path, "sqlite", "source.db")

    found = compare_resources(world.connectors["a"], "things", world.connectors["b"], "things", key=("id",))

    assert found.differences.num_rows == 1
    world.close()


JSON_LINES = {
    "k1": b'{"id": "k1", "v": "one", "n": 1}',
    "k2": b'{"id": "k2", "v": "two", "n": 1}',
    "k3": b'{"id": "k3", "v": "three", "n": 1}',
}
CSV_LINES = {"": b"id,v,n", "k1": b"k1,one,1", "k2": b"k2,two,1", "k3": b"k3,three,1"}


@pytest.mark.parametrize(
    ("kind", "lines", "broken"),
    [("csv", CSV_LINES, b"k2,t,wo,1"), pytest.param("jsonl", JSON_LINES, b'{"id": "k2", "v": "t', marks=pytest.mark.prove)],
)
def test_a_line_that_is_no_row_costs_that_line_alone(kind: str, lines: Mapping[str, bytes], broken: bytes, tmp_path: Path) -> None:
    """All others pass, both ways; what it held before is not deleted, nor is anything else while it stands."""
    at = tmp_path / "source"
    at.mkdir()
    file = at / f"things.{kind}"

    def write(rows: Mapping[str, bytes]) -> None:
        file.write_bytes(b"".join(line + b"\n" for line in rows.values()))

    write(lines)
    world = World(tmp_path, kind, "source", direction="both")
    world.sync()

    # One line is spoiled, one edited, one deleted; and the other system edits the row of the first, and one more, and has a new one.
    write({k: line.replace(b"one", b"edited") for k, line in (lines | {"k2": broken}).items() if k != "k3"})
    with closing(sqlite3.connect(tmp_path / "target.db")) as db, db:
        db.execute("UPDATE things SET v = 'changed' WHERE id = 'k2'")
        db.execute("INSERT INTO things VALUES ('k4', 'new', 1)")
    second, third = world.sync(), world.sync()

    assert (second.counts["deleted"], third.changed) == (0, False)
    assert world.passed() == {"k1": "edited", "k2": "changed", "k3": "three", "k4": "new"}
    ((said,),) = (world.held().values(),)
    assert said[0].startswith("line 3 is no row: 4 columns" if kind == "csv" else "line 2 is no row of JSON lines: no JSON")
    assert {f.kind: f.count for f in third.findings} == {"quarantine": 1, "unreadable_line": 2}
    now = file.read_bytes().splitlines()
    assert (broken in now, b"k2" in b"".join(n for n in now if n != broken), b"new" in now[-1]) == (True, False, True)

    file.write_bytes(b"".join((lines["k2"] if n == broken else n) + b"\n" for n in now))
    last = world.sync()

    assert (last.counts["released"], last.counts["deleted"], world.held()) == (1, 1, {})
    assert world.passed() == {"k1": "edited", "k2": "changed", "k4": "new"}
    assert b"changed" in file.read_bytes()
    assert not world.sync().changed
    world.close()


def test_a_line_that_is_spoiled_while_a_run_writes_is_no_delete(tmp_path: Path) -> None:
    """Another row was edited as well, so the run reads the file again: what the line held is not deleted elsewhere."""
    file = tmp_path / "source" / "things.csv"
    file.parent.mkdir()
    file.write_bytes(b"".join(line + b"\n" for line in CSV_LINES.values()))
    world = World(tmp_path, "csv", "source", direction="both")
    world.sync()
    with closing(sqlite3.connect(tmp_path / "target.db")) as db, db:
        db.execute("UPDATE things SET v = 'changed' WHERE id = 'k1'")

    def meddle(said: str) -> None:
        if said.endswith("writing a"):
            file.write_bytes(file.read_bytes().replace(b"k1,one,1", b"k1,one,2").replace(b"k2,two", b"k2,t,wo"))

    done = world.sync(progress=meddle)

    assert (done.counts["deleted"], world.passed()) == (0, {"k1": "changed", "k2": "two", "k3": "three"})
    assert {f.kind: f.count for f in done.findings} == {"quarantine": 1, "unreadable_line": 1}
    world.close()


@pytest.mark.prove
def test_a_first_load_looks_at_every_line(tmp_path: Path) -> None:
    """The fast path carries only rows."""
    lines = [b'{"id": "k%d", "v": "x", "n": 1}' % n for n in range(12_000)]
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "things.jsonl").write_bytes(b"\n".join([*lines[:5000], b"{", *lines[5000:]]) + b"\n")
    world = World(tmp_path, "jsonl", "source")

    world.sync()

    assert (len(world.passed()), len(world.held())) == (12_000, 1)
    world.close()
