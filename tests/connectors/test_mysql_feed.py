"""The changed keys of a MySQL table from the binlog: every way to change a row is told, and what cannot be told is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from accord.connectors.duck import open_duck
from accord.connectors.protocol import Feed, KeyChanges
from accord.connectors.registry import open_connector
from accord.model.errors import DataRefused, SystemUnreachable, UnknownName
from accord.model.system import System

IMAGES = ("FULL", "MINIMAL")


class World:
    """Another program's connection, our connector, and a feed of table ``t``."""

    def __init__(self, url: str, server: Any) -> None:
        self.server = server
        self.database = url.split("@/")[1].partition("?")[0]
        self.db = self.session()
        self.connector: Any = open_connector(System("erp", "mysql", url), base=Path())
        self.run("CREATE TABLE t (id int PRIMARY KEY, mail varchar(20) UNIQUE, v varchar(20))")
        self.run("INSERT INTO t SELECT seq, seq, 'v' FROM seq_1_to_10")
        self.feeds: list[Feed] = []

    def session(self) -> pymysql.Connection[Any]:
        return pymysql.connect(unix_socket=str(self.server.folder / "s"), user="root", database=self.database, autocommit=True)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def feed(self, after: str | None = None, *, table: str = "t", key: tuple[str, ...] = ("id",)) -> Feed:
        made: Feed = self.connector.open_feed(table, list(key), name="f", after=after)
        self.feeds.append(made)
        return made

    def begun(self, **given: Any) -> Feed:
        """A feed whose first word, that all has to be compared, is read."""
        feed = self.feed(**given)
        first = feed.read()
        assert first is not None
        assert first.keys is None
        return feed

    def close(self) -> None:
        for feed in self.feeds:
            feed.close()
        self.db.close()
        self.connector.close()


@pytest.fixture
def world(mysql_url: str, mysql_server: Any) -> Iterator[World]:
    """A fresh one."""
    made = World(mysql_url, mysql_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own_server(mysql_servers: Callable[..., Any]) -> Any:
    """A server whose log may be thrown away and which may be killed."""
    return mysql_servers()


@pytest.fixture
def own(own_server: Any) -> Iterator[World]:
    """A world of its own on it."""
    own_server.execute("CREATE OR REPLACE DATABASE d")
    made = World(own_server.url("d"), own_server)
    yield made
    made.close()


def ids(found: KeyChanges | None) -> list[int]:
    assert found is not None
    assert found.keys is not None, found.reason
    return sorted(found.keys.column("id").to_pylist())


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO t VALUES (11, 'n', 'x'), (12, 'm', 'x')", [11, 12]),
        ("UPDATE t SET v = 'x' WHERE id <= 2", [1, 2]),
        ("UPDATE t SET id = 20 WHERE id = 3", [3, 20]),
        ("DELETE FROM t WHERE id > 8", [9, 10]),
        ("REPLACE INTO t VALUES (30, '4', 'x')", [4, 30]),
        ("INSERT INTO t VALUES (5, '5', 'x') ON DUPLICATE KEY UPDATE v = 'y'", [5]),
        ("DELETE t FROM t JOIN t AS o ON o.id = t.id - 1 WHERE o.id = 1", [2]),
        ("INSERT INTO t SELECT id + 100, concat('c', id), v FROM t WHERE id < 3", [101, 102]),
    ],
)
def test_every_way_to_change_a_row_tells_its_keys_before_and_after(world: World, statement: str, expected: list[int]) -> None:
    """A replaced row goes without a DELETE, and a changed key leaves one row and makes another."""
    feed = world.begun()

    world.run(statement)

    assert ids(feed.read()) == expected
    assert feed.read() is None


