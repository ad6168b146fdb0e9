"""Moments between two steps of a run in which something else happens: another death, a mass delete, a clock that is set back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import GuardStopped, SystemUnreachable

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]


def test_an_attempt_that_cannot_reach_a_system_leaves_the_intents_of_the_one_that_died(make_world: Any) -> None:
    """A run is taken up under its own id, and a system is away: its own writes must not look like a user's edits after that."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'first'")
    world.crash("moving the base")
    world.runs -= 1  # taken up under its own id

    def away(said: str) -> None:
        if said.endswith("reading b"):
            raise SystemUnreachable("b", "b.db", "it is away")

    with pytest.raises(SystemUnreachable):
        world.sync(progress=away)
    world.sql("a", "UPDATE things SET name = 'second'")
    world.sync()

    assert [world.rows(n)["1"] for n in "ab"] == [("second", 1)] * 2
    assert world.segments("conflicts") == []


def test_a_mass_delete_amid_a_run_stops_it_before_it_spreads(make_world: Any) -> None:
    """A row was stale, so the system is read again; what was emptied meanwhile is guarded as it is at the beginning."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "a"})
    for n in range(20):
        world.sql("a", "INSERT INTO things VALUES (?, 'old', 1)", str(n))
    world.sync()
    world.sql("a", "UPDATE things SET name = 'new' WHERE id < '15'")

    def meanwhile(said: str) -> None:
        if said.endswith("writing b"):
            world.sql("b", "UPDATE things SET size = 2 WHERE id = '0'")
            world.sql("b", "DELETE FROM things WHERE id NOT IN ('0', '1')")

    with pytest.raises(GuardStopped):
        world.sync(progress=meanwhile)
    assert len(world.rows("a")) == 20


@pytest.mark.parametrize("second", ["writing b", pytest.param("reading back b", marks=pytest.mark.prove)])
def test_a_value_that_an_earlier_dead_run_meant_to_write_is_an_edit_once_another_run_saw_it_was_not_there(
    make_world: Any, second: str
) -> None:
    """Two runs die one after the other; «paid» was never written, and who types it then must not be overruled without a word."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'open', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'paid'")
    world.crash("writing b")
    world.sql("a", "UPDATE things SET name = 'cancelled'")
    world.crash(second)
    world.sql("b", "UPDATE things SET name = 'paid'")

    world.sync()

    assert [world.rows(n)["1"] for n in "ab"] == [("paid", 1)] * 2
    assert not world.sync().changed


def test_what_a_dead_run_wrote_is_still_its_own_after_another_one_died(make_world: Any) -> None:
    """The first wrote, the second did not come to it: the source goes on, and nothing is a conflict."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "b"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'open', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'paid'")
    world.crash("reading back b")
    world.sql("a", "UPDATE things SET name = 'cancelled'")
    world.crash("writing b")
    world.sql("a", "UPDATE things SET name = 'open again'")

    world.sync()

    assert [world.rows(n)["1"] for n in "ab"] == [("open again", 1)] * 2
    assert world.segments("conflicts") == []


def test_what_a_dead_run_overwrote_stays_recorded_when_its_second_attempt_meets_a_stale_row(make_world: Any) -> None:
    """Both attempts bear the same id, and the second withdraws only its own record of a row it did not write."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "a"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'by a'")
    world.sql("b", "UPDATE things SET name = 'by b'")
    world.crash("reading back b")
    world.runs -= 1
    world.sql("a", "UPDATE things SET name = 'by a again'")
    edits = iter(["UPDATE things SET size = 2"])

    def meanwhile(said: str) -> None:
        if said.endswith("writing b") and (edit := next(edits, "")):
            world.sql("b", edit)

    world.sync(progress=meanwhile)

    assert [world.rows(n)["1"] for n in "ab"] == [("by a again", 2)] * 2
    assert [r["losing_value"] for r in world.segments("conflicts")] == ["by b"]


