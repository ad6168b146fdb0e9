"""What nothing asks for any more is let go; what anybody may ask for stays, whatever happens in between."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from accord.store.erasing import Erasure
from accord.sync.apply.limit import Limit
from accord.sync.apply.plan import apply_plan, plan_flow
from accord.sync.merge.conflict_list import lost_values
from accord.sync.state import fewer, release

HOUR = timedelta(hours=1)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let go of few segments, and take the files away in the next run."""
    monkeypatch.setattr(release, "FROM", 6)
    monkeypatch.setattr(release, "READERS_SECONDS", -60.0)


def change(world: Any, *values: int) -> None:
    """Runs that each find a change."""
    for value in values:
        world.sql("a", "INSERT OR REPLACE INTO things VALUES ('1', 'x', ?)", value)
        world.sync()


def files(world: Any) -> set[str]:
    return set(world.store.segment_names())


def test_the_files_of_a_flow_that_changes_for_ever_stay_few(two: Any, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch would fill the disk, a file or six with each run; the log says what went, and nothing is missed."""
    monkeypatch.setattr(fewer, "FROM", 4)
    seen = []
    for _ in range(3):
        change(two, 0, 1, 2, 0, 1, 2)  # values come back, and with them bytes that were let go
        seen.append(len(files(two)))
    before = {name: two.store.table(name).to_pylist() for name in ("segment", "released_segment", "flow_state")}
    two.store.rebuild()

    assert max(seen) <= 30, "each run leaves six"
    assert seen[2] <= seen[0] + 6
    assert {name: two.store.table(name).to_pylist() for name in before} == before, "made anew from the log"
    assert two.store.verify_segments() == ()
    assert two.rows("b") == {"1": ("x", 2)}
    assert len(two.segments("changes")) == 18


def test_a_reader_who_opened_the_state_before_has_half_an_hour_to_read_it(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measuring process takes no lease; the files it was told of are there until long after the next runs."""
    monkeypatch.setattr(release, "FROM", 6)
    change(two, 0)
    opened = [two.store.read_segment(sha) for shas in two.store.flow_state("things").values() for sha in shas]

    change(two, 1, 2, 3, 4)
    assert not {path.stem for path in opened}.isdisjoint(r["sha"] for r in two.store.table("released_segment").to_pylist())
    assert all(path.is_file() for path in opened)
    two.now += HOUR
    two.sync()
    assert all(path.is_file() for path in opened), "written a moment ago: somebody may be about to name it"
    for sha in files(two):
        os.utime(two.store.read_segment(sha), (time.time() - 3600,) * 2)
    two.sync()

    assert not all(path.is_file() for path in opened)
    assert two.store.verify_segments() == ()


@pytest.mark.parametrize("late", [False, True])
def test_a_crash_while_files_are_taken_away_is_mended_by_the_next_run(
    two: Any, at_once: None, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Between the event and the files, and between the files and the event that says so."""

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    change(two, 1, 2, 3)
    due = {r["sha"] for r in two.store.table("released_segment").to_pylist()}
    with monkeypatch.context() as patched:
        patched.setattr(*((release, "append") if late else (two.store._segments, "remove")), die)
        with pytest.raises(Died):
            two.sync()
    assert bool(due & files(two)) is not late
    assert two.store.verify_segments() == ()

    change(two, 4, 5)

    assert not due & files(two)
    assert two.rows("b") == two.rows("a")
    assert two.store.verify_segments() == ()


def test_what_a_run_that_died_meant_to_write_is_kept_until_it_is_taken_up(two: Any, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of other keys may end before; without its intent, our own write would be taken for somebody's edit."""
    monkeypatch.setattr(release, "FROM", 1)
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    two.crash("reading back b")
    two.sql("a", "INSERT INTO things VALUES ('2', 'y', 2)")
    for _ in range(3):
        two.sync(limit=Limit(keys=['{"id":"9"}']))
    (open_,) = two.store.pending_intents("things")

    assert set(open_.event.attributes["segments"].values()) <= files(two)
    two.sql("a", "UPDATE things SET name = 'z' WHERE id = '1'")
    two.sync()
    assert two.rows("b") == {"1": ("z", 1), "2": ("y", 2)}
    assert lost_values(two.store, ["things"]) == []
    two.sync(whole=True)
    two.sync(whole=True)
    assert open_.event.attributes["segments"]["b"] not in files(two)


def test_every_segment_that_an_event_names_is_known(two: Any) -> None:
    """One that was not might be let go with a state of the same bytes, while somebody still reads it by another name."""
    two.map = replace(two.map, flows={"things": replace(two.map.flows["things"], authority={"size": "merge"})})
    change(two, 1, 2)
    for value in (3, 4):
        two.sql("a", "UPDATE things SET size = ?, name = 'y'", value)
        two.sql("b", "UPDATE things SET name = ?, size = 9", value)
        two.crash("reading back b")
    two.sync()
    two.sql("b", "UPDATE things SET name = 'other'")
    two.reconcile()
    uses = {r["use"].split()[-1] for r in two.store.table("segment").to_pylist()}

    assert {"agreed", "due", "stands", "conflicts", "differences", "golden", "base:a", "b"} <= uses
    assert {r["sha"] for r in two.store.table("segment").to_pylist()} == files(two) - set(two.store.unused_segments())


def test_a_file_that_is_lost_is_not_let_go(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever removes one would only have to wait until nobody misses it."""
    change(two, 0)
    (lost,) = two.store.flow_state("things")["golden"]
    change(two, 1, 2, 3, 4)
    two.store.read_segment(lost).unlink()
    monkeypatch.setattr(release, "FROM", 6)

    two.sync(limit=Limit(keys=[]))

    assert two.store.table("released_segment").num_rows > 6
    assert {fault.sha for fault in two.store.verify_segments()} == {lost}


def test_a_plan_made_before_is_carried_out_after_states_were_let_go(two: Any, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rests on the names of the present state, which stay."""
    with monkeypatch.context() as patched:
        patched.setattr(release, "FROM", 999)
        change(two, 1, 2, 3, 4)
    two.sql("a", "UPDATE things SET name = 'planned'")
    plan, _ = plan_flow(two.map, "things", two.connectors, two.store, run="plan", now=two.now)
    kept = files(two)
    for _ in range(2):
        two.sync(limit=Limit(keys=[]))
    assert len(files(two)) < len(kept)

    apply_plan(two.map, plan, two.connectors, two.store, run="apply", now=two.now)

    assert two.rows("b")["1"][0] == "planned"


def test_a_person_is_erased_whose_rows_are_in_no_state_any_more(two: Any, at_once: None) -> None:
    """The row is gone and its states are let go; a value that lost with it is recorded by the key of the row, which names nobody."""
    thing = two.map.entities["thing"]
    fields = {**thing.fields, "name": replace(thing.fields["name"], personal=True)}
    two.map = replace(two.map, entities={"thing": replace(thing, fields=fields, person="name")})
    two.sql("a", "INSERT INTO things VALUES ('7', 'Xanthippe', 1), ('8', 'Bert', 1)")
    two.sync()
    two.sql("a", "UPDATE things SET size = 2 WHERE id = '7'")
    two.sql("b", "UPDATE things SET size = 3 WHERE id = '7'")
    two.sync()
    two.sql("a", "DELETE FROM things WHERE id = '7'")
    two.sync(allow_deletes=True)
    change(two, 1, 2, 3, 4)
    assert not any(r.get("id") == "7" for role in ("golden", "base:a", "base:b") for r in two.segments(role))
    assert [v.losing_value for v in lost_values(two.store, ["things"], key="7")] == ["3"]

    with two.store.lease("erase"):
        left = Erasure(two.map, two.store, "Xanthippe").erase(by="Ann", reason="asked", run="e", now=two.now)

    assert left.nothing
    assert lost_values(two.store, ["things"], key="7") == []
    held = "".join(two.store.read_segment(sha).read_bytes().decode("latin-1") for sha in files(two))
    assert "Xanthippe" not in held
    assert "Bert" in held
    change(two, 5, 6, 7)
    assert two.store.verify_segments() == ()