def test_what_was_rolled_back_or_done_elsewhere_is_not_told(world: World) -> None:
    """The log holds what was committed; other tables and other databases are none of ours."""
    world.run("CREATE TABLE other (id int PRIMARY KEY)")
    feed = world.begun()

    world.run("BEGIN", "UPDATE t SET v = 'x'", "ROLLBACK", "INSERT INTO other VALUES (1)", "CREATE TABLE t_2 (id int)", "DROP TABLE t_2")
    world.run("BEGIN", "UPDATE t SET v = 'x' WHERE id = 1", "SAVEPOINT a", "UPDATE t SET v = 'x' WHERE id = 2", "ROLLBACK TO a", "COMMIT")

    assert ids(feed.read()) == [1]
    assert feed.read() is None


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("TRUNCATE TABLE t", "truncated"),
        ("ALTER TABLE t ADD COLUMN w int", "columns"),
        ("ALTER TABLE t MODIFY v varchar(40) FIRST", "columns"),
        ("RENAME TABLE t TO old_t, t_new TO t", "columns"),
        ("CREATE OR REPLACE TABLE t (id int PRIMARY KEY)", "columns"),
        ("SET STATEMENT binlog_format = 'STATEMENT' FOR UPDATE t SET v = 'x' WHERE id = 1", "as such"),
        ("XA START 'a'; UPDATE t SET v = 'x'; XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'", "distributed"),
    ],
)
def test_what_keys_cannot_tell_makes_every_row_be_compared_and_the_feed_goes_on(world: World, statement: str, reason: str) -> None:
    """Silence would be the one wrong answer."""
    world.run("CREATE TABLE t_new LIKE t")
    feed = world.begun()

    world.run(*statement.split("; "))
    found = feed.read()
    world.run("INSERT INTO t (id) VALUES (77)")
    after = feed.read()

    assert found is not None
    assert found.keys is None
    assert reason in found.reason
    assert ids(after) == [77]


def test_a_large_transaction_comes_in_parts_and_again_from_its_beginning(world: World) -> None:
    """The position stays before it until all of it was told."""
    feed = world.begun()
    world.run("INSERT INTO t SELECT seq, seq, 'big' FROM seq_1001_to_6000")

    parts = []
    while (part := feed.read(limit=500)) is not None:
        parts.append(part)
        if not part.more:
            break
    first = parts[0].position
    feed.close()
    again = world.feed(after=first)
    repeated = again.read()

    assert len(parts) > 3
    assert sorted(key for part in parts for key in ids(part)) == list(range(1001, 6001))
    assert ids(repeated) == list(range(1001, 6001))
    assert all(part.more for part in parts[:-1])


def test_a_purged_log_makes_every_row_be_compared(world: World) -> None:
    """Binlogs end by age; starting later without a word would lose what was between."""
    feed = world.begun()
    world.run("UPDATE t SET v = 'x' WHERE id = 1")
    found = feed.read()
    assert found is not None
    feed.close()
    world.run("UPDATE t SET v = 'lost' WHERE id = 2", "FLUSH BINARY LOGS")
    for _ in range(200):  # what a session still reads is left alone
        world.run(f"PURGE BINARY LOGS TO '{world.run('SHOW MASTER STATUS')[0][0]}'")
        if len(world.run("SHOW BINARY LOGS")) == 1:
            break
        time.sleep(0.05)

    again = world.feed(after=found.position)
    whole = again.read()
    world.run("UPDATE t SET v = 'x' WHERE id = 3")

    assert whole is not None
    assert whole.keys is None
    assert "does not reach back" in whole.reason
    assert ids(again.read()) == [3]
    assert world.connector.feed_lag("t", name="f", after=found.position) is None


@pytest.mark.parametrize(("changes", "reason"), [(60, "another log"), (0, "it ends at bin")])
def test_another_log_of_the_same_name_is_not_taken_for_ours(own: World, changes: int, reason: str) -> None:
    """After RESET MASTER the numbers begin again, and an old position falls into the middle of other changes, or behind all."""
    own.run("RESET MASTER")
    feed = own.begun()
    own.run("UPDATE t SET v = 'a' WHERE id = 1")
    found = feed.read()
    feed.close()
    time.sleep(1.1)  # the mark of a log is the second it was begun in
    own.run("RESET MASTER", *(f"UPDATE t SET v = 'other {i}' WHERE id = 2" for i in range(changes)))

    assert found is not None
    whole = own.feed(after=found.position).read()

    assert whole is not None
    assert whole.keys is None
    assert reason in whole.reason


