"""Bad input of issue 4: a clear answer, the state as it was, and a record that it came."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accord.model.errors import TerminalError, UnknownName, UsageError
from accord.store import Store
from accord.work import Work
from accord.work.action import Context
from accord.work.runner import EmbeddedRunner

MakeWork = Callable[..., Work]
CASE = """
processes:
  p:
    owner: marketing
    steps:
      a: {team: marketing, sla: 4h}
      b: {team: studio, after: [a], sla: 4h}
      book: {kind: auto, action: book, after: [b], retries: 2}
      w: {kind: wait, delay: 2h, after: [book]}
      c: {team: marketing, after: [w]}
"""


def times(store: Store) -> dict[str, list[datetime]]:
    """The times of each instance's events in the order of the log."""
    found = defaultdict(list)
    for stored in store.read():
        for ref in stored.event.objects:
            if ref.type == "process_instance":
                found[ref.id].append(stored.event.time)
    return found


def test_a_clock_that_goes_back_makes_no_history_that_runs_backwards(work_with: MakeWork, store: Store, clock: Any) -> None:
    """What happens now did not happen before what happened last; that the clock said otherwise is recorded."""
    work = work_with(CASE)
    instance = work.start("p", case="1", by="Mia")
    last = clock()
    clock.move(hours=-3)
    task = work.claim(work.tasks()[0].task, by="Mia")
    work.complete(task.task, by="Mia")

    assert all(earlier <= later for earlier, later in itertools.pairwise(times(store)[instance]))
    jumps = [s.event for s in store.read(types=["clock.jumped"])]
    assert [(e.time, e.attributes["seconds"]) for e in jumps] == [(last, -10800.0)] * 2
    assert jumps[0].attributes["clock"] == "2026-03-02T06:00:00.000000+00:00"
    assert work.task(task.task).started_at == last
    # What is due later is reckoned from the clock that will be looked at.
    assert work.tasks()[0].due_at == clock() + timedelta(hours=4)
    before = {name: store.table(name) for name in ("work_task", "work_timer", "handoff")}
    store.rebuild()
    assert {name: store.table(name) for name in before} == before


