"""A run in which no system was written since the last look does not read them; any write at all makes it look again."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.event import Event, ObjectRef
from accord.model.system import System


def _settle(world: Any) -> None:
    world.sql("a", "INSERT INTO things VALUES ('1', 'one', 1), ('2', 'two', -2)")
    world.sync()
    world.sync()  # looks, finds nothing to do, and notes what it saw


def _watch_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    from accord.sync import run

    real = run.capture
    monkeypatch.setattr(run, "capture", lambda con, entity, side, **more: (reads.append(side.name), real(con, entity, side, **more))[1])
    return reads


def test_systems_nobody_wrote_are_not_read_and_the_answer_is_the_same(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof that the short way is taken, and says what the long way said."""
    _settle(two)
    reads = _watch_reads(monkeypatch)

    short = two.sync()

    assert reads == []
    assert (short.changed, short.rows, short.waiting, set(short.counts.values())) == (False, {"a": 2, "b": 2}, 0, {0})
    assert two.store.verify().seq > 0


# The last two differ from the first only in what becomes of the journal's own file.
@pytest.mark.parametrize("mode", ["DELETE", "WAL", *(pytest.param(mode, marks=pytest.mark.prove) for mode in ("TRUNCATE", "PERSIST"))])
def test_a_single_changed_value_is_seen_in_every_journal_mode(two: Any, mode: str) -> None:
    """Same size, same second, same number of rows: the change counter or the log shows it."""
    for name in "ab":
        two.sql(name, f"PRAGMA journal_mode = {mode}")
    _settle(two)
    two.sync()
    for value in ("uno", "ein", "une"):
        two.sql("a", f"UPDATE things SET name = '{value}' WHERE id = '1'")

        result = two.sync()
        two.sync()
        two.sync()

        assert (result.counts["updated"], two.rows("b")["1"]) == (1, (value, 1))


def test_a_write_that_stays_in_the_log_of_an_open_connection_is_seen(two: Any) -> None:
    """In WAL mode the file itself stands still until a checkpoint."""
    keeper = sqlite3.connect(two.folder / "a.db")
    keeper.execute("PRAGMA journal_mode = WAL")
    _settle(two)
    two.sync()
    keeper.execute("UPDATE things SET name = 'kept' WHERE id = '1'")
    keeper.commit()

    result = two.sync()

    keeper.close()
    assert (result.counts["updated"], two.rows("b")["1"][0]) == (1, "kept")


def test_a_changed_map_is_judged_anew(two: Any) -> None:
    """The rows may be the same while what is asked of them is not."""
    _settle(two)
    entity = two.map.entities["thing"]
    stricter = {**entity.fields, "size": Field("size", "integer", minimum="0")}
    two.map = replace(two.map, entities={"thing": replace(entity, fields=stricter, version="2.0.0")})

    result = two.sync()

    assert (result.counts["quarantined"], result.waiting) == (2, 2)


def test_what_waits_in_quarantine_is_told_again_by_the_short_way(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet run must not hide what is still wrong."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'one', 'many')")
    two.sync()
    second = two.sync()
    reads = _watch_reads(monkeypatch)

    third = two.sync()

    assert reads == []
    assert (third.waiting, third.findings) == (second.waiting, second.findings)
    assert third.findings[0].kind == "quarantine"


def test_after_a_run_that_never_ended_the_systems_are_read(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open intent says that something may have been written, whatever the tokens say."""
    _settle(two)
    two.sql("a", "UPDATE things SET name = 'x' WHERE id = '1'")
    with monkeypatch.context() as patched:
        patched.setattr("accord.sync.run._finish", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            two.sync()
    reads = _watch_reads(monkeypatch)

    two.sync()

    assert set(reads) == {"a", "b"}


def test_a_file_has_no_token_while_its_times_could_still_hide_a_write(tmp_path: Path) -> None:
    """Two writes within one step of the clock look alike; a minute later they cannot, and ``touch -r`` does not help."""
    path = tmp_path / "rows.csv"
    path.write_text("id\n1\n")
    folder = open_connector(System("files", "csv", str(tmp_path)), base=tmp_path)
    assert folder.change_token("rows") is None  # type: ignore[attr-defined]
    assert folder.change_token("absent") is None  # type: ignore[attr-defined]

    deadline = time.monotonic() + 10
    while (first := folder.change_token("rows")) is None and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.1)
    status = path.stat()
    path.write_text("id\n2\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert first is not None
    assert folder.change_token("rows") != first  # type: ignore[attr-defined]


def test_a_look_costs_the_same_whatever_was_decided_before(two: Any) -> None:
    """Conflicts of years, all of them closed, and the runs since are nothing that a run has to go through."""
    _settle(two)
    database: Any = two.store._database
    steps: list[None] = []

    def look() -> int:
        database._connection.set_progress_handler(lambda: steps.append(None), 1)
        before = len(steps)
        assert not two.sync().changed
        database._connection.set_progress_handler(None, 0)
        return len(steps) - before

    first = look()
    about = (ObjectRef("flow", "things"),)
    body = {"flow": "things", "key": '{"id":"1"}', "field": "name", "values": {"a": "x", "b": "y"}}
    two.store.append(
        Event(f"{type_}:{n}", type_, two.now, "flow:things", {"id": f"c{n}", **body}, about)
        for n in range(300)
        for type_ in ("conflict.opened", "conflict.closed")
    )
    for _ in range(9):
        two.sync()

    assert look() < 1.5 * first