def test_the_feed_goes_on_over_new_files_and_a_restart_of_the_server(own: World) -> None:
    """A restart begins a new file; the table has another number in it."""
    feed = own.begun()
    own.run("UPDATE t SET v = 'a' WHERE id = 1", "FLUSH BINARY LOGS", "UPDATE t SET v = 'a' WHERE id = 2", "FLUSH BINARY LOGS")
    before = feed.read()
    assert before is not None
    own.run("UPDATE t SET v = 'a' WHERE id = 3")

    own.server.kill()
    own.db.close()
    with pytest.raises(SystemUnreachable):
        feed.read()
    own.server.start()
    own.db = own.session()
    begun_after_restart = own.feed().read()
    own.run("UPDATE t SET v = 'a' WHERE id = 4")
    same = feed.read()
    new = own.feed(after=before.position).read()

    assert ids(before) == [1, 2]
    assert ids(same) == [3, 4]
    assert ids(new) == [3, 4]
    assert begun_after_restart is not None
    assert begun_after_restart.keys is None


KEYS = {
    "bigint unsigned": ("18446744073709551615", "0"),
    "decimal(12,4)": ("-1.5000", "12345678.1234"),
    "binary(4)": ("x'01000000'", "x'20202020'"),
    "varbinary(9)": ("x'00ff'", "''"),
    "date": ("'2024-02-29'", "'1000-01-01'"),
    "datetime(6)": ("'2024-02-29 23:59:59.000100'", "'2024-02-29 00:00:00'"),
    "datetime(3) COMMENT 'UTC'": ("'2061-02-28 23:59:59.123'", "'1950-01-01 00:00:00'"),
    "timestamp(2) DEFAULT '2000-01-01'": ("'2024-02-29 23:59:59.12'", "'1999-12-31 23:00:00'"),
    "char(6) CHARACTER SET latin1": ("'né'", "' x'"),
    "varchar(400) COLLATE utf8mb4_bin": ("'ü🙂'", "'a''b'"),
    "enum('a','b''c')": ("'b''c'", "'a'"),
    "bit(12)": ("b'101'", "b'0'"),
    "year": ("2024", "1901"),
    "char(36) CHARACTER SET ascii COMMENT 'uuid'": ("'c0ffee00-1234-4321-abcd-0123456789ab'", "'11111111-0000-0000-0000-000000000000'"),
}


def test_keys_have_the_values_and_types_that_a_scan_gives(world: World) -> None:
    """A key that came otherwise would be looked for and not be found: the change would be lost."""
    con = open_duck()
    wrong = {}
    world.run("SET time_zone = '+05:00'")
    for number, (native, values) in enumerate(KEYS.items()):
        world.run(f"CREATE TABLE k{number} (id {native} PRIMARY KEY, b blob, v int)", f"SET binlog_row_image = '{IMAGES[number % 2]}'")
        feed = world.begun(table=f"k{number}")
        world.run(f"INSERT INTO k{number} VALUES ({values[0]}, x'ff80', 1), ({values[1]}, null, 1)", f"UPDATE k{number} SET v = 2")
        found = feed.read()
        feed.close()
        if found is None or found.keys is None:
            wrong[native] = "no keys"
            continue
        con.register("given", found.keys)
        con.execute("CREATE OR REPLACE TABLE keys AS SELECT id FROM given")
        scanned = world.connector.scan(con, f"k{number}")
        kinds = [con.execute(f"SELECT DISTINCT typeof(id) FROM {relation}").fetchall() for relation in ("keys", scanned)]
        both = con.execute(f"SELECT count(*) FROM (SELECT id FROM {scanned} INTERSECT SELECT id FROM keys)").fetchall()
        by_key = con.execute(f"SELECT count(*) FROM {world.connector.scan_keys(con, f'k{number}', 'keys')}").fetchall()
        if kinds[0] != kinds[1] or both != [(2,)] or by_key != [(2,)] or found.keys.num_rows != 2:
            wrong[native] = f"{kinds} {both} {by_key} {found.keys}"
    con.close()

    assert wrong == {}


def test_a_key_of_several_columns_is_whole_also_where_only_what_changed_is_logged(world: World) -> None:
    """A row image that is not full has of the new key only the part that changed."""
    world.run("CREATE TABLE k (a int, id varchar(9), v int, PRIMARY KEY (a, id))", "INSERT INTO k VALUES (1, 'x', 1)")
    feed = world.begun(table="k", key=("a", "id"))

    world.run("SET binlog_row_image = 'MINIMAL'", "UPDATE k SET id = 'y'")
    found = feed.read()

    assert found is not None
    assert found.keys is not None
    assert sorted((row["a"], row["id"]) for row in found.keys.to_pylist()) == [(1, "x"), (1, "y")]


