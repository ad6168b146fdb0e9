"""What is MySQL's own: its types as they are found in real schemas, its collations, its strictness, rights, locks and errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pymysql
import pytest

from accord.connectors import mysql_link
from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import ApplyResult, ChangeBatch
from accord.connectors.registry import open_connector
from accord.model.errors import DataRefused, SystemChanged, SystemUnreachable, UsageError
from accord.model.system import System
from accord.model.types import CanonicalType

NATIVE = """
    id int PRIMARY KEY, tiny tinyint(1), flag bit(1), bits bit(12), big bigint unsigned, price decimal(12,2), huge decimal(65,10), f float,
    d date, dt datetime, dt6 datetime(6), ts timestamp(6) NULL, y year, t time, e enum('a','b''c'), s set('x','y'), j json, bin binary(4),
    bl blob, latin varchar(20) CHARACTER SET latin1, c char(5)"""
VALUES = """
    1, 1, b'1', 5, 18446744073709551615, 0.10, 1234567890123456789012345678901234567890.5, 0.1, '2024-02-29', '2024-02-29 23:59:59',
    '2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.5', 2024, '-12:30:00', 'b''c', 'x,y', '{"a": 12345678901234567890.125}',
    x'01000000', x'00ff', 'é', 'ab'"""


class World:
    """A database with another program's connection to it, and our connector."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database, _, query = url.rsplit("/", url.count("/") - 2)[0], "", url.partition("unix_socket=")[2]
        self.database = url.split("@/")[1].partition("?")[0]
        self.db = pymysql.connect(unix_socket=query, user="root", database=self.database, autocommit=True)
        self.connector: Any = open_connector(System("erp", "mysql", url), base=Path())

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def scan(self, table: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Types and rows."""
        with borrowed_duck(threads=2) as con:
            found = con.execute(f"SELECT * FROM {self.connector.scan(con, table)}")
            types = {column[0]: str(column[1]) for column in found.description}
            return types, [dict(zip(types, row, strict=True)) for row in found.fetchall()]

    def apply(self, op: str, table: str, key: str, rows: list[dict[str, Any]], old: list[dict[str, Any]] | None = None) -> ApplyResult:
        columns = tuple(name for name in rows[0] if name != key)
        data: dict[str, Any] = {"_op": [op] * len(rows), key: [row[key] for row in rows]}
        for name in columns:
            values = pa.array([row[name] for row in rows])
            data[name] = values
            data["_old_" + name] = pa.array([row[name] for row in old] if old else [None] * len(rows), values.type)
        result: ApplyResult = self.connector.apply(ChangeBatch(table, (key,), columns, pa.table(data), "b"))
        return result

    def close(self) -> None:
        self.db.close()
        self.connector.close()


@pytest.fixture
def world(mysql_url: str) -> Iterator[World]:
    """A fresh one."""
    made = World(mysql_url)
    yield made
    made.close()


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """As Accord opens it."""
    with borrowed_duck(threads=2) as con:
        yield con


def reasons(result: ApplyResult) -> dict[Any, str]:
    if result.refused is None:
        return {}
    return {row[next(iter(row))]: row["reason"] for row in result.refused.to_pylist()}


def test_native_types_are_read_in_their_own_without_loss(world: World) -> None:
    """A rounded price or a cut byte would be taken for an edit and written into every other system."""
    world.run(f"CREATE TABLE n ({NATIVE})", f"INSERT INTO n VALUES ({VALUES})")

    types, (row,) = world.scan("n")

    assert types == {
        "id": "BIGINT", "tiny": "BOOLEAN", "flag": "BOOLEAN", "bits": "DECIMAL(20,0)", "big": "DECIMAL(20,0)", "price": "DECIMAL(12,2)",
        "huge": "VARCHAR", "f": "DOUBLE", "d": "DATE", "dt": "TIMESTAMP", "dt6": "TIMESTAMP", "ts": "TIMESTAMP WITH TIME ZONE",
        "y": "BIGINT", "t": "VARCHAR", "e": "VARCHAR", "s": "VARCHAR", "j": "JSON", "bin": "BLOB", "bl": "BLOB", "latin": "VARCHAR",
        "c": "VARCHAR",
    }  # fmt: skip
    assert (row["big"], row["price"], row["f"], row["bits"]) == (Decimal(2**64 - 1), Decimal("0.10"), 0.1, 5)
    assert row["huge"] == "1234567890123456789012345678901234567890.5000000000"
    assert (row["dt6"].microsecond, row["ts"].isoformat(), row["t"]) == (123456, "2024-02-29T23:59:59.500000+00:00", "-12:30:00")
    assert (row["e"], row["s"], row["j"], row["latin"]) == ("b'c", "x,y", '{"a": 12345678901234567890.125}', "é")
    assert (row["bin"], row["bl"], row["tiny"], row["flag"], row["y"]) == (b"\1\0\0\0", b"\0\xff", True, True, 2024)


def test_native_columns_are_compared_and_written_in_their_own_types(world: World) -> None:
    """What a scan gives is what an update has to expect; otherwise every row is stale for ever."""
    world.run(f"CREATE TABLE n ({NATIVE})", f"INSERT INTO n VALUES ({VALUES})")
    with borrowed_duck(threads=2) as con:
        rows = con.execute(f"SELECT * EXCLUDE (id) FROM {world.connector.scan(con, 'n')}").to_arrow_table()
    expected = {"_old_" + name: rows[name] for name in rows.column_names}
    wanted = {name: rows[name] for name in rows.column_names} | {"c": pa.array(["neu"]), "f": pa.array([0.5]), "bits": pa.array([7])}
    batch = pa.table({"_op": ["update"], "id": [1]} | wanted | expected)

    result = world.connector.apply(ChangeBatch("n", ("id",), tuple(rows.column_names), batch, "b"))
    repeated = world.connector.apply(ChangeBatch("n", ("id",), tuple(rows.column_names), batch, "b"))

    assert (result.updated, repeated.unchanged) == (1, 1)
    assert world.run("SELECT c, f, bits + 0, hex(bin), s, e FROM n") == [("neu", 0.5, 7, "01000000", "x,y", "b'c")]


def test_zero_dates_come_as_the_text_they_are(world: World) -> None:
    """Old applications are full of them; they are no null and no day."""
    world.run("SET sql_mode = ''", "CREATE TABLE z (id int PRIMARY KEY, d date, dt datetime)")
    world.run("INSERT INTO z VALUES (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2024-00-10', '2024-02-29 10:00:00')")

    types, rows = world.scan("z")

    assert (types["d"], types["dt"]) == ("VARCHAR", "VARCHAR")
    assert [row["d"] for row in rows] == ["0000-00-00", "2024-00-10"]


def test_what_the_server_would_round_or_cut_is_refused_with_the_reason_and_the_others_pass(world: World) -> None:
    """Even in strict mode MySQL rounds decimals, numbers and seconds without a word."""
    world.run("CREATE TABLE r (id int PRIMARY KEY, v decimal(6,2), n int, at datetime, t varchar(3), c char(3), f float, CHECK (n < 50))")
    good: dict[str, Any] = {"v": "1.50", "n": "5", "at": "2024-01-01T10:00:00", "t": "abc", "c": "abc", "f": 0.1}
    bad = [{"v": "1.505"}, {"v": "12345.00"}, {"n": "1.5"}, {"n": "99"}, {"n": str(2**31)}, {"at": "2024-01-01T10:00:00.5"}, {"t": "abcd"}]
    bad += [{"c": "ab "}, {"at": "0000-00-00"}, {"f": 0.123456789012}, {"v": "x"}]
    rows = [{"id": 0} | good] + [{"id": i} | good | wrong for i, wrong in enumerate(bad, 1)] + [{"id": 99} | good]

    result = world.apply("insert", "r", "id", rows)

    assert result.inserted == 2
    assert set(reasons(result)) == set(range(1, len(bad) + 1))
    assert all(reasons(result).values())
    assert "'1.505' is no value of column 'v' (decimal(6,2))" in reasons(result)[1]
    assert [row[0] for row in world.run("SELECT id FROM r ORDER BY id")] == [0, 99]


def test_duplicates_missing_parents_and_triggers_are_refused_by_row(world: World) -> None:
    """The server's own words stand beside the key, and all the other rows go in."""
    world.run("CREATE TABLE p (id int PRIMARY KEY)", "INSERT INTO p VALUES (1)")
    world.run("CREATE TABLE k (id int PRIMARY KEY, mail varchar(20) UNIQUE, p int NOT NULL, FOREIGN KEY (p) REFERENCES p (id))")
    world.run("CREATE TRIGGER no BEFORE INSERT ON k FOR EACH ROW IF NEW.mail = 'no' THEN SIGNAL SQLSTATE '45000' "
              "SET MESSAGE_TEXT = 'not this one'; END IF")  # fmt: skip
    rows = [{"id": i, "mail": f"{i}", "p": 1} for i in range(1, 40)]
    rows += [{"id": 50, "mail": "7", "p": 1}, {"id": 51, "mail": "x", "p": 2}, {"id": 52, "mail": "no", "p": 1}]

    result = world.apply("insert", "k", "id", rows)

    assert result.inserted == 39
    assert sorted(reasons(result)) == [50, 51, 52]
    assert "not this one" in reasons(result)[52]


def test_rows_that_exchange_unique_values_are_written_together(world: World) -> None:
    """One by one each is refused for ever; a value that really is another row's is refused all the same, with who waits for it."""
    place = "list int DEFAULT 1, n int unsigned, UNIQUE (list, n), FOREIGN KEY (list) REFERENCES lists (id)"
    world.run("CREATE TABLE lists (id int PRIMARY KEY)", "INSERT INTO lists VALUES (1)")
    world.run(f"CREATE TABLE u (id int PRIMARY KEY, code varchar(4) NOT NULL UNIQUE, more varchar(9) DEFAULT 'kept', {place})")
    world.run("INSERT INTO u (id, code, n) VALUES " + ", ".join(f"({i}, 'u{i}', {i})" for i in range(1, 10)))
    turned = {1: 2, 2: 1, 3: 9, 4: 3, 5: 6, 6: 7, 7: 5}
    old, rows = ([{"id": k, "code": f"u{v}", "list": 1, "n": v} for k, v in t.items()] for t in ({k: k for k in turned}, turned))

    result = world.apply("update", "u", "id", rows, old)

    assert (result.updated, sorted(reasons(result))) == (5, [3, 4])
    found = world.run("SELECT n FROM u WHERE code = concat('u', n) AND more = 'kept' ORDER BY id")
    assert [n for (n,) in found] == [2, 1, 3, 4, 6, 7, 5, 8, 9]


def test_keys_that_a_collation_calls_equal_are_two_keys(world: World, duck: duckdb.DuckDBPyConnection) -> None:
    """«a» and «A» are one to most databases of MySQL; another system may hold both, and an update of one must not hit the other."""
    world.run("CREATE TABLE ci (id varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v varchar(9))", "INSERT INTO ci VALUES ('A', 'old')")
    duck.execute("CREATE TABLE keys AS SELECT unnest(['a', 'B']) AS id")

    update = world.apply("update", "ci", "id", [{"id": "a", "v": "new"}], [{"id": "a", "v": "old"}])
    insert = world.apply("insert", "ci", "id", [{"id": "a", "v": "new"}])

    assert update.stale is not None
    assert "Duplicate" in reasons(insert)["a"]
    assert duck.execute(f"SELECT * FROM {world.connector.scan_keys(duck, 'ci', 'keys')}").fetchall() == []
    assert world.run("SELECT * FROM ci") == [("A", "old")]


def test_a_key_of_zero_stays_zero_where_the_column_counts_by_itself(world: World) -> None:
    """MySQL makes the next number of a zero, unless it is told not to."""
    world.run("CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9))")

    world.apply("insert", "a", "id", [{"id": 0, "v": "x"}])

    assert world.run("SELECT id FROM a") == [(0,)]


def test_keys_beyond_a_columns_characters_are_looked_for_all_the_same(world: World, duck: duckdb.DuckDBPyConnection) -> None:
    """The server cannot even compare them, which is no reason to fail."""
    world.run("CREATE TABLE l (id varchar(9) CHARACTER SET latin1 PRIMARY KEY)", "INSERT INTO l VALUES ('é')")
    duck.execute("CREATE TABLE keys AS SELECT unnest(['é', '🙂', 'Ж']) AS id")

    assert duck.execute(f"SELECT * FROM {world.connector.scan_keys(duck, 'l', 'keys')}").fetchall() == [("é",)]


def test_instants_after_2038_survive(world: World) -> None:
    """TIMESTAMP ends there; contracts and pensions do not."""
    world.connector.create("i", {"id": CanonicalType("integer"), "at": CanonicalType("timestamp")}, ["id"])
    row = {"id": 1, "at": "2061-07-28T12:00:00.000001Z"}

    result = world.apply("insert", "i", "id", [row])

    assert result.inserted == 1
    assert world.scan("i")[1][0]["at"].isoformat() == "2061-07-28T12:00:00.000001+00:00"


def test_an_engine_without_transactions_is_read_and_never_written(world: World) -> None:
    """Half a batch could not be taken back."""
    world.run("CREATE TABLE my (id int PRIMARY KEY, v varchar(9)) ENGINE=MyISAM", "INSERT INTO my VALUES (1, 'x')")

    assert world.scan("my")[1] == [{"id": 1, "v": "x"}]
    assert world.connector.describe().resource("my").writable is False
    with pytest.raises(DataRefused, match="MyISAM has no transactions"):
        world.apply("insert", "my", "id", [{"id": 2, "v": "x"}])


def test_views_are_read_broken_ones_are_left_out_and_none_is_written_in_part(world: World) -> None:
    """assess must not stop at the one view whose table is gone."""
    world.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(9))", "CREATE TABLE gone (id int)", "INSERT INTO t VALUES (1, 'x')")
    world.run("CREATE VIEW good AS SELECT v, count(*) AS n FROM t GROUP BY v", "CREATE VIEW bad AS SELECT * FROM gone", "DROP TABLE gone")

    described = world.connector.describe()

    assert [r.name for r in described.resources] == ["good", "t"]
    assert (described.resource("good").row_count, described.resource("good").writable) == (1, False)
    with pytest.raises(DataRefused, match="view"):
        world.apply("insert", "good", "v", [{"v": "y", "n": 1}])


