"""A MariaDB server whose data were put back says so itself, if it keeps a binlog."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from accord.connectors import mysql_reached
from accord.model.errors import GuardStopped
from accord.model.system import System


def test_a_server_whose_data_were_put_back_carries_nothing_over(forty: Any, mysql_servers: Callable[..., Any]) -> None:
    """Its log was put back, too, and ends before the place that was reached: what is written from now on is told all the same."""
    server = mysql_servers()
    server.execute("CREATE DATABASE shop", "CREATE TABLE shop.things (id VARCHAR(9) PRIMARY KEY, name TEXT, size INTEGER)")
    world = forty(
        {"a": {"capture": "cdc", "direction": "read"}},
        a=System("a", "mysql", server.url("shop")),
        run=lambda statement: server.execute(statement, database="shop"),
    )
    server.kill()
    subprocess.run(["cp", "-a", server.folder / "data", server.folder / "backup"], check=True)  # with the owner, who may be another user
    server.start()
    for size in range(1, 11):
        server.execute(f"UPDATE shop.things SET name = 'new' WHERE size = {size}")
    world.sync()
    server.kill()
    shutil.rmtree(server.folder / "data")
    (server.folder / "backup").rename(server.folder / "data")
    server.start()

    with pytest.raises(GuardStopped, match=r"'a' stands at an earlier .*: its server has numbered transactions .*; 10 of its rows"):
        world.sync()
    for _ in range(20):
        server.execute("UPDATE shop.things SET size = 21 - size WHERE size IN (20, 1)")
    with pytest.raises(GuardStopped, match="its server has numbered transactions"):
        world.sync()
    kept = world.rows("b")["1"]
    world.sync(allow_deletes=True)
    server.execute("UPDATE shop.things SET name = 'newest' WHERE size > 20")
    world.sync()
    world.connectors["a"].close()

    assert kept == ("new", 1)
    assert (world.rows("b")["1"], world.rows("b")["21"]) == (("old", 1), ("newest", 21))


def test_a_dump_that_was_read_back_is_noticed_by_the_batches_we_named_in_it(forty: Any, mysql_server: Any, mysql_url: str) -> None:
    """For the server that is work like any other. Deletes are named, and so is what was merged."""
    name, where = urlsplit(mysql_url).path.strip("/"), f"--socket={mysql_server.folder / 's'}"
    mysql_server.execute("CREATE TABLE things (id VARCHAR(9) PRIMARY KEY, name TEXT, size INTEGER)", database=name)
    world = forty(a=System("a", "mysql", mysql_url), run=lambda statement: mysql_server.execute(statement, database=name))
    world.sql("b", "DELETE FROM things WHERE id = '40'")
    world.sync()
    mysql_server.execute("UPDATE accord_batches SET at = at - INTERVAL 1 DAY", database=name)  # so long ago was that
    dump = subprocess.run(["mariadb-dump", where, name], capture_output=True, check=True).stdout
    world.sql("b", "UPDATE things SET name = 'new' WHERE size <= 10")
    world.sql("b", "DELETE FROM things WHERE id = '39'")
    world.sync()
    subprocess.run(["mariadb", where, name], input=dump, check=True)

    with pytest.raises(GuardStopped, match=r"'a' stands at .*: the last batch in its table accord_batches is of .*; 11 of its rows"):
        world.sync()
    world.connectors["a"].close()

    assert world.rows("b")["1"] == ("new", 1)


def test_only_what_the_same_host_counted_is_compared() -> None:
    """Behind a proxy any server of a cluster may answer; and a log that was begun anew names nobody."""
    before = '["one", "0-1-70,0-2-5", ""]'

    assert "'0-1' up to 69, and had up to 70" in mysql_reached.set_back(before, '["one", "0-1-69,0-2-5", ""]')
    assert mysql_reached.set_back(before, '["two", "0-1-69,0-2-5", ""]') == ""
    assert mysql_reached.set_back(before, '["one", "0-2-6,0-3-1", ""]') == ""
    of_mysql = '["one", "3e11fa47-71ca:1-77:80-90,\\n9a-b:1-5", ""]'
    assert "'3e11fa47-71ca' up to 89, and had up to 90" in mysql_reached.set_back(of_mysql, of_mysql.replace("80-90", "80-89"))
