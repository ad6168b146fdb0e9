"""Several flows of a map, one after the other: what is referred to first, and once more where that is the wrong way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_rows_deleted_with_all_that_pointed_at_them_are_gone_from_all_systems_after_one_call(family: Callable[..., Any]) -> None:
    """Each database keeps a row until nothing points at it. What somebody edited waits and keeps its parent, told once."""
    three = family(systems="abc", levels=("grands", "parents", "things"))
    three.sql("a", "INSERT INTO grands VALUES ('g', ''), ('h', ''), ('i', '')")
    three.sql("a", "INSERT INTO parents VALUES ('p', '', 'g'), ('q', '', 'h'), ('r', '', 'i')")
    three.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'p'), ('3', '', 'q'), ('4', '', 'r')")
    assert not three.sync().failed
    three.sql("b", "DELETE FROM things WHERE id <> '4'")
    three.sql("b", "DELETE FROM parents WHERE id <> 'r'")
    three.sql("b", "DELETE FROM grands WHERE id = 'g'")
    three.sql("c", "UPDATE things SET name = 'mine' WHERE id = '3'")

    ran = three.sync()

    left = {"grands": "hi", "parents": "r", "things": "4"}
    assert {system: three.keys(system) for system in "abc"} == {
        "a": left,
        "b": left,
        "c": {"grands": "hi", "parents": "qr", "things": "34"},
    }
    assert [(r.status, r.counts["deleted"], r.counts["refused"], r.counts["changes"]) for r in ran.results] == [
        ("done", 2, 0, 2),
        ("partial", 3, 1, 4),
        ("done", 5, 0, 8),
    ]
    assert [f.kind for f in ran.results[1].findings] == ["refused"]


def test_a_parent_made_again_before_its_refused_delete_came_through_is_the_new_one(family: Callable[..., Any]) -> None:
    """What waited to be deleted stands under its key, and so do rows that pointed at it: it is updated, these go, and new ones come."""
    two = family()
    two.sql("a", "INSERT INTO parents VALUES ('p', 'old'), ('q', '')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'q')")
    assert not two.sync().failed
    two.sql("a", "DELETE FROM things WHERE id = '1'")
    two.sql("a", "DELETE FROM parents WHERE id = 'p'")
    refused = two.sync("parents").results[0].counts["refused"]
    two.sql("a", "INSERT INTO parents VALUES ('p', 'new')")
    two.sql("a", "INSERT INTO things VALUES ('3', '', 'p')")

    ran = two.sync()

    assert (refused, [r.status for r in ran.results]) == (1, ["done", "done"])
    assert two.sql("b", "SELECT * FROM parents ORDER BY id") == [("p", "new"), ("q", "")]
    assert two.sql("b", "SELECT * FROM things ORDER BY id") == [("2", "", "q"), ("3", "", "p")]
