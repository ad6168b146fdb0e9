"""``accord sync``: what its options promise."""

from __future__ import annotations

from typing import Any


def test_whole_finds_what_no_capture_told_of(small: Any) -> None:
    """A row edited past the log of its system is seen by the next look at everything, or when somebody does not want to wait for that."""
    map_ = small.folder / "map.yaml"
    map_.write_text(map_.read_text().replace("size: size}}", "size: size}, capture: cdc}"))
    for size in (7, 8):
        assert small.call("sync", str(small.folder))[0] == 0
        small.sql("a", f"UPDATE things SET size = {size} WHERE id = '2'")
    assert small.call("sync", str(small.folder))[0] == 0

    small.sql("a", "UPDATE things SET size = 9 WHERE id = '1'")
    ((outbox,),) = small.sql("a", "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%seq INTEGER PRIMARY KEY%'")
    small.sql("a", f'DELETE FROM "{outbox}"')
    ordinary, _, _ = small.call("sync", str(small.folder))
    unseen = small.rows("b")
    whole, _, _ = small.call("sync", str(small.folder), "--whole")

    assert (ordinary, whole) == (0, 0)
    assert (unseen["1"], unseen["2"]) == (("x", 1), ("y", 8))
    assert small.rows("b")["1"] == ("x", 9)


def test_whole_is_of_one_run(small: Any) -> None:
    """Watching goes on by itself; its runs look at what moved."""
    code, _, error = small.call("sync", str(small.folder), "--watch", "--whole")

    assert code == 2
    assert "single" in error
