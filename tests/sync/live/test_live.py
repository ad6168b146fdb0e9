"""The short way gives the answer of a run, or leaves the key to one."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.errors import GuardStopped
from accord.sync.live import open_live

ADD = "INSERT INTO items VALUES (%s, %s, %s, %s, %s, NULL)"
AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def agreed(pair: Any) -> Any:
    """Three rows in agreement."""
    for number in (1, 2, 3):
        pair.db["a"].execute(ADD, (number, f"n{number}", "1.50", "open", AT))
    pair.sync()
    pair.open()
    return pair


def test_an_edit_and_a_new_row_arrive_converted(agreed: Any) -> None:
    """The same mappings and the same contract as in a run, both ways."""
    agreed.db["a"].execute("UPDATE items SET price = 2.25, state = 'done' WHERE id = 1")
    agreed.db["b"].execute("INSERT INTO items VALUES (9, 'nine', 900, 'o', '2026-07-01 12:00', NULL)")

    first, second = agreed.take("a", 1), agreed.take("b", 9)

    assert (first.updated, second.inserted) == (1, 1)
    assert agreed.rows("b")[1] == ("n1", 225, "d", datetime(2026, 7, 1, 12, 0), None)
    assert agreed.rows("a")[9][:3] == ("nine", 9, "open")
    assert agreed.rows("a")[9][3] == AT


def test_what_it_did_is_agreed_for_the_next_run(agreed: Any) -> None:
    """A run that took it for edits of users would invent conflicts, or write it back."""
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    agreed.take("a", 1)
    agreed.db["b"].execute("UPDATE items SET title = 'y' WHERE no = 1")

    result = agreed.sync()

    assert agreed.rows("a")[1][0] == "y"
    assert result.counts["conflicts"] == 0
    assert agreed.reconcile().agrees
    assert not agreed.sync().changed


def test_a_column_that_is_left_out_closes_it(agreed: Any) -> None:
    """It knows columns by name, and would read and write the one that took the name of another; and every run says what is left out."""
    agreed.map = dataclasses.replace(agreed.map, flows={"items": dataclasses.replace(agreed.map.flows["items"], drift="evolve")})
    agreed.sync()
    agreed.db["a"].execute("ALTER TABLE items RENAME name TO full_name")
    agreed.db["a"].execute("ALTER TABLE items ADD name text DEFAULT 'new'")
    agreed.db["b"].execute("UPDATE items SET cents = 300 WHERE no = 1")
    agreed.sync()

    quiet = agreed.sync()

    assert [f.kind for f in quiet.findings] == ["renamed_column"]
    flow = agreed.map.flows["items"]
    path, reason = open_live(agreed.map, flow, agreed.connectors, agreed.store, clock=lambda: AT, run="live")
    assert path is None
    assert "a column is left out" in reason


def test_its_own_write_is_no_change(agreed: Any) -> None:
    """The target's log tells of our write; taking it for an edit would send it round for ever."""
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    agreed.take("a", 1)

    echo = agreed.take("b", 1)

    assert (echo.equal, echo.updated, echo.left) == (1, 0, [])


def test_an_echo_does_not_trip_over_the_next_edit(agreed: Any) -> None:
    """Under load the source has moved on when our write comes back: that is no conflict, and no reason for a run."""
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    agreed.take("a", 1)
    agreed.db["a"].execute("UPDATE items SET name = 'y' WHERE id = 1")

    echo, edit = agreed.take("b", 1), agreed.take("a", 1)

    assert (echo.equal, echo.left) == (1, [])
    assert edit.updated == 1
    assert agreed.rows("b")[1][0] == "y"


