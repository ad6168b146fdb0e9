"""DuckDB files: types beyond ours, refused rows, and another program that has the file open."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.duck import open_duck
from accord.connectors.protocol import Digested, Keyed
from accord.model.errors import DataRefused, SystemUnreachable, UsageError
from accord.model.types import CanonicalType


@pytest.fixture
def at(tmp_path: Path) -> str:
    """A file with a table of many types."""
    path = str(tmp_path / "system.duckdb")
    with duckdb.connect(path) as db:
        db.execute("CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE SCHEMA sales")
        db.execute("""CREATE TABLE t (id INTEGER PRIMARY KEY, f FLOAT, h HUGEINT, mood mood, tags VARCHAR[], s STRUCT(a INT), span INTERVAL,
            plain TIMESTAMP, money DECIMAL(12,2) CHECK (money < 100))""")
        db.execute("INSERT INTO t VALUES (1, 0.1, 5, 'bad', ['a', NULL], {a: 1}, INTERVAL 1 DAY, '2024-01-01', 1.5)")
        db.execute('CREATE TABLE sales."Order" (a INT, b INT, PRIMARY KEY (b, a)); CREATE VIEW v AS SELECT id FROM t')
    return path


def test_values_of_other_types_come_as_the_nearest_of_ours(at: str, opened: Any, rows_of: Any, types_of: Any) -> None:
    """No digit is lost, and lists are JSON."""
    connector = opened("duckdb", at)

    row, types = rows_of(connector, "t")[0], types_of(connector, "t")

    assert (row["f"], row["h"], row["mood"], row["tags"], row["money"]) == (0.1, Decimal(5), "bad", '["a",null]', Decimal("1.50"))
    assert (types["id"], types["f"], types["tags"], types["plain"]) == ("BIGINT", "DOUBLE", "JSON", "TIMESTAMP")


def test_tables_of_other_schemas_and_views_are_resources(at: str, opened: Any, rows_of: Any) -> None:
    """``schema.table``; a view is read and not offered for writing."""
    connector = opened("duckdb", at)

    found = {r.name: (r.key, r.row_count, r.writable) for r in connector.describe().resources}

    assert found == {"t": (("id",), 1, True), "sales.Order": (("b", "a"), 0, True), "v": ((), 1, False)}
    assert rows_of(connector, "v") == [{"id": 1}]


def test_a_name_may_hold_dots(at: str, opened: Any, rows_of: Any, change: Any) -> None:
    """``sales.Order`` is a table of the schema sales where there is one, and may be the name of a table where there is none."""
    with duckdb.connect(at) as db:
        db.execute(
            'CREATE TABLE "a.b.c" (id INT PRIMARY KEY, v TEXT); CREATE TABLE sales."x.y" (id INT); INSERT INTO sales."x.y" VALUES (2)'
        )
    connector = opened("duckdb", at)

    connector.create("a.b.c", {"id": CanonicalType("integer")}, ["id"])
    result = change(connector, "a.b.c", "insert", [{"id": "1", "v": "x"}])

    assert result.inserted == 1
    assert rows_of(connector, "a.b.c") == [{"id": 1, "v": "x"}]
    assert rows_of(connector, "sales.x.y") == [{"id": 2}]
    assert {r.name: r.row_count for r in connector.describe().resources} == {"t": 1, "sales.Order": 0, "v": 1, "a.b.c": 1, "sales.x.y": 1}


def test_rows_the_file_refuses_are_named_and_the_others_go_in(at: str, opened: Any, change: Any) -> None:
    """Constraint, enum, rounding: each with the reason."""
    bad = {"3": {"money": "1.005"}, "4": {"money": "100"}, "5": {"mood": "worse"}}
    rows = [{"id": str(i), "money": "1.00", "mood": "good"} | bad.get(str(i), {}) for i in range(2, 40)]

    result = change(opened("duckdb", at), "t", "insert", rows)

    assert result.inserted == 35
    assert {row["id"]: row["reason"][:1] != "" for row in result.refused.to_pylist()} == dict.fromkeys(bad, True)
    with duckdb.connect(at, read_only=True) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (36,)


def test_a_file_that_another_program_has_open_is_unreachable_with_the_way_out(at: str, opened: Any) -> None:
    """DuckDB lets one process write, or several read."""
    program = f"import duckdb, sys; db = duckdb.connect({at!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(SystemUnreachable, match="another program has the file open"):
            opened("duckdb", at).describe()
        other.communicate("")

    assert opened("duckdb", at).describe().resource("t") is not None


def test_what_is_no_duckdb_file_is_refused(tmp_path: Path, opened: Any) -> None:
    """Not a traceback."""
    (tmp_path / "x.duckdb").write_bytes(b"something else" * 1000)

    with pytest.raises(DataRefused, match="no DuckDB database"):
        opened("duckdb", "x.duckdb").describe()


def test_digests_tell_rows_apart(at: str, opened: Any) -> None:
    """By row and by bucket, among the rows of a condition."""
    with duckdb.connect(at) as db:
        db.execute("CREATE TABLE d AS SELECT i AS id, i % 3 AS v FROM range(1000) r(i)")
    connector = opened("duckdb", at)
    assert isinstance(connector, Digested)
    assert isinstance(connector, Keyed)
    con = open_duck()

    rows = con.execute(f"SELECT * FROM {connector.digest_rows(con, 'd', ['id'], ['v'], 'id < 100')}").fetchall()
    before = connector.digest_buckets("d", ["id"], ["id", "v"], 8).to_pylist()
    with duckdb.connect(at) as db:
        db.execute("UPDATE d SET v = 9 WHERE id = 5")
    after = connector.digest_buckets("d", ["id"], ["id", "v"], 8).to_pylist()

    assert (len(rows), len({digest for _, digest in rows})) == (100, 3)
    assert sum(row["n"] for row in before) == 1000
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    with pytest.raises(UsageError):
        connector.digest_rows(con, "d", ["id"], ["v"], "random() < 2")