def test_what_a_round_overwrote_stays_recorded_when_the_next_round_does_not_come_to_the_row(make_world: Any) -> None:
    """The first round wrote b and met an edit in c; the second, which brings that edit to b, meets one there."""
    world = make_world(dict.fromkeys("abc", TABLE), FIELDS, authority={"*": "c", "size": "a"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET size = 2")
    world.sql("b", "UPDATE things SET size = 3")
    edits = {"c": iter(["UPDATE things SET name = 'by c'"]), "b": iter(["", "UPDATE things SET name = 'by b'"])}

    def meanwhile(said: str) -> None:
        if ": writing" in said and (edit := next(edits.get(said[-1], iter(())), "")):
            world.sql(said[-1], edit)

    world.sync(progress=meanwhile)
    world.sync()

    assert [world.rows(n)["1"] for n in "abc"] == [("by c", 2)] * 3
    assert sorted(r["losing_value"] for r in world.segments("conflicts")) == ["3", "by b"]


def test_a_system_that_is_taken_out_of_a_flow_after_a_run_died_keeps_the_others_from_no_short_way(make_world: Any) -> None:
    """What was meant for it stays open, should it come back; the flow itself has nothing left to sort out."""
    world = make_world(dict.fromkeys("abc", TABLE), FIELDS, authority={"*": "a"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'new'")
    world.crash("writing c")
    whole = world.map.flows["things"]
    world.map = replace(world.map, flows={"things": replace(whole, bindings={n: whole.bindings[n] for n in "ab"})})
    world.sync()
    world.sync()
    said: list[str] = []

    world.sync(progress=said.append)

    assert said == ["things: no system was written since the last run"]
    world.map = replace(world.map, flows={"things": whole})
    world.sync()
    assert [world.rows(n)["1"] for n in "abc"] == [("new", 1)] * 3


@pytest.mark.parametrize(
    "died", ["writing b", "reading back b", *(pytest.param(died, marks=pytest.mark.prove) for died in ("writing a", ""))]
)
def test_beside_a_counter_an_edit_that_was_never_shown_elsewhere_still_meets_its_rival(make_world: Any, died: str) -> None:
    """Somebody renames the row in b without having seen the name a gave it: the authority decides, and what loses is recorded."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "a", "size": "merge"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 100)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'by a', size = size + 5")
    world.sql("b", "UPDATE things SET size = size + 10")
    rename = ["UPDATE things SET name = 'by b', size = size + 1"]

    def meanwhile(said: str) -> None:
        if said.endswith("writing b") and rename:
            world.sql("b", rename.pop())

    if died:
        world.crash(died)
        seen = died == "reading back b"
        world.sql("b", rename.pop())
        world.sync()
    else:
        seen = False
        world.sync(progress=meanwhile)

    wins = "by b" if seen else "by a"
    assert [world.rows(n)["1"] for n in "ab"] == [(wins, 116)] * 2
    assert [(r["loser"], r["losing_value"]) for r in world.segments("conflicts")] == ([] if seen else [("b", "by b")])
    assert not world.sync().changed


@pytest.mark.parametrize("died", ["writing b", ""])
def test_beside_a_counter_a_new_row_that_was_never_shown_elsewhere_still_meets_its_rival(make_world: Any, died: str) -> None:
    """Somebody makes a row of the same key in b before the one of a comes there: all of one that does not win is recorded, too."""
    fields = [*FIELDS, Field("note")]
    world = make_world(dict.fromkeys("ab", TABLE.replace(")", ", note TEXT)")), fields, authority={"*": "b", "size": "merge", "note": "a"})
    world.sync()
    world.sql("a", "INSERT INTO things VALUES ('1', 'by a', 5, 'of a')")
    rival = ["INSERT INTO things VALUES ('1', 'by b', 10, 'of b')"]

    def meanwhile(said: str) -> None:
        if said.endswith("writing b") and rival:
            world.sql("b", rival.pop())

    if died:
        world.crash(died)
        world.sql("b", rival.pop())
    world.sync(progress=meanwhile)

    assert [world.rows(n)["1"] for n in "ab"] == [("by b", 5, "of a")] * 2
    lost = {(r["loser"], r["field"], r["losing_value"]) for r in world.segments("conflicts")}
    assert lost == {("a", "name", "by a"), ("b", "size", "10"), ("b", "note", "of b")}
    assert not world.sync().changed


def test_beside_a_counter_a_new_row_does_not_overrule_in_the_next_round_what_it_lost_to_in_the_one_before(make_world: Any) -> None:
    """Row 1 is new in a and lost its name; row 2 is new there with the name that was agreed, and somebody in b edits it meanwhile."""
    fields = [*FIELDS, Field("note")]
    tables = dict.fromkeys("ab", TABLE.replace(")", ", note TEXT)"))
    world = make_world(tables, fields, authority={"*": "latest", "size": "merge"})  # nobody says when: a comes before b
    world.sql("a", "CREATE TRIGGER closed BEFORE INSERT ON things BEGIN SELECT RAISE(ABORT, 'closed'); END")
    world.sql("b", "INSERT INTO things VALUES ('2', 'agreed', 5, 'of b')")
    world.sync()
    world.sql("a", "DROP TRIGGER closed")
    world.sql("a", "INSERT INTO things VALUES ('2', 'agreed', 5, 'of a')")
    world.sql("b", "INSERT INTO things VALUES ('1', 'by b', 5, 'of b')")
    rounds = [
        [("a", "UPDATE things SET size = size + 1 WHERE id = '1'")],
        [
            ("a", "INSERT INTO things VALUES ('1', 'by a', 10, 'of b')"),
            ("a", "UPDATE things SET size = size + 1 WHERE id = '2'"),
            ("b", "UPDATE things SET name = 'edited' WHERE id = '2'"),
        ],
    ]

    def meanwhile(said: str) -> None:
        if said.endswith("writing a") and rounds:
            for edit in rounds.pop():
                world.sql(*edit)

    world.sync(progress=meanwhile)

    assert not rounds
    assert [world.rows(n) for n in "ab"] == [{"1": ("by b", 6, "of b"), "2": ("edited", 6, "of b")}] * 2


def test_a_run_is_taken_up_whose_second_round_deleted_and_whose_first_did_not(make_world: Any) -> None:
    """Only of deletes is noted what became of them; no run could begin any more after this one."""
    world = make_world(dict.fromkeys("ab", TABLE), FIELDS, authority={"*": "a"})
    world.sql("a", "INSERT INTO things VALUES ('1', 'old', 1), ('2', 'old', 2)")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'new'")

    def meanwhile(said: str) -> None:
        if said.endswith("writing b"):
            world.sql("b", "DELETE FROM things WHERE id = '2'")

    world.crash("moving the base", meanwhile)
    world.sync()

    assert [world.rows(n) for n in "ab"] == [{"1": ("new", 1)}] * 2
    assert not world.sync().changed
