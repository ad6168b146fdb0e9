"""A moment held on to: what is read later is of the state that was read before, whoever writes meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Digested, Keyed, Still
from accord.connectors.registry import open_connector
from accord.model.errors import SystemChanged, UnknownName, UsageError
from accord.model.system import System

KINDS = ("postgresql", "duckdb")  # never: files without a lock, systems without a snapshot; notyet: sqlite, mysql
TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, n numeric(12,2), note varchar)"


@pytest.fixture(params=KINDS)
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A system with one table, and how somebody else runs a statement there."""

    def in_postgresql(*statements: str) -> None:
        with psycopg.connect(at, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def in_duckdb(*statements: str) -> None:
        with duckdb.connect(str(tmp_path / at)) as db:
            for statement in statements:
                db.execute(statement)

    kind = str(request.param)
    at = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else "f.duckdb"
    write = in_postgresql if kind == "postgresql" else in_duckdb
    write(TABLE, "INSERT INTO t VALUES (1, 1.5, 'a'), (2, 2.5, NULL), (3, -3, 'c')")
    with closing(open_connector(System("s", kind, at), base=tmp_path)) as connector:  # type: ignore[type-var]
        yield connector, write


def shown(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[Any, ...]]:
    return con.execute(f"SELECT * FROM {relation} ORDER BY ALL").fetchall()


def test_every_way_to_read_shows_the_same_moment(system: Any) -> None:
    """Digests first, single rows later: a change between the two must not be taken for a difference, or hide one."""
    connector, write = system
    assert isinstance(connector, Still)
    with borrowed_duck(threads=2) as con:
        con.execute("CREATE TABLE keys AS SELECT 2::BIGINT AS id UNION ALL SELECT 3 UNION ALL SELECT 4")
        con.execute("CREATE TABLE many AS SELECT unnest(range(2, 5000)) AS id")
        before = shown(con, connector.scan(con, "t"))

        with connector.still(con, ["t"]) as still:
            first = shown(con, still.digest_rows(con, "t", ["id"], ["n", "note"]))
            if connector.kind == "postgresql":  # others keep everybody out meanwhile
                write("UPDATE t SET n = 9 WHERE id = 2", "DELETE FROM t WHERE id = 3", "INSERT INTO t VALUES (4, 4, 'd')")
            reads = [shown(con, still.scan(con, "t")), shown(con, still.scan_keys(con, "t", "keys"))]
            reads.append(shown(con, still.scan_keys(con, "t", "many")))
            again = shown(con, still.digest_rows(con, "t", ["id"], ["n", "note"]))

        assert isinstance(still, Digested)
        assert isinstance(still, Keyed)
        assert (reads[0], reads[1], reads[2], again) == (before, before[1:], before[1:], first)
        if connector.kind == "postgresql":
            assert [row[0] for row in shown(con, connector.scan(con, "t"))] == [1, 2, 4]


@pytest.mark.parametrize("statement", ["TRUNCATE t", "ALTER TABLE t ALTER note TYPE char(9)"])
def test_a_table_that_is_emptied_meanwhile_is_told(system: Any, statement: str) -> None:
    """No snapshot shows the rows it had: every one would be a difference."""
    connector, write = system
    if connector.kind != "postgresql":
        pytest.skip("never: nobody else writes the file meanwhile")

    def read() -> None:
        with borrowed_duck(threads=2) as con, connector.still(con, ["t"]) as still:
            still.digest_rows(con, "t", ["id"], ["n", "note"])
            write(statement)
            still.scan(con, "t")

    with pytest.raises(SystemChanged, match="rewritten"):
        read()


def test_a_value_that_is_refused_does_not_end_the_moment(system: Any) -> None:
    """A key that has no place in the column's type is one that no row has."""
    connector, _ = system
    with borrowed_duck(threads=2) as con, connector.still(con, ["t"]) as still:
        con.execute("CREATE TABLE keys AS SELECT '99999999999999999999999' AS id UNION ALL SELECT '1'")

        assert [row[0] for row in shown(con, still.scan_keys(con, "t", "keys"))] == [1]
        assert len(shown(con, still.scan(con, "t"))) == 3


def test_rows_set_aside_have_no_digest(system: Any) -> None:
    """Where the condition is true; where it is null, or cannot be judged alike, is another matter."""
    connector, write = system
    with borrowed_duck(threads=2) as con:
        plain = dict(shown(con, connector.digest_rows(con, "t", ["id"], ["n", "note"])))

        found = dict(shown(con, connector.digest_rows(con, "t", ["id"], ["n", "note"], aside="note = 'c' OR n > 100")))

        assert found == {**plain, 3: None}
        assert dict(shown(con, connector.digest_rows(con, "t", ["id"], ["n", "note"], aside=""))) == plain
        with pytest.raises(UsageError):
            connector.digest_rows(con, "t", ["id"], ["n"], aside="lower(note) = 'c'")
        if connector.kind == "postgresql":
            write("UPDATE t SET n = 'NaN' WHERE id = 1")  # the scan shows the whole column as texts then
            assert dict(shown(con, connector.digest_rows(con, "t", ["id"], ["n", "note"], aside=""))) == {**plain, 1: None}


def test_a_resource_that_is_not_there_is_named(system: Any) -> None:
    """Before anything is held."""
    connector, _ = system
    with borrowed_duck(threads=2) as con, pytest.raises(UnknownName, match="nothing"), connector.still(con, ["nothing"]):
        pass
