"""People decide: what they chose becomes what every system holds, unless somebody was faster."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.entity import Field, Rule
from accord.model.errors import UsageError
from accord.model.flow import FieldMapping
from accord.store import Store
from accord.sync.merge.conflict_list import lost_values, open_conflicts
from accord.sync.merge.decide import decide, restore
from accord.sync.state import release

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, editor TEXT, at TIMESTAMP)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]
MAPPED = {f.name: FieldMapping(f.name) for f in FIELDS}
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
INSERT = "INSERT INTO things VALUES ('1', 'old', 1, 'eve', '2026-03-01 08:00:00')"


@pytest.fixture
def quarrel(make_world: Any, begun_once: Any) -> Any:
    """Systems a, b and c; a and b hold different names, which are for a person to decide."""

    def play() -> Any:
        bindings = {s: {"fields": MAPPED, "changed_by": "editor", "cursor": "at"} for s in "abc"}
        world = make_world(dict.fromkeys("abc", TABLE), FIELDS, bindings, authority={"name": "human"})
        world.sql("a", INSERT)
        world.sync()
        world.sql("a", "UPDATE things SET name = 'x', editor = 'kim', at = '2026-03-01 09:00:00'")
        world.sql("b", "UPDATE things SET name = 'y', editor = 'lee', at = '2026-03-01 10:00:00'")
        world.sync()
        return world

    return begun_once(play)


def ask(world: Any, verb: Any, id_: str, **options: Any) -> Any:
    return verb(world.map, world.connectors, world.store, id_, run="ask", now=NOW, **{"by": "ann", **options})


def shown(world: Any) -> list[str | None]:
    return [world.rows(s)["1"][0] for s in "abc"]


def test_an_open_conflict_is_listed_with_what_each_system_shows(quarrel: Any) -> None:
    """Whoever decides has to see between what."""
    tasks = open_conflicts(quarrel.store, ["things"])

    assert [(t.key, t.field, t.status, dict(t.values)) for t in tasks] == [('{"id":"1"}', "name", "open", {"a": "x", "b": "y"})]
    assert open_conflicts(quarrel.store, ["things"], key="2") == []


def test_a_lost_value_is_kept_with_who_wrote_it_and_when(quarrel: Any) -> None:
    """Without the name of its author nobody can be asked what was meant."""
    lost = lost_values(quarrel.store, ["things"], key="1")

    assert sorted((v.loser, v.losing_value, v.rule, v.changed_by, v.changed_at) for v in lost) == [
        ("a", "x", "human", "kim", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("b", "y", "human", "lee", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ]
    assert len({v.id for v in lost}) == 2
    assert [v.id for v in lost_values(quarrel.store, ["things"], key="1")] == [v.id for v in lost]


@pytest.mark.parametrize(("choice", "agreed"), [({"take": "b"}, "y"), ({"take": "c"}, "old"), ({"value": "z"}, "z"), ({}, None)])
def test_a_decision_waits_for_the_next_run_and_is_then_agreed_everywhere(quarrel: Any, choice: dict[str, str], agreed: Any) -> None:
    """Until then both systems keep their own values; afterwards nothing is open and nothing is written again."""
    (task,) = open_conflicts(quarrel.store, ["things"])

    ask(quarrel, decide, task.id, **choice)
    before = shown(quarrel)
    result = quarrel.sync()

    assert before == ["x", "y", "old"]
    assert shown(quarrel) == [agreed] * 3
    assert (result.open_conflicts, open_conflicts(quarrel.store, ["things"])) == (0, [])
    lost = {(v.loser, v.losing_value, v.winner) for v in lost_values(quarrel.store, ["things"]) if v.rule == "decided"}
    assert lost == {(s, v, "ann") for s, v in (("a", "x"), ("b", "y")) if v != agreed}
    assert not quarrel.sync().changed


def test_a_second_person_does_not_undo_a_decision_without_a_word(quarrel: Any) -> None:
    """Both would be told that the next run carries out what they chose."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    for _ in range(2):  # said twice, it is one decision
        ask(quarrel, decide, task.id, take="a")

    with pytest.raises(UsageError, match="was decided by ann"):
        ask(quarrel, decide, task.id, take="b", by="bob")
    ask(quarrel, decide, task.id, take="b", by="ann", force=True)
    quarrel.sync()

    assert len(list(quarrel.store.read(types=["conflict.decided"]))) == 2
    assert shown(quarrel) == ["y"] * 3
    with pytest.raises(UsageError, match="no single open conflict"):
        ask(quarrel, decide, task.id, take="a")