@pytest.mark.parametrize(
    ("system", "statement", "key"),
    [
        ("a", "UPDATE items SET state = 'odd' WHERE id = 1", 1),
        ("a", "UPDATE items SET price = -1 WHERE id = 1", 1),
        ("a", "UPDATE items SET state = 'done', price = NULL WHERE id = 1", 1),
        ("a", "UPDATE items SET code = 'c' WHERE id = 1", 1),
        ("b", "UPDATE items SET cents = 3 WHERE no = 1; UPDATE items SET flag = '?' WHERE no = 1", 1),
    ],
)
def test_what_more_than_one_row_or_the_contract_decides_is_left(agreed: Any, system: str, statement: str, key: int) -> None:
    """Unique values have neighbours, bad rows go to quarantine: all of that is a run's to see."""
    other = "b" if system == "a" else "a"
    before = agreed.rows(other)
    agreed.db[system].execute(statement)

    taken = agreed.take(system, key)

    assert taken.left == [(str(key),)]
    assert sum(taken.why.values()) == 1
    assert agreed.rows(other) == before


def test_what_a_target_keeps_in_a_coarser_form_is_agreed_with_it_so(agreed: Any) -> None:
    """As in a run. Left to one, the coarser value would look like somebody's edit and lose a conflict, or be a new row in two systems."""
    less = "NEW.title := left(upper(NEW.title), 4); NEW.at := NEW.at::timestamp(0)"
    agreed.db["b"].execute(f"CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {less}; RETURN NEW; END'")
    agreed.db["b"].execute("CREATE TRIGGER cut BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION cut()")
    agreed.db["a"].execute("UPDATE items SET name = 'longer', at = '2026-07-01 10:00:00.6+00' WHERE id = 1")
    agreed.db["a"].execute(ADD, (4, "longest", "1.50", "open", AT.replace(microsecond=400_000)))

    taken, echo = agreed.take("a", 1, 4), agreed.take("b", 1, 4)
    agreed.db["b"].execute("UPDATE items SET cents = 300 WHERE no = 1")
    back, result, quiet = agreed.take("b", 1), agreed.sync(), agreed.sync()

    assert (taken.updated, taken.inserted, echo.equal, back.updated) == (1, 1, 2, 1), (taken, echo, back)
    assert {row[:1] + row[3:4] for key, row in agreed.rows("b").items() if key in (1, 4)} == {
        ("LONG", datetime(2026, 7, 1, 12, 0, 1)),
        ("LONG", datetime(2026, 7, 1, 12, 0)),
    }
    assert agreed.rows("a")[1][:2] == ("longer", 3)
    assert (result.counts["conflicts"], result.counts["updated"], quiet.changed) == (0, 0, False)


def test_what_a_target_makes_something_else_of_is_left(agreed: Any) -> None:
    """It is an edit of that system, and which of the two holds is for a run to see."""
    agreed.db["b"].execute("CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.title := ''own''; RETURN NEW; END'")
    agreed.db["b"].execute("CREATE TRIGGER own BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION own()")
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")

    taken = agreed.take("a", 1)

    assert (taken.updated, taken.left) == (0, [("1",)])


def test_two_edits_at_once_are_left_and_nothing_is_lost(agreed: Any) -> None:
    """A conflict is decided and recorded by a run."""
    agreed.db["a"].execute("UPDATE items SET name = 'from a' WHERE id = 1")
    agreed.db["b"].execute("UPDATE items SET title = 'from b' WHERE no = 1")

    taken = agreed.take("a", 1)
    result = agreed.sync()

    assert taken.left == [("1",)]
    assert result.counts["conflicts"] == 1
    assert agreed.rows("b")[1][0] == "from a"


