"""A system that was restored from a backup is brought up to what was agreed, when a person says that it was restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.errors import GuardStopped, UnknownName, UsageError
from accord.store import open_store
from accord.sync.merge.conflict_list import lost_values
from accord.sync.merge.decide import restore

AMID = 4  # the intent is noted, and one of two systems written


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


def kept(world: Any) -> set[tuple[str, str, str | None, str | None]]:
    """What the restore overruled: key, field, the value that was shown and the one that stands now."""
    lost = lost_values(world.store, ["things"])
    return {(v.key.split('"')[3], v.field, v.losing_value, v.winning_value) for v in lost if v.rule == "backup"}


def told(result: Any) -> list[str]:
    return [f.sentence.partition("': ")[2] for f in result.findings if f.kind == "restored"]


def set_back(world: Any, system: str = "b", *, between: Callable[[], object]) -> None:
    """The file of a system as it was before what happens ``between``, which ends in a run."""
    backup = shutil.copy(world.folder / f"{system}.db", world.folder / "backup.db")
    between()
    world.sync(allow_deletes=True)
    shutil.copy(backup, world.folder / f"{system}.db")


def a_day(world: Any, *, edits: int = 8) -> None:
    """Edits, deletes of rows 31 to 36 and two new rows since the backup."""
    world.sql("a", "UPDATE things SET name = 'new' WHERE size <= ?", edits)
    for size in range(31, 37):  # each counts as a write of the file
        world.sql("b", "DELETE FROM things WHERE size = ?", size)
    world.sql("a", "INSERT INTO things VALUES ('41', 'made', 41), ('42', 'made', 42)")


@pytest.mark.parametrize("capture", ["sweep", "cdc"])
def test_a_restored_system_gets_all_that_was_agreed_since_the_backup(forty: Any, capture: str) -> None:
    """And others get nothing of the past, but what people did meanwhile, there and elsewhere; what was overruled is kept."""
    world = forty({"b": {"capture": capture}})
    set_back(world, between=lambda: a_day(world))
    world.sql("b", "UPDATE things SET name = 'typed' WHERE id = '10'")
    world.sql("b", "UPDATE things SET size = 33 WHERE id = '33'")
    world.sql("b", "INSERT INTO things VALUES ('43', 'after', 43)")
    world.sql("a", "UPDATE things SET size = 0 WHERE id IN ('1', '11')")
    world.sql("a", "DELETE FROM things WHERE id IN ('2', '12')")
    with pytest.raises(GuardStopped, match=r"'b' stands at .* accord sync --restored b \(accord plan --restored b shows"):
        world.sync()

    result = world.sync(restored=["b"])

    assert world.rows("a") == world.rows("b")
    assert set(world.rows("a")) == {str(i) for i in range(1, 44) if i not in (2, 12) and not 31 <= i <= 36}
    shown = world.rows("b")
    assert (shown["1"], shown["3"], shown["10"], shown["11"], shown["43"]) == (
        ("new", 0),
        ("new", 3),
        ("old", 10),
        ("old", 0),
        ("after", 43),
    )
    assert kept(world) == {
        *((str(i), "name", "old", "new") for i in (1, 3, 4, 5, 6, 7, 8)),
        ("2", "name", "old", None),
        ("10", "name", "typed", "old"),
        *((str(i), "name", "old", None) for i in range(31, 37)),
        *((str(i), "size", str(i), None) for i in range(31, 37)),
    }
    assert told(result) == [
        "b/things is brought up to what was agreed: 9 rows there show something else than agreed, 2 are missing, and 6 were deleted since.",
        "1 rows of b/things are neither agreed nor known to have been deleted since; they are taken for new ones.",
    ]
    assert not world.sync().changed
    world.sql("b", "UPDATE things SET name = 'next' WHERE size > 20")
    assert world.sync().counts["updated"] == 17

    (lost,) = (v for v in lost_values(world.store, ["things"], key="33") if v.field == "size")
    restore(world.map, world.connectors, world.store, lost.id, by="Ann Lee", run="run-again", now=world.now)
    world.sync()
    assert world.rows("a")["33"] == world.rows("b")["33"] == ("old", 33)


def test_values_that_add_up_are_not_counted_back(make_world: Any) -> None:
    """An old count would be a difference to the one that was agreed, an old set would lack what was put in since, and so on."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, hits INTEGER, tags TEXT, note TEXT)"
    fields = [Field("id", required=True), Field("hits", "integer"), Field("tags", separator=";"), Field("note")]
    world = make_world({"a": table, "b": table}, fields, authority={"*": "merge"})
    for i in range(8):
        world.sql("a", "INSERT INTO things VALUES (?, 5, 'x', 'one' || char(10) || 'two')", str(i))
    world.sync()
    set_back(
        world,
        between=lambda: world.sql("b", "UPDATE things SET hits = 9, tags = 'x;y', note = 'one' || char(10) || 'two' || char(10) || '3'"),
    )
    world.sql("a", "UPDATE things SET hits = 10, tags = 'w;x;y', note = 'ONE' || substr(note, 4) WHERE id = '1'")

    world.sync(restored=["b"])

    assert world.rows("a") == world.rows("b")
    assert world.rows("a")["0"] == (9, "x;y", "one\ntwo\n3")
    assert world.rows("a")["1"] == (10, "w;x;y", "ONE\ntwo\n3")
    assert not world.sync().changed