def test_a_decision_the_contract_refuses_reaches_no_system(make_world: Any) -> None:
    """It would be written everywhere, and then wait in quarantine everywhere."""
    fields = [Field("id", required=True), Field("name", required=True, values=("old", "x", "y", "z")), Field("size", "integer")]
    small = Rule("small", check="name <> 'z' OR size < 5", reason="z is for small things")
    world = make_world(dict.fromkeys("abc", TABLE), fields, authority={"name": "human"}, rules=[small])
    world.sql("a", INSERT.replace("1, 'eve'", "9, 'eve'"))
    world.sync()
    world.sql("a", "UPDATE things SET name = 'x'")
    world.sql("b", "UPDATE things SET name = 'y'")
    world.sync()
    (task,) = open_conflicts(world.store, ["things"])

    for value, why in (("w", "'w' is not one of old, x, y, z"), (None, "required and missing")):
        with pytest.raises(UsageError, match=why):
            ask(world, decide, task.id, value=value)
    ask(world, decide, task.id, value="z")  # only the whole row tells that it may not be
    waiting = world.sync()
    kept = shown(world)
    ask(world, decide, task.id, value="y", force=True)
    world.sync()

    assert (waiting.waiting, waiting.counts["updated"], kept) == (1, 0, ["x", "y", "old"])
    assert (shown(world), world.sync().waiting) == (["y"] * 3, 0)


def test_an_edit_after_the_decision_opens_the_conflict_again(quarrel: Any) -> None:
    """The decision was about other values; what somebody wrote since must not be overwritten by it."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    ask(quarrel, decide, task.id, take="a")
    quarrel.sql("b", "UPDATE things SET name = 'newer'")

    quarrel.sync()

    (again,) = open_conflicts(quarrel.store, ["things"])
    assert shown(quarrel) == ["x", "newer", "old"]
    assert (again.id, again.status, dict(again.values)) == (task.id, "open", {"a": "x", "b": "newer"})


def test_a_decision_survives_a_run_that_dies_after_writing(quarrel: Any) -> None:
    """Half of the systems hold the decided value then, and the next run must not take that for an edit."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    ask(quarrel, decide, task.id, value="z")

    quarrel.crash("writing b")
    halfway = shown(quarrel)
    quarrel.sync()

    assert halfway == ["z", "y", "old"]
    assert shown(quarrel) == ["z"] * 3
    assert open_conflicts(quarrel.store, ["things"]) == []


