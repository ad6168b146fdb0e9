"""Changes of one row that are written together leave what the same changes leave one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.store.row_changes import Add, Change, First, RowChanges
from accord.store.sqlite import SqliteDatabase

TEXTS = st.none() | st.sampled_from(["x", "y"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "state": TEXTS,
        "started_at": TEXTS | st.sampled_from(["x", "y"]).map(First),
        "attempt": st.integers(0, 3) | st.just(Add(1)),
    },
).filter(bool)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    """A table with one column of each way to be changed."""
    made = SqliteDatabase(tmp_path_factory.mktemp("changes") / "store.db")
    made.run("CREATE TABLE task (task TEXT PRIMARY KEY, state TEXT, started_at TEXT, attempt BIGINT)")
    yield made
    made.close()


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from("ab"), CHANGES), max_size=8))
def test_changes_written_together_are_as_those_written_one_by_one(
    changes: list[tuple[str, dict[str, Change]]], database: SqliteDatabase
) -> None:
    """How events are cut into batches must not show in a projection."""
    left = []
    for together in (False, True):
        with database.write() as tx:
            tx.run("DELETE FROM task")
            tx.many("INSERT INTO task (task, attempt) VALUES (?, ?)", [("a", 1), ("b", 1)])
            rows = RowChanges("task", "task")
            for row, change in changes:
                rows.put(row, change)
                if not together:
                    rows.write(tx)
            rows.write(tx)
            left.append(tx.rows("SELECT * FROM task ORDER BY task"))

    assert left[0] == left[1]