def test_a_write_that_never_came_to_be_agreed_is_known_as_ours(agreed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between the write and its record: the next run must not take our write for an edit of the other side."""
    append = agreed.store.append

    def die(events: Any) -> Any:
        if any(e.type == "flow.live_applied" for e in events):
            raise KeyboardInterrupt
        return append(events)

    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    monkeypatch.setattr(agreed.store, "append", die)
    agreed.take("a", 1)
    with pytest.raises(KeyboardInterrupt):
        agreed.live.settle()
    agreed.live.close()
    agreed.live = None
    monkeypatch.undo()
    agreed.db["a"].execute("UPDATE items SET name = 'z' WHERE id = 1")

    result = agreed.sync()

    assert result.counts["conflicts"] == 0
    assert agreed.rows("b")[1][0] == "z"
    assert agreed.store.rows("SELECT count(*) FROM live_change") == [(0,)]


def test_many_keys_at_once_are_one_intent_and_one_transaction(agreed: Any) -> None:
    """A commit of some rows arrives as a whole."""
    agreed.db["a"].execute("UPDATE items SET name = name || '!'")

    taken = agreed.take("a", 1, 2, 3)

    assert taken.updated == 3
    assert [row[0] for row in agreed.rows("b").values()] == ["n1!", "n2!", "n3!"]
    assert len(list(agreed.store.read(types=["flow.live_intended"]))) == 1


def test_a_delete_arrives_and_is_agreed(agreed: Any) -> None:
    """The row goes where it still is what was agreed; the next run finds nothing to do, and a new row may take its key."""
    agreed.db["a"].execute("DELETE FROM items WHERE id = 1")

    taken, echo = agreed.take("a", 1), agreed.take("b", 1)

    assert (taken.deleted, echo.equal, echo.left) == (1, 1, [])
    assert 1 not in agreed.rows("b")
    assert not agreed.sync().changed
    agreed.live.refresh()
    agreed.db["b"].execute("INSERT INTO items VALUES (1, 'again', 100, 'o', NULL, NULL)")
    assert agreed.take("b", 1).inserted == 1
    assert agreed.reconcile().agrees
    agreed.sync()
    assert agreed.rows("a")[1][0] == "again"
    assert {row[0] for row in agreed.store.rows("SELECT count(*) FROM live_change")} == {0}


def test_a_delete_does_not_go_ahead_of_a_new_row_that_is_left(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two may be one row whose key was changed: a run sees that the one waits with the other, and from then on it is a run's."""
    entity = pair.map.entities["item"]
    low = dataclasses.replace(entity, fields={**entity.fields, "id": dataclasses.replace(entity.fields["id"], maximum="99")})
    pair.map = dataclasses.replace(pair.map, entities={"item": low})
    for number in (1, 2, 3):
        pair.db["a"].execute(ADD, (number, f"n{number}", "1.50", "open", AT))
    pair.sync()
    pair.open()
    pair.db["a"].execute("UPDATE items SET id = 100 WHERE id = 1")

    taken = pair.take("a", 1, 100)
    pair.sync()
    pair.live.refresh()

    assert (taken.deleted, sorted(taken.left)) == (0, [("1",), ("100",)])
    assert 1 in pair.rows("b")
    assert pair.take("a", 1).why == {"the row waits for something else": 1}

    monkeypatch.setattr("accord.sync.live.path._CHUNK_KEYS", 1)
    pair.db["a"].execute("UPDATE items SET id = 101 WHERE id = 2")
    assert pair.take("a", 2, 101).deleted == 0


def test_a_row_edited_elsewhere_is_not_deleted_this_way(agreed: Any) -> None:
    """Whether the edit or the delete holds is for a run to say, which records what is lost."""
    agreed.db["b"].execute("UPDATE items SET title = 'mine' WHERE no = 1")
    agreed.db["a"].execute("DELETE FROM items WHERE id = 1")

    taken = agreed.take("a", 1)

    assert taken.left == [("1",)]
    assert agreed.rows("b")[1][0] == "mine"


def test_keys_that_not_every_system_can_hold_go_the_way_of_runs(pair: Any) -> None:
    """A row whose key was changed is a delete and a new row there, and the delete must not go alone; other keys in two types may."""
    pair.db["a"].execute("ALTER TABLE items ALTER COLUMN id TYPE text")
    pair.sync()
    pair.open()

    entity = pair.map.entities["item"]
    texts = dataclasses.replace(entity, fields={**entity.fields, "id": dataclasses.replace(entity.fields["id"], type="text")})
    pair.map = dataclasses.replace(pair.map, entities={"item": texts})
    with pytest.raises(AssertionError, match="key 'id' may be one that not every system can hold"):
        pair.open()


def test_a_mass_delete_is_left_to_the_guard_of_a_run(pair: Any) -> None:
    """Also one that comes row by row: what went within an hour is counted together."""
    for number in range(40):
        pair.db["a"].execute(ADD, (number, "n", "1.50", "open", AT))
    flow = dataclasses.replace(pair.map.flows["items"], delete_guard="20%")
    pair.map = dataclasses.replace(pair.map, flows={"items": flow})
    pair.sync()
    pair.open()
    left = []
    for number in range(10):
        pair.db["a"].execute("DELETE FROM items WHERE id = %s", (number,))
        left += pair.take("a", number).left

    assert left == [("8",), ("9",)]
    assert len(pair.rows("b")) == 32


def test_fields_emptied_in_mass_are_left_to_the_guard_of_a_run(pair: Any) -> None:
    """Also one after the other: what was emptied within an hour is counted together."""
    for number in range(40):
        pair.db["a"].execute(ADD, (number, "n", "1.50", "open", AT))
    flow = dataclasses.replace(pair.map.flows["items"], empty_guard="20%")
    pair.map = dataclasses.replace(pair.map, flows={"items": flow})
    pair.sync()
    pair.open()
    pair.db["a"].execute("UPDATE items SET price = NULL")
    left = []
    for number in range(10):
        left += pair.take("a", number).left
    all_at_once = pair.take("a", *range(10, 40))

    assert left == [("8",), ("9",)]
    assert all_at_once.why == {"more emptied values than the guard allows": 30}
    with pytest.raises(GuardStopped, match="would empty 32 of 32 values of 'price'"):
        pair.sync()


def test_a_remembered_row_that_was_edited_meanwhile_is_looked_at_again(agreed: Any) -> None:
    """The target is not read before each write; what is compared in the write itself tells that somebody was there."""
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    agreed.take("a", 1)
    agreed.db["b"].execute("UPDATE items SET cents = 7 WHERE no = 1")
    agreed.db["a"].execute("UPDATE items SET name = 'y' WHERE id = 1")

    taken = agreed.take("a", 1)
    agreed.live.settle()

    assert taken.why == {"another system changed the row too": 1}
    assert agreed.store.rows("SELECT count(*) FROM live_change WHERE kind = 'intended'") == [(0,)]
    agreed.sync()
    assert agreed.rows("b")[1][:2] == ("y", 7)
    assert str(agreed.rows("a")[1][1]) == "0.07"


def test_agreement_waits_for_the_next_intent_and_goes_into_the_log_with_it(agreed: Any) -> None:
    """One durable write a change where they follow each other."""
    for name in ("x", "y"):
        agreed.db["a"].execute("UPDATE items SET name = %s WHERE id = 1", (name,))
        agreed.take("a", 1)

    said = [e.event.type for e in agreed.store.read(types=["flow.live_intended", "flow.live_applied"])]

    assert said == ["flow.live_intended", "flow.live_applied", "flow.live_intended"]
    assert not agreed.sync().counts["conflicts"]


def test_a_delete_that_a_foreign_key_may_carry_on_is_left_to_a_run(agreed: Any) -> None:
    """The statement of the short way cannot tell of other rows; a run refuses the row at which one points, and deletes the other."""
    agreed.db["b"].execute("CREATE TABLE parts (item bigint REFERENCES items ON DELETE CASCADE); INSERT INTO parts VALUES (1)")
    agreed.db["a"].execute("DELETE FROM items WHERE id < 3")

    taken = [agreed.take("a", 1), agreed.take("b", 1), agreed.take("a", 2)]
    result = agreed.sync()

    assert [(t.deleted, list(t.why)) for t in taken[::2]] == [(0, ["the system may delete or empty other rows with it"])] * 2
    assert (result.counts["deleted"], result.counts["refused"]) == (1, 1)
    assert (list(agreed.rows("b")), agreed.db["b"].execute("SELECT * FROM parts").fetchall()) == ([1, 3], [(1,)])
