"""A full disk is told in one way, whoever met it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pytest

from accord.model.errors import StorageFull
from accord.store.room import no_room

FULL = "/dev/full"


def by_python() -> None:
    Path(FULL).write_text("x")


def by_duckdb() -> None:
    duckdb.sql(f"COPY (SELECT 'x') TO '{FULL}' (FORMAT csv)")


def by_arrow() -> None:
    pyarrow.csv.write_csv(pa.table({"x": ["x"]}), FULL)


@pytest.mark.parametrize("write", [by_python, by_duckdb, by_arrow])
def test_a_full_disk_is_known_whichever_library_met_it(write: Callable[[], None]) -> None:
    """Each has errors of its own for it; what to do is the same: free some space and run again."""
    with pytest.raises(Exception, match="No space left on device") as caught:
        write()

    told = no_room(caught.value, "/there", why="the list")

    assert isinstance(told, StorageFull)
    assert "no space left while writing /there (No space left on device; the list)" in str(told)


def test_another_error_is_none_of_these() -> None:
    """A folder that may not be written needs somebody else."""
    with pytest.raises(OSError, match="Is a directory") as caught:
        Path("/").write_text("x")

    assert no_room(caught.value, "/") is None
