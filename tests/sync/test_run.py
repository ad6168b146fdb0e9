"""One run of a flow over real SQLite files."""

from __future__ import annotations

from typing import Any


def test_rows_of_either_side_arrive_on_the_other_and_a_second_run_writes_nothing(two: Any) -> None:
    """The smallest promise of the product: agreement, and then rest."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'one', 1), ('2', 'two', 2)")
    two.sql("b", "INSERT INTO things VALUES ('3', 'three', NULL)")

    first, second = two.sync(), two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("one", 1), "2": ("two", 2), "3": ("three", None)}
    assert (first.counts["inserted"], first.changed) == (3, True)
    assert not second.changed
    assert set(second.counts.values()) == {0}
