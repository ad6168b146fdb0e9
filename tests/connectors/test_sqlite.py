"""SQLite: dynamic values under declared types, other programs at the same file, rows it refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import ChangeBatch
from accord.connectors.unreadable import MARK, flag
from accord.model.errors import DataRefused, UnknownName
from accord.model.system import Resource

MOMENT = pa.timestamp("us", "UTC")


@pytest.fixture
def db(tmp_path: Path) -> Any:
    """The file as another program has it."""
    connection = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("declared", "good", "bad", "type_"),
    [
        ("INTEGER", 5, 1.5, "BIGINT"),
        ("INTEGER", 5, "five", "BIGINT"),
        ("DECIMAL(12,2)", 12.3, 12.345, "DECIMAL(12,2)"),
        ("DECIMAL(12,2)", 0.1, "n/a", "DECIMAL(12,2)"),
        ("REAL", 0.1, "high", "DOUBLE"),
        ("BOOLEAN", 1, 2, "BOOLEAN"),
        ("DATE", "2024-02-29", "2024-02-29T10:00:00", "DATE"),
        ("DATE", "2024-02-29", "2024-02-30", "DATE"),
        ("TIMESTAMP", "2024-02-29T10:00:00Z", "soon", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP", "2024-02-29T10:00:00Z", "2024-02-29 10:00:00", "TIMESTAMP WITH TIME ZONE"),
        ("DATETIME", "2024-02-29 10:00:00", "2024-02-29T10:00:00.1234567", "TIMESTAMP"),
        ("UUID", "c0ffee00-1234-4321-abcd-0123456789ab", "c0ffee", "UUID"),
        ("JSON", '{"a":1}', "{a:1}", "JSON"),
    ],
)
def test_a_value_that_breaks_its_declared_type_comes_as_the_text_it_is(
    declared: str, good: Any, bad: Any, type_: str, db: Any, opened: Any, rows_of: Any, types_of: Any
) -> None:
    """Nothing is rounded, cut or dropped; sync quarantines the row and names the value."""
    db.execute(f"CREATE TABLE t (id TEXT PRIMARY KEY, v {declared})")
    db.execute("INSERT INTO t VALUES ('1', ?), ('2', NULL)", (good,))
    connector = opened("sqlite", "s.db")

    clean = types_of(connector, "t")["v"]
    db.execute("INSERT INTO t VALUES ('3', ?)", (bad,))
    broken = {row["id"]: row["v"] for row in rows_of(connector, "t")}

    assert clean == type_
    assert (broken["1"], broken["2"], broken["3"]) == (str(good), None, str(bad))


def test_what_a_map_declares_as_text_is_read_digit_by_digit(db: Any, opened: Any, rows_of: Any) -> None:
    """Doubles without a declared type come with as many digits as it takes to give the same double."""
    db.execute("CREATE TABLE t (id, v)")
    db.execute("INSERT INTO t VALUES ('1', ?), ('2', ?), ('3', ?)", (1 / 3, 0.1, 2**63 - 1))

    third, tenth, largest = (row["v"] for row in rows_of(opened("sqlite", "s.db"), "t"))

    assert float(third) == 1 / 3
    assert (tenth, largest) == ("0.1", str(2**63 - 1))


@pytest.mark.parametrize(
    ("there", "written"),
    [
        ("2024-01-01 10:00:00", "2024-02-29 12:30:00"),
        ("2024-01-01T10:00:00Z", "2024-02-29T12:30:00Z"),
        ("2024-01-01T10:00:00.000+02:00", "2024-02-29T12:30:00.000+00:00"),
        (None, "2024-02-29T12:30:00.000000Z"),
    ],
)
def test_timestamps_are_written_in_the_style_found(there: str | None, written: str, db: Any, opened: Any, change: Any) -> None:
    """The program that owns the table must still be able to read and sort its own column."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, at TIMESTAMP)")
    db.execute("INSERT INTO t VALUES ('0', ?)", (there,))

    change(opened("sqlite", "s.db"), "t", "insert", [{"id": "1", "at": datetime(2024, 2, 29, 12, 30, tzinfo=UTC)}], type_=MOMENT)

    assert db.execute("SELECT at FROM t WHERE id = '1'").fetchone() == (written,)


