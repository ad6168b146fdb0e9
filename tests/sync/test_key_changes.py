"""A key edited to one that the contract refuses: the row stays elsewhere until it is corrected, and nothing waits without a name."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pytest

from accord.model.entity import Field, Rule
from accord.model.flow import FieldMapping
from accord.sync.apply.limit import Limit
from accord.sync.judge.quarantine import Choice, discard, list_quarantine

TABLE = "CREATE TABLE things (id TEXT, v TEXT, w TEXT)"
MORE = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT, w TEXT, note TEXT)"
FIELDS = [Field("id", required=True, pattern="[0-9]+"), Field("v"), Field("w")]
WAITS = "row '1' is gone and seems to be this one: elsewhere it stays until this one is corrected or discarded"
WRONG = "UPDATE things SET id = 'X' WHERE id = '1'"


@pytest.fixture
def world(make_world: Any, begun_once: Any) -> Any:
    """Three rows in two systems, of which b knows more."""

    def play() -> Any:
        made = make_world({"a": TABLE, "b": MORE}, FIELDS)
        made.sql("a", "INSERT INTO things VALUES ('1', 'x', 'p'), ('2', 'y', 'q'), ('3', 'z', 'r')")
        made.sync()
        made.sql("b", "UPDATE things SET note = 'n' || id")
        return made

    return begun_once(play)


def waiting(world: Any) -> dict[str, list[str]]:
    """Key: what is told of rows that wait with it."""
    rows = list_quarantine(world.map, world.store).rows.to_pylist()
    return {row["key"]: [reason for reason in row["reasons"] if reason.startswith("row ")] for row in rows}


def test_a_delete_waits_with_the_row_that_took_its_place(world: Any) -> None:
    """Else the others lose the row, with all that only they know of it, to a slip that the contract is there to catch."""
    world.sql("a", WRONG)

    first, second = world.sync(), world.sync()

    assert (first.counts["deleted"], first.counts["quarantined"], second.changed) == (0, 1, False)
    assert world.rows("b")["1"] == ("x", "p", "n1")
    assert waiting(world) == {'{"id":"X"}': [WAITS]}

    world.sql("a", "UPDATE things SET id = '1' WHERE id = 'X'")
    world.sync()

    assert world.rows("b")["1"] == ("x", "p", "n1")
    assert world.reconcile().agrees
    assert not world.sync().changed


def test_it_waits_in_a_run_that_meets_newer_values_as_well(world: Any) -> None:
    """Such a run decides twice, and people edit while it writes."""
    world.sql("a", WRONG)
    world.sql("a", "DELETE FROM things WHERE id = '2'")
    world.sql("a", "UPDATE things SET w = 'new' WHERE id = '3'")
    edits = iter(["UPDATE things SET v = 'late' WHERE id = '3'"])

    def meanwhile(said: str) -> None:
        if said.endswith("writing b") and (edit := next(edits, "")):
            world.sql("b", edit)

    first, second = world.sync(progress=meanwhile), world.sync()

    assert world.rows("b") == {"1": ("x", "p", "n1"), "3": ("late", "new", "n3")}
    assert world.rows("a")["3"] == ("late", "new")
    assert waiting(world) == {'{"id":"X"}': [WAITS]}
    assert (first.status, second.changed) == ("done", False)


def test_it_goes_once_the_row_is_corrected_whatever_was_edited_meanwhile(make_world: Any) -> None:
    """What belongs together is noted: by the time the key is right, its values are others, and somebody edited the old row."""
    world = make_world({"a": TABLE, "b": MORE, "c": MORE}, FIELDS)
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 'p'), ('2', 'y', 'q')")
    world.sync()
    world.sql("a", WRONG)
    world.sql("b", "UPDATE things SET v = 'mine' WHERE id = '1'")
    world.sync()
    assert not world.sync().changed
    world.sql("a", "UPDATE things SET v = 'xx' WHERE id = 'X'")
    world.sync()
    assert (world.rows("b")["1"], world.rows("c")["1"]) == (("mine", "p", None), ("x", "p", None))

    world.sql("a", "UPDATE things SET id = '4' WHERE id = 'X'")
    world.sync()

    assert world.rows("b").keys() == world.rows("c").keys() == {"2", "4"}
    assert world.rows("c")["4"] == ("xx", "p", None)
    assert [(c["loser"], c["losing_value"], c["rule"]) for c in world.segments("conflicts")] == [("b", "mine", "deleted")]
    assert world.reconcile().agrees
    assert not world.sync().changed


def test_a_discard_sets_it_free(world: Any) -> None:
    """A person who says that the row is none to wait for has been heard; a run that nothing was written for hears it, too."""
    world.sql("a", WRONG)
    world.sync()
    world.sync()
    discard(world.map, world.store, Choice(keys=("X",)), by="Ana", note="", now=world.now)

    assert world.sync().counts["deleted"] == 1

    assert world.rows("b").keys() == {"2", "3"}
    assert waiting(world) == {}


def test_a_key_that_is_somebody_elses_is_one_the_contract_refuses(world: Any) -> None:
    """Two rows under one key: which of them is meant nobody knows, and both wait with what is told."""
    world.sql("a", "UPDATE things SET id = '2' WHERE id = '1'")
    world.sync()
    assert world.rows("b").keys() == {"1", "2", "3"}
    assert waiting(world) == {'{"id":"2"}': [WAITS]}

    world.sql("a", "UPDATE things SET id = '4' WHERE v = 'x'")
    world.sync()

    assert world.rows("b").keys() == {"2", "3", "4"}
    assert world.reconcile().agrees


def test_a_delete_waits_for_nothing_that_has_no_part_in_it(world: Any) -> None:
    """Not for a row with other values or none, nor for one that waited before the delete; and one row stands for one that went."""
    world.sql("a", "INSERT INTO things VALUES ('X', 'other', 'p')")
    world.sql("a", "DELETE FROM things WHERE id = '1'")
    assert world.sync().counts["deleted"] == 1

    world.sql("a", "UPDATE things SET v = 'z', w = 'r'")
    world.sync()
    world.sql("a", "DELETE FROM things WHERE id = '3'")
    assert world.sync().counts["deleted"] == 1

    world.sql("a", "INSERT INTO things VALUES ('4', 'z', 'r'), ('5', 'z', 'r'), ('6', NULL, NULL)")
    world.sync()
    world.sql("a", "UPDATE things SET id = 'Y' WHERE id = '4'")
    world.sql("a", "DELETE FROM things WHERE id IN ('2', '5', '6')")
    world.sql("a", "INSERT INTO things VALUES ('Z', NULL, NULL)")
    world.sync()

    assert list(world.rows("b").values()) == [("z", "r", "n2")]
    assert waiting(world) == {'{"id":"X"}': [], '{"id":"Y"}': [WAITS.replace("1", "2")], '{"id":"Z"}': []}


def test_a_value_that_no_two_rows_may_share_tells_the_row_whose_other_values_changed(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who edits the key edits more of the row at once. What waited from the first load took nobody's place."""
    monkeypatch.setattr("accord.sync.load.first.SMALLEST_ROWS", 1)
    world = make_world({"a": TABLE, "b": TABLE}, [FIELDS[0], Field("v", unique=True), FIELDS[2]])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', 'p'), ('2', NULL, 'q'), ('Y', NULL, 'q')")
    world.sync()
    world.sql("a", "UPDATE things SET id = 'X', w = 'new' WHERE id = '1'")
    world.sql("a", "DELETE FROM things WHERE id = '2'")

    world.sync()

    assert world.rows("b") == {"1": ("x", "p")}
    assert waiting(world) == {'{"id":"X"}': [WAITS], '{"id":"Y"}': []}

    world.sql("a", "UPDATE things SET v = 'xx' WHERE id = 'X'")
    world.sql("a", "INSERT INTO things VALUES ('7', 'x', 'p')")
    world.sync()

    assert world.rows("b") == {"7": ("x", "p")}
    assert waiting(world) == {'{"id":"X"}': [], '{"id":"Y"}': []}
    assert not world.sync().changed


