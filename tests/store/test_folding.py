"""A state of one full segment and segments of changes reads as the state the last of them left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.store import open_store
from accord.store.folding import folded


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write segments of a store and give their files."""
    store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")

    def make(*queries: str) -> list[Path]:
        with duckdb.connect() as con:
            return [store.read_segment(store.write_segment_from(con, query).sha) for query in queries]

    yield make
    store.close()


FULL = "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) t(id, name)"


def rows(sql: str, before: str = "SELECT 1") -> list[Any]:
    with duckdb.connect() as con:
        con.execute(before)
        return con.execute(f"SELECT * FROM ({sql}) ORDER BY ALL").fetchall()


def test_the_last_word_on_a_key_holds(write: Any) -> None:
    """Changed, removed, made again: by the order of the segments, not of the rows."""
    paths = write(
        FULL,
        "SELECT * FROM (VALUES (2, 'B', false), (3, NULL, true), (4, 'd', false)) t(id, name, _removed)",
        "SELECT * FROM (VALUES (3, 'again', false), (4, NULL, true)) t(id, name, _removed)",
    )

    assert rows(folded(paths, ["id"])) == [(1, "a"), (2, "B"), (3, "again")]
    assert rows(folded(paths[:2], ["id"])) == [(1, "a"), (2, "B"), (4, "d")]
    assert rows(folded(paths[:1], ["id"])) == [(1, "a"), (2, "b"), (3, "c")]


def test_only_the_asked_keys_are_read(write: Any) -> None:
    """A run over part of the keys sees of the state what it would see of all of it."""
    paths = write(FULL, "SELECT * FROM (VALUES (2, 'B', false), (3, NULL, true), (4, 'd', false)) t(id, name, _removed)")
    asked = "CREATE TABLE asked AS SELECT unnest([2, 3, 9]) AS id"

    assert rows(folded(paths, ["id"], among="asked"), asked) == [(2, "B")]


def test_a_field_the_map_gained_later_is_null_in_older_rows(write: Any) -> None:
    """Columns go by name; a full segment may be older than the map."""
    paths = write(FULL, "SELECT * FROM (VALUES (2, 'B', 7, false)) t(id, name, size, _removed)")

    assert rows(folded(paths, ["id"])) == [(1, "a", None), (2, "B", 7), (3, "c", None)]
