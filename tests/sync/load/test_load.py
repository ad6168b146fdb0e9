"""The first load in one pass leaves what the ordinary way leaves, or leaves it to the ordinary way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync.load import first

ROWS = 500
TYPES = {
    "id": "integer", "small": "integer", "amount": "number(12,2)", "ratio": "double", "name": "text", "active": "boolean", "day": "date",
    "moment": "timestamp", "ref": "uuid", "doc": "json", "bin": "binary",
}  # fmt: skip
POSTGRES = (
    "id bigint PRIMARY KEY, small int, amount numeric(12,2), ratio double precision, name text, active boolean, day date, "
    "moment timestamptz, ref uuid, doc jsonb, bin bytea"
)
FILL = f"""
    INSERT INTO src SELECT i, CASE WHEN i % 50 = 7 THEN -i ELSE i % 100 END, i * 1.37, i / 7.0, CASE WHEN i % 9 > 0 THEN 'é ' || i END,
        i % 2 = 0, date '2020-01-01' + i::int, timestamptz '2024-01-01 00:00:00.123456Z' + i * interval '1 s', md5(i::text)::uuid,
        CASE WHEN i % 11 > 0 THEN jsonb_build_object('zz', i, 'a', i * 1.50, 'list', '[1, {{"x": null}}]'::jsonb) END,
        decode(md5(i::text), 'hex')
    FROM generate_series(1, {ROWS}) i"""


@contextmanager
def ordinarily() -> Iterator[None]:
    """Keep the direct path out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "understood", lambda cycle: False)
        yield


def postgres_world(url: str, folder: Path, world_class: Any, **binding: Any) -> Any:
    fields = {n: Field(n, t, minimum="0" if n == "small" else "") for n, t in TYPES.items()}
    fields |= {f"{n}_of_others": Field(f"{n}_of_others", t) for n, t in TYPES.items()}  # held by neither
    mapped = {n: FieldMapping(n) for n in TYPES}
    systems = {n: System(n, "postgresql", url) for n in ("a", "b")}
    bindings = {"a": Binding("a", "src", mapped, direction="read"), "b": Binding("b", "tgt", mapped, **{"direction": "both", **binding})}
    entity = Entity("thing", ("id",), fields, rules={"even": Rule("even", "id <> 13 OR active", "thirteen is never right")})
    map_ = IntegrationMap("test", systems=systems, entities={"thing": entity}, flows={"things": Flow("things", "thing", bindings)})
    folder.mkdir()
    store = open_store(folder / "store.db", segments=folder / "segments")
    return world_class(folder, store, map_, {n: open_connector(s, base=folder) for n, s in systems.items()})


def left_behind(world: Any) -> dict[str, list[Any]]:
    """Everything a run leaves in the store that does not name the run or the time.

    What lets the next run tell which rows moved is left out: only the direct path knows it for nothing.
    """
    timeless = {"run", "captured_at", "verified_at", "freshness_seconds", "since"}
    found = {}
    for role in sorted(r for r in world.store.flow_state("things") if not r.startswith("digest:")):
        rows = [{k: v for k, v in row.items() if k not in timeless} for row in world.segments(role)]
        if role == "golden":
            rows = [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]
        found[role] = sorted(repr(sorted(row.items(), key=str)) for row in rows)
    return found


def test_both_ways_leave_the_same(postgres_url: str, tmp_path: Path, world_class: Any, went_directly: list[bool]) -> None:
    """The direct path is only another way to do the same: target, bases, agreed rows, quarantine and change records."""
    shown, left = [], []
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"CREATE TABLE src ({POSTGRES})".encode())
        db.execute(FILL.encode())
        for way in ("direct", "ordinary"):
            db.execute(f"DROP TABLE IF EXISTS tgt; CREATE TABLE tgt ({POSTGRES})".encode())
            world = postgres_world(postgres_url, tmp_path / way, world_class)
            if way == "direct":
                result = world.sync()
            else:
                with ordinarily():
                    result = world.sync()
            shown.append((dict(result.counts), dict(result.rows), [f.sentence for f in result.findings], result.waiting, result.status))
            shown[-1] = (*shown[-1], db.execute("SELECT * FROM tgt ORDER BY id").fetchall())
            left.append(left_behind(world))
            again = world.sync()
            assert not again.changed
            assert world.reconcile().pairs[0].agrees
            world.store.close()

    assert went_directly == [True]
    assert shown[0] == shown[1]
    assert left[0] == left[1]
    assert 0 < shown[0][0]["quarantined"] < ROWS


def test_a_coarser_target_written_in_its_own_form_is_read_back(make_world: Any, went_directly: list[bool]) -> None:
    """Codes, units and epochs are converted on the way, and what SQLite made of them is looked at."""
    world = make_world(
        {
            "a": "CREATE TABLE things (id INTEGER PRIMARY KEY, state TEXT, hours REAL, moment TIMESTAMP)",
            "b": "CREATE TABLE things (id INTEGER PRIMARY KEY, st TEXT, minutes INTEGER, at INTEGER)",
        },
        [Field("id", "integer"), Field("state", values=("open", "done")), Field("hours", "double", unit="h"), Field("moment", "timestamp")],
        {
            "b": {
                "fields": {
                    "id": FieldMapping("id"),
                    "state": FieldMapping("state", column="st", codes={"O": "open", "D": "done"}),
                    "hours": FieldMapping("hours", column="minutes", unit="min"),
                    "moment": FieldMapping("moment", column="at", unit="s"),
                }
            }
        },
    )
    with sqlite3.connect(world.folder / "a.db") as db:
        db.executemany(
            "INSERT INTO things VALUES (?, ?, ?, ?)",
            [(i, ("open", "done", "lost")[i % 3], i / 60, f"2026-01-01 00:{i % 60:02d}:00") for i in range(300)],
        )
    db.close()

    result = world.sync()

    assert went_directly == [True]
    assert (result.counts["inserted"], result.counts["quarantined"]) == (200, 100)
    assert world.rows("b")[61] == ("D", 61, 1767225660)
    assert not world.sync().changed
    assert world.reconcile().pairs[0].agrees