def test_a_row_that_breaks_the_contract_only_once_merged_is_waited_for_too(make_world: Any) -> None:
    """Its new key is one under which somebody else knows something that does not go with it."""
    halves = {name: {"fields": {f: FieldMapping(f) for f in ("id", field)}} for name, field in (("a", "v"), ("b", "w"))}
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, halves, rules=[Rule("odd", "v || w <> 'xQ'")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x', NULL), ('2', 'y', NULL)")
    world.sync()
    world.sql("b", "INSERT INTO things VALUES ('9', NULL, 'Q')")
    world.sql("a", "UPDATE things SET id = '9' WHERE id = '1'")
    world.sync()
    assert world.rows("b").keys() == {"1", "2", "9"}
    assert waiting(world) == {'{"id":"9"}': [WAITS]}

    discard(world.map, world.store, Choice(flow="things"), by="Ana", note="", now=world.now)
    world.sync()

    assert world.rows("b").keys() == {"2", "9"}


def test_a_plan_says_it_and_a_run_of_other_keys_keeps_it(world: Any) -> None:
    """What is applied is what was planned; a run that was told to look elsewhere has decided nothing about the row."""
    world.sql("a", WRONG)
    world.sql("a", "UPDATE things SET v = 'yy' WHERE id = '2'")

    planned = world.sync(dry_run=True)
    assert [(plan.binding, plan.deletes, plan.updates) for plan in planned.plan] == [("a", 0, 0), ("b", 0, 1)]
    assert planned.counts["quarantined"] == 1

    world.sync(limit=Limit(('{"id":"2"}',)))
    world.sync()
    world.sync(limit=Limit(('{"id":"1"}',)))
    world.sync()

    assert (world.rows("b")["1"], world.rows("b")["2"]) == (("x", "p", "n1"), ("yy", "q", "n2"))
    assert waiting(world) == {'{"id":"X"}': [WAITS]}


def test_where_only_what_moved_is_looked_at_it_waits_and_goes_as_well(make_world: Any) -> None:
    """The row that waits moved once, and its delete is told once: a run that looks at less must not forget it."""
    world = make_world({"a": MORE, "b": MORE}, FIELDS, {name: {"capture": "cdc"} for name in "ab"})
    world.sql("a", "INSERT INTO things VALUES " + ", ".join(f"('{n}', 'v{n}', 'w', NULL)" for n in range(1, 9)))
    world.sync()
    world.sync()
    world.sql("a", WRONG)
    world.sync()
    world.sql("a", "UPDATE things SET w = 'ww' WHERE id = '2'")
    world.sync()
    assert "1" in world.rows("b")

    world.sql("a", "UPDATE things SET id = '9' WHERE id = 'X'")
    world.sync()

    assert world.rows("b").keys() == {str(n) for n in range(2, 10)}
    assert not world.sync().changed
    assert world.reconcile().agrees


def test_where_a_row_that_went_shows_later_it_is_looked_for_then(make_world: Any) -> None:
    """A cursor tells of the new row at once, and of the old one in the next sweep."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT, w TEXT, at TEXT)"
    world = make_world({"a": table, "b": table}, FIELDS, {"a": {"capture": "cursor", "cursor": "at"}})
    world.sql("a", "INSERT INTO things (id, v, w) VALUES ('1', 'x', 'p'), ('2', 'y', 'q')")
    world.sync()
    world.sql("a", "INSERT INTO things (id, v, w) VALUES ('X', 'x', 'p')")
    world.sync()
    world.sql("a", "DELETE FROM things WHERE id = '1'")

    world.sync()

    assert world.rows("b").keys() == {"1", "2"}
    assert waiting(world) == {'{"id":"X"}': [WAITS]}


def test_under_a_flow_that_marks_the_marks_wait_and_are_no_mass_delete(make_world: Any) -> None:
    """The rows are no more deleted than where deletes are carried out."""
    fields = [*FIELDS, Field("deleted_at", "timestamp")]
    marked = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT, w TEXT, deleted_at TEXT)"
    world = make_world({"a": marked, "b": marked}, fields, deletes="mark", delete_guard="50%")
    world.sql("a", "INSERT INTO things VALUES " + ", ".join(f"('{n}', 'v{n}', 'p', NULL)" for n in range(1, 11)))
    world.sync()
    world.sql("a", "UPDATE things SET id = 'X' || id WHERE id <> '10'")
    world.sync()
    assert world.rows("b")["1"] == ("v1", "p", None)

    world.sql("a", "UPDATE things SET id = '11' WHERE id = 'X1'")
    world.sync()

    assert world.rows("b")["1"][2] is not None
    assert (world.rows("b")["2"], world.rows("b")["11"]) == (("v2", "p", None), ("v1", "p", None))


def test_what_waited_before_keys_of_deletes_were_noted_is_read_on(world: Any) -> None:
    """A store outlives its program: rows in quarantine have no note of any delete, and must not be lost for that."""
    world.sql("a", "INSERT INTO things VALUES ('X', 'a', 'b')")
    world.sync()
    (sha,) = world.store.flow_state("things")["quarantine"]
    path = world.store.read_segment(sha)
    kept = duckdb.sql(f"SELECT * EXCLUDE (keeps) FROM read_parquet('{path}')").to_arrow_table()
    path.chmod(0o644)
    duckdb.from_arrow(kept).write_parquet(str(path))

    assert waiting(world) == {'{"id":"X"}': []}
    world.sql("a", "UPDATE things SET id = '7' WHERE id = 'X'")
    assert world.sync().counts["released"] == 1
    assert world.rows("b")["7"] == ("a", "b", None)


def test_whatever_becomes_of_keys_no_row_is_lost_or_doubled(world: Any) -> None:
    """Keys edited, wrong and right, rows made and deleted: each row of a is in b once, or where it waits is told."""
    rng, made = random.Random(4), 3
    for _ in range(5):
        for _ in range(rng.randint(1, 3)):
            made += 1
            ids = sorted(world.rows("a"))
            one = rng.choice(ids)
            new = f"{'X' if rng.random() < 0.6 else ''}{made}"
            world.sql(
                "a",
                *rng.choice(
                    [
                        ("UPDATE things SET id = ? WHERE id = ?", new, one),
                        ("UPDATE things SET id = ? WHERE id = ?", new, one),
                        ("DELETE FROM things WHERE id = ?", one) if len(ids) > 2 else ("SELECT 1",),
                        ("INSERT INTO things VALUES (?, ?, ?)", str(made), f"v{made}", "w"),
                    ]
                ),
            )
        before = {row[0] for row in world.rows("b").values()}
        world.sync()
        there, here = world.rows("a"), [row[0] for row in world.rows("b").values()]
        good = {row[0] for key, row in there.items() if key.isdigit()}
        bad = {row[0] for key, row in there.items() if not key.isdigit()}
        assert sorted(here) == sorted(good | (bad & before))
        told = [reason for reasons in waiting(world).values() for reason in reasons]
        assert len(told) == len(bad & before)
        assert not world.sync().changed

    world.sql("a", "UPDATE things SET id = ltrim(id, 'X')")
    world.sync()

    assert {key: row[:2] for key, row in world.rows("b").items()} == world.rows("a")
    assert world.reconcile().agrees
    assert not world.sync().changed
