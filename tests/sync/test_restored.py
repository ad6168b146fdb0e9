"""A system that was restored from a backup is not taken for one that somebody edited."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.errors import GuardStopped
from accord.model.system import System

DAY_SECONDS = 86_400
SHOWN = {
    "outbox": r"its outbox has counted 1 changes, of which 11 were read before",
    "counted": r"its file was written \d+ times, and \d+ times before",
    "dated": r"its file was last written at .* UTC, and was known as written at .* UTC",
}


def bound(world: Any, system: str, **values: Any) -> None:
    """The map of ``world`` with another binding."""
    flow = world.map.flows["things"]
    bindings = {**flow.bindings, system: replace(flow.bindings[system], **values)}
    world.map = replace(world.map, flows={"things": replace(flow, bindings=bindings)})


def put_back(world: Any, system: str, backup: Path, *, dated: bool = False) -> None:
    """A file of a system is as it was; ``dated``: its time is, too, a day ago."""
    shutil.copy(backup, world.folder / f"{system}.db")
    if dated:
        then = backup.stat().st_mtime - DAY_SECONDS
        os.utime(world.folder / f"{system}.db", (then, then))


def restored(forty: Any, way: str) -> Any:
    """In agreement on 40 rows, of which 10 were changed in 'a' since the backup that is in its place now."""
    about = {"outbox": {"capture": "cdc", "direction": "read"}, "counted": {}, "dated": {"direction": "read"}}[way]
    world = forty({"a": about})
    world.sql("a", "UPDATE things SET name = 'older' WHERE id = '40'")
    world.sync()
    shutil.copy(world.folder / "a.db", world.folder / "backup.db")
    for size in range(1, 11):
        world.sql("a", "UPDATE things SET name = 'new' WHERE size = ?", size)
    world.sync()
    put_back(world, "a", world.folder / "backup.db", dated=way == "dated")
    return world


@pytest.mark.parametrize("way", SHOWN)
def test_a_restored_file_stops_every_run_until_it_is_brought_up_to_what_is_agreed(forty: Any, way: str) -> None:
    """Its old values would go to every other system as edits; and users who work on in it hide that it was set back."""
    world = restored(forty, way)

    with pytest.raises(GuardStopped, match=f"'a' stands at an earlier state than the last run left: {SHOWN[way]}; 10 of its rows"):
        world.sync()
    for _ in range(30):
        world.sql("a", "UPDATE things SET size = 51 - size WHERE size IN (25, 26)")  # without effect SQLite writes nothing
    with pytest.raises(GuardStopped, match=SHOWN[way]):
        world.sync()
    kept = world.rows("b")["1"]
    bound(world, "a", direction="write")
    world.sync()
    bound(world, "a", direction="both")
    world.sql("a", "UPDATE things SET name = 'newest' WHERE size > 1 AND size < 20")
    world.sync()

    assert kept == ("new", 1)
    assert world.rows("a") == world.rows("b")
    assert (world.rows("b")["1"], world.rows("b")["2"]) == (("new", 1), ("newest", 2))


def test_what_a_restored_system_shows_can_be_meant(forty: Any) -> None:
    """Whoever restored it because of what was done since wants that undone everywhere."""
    world = restored(forty, "outbox")

    world.sync(allow_deletes=True)

    assert world.rows("b")["1"] == ("old", 1)
    world.sql("a", "UPDATE things SET name = 'newest' WHERE size < 20")
    world.sync()
    assert world.rows("b")["1"] == ("newest", 1)


def test_an_older_file_with_what_is_agreed_goes_on(forty: Any) -> None:
    """A file written anew with the same rows counts its writes from one; and a few edits are a normal day."""
    world = restored(forty, "counted")
    world.sql("a", "UPDATE things SET name = 'new' WHERE size <= 10")
    world.sql("a", "UPDATE things SET name = 'newest' WHERE size <= 5")

    world.sync()

    assert (world.rows("b")["5"], world.rows("b")["6"]) == (("newest", 5), ("new", 6))


def test_a_copy_that_is_put_in_the_place_every_night_is_only_read(forty: Any) -> None:
    """Nobody puts a newer file in the place of one that we write; of others that is how exports are made."""
    world = restored(forty, "counted")
    bound(world, "a", direction="read")

    world.sync()

    assert world.rows("b")["1"] == ("old", 1)


def test_rows_deleted_since_the_backup_count_too(forty: Any) -> None:
    """They would come back in every other system. Nobody but us has written there since, and once."""
    world = forty()
    shutil.copy(world.folder / "b.db", world.folder / "backup.db")
    world.sql("a", "DELETE FROM things WHERE size > 33")
    world.sync()
    put_back(world, "b", world.folder / "backup.db")

    with pytest.raises(GuardStopped, match=r"'b' stands at an earlier .*7 of its rows are gone, new or other"):
        world.sync()

    assert len(world.rows("a")) == 33


def test_rows_brought_back_by_the_programs_of_a_system_are_noticed_by_the_batches_named_in_it(forty: Any) -> None:
    """The file is written once more by that; and in WAL mode it does not count its writes at all."""
    world = forty()
    world.sql("a", "DELETE FROM things WHERE size = 40")
    world.sync()
    world.sql("b", "UPDATE accord_batches SET at = datetime(at, '-1 day')")  # so long ago was that
    with closing(sqlite3.connect(world.folder / "b.db")) as file, closing(sqlite3.connect(world.folder / "backup.db")) as backup:
        file.backup(backup)
        world.sql("a", "DELETE FROM things WHERE size > 33")
        world.sync()
        backup.backup(file)

    with pytest.raises(GuardStopped, match=r"'b' stands at .*: the last batch in its table accord_batches is of .*; 6 of its rows"):
        world.sync()

    assert len(world.rows("a")) == 33


def test_a_csv_file_with_the_time_of_a_backup_is_noticed(two: Any) -> None:
    """Nothing is in it that tells, and programs that restore files restore their times."""
    world = two
    (world.folder / "files").mkdir()
    world.connectors["b"] = open_connector(System("b", "csv", "files"), base=world.folder)
    file = world.folder / "files" / "things.csv"
    file.write_text("id,name,size\n" + "".join(f"{i},old,{i}\n" for i in range(40)))
    before = file.read_bytes()
    world.sync()
    world.sql("a", "UPDATE things SET name = 'new' WHERE size < 10")
    world.sync()
    file.write_bytes(before)
    os.utime(file, (1_700_000_000, 1_700_000_000))

    with pytest.raises(GuardStopped, match=r"'b' stands at an earlier .* last written at 2023-11-14 22:13:20 UTC"):
        world.sync()
    kept = world.rows("a")["1"]
    world.sync(restored=["b"])

    assert kept == world.rows("a")["1"] == ("new", 1)
    assert "\n1,new,1\n" in file.read_text()
    assert not world.sync().changed