def test_the_same_instant_in_another_spelling_is_unchanged(db: Any, opened: Any, change: Any) -> None:
    """Otherwise every run would write the row again."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, at TIMESTAMP)")
    db.execute("INSERT INTO t VALUES ('1', '2024-02-29T14:30:00+02:00')")
    row = {"id": "1", "at": datetime(2024, 2, 29, 12, 30, tzinfo=UTC)}

    result = change(opened("sqlite", "s.db"), "t", "update", [row], [row], type_=MOMENT)

    assert (result.unchanged, result.updated) == (1, 0)


def test_rows_the_table_refuses_are_named_and_the_others_go_in(db: Any, opened: Any, change: Any) -> None:
    """One bad row in a thousand must not hold back the rest."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL CHECK (n >= 0), u TEXT UNIQUE)")
    rows = [{"id": str(i), "n": "1", "u": str(i)} for i in range(1000)]
    rows[3]["n"], rows[500]["n"], rows[999]["u"] = "-1", None, "0"

    result = change(opened("sqlite", "s.db"), "t", "insert", rows)

    assert result.inserted == 997
    assert result.refused.to_pylist() == [
        {"id": "3", "reason": "CHECK constraint failed: n >= 0"},
        {"id": "500", "reason": "NOT NULL constraint failed: t.n"},
        {"id": "999", "reason": "UNIQUE constraint failed: t.u"},
    ]
    assert db.execute("SELECT count(*) FROM t").fetchone() == (997,)


def test_the_rows_of_a_tree_go_in_and_out_whatever_their_order(db: Any, opened: Any, change: Any) -> None:
    """A parent is there before its children and goes after them; a batch has them in the order of their keys."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, up TEXT)")
    lost = "new.up IS NOT NULL AND NOT EXISTS (SELECT 1 FROM t WHERE id = new.up)"
    db.execute(f"CREATE TRIGGER came BEFORE INSERT ON t WHEN {lost} BEGIN SELECT RAISE(ABORT, 'points at nothing'); END")
    pointed = "EXISTS (SELECT 1 FROM t WHERE up = old.id)"
    db.execute(f"CREATE TRIGGER went BEFORE DELETE ON t WHEN {pointed} BEGIN SELECT RAISE(ABORT, 'pointed at'); END")
    rows = [{"id": i, "up": up} for i, up in (("0", "3"), ("1", None), ("2", "1"), ("3", "2"), ("4", "x"))]

    made = change(opened("sqlite", "s.db"), "t", "insert", rows)
    gone = change(opened("sqlite", "s.db"), "t", "delete", rows[:4], rows[:4])

    assert (made.inserted, made.refused.to_pylist()) == (4, [{"id": "4", "reason": "points at nothing"}])
    assert (gone.deleted, gone.refused) == (4, None)


def test_a_key_that_is_judged_when_all_is_written_holds_back_no_other_row(db: Any, opened: Any, change: Any) -> None:
    """SQLite refuses the commit, and says of no row that it is to blame: one such row held up all others of each run, for ever."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, up TEXT REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    db.execute("CREATE TABLE child (id TEXT, of TEXT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)")
    db.execute("INSERT INTO t VALUES ('p', NULL), ('q', NULL)")
    db.execute("INSERT INTO child VALUES ('1', 'p'), ('2', 'gone before')")
    going = [{"id": i, "up": None} for i in "pq"]
    coming = [{"id": "1", "up": "2"}, {"id": "2", "up": None}, {"id": "3", "up": "nobody"}]

    gone = change(opened("sqlite", "s.db"), "t", "delete", going, going)
    made = change(opened("sqlite", "s.db"), "t", "insert", coming)

    assert (gone.deleted, gone.refused.to_pylist()) == (1, [{"id": "p", "reason": "FOREIGN KEY constraint failed"}])
    assert (made.inserted, made.refused.to_pylist()) == (2, [{"id": "3", "reason": "FOREIGN KEY constraint failed"}])
    assert db.execute("SELECT id FROM t ORDER BY id").fetchall() == [("1",), ("2",), ("p",)]