def test_machines_whose_clocks_differ_a_little_are_no_jump(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Two workers on one store are never quite of one mind."""
    work = work_with(CASE)
    instance = work.start("p", case="1", by="Mia")
    clock.move(seconds=-0.5)
    work.claim(work.tasks()[0].task, by="Mia")

    assert list(store.read(types=["clock.jumped"])) == []
    assert times(store)[instance] == sorted(times(store)[instance])


def test_after_a_jump_forward_and_back_actions_still_run(work_with: MakeWork, store: Store, clock: Any) -> None:
    """A machine that thought for a minute it was next year must not stop the case for a year."""
    work = work_with(CASE)
    instance = work.start("p", case="1", by="Mia")
    clock.move(days=365)
    work.complete(work.tasks()[0].task, by="Mia")
    clock.move(days=-365)
    work.complete(work.tasks()[0].task, by="Sam")
    runner = EmbeddedRunner(work, Context(functions={"book": lambda call: {"booked": 1}}))

    assert runner.drain() == 1
    clock.move(hours=2)
    assert runner.drain() == 1
    work.complete(work.tasks()[0].task, by="Mia")
    assert store.rows("SELECT status FROM work_instance") == [("completed",)]
    assert times(store)[instance] == sorted(times(store)[instance])


def test_a_jump_forward_fires_each_timer_once(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Also when the clock goes back over the same hours and comes again."""
    work = work_with(CASE)
    for case in "123":
        work.start("p", case=case, by="Mia")
    clock.move(days=30)
    assert work.fire() == 3
    clock.move(days=-30)
    assert work.fire() == 0
    clock.move(days=60)
    assert work.fire() == 0

    fired = [s.event.attributes["task"] for s in store.read(types=["timer.fired"])]
    assert len(fired) == len(set(fired)) == 3
    assert len(list(store.read(types=["task.escalated"]))) == 3


def test_whatever_the_clock_does_the_history_of_each_case_runs_forward(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Random jumps between the commands of several cases."""
    work, chance = work_with(CASE), random.Random(7)
    runner = EmbeddedRunner(work, Context(functions={"book": lambda call: {"booked": 1}}))
    for number in range(4):
        work.start("p", case=str(number), by="Mia")
    for _ in range(40):
        clock.move(hours=chance.choice([-30, -2, -0.001, 0.5, 3, 40]))
        if tasks := work.tasks():
            work.complete(chance.choice(tasks).task, by="Mia")
        runner.drain()

    assert all(found == sorted(found) for found in times(store).values())
    assert any(store.read(types=["clock.jumped"]))


def test_a_form_that_does_not_fit_is_recorded_without_what_stood_in_it(work_with: MakeWork, store: Store) -> None:
    """Somebody may look for why a person could not go on; what was typed may be anybody's secret."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {a: {form: {budget: number, iban: {pattern: 'DE[0-9]+', required: true}}}}}}"
    )
    work.start("p", case="1", by="Mia")
    task = work.claim(work.tasks()[0].task, by="Mia")
    before = {name: store.table(name) for name in ("work_instance", "work_task", "work_variable")}

    with pytest.raises(UsageError, match="much"):
        work.complete(task.task, by="Mia", answer={"budget": "much", "iban": "hush", "colour": 1})

    assert {name: store.table(name) for name in before} == before
    (refused,) = store.read(types=["task.refused"])
    assert refused.event.attributes["fields"] == {"": "additionalProperties", "budget": "type", "iban": "pattern"}
    assert "hush" not in str(refused)


@pytest.mark.parametrize(("editor", "why"), [(None, "assignee gives nobody"), ("Ron", "'Ron' is not among people")])
def test_a_step_that_turns_out_to_be_nobodys_goes_to_its_team_and_is_seen(
    work_with: MakeWork, store: Store, editor: str | None, why: str
) -> None:
    """The map says who by a variable: nobody filled it in, or with somebody who left. It must not wait for ever."""
    people = "people: {Mia: {team: marketing}, Sam: {team: studio}, Sue: {}, Lea: {}}\n"
    work = work_with(people + "processes: {p: {steps: {a: {assignee: editor, team: studio}}}}")
    work.start("p", case="1", by="Mia", variables={"editor": editor})

    (task,) = work.tasks(team="studio")
    (seen,) = store.read(types=["task.unassigned"])
    assert (task.assignee, seen.event.attributes["reason"], seen.event.attributes["team"]) == ("", why, "studio")
    work.complete(task.task, by="Sam")
    assert store.rows("SELECT status FROM work_instance") == [("completed",)]


def test_a_message_for_a_case_that_is_over_changes_nothing_and_is_recorded(work_with: MakeWork, store: Store) -> None:
    """Whoever sent it learns it, and so does who looks later."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {}, w: {kind: wait, message: paid, after: [a]}}}}")
    instance = work.start("p", case="C1", by="Mia")
    work.cancel(instance, by="Mia", reason="no more")
    before = store.table("work_instance")

    with pytest.raises(UsageError, match="reached nobody"):
        work.signal("paid", key="C1", by="bank", id="m1")

    assert store.table("work_instance") == before
    (refused,) = store.read(types=["message.refused"])
    assert (refused.event.attributes["key"], refused.event.attributes["by"]) == ("C1", "bank")
    for late in (lambda: work.complete(f"{instance}/a/1", by="Mia"), lambda: work.claim(f"{instance}/a/1", by="Mia")):
        with pytest.raises(TerminalError, match="cancelled"):
            late()


def test_a_process_that_is_taken_out_of_the_map_ends_by_its_own_definition(work_with: MakeWork, store: Store) -> None:
    """Forms, steps and gates stay those the case began with; only moving it needs the map."""
    work_with(CASE).start("p", case="1", by="Mia")
    other = work_with("processes: {q: {owner: marketing, steps: {z: {}}}}")
    other.complete(other.tasks()[0].task, by="Mia")

    assert [(t.step, t.team) for t in other.tasks()] == [("b", "studio")]
    with pytest.raises(UnknownName, match="process 'p'"):
        other.migrate(other.tasks()[0].instance, by="Mia")


def test_somebody_the_map_does_not_know_takes_and_gets_no_work(work_with: MakeWork, store: Store) -> None:
    """With a slip of the pen in --by, work would stand with a name nobody has, and who is meant could not do it."""
    work = work_with(
        "people: {Mia: {team: marketing}, Sam: {team: studio}, Sue: {team: studio}, Lea: {team: legal}}\n"
        "processes: {p: {owner: marketing, steps: {write: {team: marketing}, draw: {team: studio, after: [write]}}}}"
    )
    instance = work.start("p", case="1", by="Mia")
    write, draw = f"{instance}/write/1", f"{instance}/draw/1"
    for tried in (work.claim, work.complete):
        with pytest.raises(UnknownName, match=r"person 'Mai' does not exist\..*Did you mean 'Mia'"):
            tried(write, by="Mai")
    work.complete(write, by="Mia")
    with pytest.raises(UnknownName):
        work.accept(draw, by="root")
    with pytest.raises(UnknownName):
        work.reject(draw, by="root", reason="no")
    with pytest.raises(UnknownName):
        work.delegate(draw, by="Sam", to="Samm")

    assert [(task.state, task.assignee) for task in work.tasks()] == [("offered", "")]
    assert work.delegate(draw, by="Sam", to="Sue").assignee == "Sue"
