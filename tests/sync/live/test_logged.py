"""A change whose row the log tells is written without reading it first, and only if the system still shows what the log told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


def logged(number: int, name: str, price: str) -> dict[str, str | None]:
    return {"id": str(number), "name": name, "price": price, "state": "open", "at": "2026-07-01 10:00:00+00", "code": None}


@pytest.fixture
def agreed(pair: Any) -> Any:
    """Rows in agreement."""
    for number in (1, 2, 3):
        pair.db["a"].execute("INSERT INTO items VALUES (%s, %s, 1.50, 'open', %s, NULL)", (number, f"n{number}", AT))
    pair.sync()
    pair.open()
    return pair


def take(agreed: Any, rows: dict[int, Any], unseen: Any = (), system: str = "a") -> Any:
    told = {(str(key),): row for key, row in rows.items()}
    return agreed.live.take(system, [(key, None) for key in told], unseen, told)


def test_what_the_log_tells_arrives(agreed: Any) -> None:
    """Edits, a new row and a delete, alone and together."""
    db = agreed.db["a"]
    db.execute("UPDATE items SET name = 'x' WHERE id = 1")
    one = take(agreed, {1: logged(1, "x", "1.50")})
    db.execute("UPDATE items SET price = 2 WHERE id = 2; DELETE FROM items WHERE id = 3")
    db.execute("INSERT INTO items VALUES (4, 'd', 1, 'open', %s)", (AT,))

    some = take(agreed, {2: logged(2, "n2", "2.00"), 3: None, 4: logged(4, "d", "1.00")})

    assert (one.updated, some.updated, some.deleted, some.inserted) == (1, 1, 1, 1)
    assert {key: row[:2] for key, row in agreed.rows("b").items()} == {1: ("x", 150), 2: ("n2", 200), 4: ("d", 100)}
    assert agreed.sync().counts["conflicts"] == 0
    assert agreed.reconcile().agrees


@pytest.mark.parametrize("among", [False, True])
def test_a_row_that_has_moved_on_is_written_as_it_is_now(agreed: Any, among: bool) -> None:
    """What the log tells is the past: writing it would bring back, for a moment, a value that was replaced. Its intent is taken back."""
    agreed.db["a"].execute("UPDATE items SET name = 'now' WHERE id = 1; UPDATE items SET name = 'y' WHERE id = 2")
    rows = {1: logged(1, "before", "1.50")} | ({2: logged(2, "y", "1.50")} if among else {})

    taken = take(agreed, rows)
    agreed.live.settle()

    assert taken.updated == len(rows)
    assert agreed.rows("b")[1][0] == "now"
    assert agreed.store.rows("SELECT count(*) FROM live_change WHERE kind = 'intended'") == [(0,)]
    bodies = [row[0] for row in agreed.store.rows("SELECT body FROM live_change WHERE kind = 'applied'")]
    assert not any('"before"' in body for body in bodies)


def test_a_row_that_went_back_to_what_is_agreed_is_not_written(agreed: Any) -> None:
    """Edited and edited back: nobody holds what the log tells."""
    taken = take(agreed, {1: logged(1, "gone again", "1.50")})
    agreed.live.settle()

    assert (taken.updated, taken.equal, taken.left) == (0, 1, [])
    assert agreed.rows("b")[1][0] == "n1"
    assert agreed.sync().counts["conflicts"] == 0


def test_what_the_log_tells_before_others_may_see_it_is_not_written(agreed: Any) -> None:
    """A commit that waits for a standby is no commit yet for anybody else."""
    db = agreed.db["a"]
    with db.transaction():
        found = db.execute("UPDATE items SET name = 'early' WHERE id = 3 RETURNING pg_current_xact_id()::xid::text").fetchone()
        early = take(agreed, {3: logged(3, "early", "1.50")}, {int(found[0])})
        held = agreed.rows("b")[3][0]
    late = take(agreed, {3: logged(3, "early", "1.50")}, {int(found[0])})

    assert (early.left, held, late.updated) == ([("3",)], "n3", 1)
    assert agreed.rows("b")[3][0] == "early"


def test_an_echo_is_known_by_the_log_alone(agreed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all that the logs tell is our own writing: no system is asked about it."""
    agreed.db["a"].execute("UPDATE items SET name = 'x' WHERE id = 1")
    take(agreed, {1: logged(1, "x", "1.50")})
    told = {"no": "1", "title": "x", "cents": "150", "flag": "o", "at": "2026-07-01 12:00:00", "code": None}
    for table in agreed.live._tables.values():
        monkeypatch.setattr(table, "_db", None)
        monkeypatch.setattr(table, "_ready", None)

    echo = take(agreed, {1: told}, {7}, system="b")
    monkeypatch.undo()

    assert (echo.equal, echo.left) == (1, [])