def test_rows_that_exchange_unique_values_are_written_together(db: Any, opened: Any, change: Any) -> None:
    """One by one each is refused for ever; a value that really is another row's is refused all the same, with who waits for it."""
    db.execute("CREATE TABLE lists (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO lists VALUES (1)")
    place = "list INTEGER REFERENCES lists, n INTEGER CHECK (n > 0), UNIQUE (list, n)"
    db.execute(f"CREATE TABLE t (id TEXT PRIMARY KEY, u TEXT NOT NULL UNIQUE, more TEXT, {place})")
    db.execute("CREATE TABLE child (u TEXT REFERENCES t (u) ON UPDATE CASCADE)")
    db.executemany("INSERT INTO t VALUES (?, ?, 'kept', 1, ?)", [(f"{i}", f"u{i}", i) for i in range(1, 10)])
    db.execute("INSERT INTO child VALUES ('u1')")
    old = [{"id": f"{i}", "u": f"u{i}", "list": "1", "n": f"{i}"} for i in range(1, 8)]
    turned = {"1": "2", "2": "1", "3": "9", "4": "3", "5": "6", "6": "7", "7": "5"}
    rows = [{"id": key, "u": f"u{to}", "list": "1", "n": to} for key, to in turned.items()]

    result = change(opened("sqlite", "s.db"), "t", "update", rows, old)

    assert (result.updated, result.refused.column("id").to_pylist()) == (5, ["3", "4"])
    assert [n for (n,) in db.execute("SELECT n FROM t WHERE u = 'u' || n AND more = 'kept' ORDER BY id")] == [2, 1, 3, 4, 6, 7, 5, 8, 9]
    assert db.execute("SELECT t.id FROM child JOIN t USING (u)").fetchall() == [("1",)]


def test_declared_references_hold(db: Any, opened: Any, change: Any) -> None:
    """SQLite checks foreign keys only when asked to; we ask."""
    db.execute("CREATE TABLE p (id TEXT PRIMARY KEY); ")
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, p TEXT REFERENCES p)")
    db.execute("INSERT INTO p VALUES ('a')")

    result = change(opened("sqlite", "s.db"), "t", "insert", [{"id": "1", "p": "a"}, {"id": "2", "p": "b"}])

    assert (result.inserted, result.refused.column("id").to_pylist()) == (1, ["2"])


def test_keys_of_several_columns_and_numbers_match(db: Any, opened: Any) -> None:
    """A batch of texts meets integer keys: SQLite's own affinity decides."""
    db.execute("CREATE TABLE t (a INTEGER, b TEXT, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")
    db.execute("INSERT INTO t VALUES (1, 'x', 'old'), (1, 'y', 'old')")
    rows = pa.table({"_op": ["update"], "a": ["1"], "b": ["y"], "v": ["new"], "_old_v": ["old"]})

    result = opened("sqlite", "s.db").apply(ChangeBatch("t", ("a", "b"), ("v",), rows, "b"))

    assert result.updated == 1
    assert db.execute("SELECT v FROM t ORDER BY b").fetchall() == [("old",), ("new",)]


def test_a_double_stays_as_it_stands_while_another_value_is_written(db: Any, opened: Any) -> None:
    """SQLite shows it with another last digit; written back as it is shown, it would be another one after each write."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT, d REAL, e REAL)")
    db.execute("INSERT INTO t VALUES ('1', 'x', ?, 2)", (sys.float_info.max,))
    connector = opened("sqlite", "s.db")
    with borrowed_duck() as con:
        (shown,) = con.execute(f"SELECT CAST(d AS DOUBLE) FROM {connector.scan(con, 't')}").fetchone()
    rows = {"_op": ["update"], "id": ["1"], "v": ["y"], "_old_v": ["x"], "d": [shown], "_old_d": [shown], "e": [3.5], "_old_e": [2.0]}

    result = connector.apply(ChangeBatch("t", ("id",), ("v", "d", "e"), pa.table(rows), "b"))

    assert result.updated == 1
    assert db.execute("SELECT v, d, e FROM t").fetchall() == [("y", sys.float_info.max, 3.5)]


def test_views_are_read_and_not_offered_for_writing(db: Any, opened: Any, rows_of: Any) -> None:
    """A view is a resource like any other to read."""
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n DECIMAL(9,2))")
    db.execute("INSERT INTO t VALUES ('1', 2.5)")
    db.execute("CREATE VIEW v AS SELECT id, n * 2 AS twice, upper('a') AS letter FROM t")
    connector = opened("sqlite", "s.db")

    assert rows_of(connector, "v") == [{"id": "1", "twice": "5.0", "letter": "A"}]
    assert [(r.name, r.writable) for r in connector.describe().resources] == [("t", True), ("v", False)]


def test_a_table_may_be_called_otherwise_in_the_map(db: Any, opened: Any, rows_of: Any) -> None:
    """``path`` names the table, ``key`` what the table does not declare."""
    db.execute("CREATE TABLE 'T 1' (id TEXT)")
    connector = opened("sqlite", "s.db", resources={"tasks": Resource("tasks", path="T 1", key=("id",))})

    assert rows_of(connector, "tasks") == []
    assert [(r.name, r.key) for r in connector.describe().resources] == [("tasks", ("id",))]


def test_a_unique_column_is_the_key_where_no_primary_key_is(db: Any, opened: Any) -> None:
    """assess proposes it."""
    db.execute("CREATE TABLE t (a TEXT, b TEXT UNIQUE)")

    assert opened("sqlite", "s.db").describe().resource("t").key == ("b",)


def test_a_file_that_is_no_database_is_refused(opened: Any, tmp_path: Path) -> None:
    """Terminal: trying again does not help."""
    (tmp_path / "s.db").write_text("hello" * 1000)

    with pytest.raises(DataRefused, match="no SQLite database"):
        opened("sqlite", "s.db").describe()


def test_a_text_that_is_not_utf_8_is_marked_in_its_row(db: Any, opened: Any, rows_of: Any) -> None:
    """Bytes belong into a BLOB; where they stand in a text, all other rows are read all the same."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, v TEXT, b BLOB)")
    db.execute("INSERT INTO t VALUES (1, 'ü', 'x', x'ff'), (22, 'é', CAST(x'41e9' AS TEXT), NULL)")

    rows = rows_of(opened("sqlite", "s.db"), "t")

    assert rows == [
        {"id": 1, "a": "ü", "v": "x", "b": b"\xff", flag("v"): False},
        {"id": 22, "a": "é", "v": f"A{MARK}xE9", "b": None, flag("v"): True},
    ]