def test_a_decision_that_was_carried_out_is_not_carried_out_again_after_a_crash(quarrel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run dies the moment its end is in the log; a value somebody goes back to after that is a new edit, and nothing is lost twice."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    ask(quarrel, decide, task.id, value="z")

    class Died(BaseException):
        pass

    def append(events: Any) -> Any:
        stored = Store.append(quarrel.store, events)
        if any(event.type == "flow.run_finished" for event in events):
            raise Died
        return stored

    with monkeypatch.context() as patched:
        patched.setattr(quarrel.store, "append", append)
        with pytest.raises(Died):
            quarrel.sync()
    carried_out = shown(quarrel)
    quarrel.sql("b", "UPDATE things SET name = 'y'")
    quarrel.sync()

    assert (carried_out, shown(quarrel)) == (["z"] * 3, ["y"] * 3)
    assert sorted(v.losing_value for v in lost_values(quarrel.store, ["things"]) if v.rule == "decided") == ["x", "y"]
    assert not quarrel.sync().changed


def test_a_value_somebody_goes_back_to_after_a_decision_was_written_is_an_edit(quarrel: Any) -> None:
    """The run died before its end; its first system says that it took the decided value, so what stands there now came later."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    ask(quarrel, decide, task.id, value="z")

    quarrel.crash("writing b")
    halfway = shown(quarrel)
    quarrel.sql("a", "UPDATE things SET name = 'x'")
    quarrel.sync()

    (again,) = open_conflicts(quarrel.store, ["things"])
    assert (halfway, shown(quarrel)) == (["z", "y", "old"], ["x", "y", "old"])
    assert (again.status, dict(again.values)) == ("open", {"a": "x", "b": "y"})


def test_a_conflict_that_people_settle_in_the_systems_closes(quarrel: Any) -> None:
    """The inbox must not show what is no longer there."""
    quarrel.sql("a", "UPDATE things SET name = 'y'")

    quarrel.sync()

    assert open_conflicts(quarrel.store, ["things"]) == []


def test_the_list_of_conflicts_can_be_computed_anew_from_the_log(quarrel: Any) -> None:
    """It is a projection, and no second truth."""
    (task,) = open_conflicts(quarrel.store, ["things"])
    ask(quarrel, decide, task.id, take="a")
    before = quarrel.store.table("conflict")

    quarrel.store.rebuild()

    assert quarrel.store.table("conflict").equals(before)


@pytest.fixture
def lost(make_world: Any, begun_once: Any) -> Any:
    """Systems a, b and c agree on a's name; b's lost."""

    def play() -> Any:
        world = make_world(dict.fromkeys("abc", TABLE), FIELDS, {s: {"fields": MAPPED} for s in "abc"})
        world.sql("a", INSERT)
        world.sync()
        world.sql("a", "UPDATE things SET name = 'mine'")
        world.sql("b", "UPDATE things SET name = 'yours'")
        world.sync()
        return world

    return begun_once(play)


def test_a_restored_value_is_agreed_in_every_system_and_what_it_replaces_is_kept(lost: Any) -> None:
    """Also in the system that owns the field; and the restoring can itself be undone."""
    (value,) = lost_values(lost.store, ["things"])

    ask(lost, restore, value.id)
    lost.sync()
    undo = next(v for v in lost_values(lost.store, ["things"]) if v.rule == "restored")
    first = shown(lost)
    ask(lost, restore, undo.id[:8])
    lost.sync()

    assert first == ["yours"] * 3
    assert (undo.winner, undo.losing_value, undo.winning_value) == ("ann", "mine", "yours")
    assert shown(lost) == ["mine"] * 3
    assert not lost.sync().changed


def test_a_value_is_not_restored_over_a_later_change_unless_forced(lost: Any) -> None:
    """What was agreed since is somebody's work too."""
    (value,) = lost_values(lost.store, ["things"])
    lost.sql("c", "UPDATE things SET name = 'later'")
    lost.sync()

    with pytest.raises(UsageError, match="moved since"):
        ask(lost, restore, value.id)
    ask(lost, restore, value.id, force=True)
    lost.sync()

    assert shown(lost) == ["yours"] * 3
    assert "later" in {v.losing_value for v in lost_values(lost.store, ["things"])}


def test_an_edit_between_asking_and_the_run_wins_over_the_restoring(lost: Any) -> None:
    """It is the later decision, made by someone who saw the row."""
    (value,) = lost_values(lost.store, ["things"])
    ask(lost, restore, value.id)
    lost.sql("c", "UPDATE things SET name = 'later'")

    lost.sync()

    assert shown(lost) == ["later"] * 3
    assert [(r["status"], r["outcome"]) for r in lost.store.table("conflict").to_pylist()] == [("closed", "moved")]
    assert not lost.sync().changed


def test_what_cannot_be_decided_or_restored_is_refused_with_the_reason(lost: Any) -> None:
    """A typing error must not become a decision."""
    (value,) = lost_values(lost.store, ["things"])
    for verb, id_, options, message in (
        (restore, "ffffffffffff", {}, "there is none"),
        (restore, value.id, {"by": " "}, "nobody is named"),
        (decide, value.id, {"take": "a"}, "no single open conflict"),
    ):
        with pytest.raises(UsageError, match=message):
            ask(lost, verb, id_, **options)
    lost.sql("a", "DELETE FROM things")
    lost.sync()
    with pytest.raises(UsageError, match="is gone"):
        ask(lost, restore, value.id)


def test_a_conflict_ends_with_its_row_and_takes_no_part_when_the_row_is_made_again(make_world: Any) -> None:
    """A read-only system goes on showing its side of it; that was lost to the delete, is recorded as such, and is no edit of today."""
    bindings = {"a": {"fields": MAPPED, "direction": "read"}, "b": {"fields": MAPPED}, "c": {"fields": MAPPED}}
    world = make_world(dict.fromkeys("abc", TABLE), FIELDS, bindings, authority={"name": "human"})
    world.sql("a", INSERT)
    world.sync()
    world.sql("a", "UPDATE things SET name = 'x'")
    world.sql("b", "UPDATE things SET name = 'y'")
    world.sync()
    world.sql("c", "DELETE FROM things")
    world.sync()
    deleted = sorted((v.loser, v.losing_value) for v in lost_values(world.store, ["things"]) if v.rule == "deleted")
    assert deleted == [("a", "x"), ("b", "y")]
    world.sql("c", "INSERT INTO things (id, name) VALUES ('1', 'new')")

    world.sync()

    assert open_conflicts(world.store, ["things"]) == []
    assert shown(world) == ["x", "new", "new"]
    assert not world.sync().changed


def row_deleted(make_world: Any) -> Any:
    """Systems a, b and c; a deleted a row that b had just edited, and the edit lost."""
    fields = [Field("id", required=True), Field("name", required=True), Field("size", "integer")]
    world = make_world(dict.fromkeys("abc", TABLE), fields, {s: {"fields": MAPPED} for s in "abc"})
    world.sql("a", INSERT)
    world.sql("a", INSERT.replace("'1'", "'2'"))
    world.sync()
    world.sql("a", "DELETE FROM things WHERE id = '1'")
    world.sql("b", "UPDATE things SET size = 7 WHERE id = '1'")
    world.sync(allow_deletes=True)
    return world


@pytest.fixture
def deleted(make_world: Any, begun_once: Any) -> Any:
    """The world of ``row_deleted``."""
    return begun_once(lambda: row_deleted(make_world))


def test_a_value_that_lost_to_a_delete_comes_back_with_its_row_in_every_system(deleted: Any) -> None:
    """A value alone has nowhere to be; the row is as it was last agreed on, but for what was edited."""
    (value,) = lost_values(deleted.store, ["things"])

    ask(deleted, restore, value.id)
    deleted.sync()

    assert [deleted.rows(s)["1"][:2] for s in "abc"] == [("old", 7)] * 3
    outcomes = {r["outcome"] for r in deleted.store.table("conflict").to_pylist()}
    assert (outcomes, open_conflicts(deleted.store, ["things"])) == ({"applied"}, [])
    assert not deleted.sync().changed
    deleted.sql("c", "DELETE FROM things WHERE id = '1'")
    deleted.sync(allow_deletes=True)
    assert "1" not in deleted.rows("a")


@pytest.mark.parametrize("older", [False, True])
def test_a_row_comes_back_after_the_states_that_held_it_were_let_go(make_world: Any, monkeypatch: pytest.MonkeyPatch, older: bool) -> None:
    """It is recorded with what it lost; an older program did not, and the states it left are kept."""
    with monkeypatch.context() as patched:
        if older:
            patched.setattr("accord.sync.run.ROWS_KEPT", "written_by_an_older_program")
            patched.setattr("accord.sync.merge.conflicts._last_agreed", lambda cycle: "NULL")
        world = row_deleted(make_world)
    monkeypatch.setattr(release, "FROM", 1)
    monkeypatch.setattr(release, "READERS_SECONDS", -60.0)
    for n in range(4):
        world.sql("a", f"UPDATE things SET size = {n} WHERE id = '2'")
        world.sync()
    (value,) = lost_values(world.store, ["things"])

    ask(world, restore, value.id)
    world.sync()

    assert [world.rows(s)["1"][:2] for s in "abc"] == [("old", 7)] * 3
    gone = {sha for e in world.store.read(types=["segment.released"]) for sha in e.event.attributes["segments"]}
    (first,) = world.store.read(types=["flow.run_finished"], limit=1)
    assert gone.isdisjoint(first.event.attributes["state"]["golden"]) is older
    assert world.store.verify_segments() == ()


def test_a_row_somebody_made_meanwhile_is_not_overwritten_by_the_one_that_comes_back(deleted: Any) -> None:
    """Theirs is the newer decision; the restoring says that it was overtaken."""
    (value,) = lost_values(deleted.store, ["things"])
    ask(deleted, restore, value.id)
    deleted.sql("c", "INSERT INTO things (id, name, size) VALUES ('1', 'fresh', 9)")

    deleted.sync()

    assert [deleted.rows(s)["1"][:2] for s in "abc"] == [("fresh", 9)] * 3
    assert {r["outcome"] for r in deleted.store.table("conflict").to_pylist()} == {"moved"}


def test_a_row_that_comes_back_survives_a_run_that_dies_after_the_first_system(deleted: Any) -> None:
    """Half of the systems hold it then, and nothing agreed says that it exists."""
    (value,) = lost_values(deleted.store, ["things"])
    ask(deleted, restore, value.id)

    class Died(BaseException):
        pass

    def die(sentence: str) -> None:
        if "writing b" in sentence:
            raise Died

    with pytest.raises(Died):
        deleted.sync(progress=die)
    deleted.sync()

    assert [deleted.rows(s)["1"][:2] for s in "abc"] == [("old", 7)] * 3
    assert not deleted.sync().changed


def test_a_row_without_a_value_it_needs_is_not_made_again(deleted: Any) -> None:
    """What was agreed is no row of today's contract: people have to say what belongs there."""
    (value,) = lost_values(deleted.store, ["things"])
    thing = deleted.map.entities["thing"]
    fields = {**thing.fields, "kind": Field("kind", required=True)}
    deleted.map = replace(deleted.map, entities={"thing": replace(thing, fields=fields)})

    with pytest.raises(UsageError, match="is gone"):
        ask(deleted, restore, value.id)
