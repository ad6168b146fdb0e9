"""The short way gives the answer of a run, or leaves the key to one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

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
        ("a", "DELETE FROM items WHERE id = 1", 1),
        ("a", "UPDATE items SET state = 'odd' WHERE id = 1", 1),
        ("a", "UPDATE items SET price = -1 WHERE id = 1", 1),
        ("a", "UPDATE items SET state = 'done', price = NULL WHERE id = 1", 1),
        ("a", "UPDATE items SET code = 'c' WHERE id = 1", 1),
        ("b", "UPDATE items SET cents = 3 WHERE no = 1; UPDATE items SET flag = '?' WHERE no = 1", 1),
    ],
)
def test_what_more_than_one_row_or_the_contract_decides_is_left(agreed: Any, system: str, statement: str, key: int) -> None:
    """Deletes have a guard, unique values have neighbours, bad rows go to quarantine: all of that is a run's to see."""
    other = "b" if system == "a" else "a"
    before = agreed.rows(other)
    agreed.db[system].execute(statement)

    taken = agreed.take(system, key)

    assert taken.left == [(str(key),)]
    assert agreed.rows(other) == before


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
    with pytest.raises(KeyboardInterrupt):
        agreed.take("a", 1)
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