def test_a_row_made_anew_under_the_key_of_a_deleted_one_stays(make_world: Any) -> None:
    """A database that was put back gives out numbers once more; a row that says when it was changed says that it is another one."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, updated_at TEXT)"
    fields = [Field("id", required=True), Field("name"), Field("updated_at", "timestamp")]
    world = make_world({"a": table, "b": table}, fields)
    world.sql("a", "INSERT INTO things VALUES ('1', 'one', '2026-03-01 08:00:00'), ('2', 'two', '2026-03-01 08:00:00'), ('3', 'x', NULL)")
    world.sync()
    world.now += timedelta(days=1)
    set_back(world, between=lambda: world.sql("a", "DELETE FROM things WHERE id < '3'"))
    world.sql("b", "UPDATE things SET name = 'another', updated_at = '2026-03-05 08:00:00' WHERE id = '2'")

    world.sync(restored=["b"])

    for system in "ab":
        assert {key: row[0] for key, row in world.rows(system).items()} == {"2": "another", "3": "x"}


def test_what_may_not_be_brought_up_is_said_with_the_way_out(forty: Any) -> None:
    """A wrong name must not be an ordinary run, nor a mass delete one that nobody was asked about."""
    world = forty()
    set_back(world, between=lambda: world.sql("a", "DELETE FROM things WHERE size > 10"))
    flow = world.map.flows["things"]

    with pytest.raises(UnknownName, match=r"system 'c', which does not exist. Known: a, b"):
        world.sync(restored=["c"])
    with pytest.raises(GuardStopped, match=r"would delete 30 of 40 rows of 'things' in 'b'"):
        world.sync(restored=["b"])
    with pytest.raises(GuardStopped, match="'b' stands at an earlier state"):
        world.sync()
    world.map = replace(
        world.map, flows={"things": replace(flow, bindings={**flow.bindings, "b": replace(flow.bindings["b"], direction="read")})}
    )
    with pytest.raises(UsageError, match=r"'b' cannot be brought up .* direction: read.* direction: both for that run"):
        world.sync(restored=["b"])
    world.map = replace(world.map, flows={"things": flow})
    world.sync(restored=["b"], allow_deletes=True)

    assert world.rows("a") == world.rows("b")
    assert len(world.rows("a")) == 10


@pytest.mark.parametrize("places", [(AMID,), pytest.param(range(100), marks=pytest.mark.prove)], ids=["one", "all"])
@pytest.mark.parametrize("again", [["b"], []], ids=["with", "without"])
def test_a_bring_up_that_dies_ends_right_in_the_next_run(
    forty: Any, ending: Any, tmp_path_factory: Any, again: list[str], places: Sequence[int]
) -> None:
    """Wherever it dies: what is not yet brought up is no edit, also once the system does not show any more that it was set back.

    A new row is one still, though the run that died has agreed on the part of it that adds up.
    """
    begun = forty(authority={"size": "merge"})
    set_back(begun, between=lambda: a_day(begun))
    begun.sql("a", "UPDATE things SET size = 0 WHERE id = '20'")
    begun.sql("b", "INSERT INTO things VALUES ('43', 'after', 43)")
    begun.store.close()
    wanted = {str(i): ("old", i) for i in range(1, 41) if not 31 <= i <= 36} | {str(i): ("new", i) for i in range(1, 9)}
    wanted |= {"20": ("old", 0), "41": ("made", 41), "42": ("made", 42), "43": ("after", 43)}
    overruled = set()
    for place in places:
        world = ending(copied(begun, tmp_path_factory.mktemp("place")))
        died = dies(world, place)
        if died and not again and not world.store.pending_intents("things", ["a", "b"]) and world.rows("b")["1"] == ("old", 1):
            with pytest.raises(GuardStopped, match="'b' stands at an earlier state"):
                world.sync()  # nothing was begun
            continue
        for _ in range(30):
            world.sql("b", "UPDATE things SET size = 51 - size WHERE size IN (25, 26)")
        world.sync(restored=again, allow_deletes=bool(again))
        quiet = world.sync()
        assert (place, world.rows("a"), world.rows("b"), quiet.changed) == (place, wanted, wanted, False)
        overruled.add(frozenset(kept(world)))
        if not died:
            break
    assert len(overruled) == 1
    assert died == (len(places) == 1)


def copied(world: Any, folder: Path) -> Any:
    """The same elsewhere, from where a run starts."""
    shutil.copytree(world.folder, folder, dirs_exist_ok=True)
    connectors = {name: open_connector(system, base=folder) for name, system in world.map.systems.items()}
    return replace(world, folder=folder, store=open_store(folder / "store.db", segments=folder / "segments"), connectors=connectors)


def dies(world: Any, place: int) -> bool:
    """Bring up 'b' and die around the durable write of that number, counted twice: before it, and after it; false when there were fewer."""
    count = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal count
            for step in (lambda: None, lambda: write(*given, **named)):
                found = step()
                if count == place:
                    raise Crash
                count += 1
            return found

        return call

    targets = [(world.store, "append"), *((c, name) for c in world.connectors.values() for name in ("apply", "apply_noted"))]
    for target, name in targets:
        setattr(target, name, counted(getattr(target, name)))
    try:
        world.sync(restored=["b"], allow_deletes=True)
    except Crash:
        return True
    finally:
        for target, name in targets:
            delattr(target, name)
    return False
