"""What a run takes of memory where values are large, and what it says where there is too little."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from accord.connectors import duck
from accord.model.errors import MemoryShort

ROWS, SIZE = 20, 200_000  # 4 MB


def _engine(monkeypatch: pytest.MonkeyPatch, memory_limit: str) -> None:
    """Runs of this test have so much memory, and nothing is put aside."""
    con = duck.open_duck(threads=1, memory_limit=memory_limit)
    con.execute("SET max_temp_directory_size = '0KB'")
    monkeypatch.setitem(duck._engine, (os.getpid(), 1), con)


def _write(world: Any) -> None:
    made = random.Random(7)
    rows = ((str(n), made.randbytes(SIZE // 2).hex(), n) for n in range(ROWS))
    for row in rows:
        world.sql("a", f"INSERT INTO things VALUES ('{row[0]}', '{row[1]}', {row[2]})")


def test_large_values_are_held_a_dozen_times_at_most(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents and images are values, too: each table of a run that holds them once more takes as much memory as all of them."""
    _engine(monkeypatch, "85MB")  # less than 61 does not do; it was 116 once
    _write(two)

    result = two.sync()

    assert (result.status, result.counts["inserted"]) == ("done", ROWS)
    assert two.rows("b") == two.rows("a")


def test_too_little_memory_is_said_with_what_to_do_and_the_next_run_goes_on(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a defect of the program nor a system that could not be reached, whichever step it is that needs too much."""
    _write(two)
    for limit in ("12MB", "40MB"):
        with monkeypatch.context() as little:
            _engine(little, limit)
            with pytest.raises(MemoryShort, match=r"MiB that Accord may take.*Give it more, or work on less"):
                two.sync()

    assert two.sync().counts["inserted"] == ROWS
    assert two.rows("b") == two.rows("a")
