"""A target that spells values as the agreement does is not looked at before it is written: the write itself compares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow

FIELDS = {"id": Field("id", "integer", required=True), "name": Field("name"), "price": Field("price", "number(10,2)")}


@pytest.fixture
def plain(pair: Any) -> Any:
    """Both sides the same table, nothing of it remembered by the short way."""
    mappings = {name: FieldMapping(name) for name in FIELDS}
    flow = Flow("items", "item", {n: Binding(n, "plain", mappings) for n in pair.db})
    pair.map = replace(pair.map, entities={"item": Entity("item", ("id",), FIELDS)}, flows={"items": flow})
    for db in pair.db.values():
        db.execute("CREATE TABLE plain (id bigint PRIMARY KEY, name text, price numeric(10,2))")
    pair.db["a"].execute("INSERT INTO plain SELECT i, 'n' || i, i FROM generate_series(1, 9) i")
    pair.sync()
    pair.open()
    return pair


def shown(pair: Any, system: str, key: int) -> Any:
    return pair.db[system].execute("SELECT name, price::text FROM plain WHERE id = %s", (key,)).fetchone()


def test_a_row_nobody_looked_at_yet_is_written_where_it_is_as_agreed(plain: Any) -> None:
    """Most rows that change were never seen by the process that writes them."""
    plain.db["a"].execute("UPDATE plain SET price = 12.5 WHERE id = 1")

    taken, echo = plain.take("a", 1), plain.take("b", 1)

    assert (taken.updated, echo.equal) == (1, 1)
    assert shown(plain, "b", 1) == ("n1", "12.50")


def test_an_edit_over_there_that_nobody_has_told_of_is_not_overwritten(plain: Any) -> None:
    """What is taken for granted is compared in the statement that writes: an edit or a delete in between leaves the row to a run."""
    plain.db["a"].execute("UPDATE plain SET price = 12.5 WHERE id IN (1, 2)")
    plain.db["b"].execute("UPDATE plain SET name = 'mine' WHERE id = 1")
    plain.db["b"].execute("DELETE FROM plain WHERE id = 2")

    taken = plain.take("a", 1, 2)

    assert sorted(taken.left) == [("1",), ("2",)]
    assert shown(plain, "b", 1) == ("mine", "1.00")
    plain.sync()
    assert shown(plain, "a", 1) == shown(plain, "b", 1) == ("mine", "12.50")


def test_a_change_that_cannot_be_seen_yet_is_left_and_not_taken_for_none(plain: Any) -> None:
    """The log tells of a commit before others can read it: who then finds the old row must not call it unchanged."""
    with plain.db["a"].transaction():
        xid = plain.db["a"].execute("UPDATE plain SET price = 7 WHERE id = 3 RETURNING pg_current_xact_id()::xid::text").fetchone()[0]
        early = plain.live.take("a", [(("3",), None), (("4",), None)], {int(xid)})
    late = plain.live.take("a", [(("3",), None)], {int(xid)})

    assert (len(early.left), early.equal, late.updated) == (2, 0, 1)
    assert shown(plain, "b", 3) == ("n3", "7.00")