def test_what_may_not_be_written_says_how_to_go_on(db: Any, opened: Any, change: Any, tmp_path: Path) -> None:
    """A view is named, and a file that only others may write is no system that is away for a moment."""
    db.execute("CREATE TABLE t (id TEXT, v TEXT)")
    db.execute("CREATE VIEW seen AS SELECT id, v FROM t")
    connector = opened("sqlite", "s.db")

    with pytest.raises(DataRefused, match=r"'seen' is a view.*direction: read"):
        change(connector, "seen", "insert", [{"id": "1", "v": "x"}])
    with pytest.raises(UnknownName, match=r"resource 'seem', which does not exist.*Did you mean 'seen'"):
        connector.holds("seem", 1)


def test_a_missing_table_is_not_made_by_writing(db: Any, opened: Any, change: Any) -> None:
    """Only ``create: true`` makes tables."""
    db.execute("CREATE TABLE t (id TEXT)")

    with pytest.raises(UnknownName):
        change(opened("sqlite", "s.db"), "tt", "insert", [{"id": "1", "v": "x"}])


WRITER = """
import itertools, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
print("ready", flush=True)
for i in itertools.count():
    time.sleep(0.005)  # without a pause no reader would ever get its turn
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE t SET v = ?", (i,))
    db.execute("COMMIT")
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_scan_is_one_state_while_another_program_writes(mode: str, db: Any, opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """The writer sets all rows to one number in each transaction; a torn reading would show two."""
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, filler TEXT)")
    db.execute("BEGIN")
    db.executemany("INSERT INTO t VALUES (?, -1, ?)", [(i, "x" * 200) for i in range(2000)])
    db.execute("COMMIT")
    connector = opened("sqlite", "s.db")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s.db")], stdout=subprocess.PIPE)

    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        states: list[set[int]] = []
        while len(states) < 100 and len({max(state) for state in states}) < 3:
            states.append({row["v"] for row in rows_of(connector, "t")})
    finally:
        writer.kill()
        writer.communicate()

    assert all(len(state) == 1 for state in states)
    assert len(set.union(*states)) > 1  # the writer did write meanwhile


def test_amounts_in_cents_stay_exact(db: Any, opened: Any, rows_of: Any) -> None:
    """A hundred thousand sums of tenths: every one is read as the decimal it was written as."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v DECIMAL(12,2))")
    db.execute("BEGIN")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(i, i / 100) for i in range(100_000)])
    db.execute("COMMIT")

    rows = rows_of(opened("sqlite", "s.db"), "t")

    assert all(row["v"] == Decimal(row["id"]) / 100 for row in rows)
    assert len(rows) == 100_000