@pytest.mark.parametrize(
    ("column", "value"),
    [("name TEXT CHECK (name <> 'n7')", "n7"), ("name TEXT UNIQUE", "twice"), ("name TEXT NOT NULL", None)],
)
def test_a_target_that_refuses_a_row_is_left_to_the_ordinary_way(
    make_world: Any, went_directly: list[bool], column: str, value: str | None
) -> None:
    """All rows in one statement stand or fall together; one bad row must not cost the others their way in."""
    world = make_world(
        {
            "a": "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)",
            "b": f"CREATE TABLE things (id INTEGER PRIMARY KEY, {column})",
        },
        [Field("id", "integer"), Field("name")],
    )
    with sqlite3.connect(world.folder / "a.db") as db:
        db.executemany("INSERT INTO things VALUES (?, ?)", [(i, value if i in (7, 8) else f"m{i}") for i in range(100)])
    db.close()

    result = world.sync()

    assert went_directly == [False]
    assert result.counts["inserted"] + result.counts["refused"] == 100
    assert 1 <= result.counts["refused"] <= 2


def test_what_several_rows_break_together_is_left_to_the_ordinary_way(make_world: Any, went_directly: list[bool]) -> None:
    """A value that may stand once, standing twice, is found when all rows have passed: then nothing may be kept."""
    world = make_world(
        dict.fromkeys(("a", "b"), "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)"),
        [Field("id", "integer"), Field("name", unique=True)],
    )
    with sqlite3.connect(world.folder / "a.db") as db:
        db.executemany("INSERT INTO things VALUES (?, ?)", [(i, "same" if i in (3, 70) else f"n{i}") for i in range(100)])
    db.close()

    result = world.sync()

    assert went_directly == [False]
    assert (result.counts["inserted"], result.counts["quarantined"]) == (98, 2)


def test_a_key_that_stands_twice_is_left_to_the_ordinary_way(make_world: Any, went_directly: list[bool]) -> None:
    """Which of two rows is meant cannot be told, so neither may be loaded."""
    world = make_world(dict.fromkeys(("a", "b"), "CREATE TABLE things (id INTEGER, name TEXT)"), [Field("id", "integer"), Field("name")])
    with sqlite3.connect(world.folder / "a.db") as db:
        db.executemany("INSERT INTO things VALUES (?, ?)", [(5 if i == 90 else i, f"n{i}") for i in range(100)])
    db.close()

    result = world.sync()

    assert went_directly == [False]
    assert set(world.rows("b")) == set(range(100)) - {5, 90}
    assert result.counts["quarantined"] == 2


@pytest.mark.parametrize(("value", "column", "direct"), [("NaN", "amount", False), ("infinity", "moment", True), ("infinity", "day", True)])
def test_values_without_bounds_arrive_or_are_left_to_the_ordinary_way(
    postgres_url: str, tmp_path: Path, world_class: Any, went_directly: list[bool], value: str, column: str, direct: bool
) -> None:
    """DuckDB's scanner makes 0 of a numeric NaN, and says nothing: the server's own hash of the row tells."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"CREATE TABLE src ({POSTGRES}); CREATE TABLE tgt ({POSTGRES})".encode())
        db.execute(FILL.encode())
        db.execute(f"UPDATE src SET {column} = '{value}' WHERE id = 100".encode())
        world = postgres_world(postgres_url, tmp_path / "w", world_class)

        world.sync()

        assert went_directly == [direct]
        shown = db.execute(f"SELECT {column}::text FROM tgt WHERE id = 100".encode()).fetchone()
        assert not direct or shown == (value,)
    world.store.close()


@pytest.mark.parametrize(
    "change",
    [
        "NEW.name := upper(NEW.name)",
        pytest.param("NEW.amount := -NEW.amount", marks=pytest.mark.prove),
        pytest.param("NEW.doc := jsonb_set(NEW.doc, '{zz}', to_jsonb(-(NEW.doc->>'zz')::int))", marks=pytest.mark.prove),
        "NEW.moment := timestamptz '2000-01-01Z' + interval '1 us' * "
        "((extract(epoch FROM NEW.moment - timestamptz '2000-01-01Z') * 1e6)::bigint # 4294967297)",
    ],
)
def test_a_trigger_that_changes_values_is_noticed_before_the_commit(
    postgres_url: str, tmp_path: Path, world_class: Any, went_directly: list[bool], change: str
) -> None:
    """What the target made of the rows is compared with what was read, not with what was sent.

    The server's own hashes are the same for 5 and -5, also inside JSON, and for some times that are apart by more than an hour.
    """
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"CREATE TABLE src ({POSTGRES}); CREATE TABLE tgt ({POSTGRES})".encode())
        db.execute(FILL.encode())
        body = f"BEGIN {change}; RETURN NEW; END"
        db.execute(f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $${body}$$".encode())
        db.execute("CREATE TRIGGER changing BEFORE INSERT ON tgt FOR EACH ROW EXECUTE FUNCTION change()")
        world = postgres_world(postgres_url, tmp_path / "w", world_class)

        world.sync()

        assert went_directly == [False]
    world.store.close()