def test_a_wait_ends_with_the_change_and_tells_when_it_was(world: World) -> None:
    """Continuous mode sleeps here; the moment is the commit's, in whole seconds, as the log has it."""
    feed = world.begun()
    other = world.session()
    begun = time.time()

    def write() -> None:
        with other.cursor() as cursor:
            cursor.execute("UPDATE t SET v = 'late' WHERE id = 1")

    timer = threading.Timer(0.3, write)
    timer.start()
    nothing = feed.read(wait_seconds=0.06)
    found = feed.read(wait_seconds=20)
    waited = time.time() - begun
    timer.join()
    other.close()

    assert nothing is None
    assert ids(found) == [1]
    assert found is not None
    assert found.keys is not None
    assert waited < 10
    assert abs(found.keys.column("_changed_at")[0].as_py().timestamp() - begun) < 10


def test_a_key_is_told_only_when_its_row_can_be_read(world: World) -> None:
    """The log has a transaction a moment before others see it: read in that moment, the old row would pass for the new one."""
    feed = world.begun()
    writer = world.session()

    def write() -> None:
        with writer.cursor() as cursor:
            for i in range(400):
                cursor.execute(f"UPDATE t SET v = '{i}' WHERE id = {i % 10 + 1}")

    thread = threading.Thread(target=write)
    thread.start()
    seen: dict[int, str] = {}
    while thread.is_alive():
        _note(world, feed.read(wait_seconds=0.05), seen)
    while (found := feed.read()) is not None:
        _note(world, found, seen)
    thread.join()
    writer.close()

    assert seen == {i + 1: str(390 + i) for i in range(10)}


def _note(world: World, found: KeyChanges | None, seen: dict[int, str]) -> None:
    """Read the rows of the keys, as a run does."""
    if found is None:
        return
    assert found.keys is not None
    for key in found.keys.column("id").to_pylist():
        other = world.session()
        with other.cursor() as cursor:
            cursor.execute(f"SELECT v FROM t WHERE id = {key}")
            seen[key] = str((cursor.fetchone() or [""])[0])
        other.close()


def test_tables_whose_log_would_not_tell_everything_are_refused_with_what_to_set(world: World, mysql_server: Any) -> None:
    """Better no feed than one that loses changes."""
    name = f"f_{world.database}"
    world.run("CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE d (id double PRIMARY KEY)", "CREATE VIEW w AS SELECT * FROM t")
    world.run("CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)")
    world.run(f"CREATE USER {name}", f"GRANT SELECT ON {world.database}.* TO {name}")
    poor: Any = open_connector(System("erp", "mysql", mysql_server.url(world.database, name)), base=Path())

    with pytest.raises(DataRefused, match=r"foreign key .* does not stand in the binlog"):
        world.feed(table="c")
    with pytest.raises(DataRefused, match="cannot be followed"):
        world.feed(table="d")
    with pytest.raises(DataRefused, match="view"):
        world.feed(table="w")
    with pytest.raises(UnknownName):
        world.feed(key=("nr",))
    with pytest.raises(DataRefused, match="REPLICATION SLAVE"):
        poor.open_feed("t", ["id"], name="f", after=None)
    poor.close()
    world.run(f"DROP USER {name}")
    for setting, good, bad, key in (("binlog_format", "ROW", "MIXED", "id"), ("binlog_row_image", "FULL", "MINIMAL", "mail")):
        try:
            world.run(f"SET GLOBAL {setting} = '{bad}'")
            with pytest.raises(DataRefused, match=f"{setting} = {good}"):
                world.feed(key=(key,))
        finally:
            world.run(f"SET GLOBAL {setting} = '{good}'")


def test_the_lag_is_the_log_behind_a_position(world: World) -> None:
    """doctor shows it, so that a log that ends by age does not end before it was read."""
    feed = world.begun()
    world.run("UPDATE t SET v = 'x' WHERE id = 1")
    found = feed.read()
    assert found is not None
    before = world.connector.feed_lag("t", name="f", after=found.position)

    world.run("UPDATE t SET v = repeat('y', 20)", "FLUSH BINARY LOGS", "UPDATE t SET v = 'z'")

    assert before == 0
    assert world.connector.feed_lag("t", name="f", after=found.position) > 400
    assert world.connector.feed_lag("t", name="f", after=None) is None