def test_rights_are_said_as_the_server_has_them(world: World, mysql_server: Any) -> None:
    """Tried by explaining, which writes nothing; roles and patterns are the server's affair."""
    world.run("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    world.run("CREATE TABLE v (a int, b int, PRIMARY KEY (a, b))", "CREATE TABLE w (a int, b int, PRIMARY KEY (a, b))")
    name = f"u_{world.database}"
    world.run(f"CREATE USER {name}", f"GRANT SELECT, INSERT ON {world.database}.t TO {name}")
    world.run(*(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {world.database}.{table} TO {name}" for table in "uv"))
    world.run(f"GRANT SELECT, UPDATE, DELETE ON {world.database}.w TO {name}")
    connector: Any = open_connector(System("erp", "mysql", mysql_server.url(world.database, name)), base=Path())

    found = {r.name: (r.readable, r.writable, r.row_count) for r in connector.describe().resources}
    with pytest.raises(DataRefused, match="GRANT"):
        connector.create("new", {"id": CanonicalType("integer")}, ["id"])
    connector.close()
    world.run(f"DROP USER {name}")

    assert found == {"t": (True, False, 1), "u": (True, True, 0), "v": (True, True, 0), "w": (True, False, 0)}


def test_a_row_that_somebody_holds_is_tried_again_and_not_waited_for_without_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten session in a terminal must not stop every flow."""
    settings = tuple(s.replace(f"timeout = {mysql_link.LOCK_SECONDS}", "timeout = 1") for s in mysql_link._SETTINGS)
    monkeypatch.setattr(mysql_link, "_SETTINGS", settings)
    world.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(9))", "INSERT INTO t VALUES (1, 'x')", "BEGIN", "UPDATE t SET v = 'held'")

    with pytest.raises(SystemChanged, match=r"is in use by others: .* kept it locked"):
        world.apply("update", "t", "id", [{"id": 1, "v": "ours"}], [{"id": 1, "v": "x"}])

    world.run("ROLLBACK")
    assert world.apply("update", "t", "id", [{"id": 1, "v": "ours"}], [{"id": 1, "v": "x"}]).updated == 1


def test_what_a_server_says_is_told_as_what_it_said(world: World) -> None:
    """«Could not be reached» sends people to look after the line, while the server was there and had its reason."""
    world.run("CREATE TABLE t (id int)")

    def said(*statements: str) -> str:
        with pytest.raises((SystemUnreachable, DataRefused)) as error, world.connector._link.session() as db:
            mysql_link.run(db, *statements)
        return f"{type(error.value).__name__} {error.value}"

    slow = said("SET STATEMENT max_statement_time = 0.01 FOR SELECT benchmark(1e9, 1) FROM t UNION SELECT sleep(1)")
    assert slow.startswith("SystemUnreachable")
    assert "could not do what it was asked: Query execution was interrupted" in slow
    assert "(error 1969)" in slow
    assert "a server that may be written, or direction: read" in said("START TRANSACTION READ ONLY", "INSERT INTO t VALUES (1)")
    with pytest.raises(SystemUnreachable, match="could not be reached: Unknown database"):
        open_connector(System("erp", "mysql", world.url.replace("@/m", "@/x")), base=Path()).describe()


def test_no_error_holds_the_password(mysql_server: Any) -> None:
    """Errors end up in reports and logs."""
    secret = "s3cr3t"  # a made-up one
    at = f"mysql://nobody:{secret}@127.0.0.1:{mysql_server.port}/db"
    with pytest.raises(SystemUnreachable) as refused:
        open_connector(System("erp", "mysql", at), base=Path()).describe()
    with pytest.raises(SystemUnreachable) as absent:
        open_connector(System("erp", "mysql", at.replace(str(mysql_server.port), "1")), base=Path()).describe()
    with pytest.raises(UsageError, match="is no MySQL address") as wrong:
        open_connector(System("erp", "mysql", f"mysql://u:{secret}@h:port/db"), base=Path())

    where = open_connector(System("erp", "mysql", at), base=Path()).where  # type: ignore[attr-defined]  # of this kind
    assert "Check user, password and database in its 'at:'." in str(refused.value)
    assert where == f"mysql://nobody@127.0.0.1:{mysql_server.port}/db", "a table that is gone is told with it"
    for error in (refused, absent, wrong):
        assert secret not in str(error.value)
        assert "erp" in str(error.value)


def test_without_the_driver_the_way_to_install_it_is_said_and_all_else_works(tmp_path: Path) -> None:
    """It is an optional extra."""
    program = f"""
import sys
sys.modules["pymysql"] = sys.modules["pymysqlreplication"] = None
from pathlib import Path
from accord.connectors.registry import connector_kinds, open_connector
from accord.model.system import System
assert "mysql" in connector_kinds()
try:
    open_connector(System("erp", "mysql", "mysql://u@localhost/db"), base=Path({str(tmp_path)!r})).describe()
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said.startswith("SystemUnreachable")
    assert "pip install 'accord[mysql]'" in said
