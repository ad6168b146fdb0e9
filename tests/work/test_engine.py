"""Processes carried out: ways, handoffs, gates, times, messages, instances in instances."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accord.model.errors import TerminalError, UnknownName, UsageError
from accord.store import Store
from accord.work import Task, Work
from accord.work.definition import definition_from

MakeWork = Callable[..., Work]
CAMPAIGN = """
gates:
  complete: {checks: {budget: {check: budget > 0, reason: no budget is given}, brief: {evidence: brief, check: "true", reason: no brief}}}
  printable: {checks: {size: {check: "size_mm <= 300", reason: too large to print}}}
processes:
  campaign:
    owner: marketing
    steps:
      brief: {team: marketing, gate: complete, form: {budget: number, brief: text, size_mm: integer}, sla: 4h}
      draw: {team: studio, after: [brief], accept_gate: printable, accept_within: 2h, sla: 8h}
      check: {team: legal, after: [draw], form: {verdict: {values: [good, bad], required: true}}}
      judge: {kind: decision, after: [check], routes: {again: {to: redraw, when: verdict = 'bad'}, go: {to: publish}}}
      redraw: {team: studio, max_times: 3}
      recheck: {kind: decision, after: [redraw], routes: {back: {to: publish}}}
      publish: {kind: auto, action: publish, undo: withdraw}
"""
BRIEF = {"budget": 100, "brief": "link", "size_mm": 200}


def only(work: Work, state: str = "") -> Task:
    """The one open task."""
    (task,) = work.tasks(states=(state,) if state else ("offered", "ready", "started", "queued", "waiting", "dead"))
    return task


def status(work: Work, instance: str) -> str:
    return str(work.store.rows("SELECT status FROM work_instance WHERE instance = ?", instance)[0][0])


def test_work_passes_between_teams_and_the_clock_runs_to_the_final_acceptance(work_with: MakeWork, store: Store, clock: Any) -> None:
    """F2: a rejected attempt restarts nothing."""
    work = work_with(CAMPAIGN)
    instance = work.start("campaign", case="C1", by="Mia")
    clock.move(hours=1)
    work.complete(only(work).task, by="Mia", answer=BRIEF)
    clock.move(hours=1)
    work.reject(only(work, "offered").task, by="Sam", reason="the format is missing")
    again = only(work, "ready")
    assert (again.step, again.attempt, again.reasons) == ("brief", 2, ("the format is missing",))
    clock.move(hours=1)
    work.complete(again.task, by="Mia", answer=BRIEF)
    clock.move(hours=1)
    work.claim(only(work, "offered").task, by="Sam")

    (row,) = store.rows("SELECT state, attempt, offered_at, accepted_at, started_at, sla_hours, artefact_hash FROM handoff")
    assert (*row[:2], row[2][11:13], row[3][11:13], row[4][11:13], row[5], len(row[6])) == ("started", 2, "10", "13", "13", 2.0, 64)
    assert status(work, instance) == "running"
    store.rebuild()
    assert store.rows("SELECT state, attempt, offered_at, accepted_at, started_at, sla_hours, artefact_hash FROM handoff") == [row]


def test_a_gate_sends_work_back_with_every_reason(work_with: MakeWork) -> None:
    """Who is sent back must know all that is missing, not the first thing."""
    work = work_with(CAMPAIGN)
    work.start("campaign", case="C1", by="Mia")
    task = work.complete(only(work).task, by="Mia", answer={"budget": 0, "size_mm": 900})

    assert (task.state, task.attempt) == ("started", 2)
    assert task.reasons == ("no budget is given", "no brief: the evidence 'brief' is missing", "too large to print")
    assert [t.step for t in work.tasks()] == ["brief"]


def test_a_form_that_does_not_fit_changes_nothing(work_with: MakeWork, store: Store) -> None:
    """The person gets every mistake, the state none of it; that it was tried is recorded."""
    work = work_with(CAMPAIGN)
    work.start("campaign", case="C1", by="Mia")
    task = work.claim(only(work).task, by="Mia")
    before, head = store.table("work_task"), store.head()

    with pytest.raises(UsageError, match=r"colour.*budget: 'much' is not of type 'number'"):
        work.complete(task.task, by="Mia", answer={"budget": "much", "colour": 1})

    assert store.table("work_task") == before
    assert [s.event.type for s in store.read(after=head.seq)] == ["task.refused"]


def test_a_decision_takes_the_first_open_route_and_an_action_ends_the_process(work_with: MakeWork) -> None:
    """Routes are tried in the order written."""
    work = work_with(CAMPAIGN)
    instance = work.start("campaign", case="C1", by="Mia")
    work.complete(only(work).task, by="Mia", answer=BRIEF)
    work.complete(only(work).task, by="Sam")
    work.complete(only(work).task, by="Lea", answer={"verdict": "bad"})
    assert only(work).step == "redraw"
    work.complete(only(work).task, by="Sam")
    (job,) = work.queued()
    assert (job.step, job.action) == ("publish", "publish")
    work.finished(job.task, {"url": "https://example.org"}, attempt=1)
    work.finished(job.task, {"url": "https://example.org/again"}, attempt=1)

    assert status(work, instance) == "completed"
    assert work.store.rows("SELECT value FROM work_variable WHERE name = 'url'") == [('"https://example.org"',)]


def test_of_many_who_claim_a_task_one_has_it(work_with: MakeWork) -> None:
    """Two people must never do the same work."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {team: studio}}}}")
    work.start("p", case="1", by="Mia")
    task = only(work).task

    def claim(number: int) -> bool:
        try:
            work.claim(task, by=f"person {number}")
        except TerminalError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(claim, range(48))).count(True) == 1


def test_side_by_side_steps_meet_where_all_are_waited_for(work_with: MakeWork) -> None:
    """A join begins once, when the last way in was gone."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {}, b: {after: [a]}, c: {after: [a]}, d: {after: [b, c]}}}}")
    instance = work.start("p", case="1", by="Mia")
    work.complete(only(work).task, by="Mia")
    assert [t.step for t in work.tasks()] == ["b", "c"]
    work.complete(work.tasks()[0].task, by="Mia")
    assert [t.step for t in work.tasks()] == ["c"]
    work.complete(work.tasks()[0].task, by="Mia")
    assert [t.step for t in work.tasks()] == ["d"]
    work.complete(work.tasks()[0].task, by="Mia")

    assert status(work, instance) == "completed"


def test_a_loop_stops_at_its_bound(work_with: MakeWork) -> None:
    """A process that turns for ever is a fault a person has to see."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {s: {}, a: {after: [s], join: any, max_times: 3}, "
        "b: {kind: decision, after: [a], routes: {again: {to: a, when: 'true'}, out: {}}}}}}"
    )
    instance = work.start("p", case="1", by="Mia")
    for _ in range(4):
        work.complete(only(work).task, by="Mia")

    assert status(work, instance) == "stuck"
    assert "at most 3" in work.store.rows("SELECT reason FROM work_instance")[0][0]


def test_a_wait_ends_at_its_time_and_overdue_work_is_escalated_once(work_with: MakeWork, clock: Any, store: Store) -> None:
    """Time passes only when the clock says so."""
    work = work_with("processes: {p: {owner: marketing, steps: {w: {kind: wait, delay: 2d}, a: {team: studio, after: [w], sla: 4h}}}}")
    work.start("p", case="1", by="Mia")
    clock.move(hours=47)
    assert work.fire() == 0
    clock.move(hours=1)
    assert work.fire() == 1
    assert only(work).step == "a"
    clock.move(hours=5)
    assert work.fire() == 1
    assert work.fire() == 0
    assert [s.event.attributes["to"] for s in store.read(types=["task.escalated"])] == ["Sam"]


def test_overdue_work_can_take_another_way(work_with: MakeWork, clock: Any) -> None:
    """The map says who steps in."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {team: studio, sla: 1h, on_overdue: b}, b: {team: legal}}}}")
    instance = work.start("p", case="1", by="Mia")
    clock.move(hours=2)
    work.fire()
    assert only(work).step == "b"
    work.complete(only(work).task, by="Lea")

    assert status(work, instance) == "completed"


def test_a_message_reaches_who_waits_for_it_once(work_with: MakeWork, store: Store) -> None:
    """A repeated or late message changes nothing, and the late one is recorded."""
    work = work_with(
        "processes: {p: {owner: marketing, starts: {s: {message: order}}, steps: {w: {kind: wait, message: paid}, a: {after: [w]}}}}"
    )
    (instance,) = work.signal("order", key="O1", content={"amount": 3}, by="shop", id="m1")
    assert work.signal("order", key="O1", content={"amount": 3}, by="shop", id="m1") == ()
    assert work.signal("paid", key="O1", content={"paid": True}, by="bank", id="m2") == (instance,)
    work.complete(only(work).task, by="Mia")

    with pytest.raises(UsageError, match="reached nobody"):
        work.signal("paid", key="O1", by="bank", id="m3")
    assert [s.event.attributes["id"] for s in store.read(types=["message.refused"])] == ["m3"]
    assert status(work, instance) == "completed"


def test_instances_in_an_instance_end_its_step_together(work_with: MakeWork) -> None:
    """A step over a list waits for the last of its instances, whatever the order."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {all: {kind: foreach, each: items, process: one}, end: {after: [all]}}}, "
        "one: {owner: studio, steps: {do: {team: studio}}}}"
    )
    work.start("p", case="1", by="Mia", variables={"items": ["x", "y", "z"]})
    tasks = work.tasks()
    assert [t.step for t in tasks] == ["do"] * 3
    for task in reversed(tasks):
        work.complete(task.task, by="Sam", answer={"done": task.instance[-1]})

    assert only(work).step == "end"
    (value,) = work.store.rows("SELECT value FROM work_variable WHERE name = 'all'")[0]
    assert [v in value for v in ('"item":"x"', '"item":"z"')] == [True, True]


def test_a_list_whose_instances_end_at_once_ends_its_step_once(work_with: MakeWork) -> None:
    """The first instance may be over before the last has begun."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {all: {kind: foreach, each: items, process: one}, end: {after: [all]}}}, "
        "one: {owner: studio, steps: {do: {kind: decision, routes: {on: {}}}}}}"
    )
    work.start("p", case="1", by="Mia", variables={"items": [1, 2]})
    assert [t.step for t in work.tasks()] == ["end"]


def test_cancelling_takes_finished_actions_back_in_reverse_order(work_with: MakeWork) -> None:
    """What was done for a cancelled case must not stay behind."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {a: {kind: auto, action: book, undo: unbook}, "
        "b: {kind: auto, action: pay, undo: refund, after: [a]}, c: {after: [b]}}}}"
    )
    instance = work.start("p", case="1", by="Mia")
    for _ in range(2):
        (job,) = work.queued()
        work.finished(job.task, {}, attempt=1)
    work.cancel(instance, by="Mia", reason="the client left")
    undone = []
    for _ in range(2):
        (job,) = work.queued()
        undone.append(job.action)
        work.finished(job.task, {}, attempt=1)

    assert undone == ["refund", "unbook"]
    assert status(work, instance) == "cancelled"
    with pytest.raises(TerminalError, match="is cancelled"):
        work.cancel(instance, by="Mia", reason="again")


def test_an_action_that_fails_is_tried_later_and_then_waits_for_a_person(work_with: MakeWork, clock: Any) -> None:
    """Retries space out; a dead action is visible and can be started again."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {kind: auto, action: x, retries: 2, backoff: 10s}}}}")
    instance = work.start("p", case="1", by="Mia")
    for pause in (10, 20):
        (job,) = work.queued()
        work.failed(job.task, "no answer", attempt=1)
        assert work.queued() == []
        clock.move(seconds=pause)
    (job,) = work.queued()
    work.failed(job.task, "no answer", attempt=1)
    clock.move(days=1)
    assert work.queued() == []
    assert only(work, "dead").reasons == ("no answer",)
    work.restart(job.task, by="Mia")
    work.finished(work.queued()[0].task, {}, attempt=1)

    assert status(work, instance) == "completed"


def test_running_instances_stay_on_their_definition_until_they_are_moved(work_with: MakeWork) -> None:
    """A changed map must not change work under way behind people's backs."""
    old = work_with("processes: {p: {owner: marketing, version: '1', steps: {a: {}, b: {after: [a]}}}}")
    instance = old.start("p", case="1", by="Mia")
    new = work_with("processes: {p: {owner: marketing, version: '2', steps: {a: {}, x: {after: [a]}}}}")
    gone = work_with("processes: {p: {owner: marketing, version: '3', steps: {z: {}}}}")
    with pytest.raises(TerminalError, match="step 'a' is open and does not exist there"):
        gone.migrate(instance, by="Mia")
    other = new.start("p", case="2", by="Mia")
    new.migrate(instance, by="Mia")
    for task in new.tasks():
        new.complete(task.task, by="Mia")

    assert {(t.instance, t.step) for t in new.tasks()} == {(instance, "x"), (other, "x")}


def test_what_does_not_exist_is_named_with_what_does(work_with: MakeWork) -> None:
    """A mistyped id is the most common mistake."""
    work = work_with("processes: {p: {owner: marketing, steps: {a: {}}}}")
    with pytest.raises(UnknownName, match="Did you mean 'p'"):
        work.start("pp", case="1", by="Mia")
    with pytest.raises(UnknownName, match="task"):
        work.claim("nothing", by="Mia")


def test_the_projections_of_work_are_computed_from_the_log_alone(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Every table can be thrown away and built again."""
    work = work_with(CAMPAIGN)
    work.start("campaign", case="C1", by="Mia")
    work.complete(only(work).task, by="Mia", answer=BRIEF)
    work.reject(only(work, "offered").task, by="Sam", reason="no")
    names = ("work_instance", "work_task", "work_token", "work_timer", "work_variable", "work_definition", "handoff")
    before = {name: store.table(name) for name in names}

    store.rebuild()

    assert {name: store.table(name) for name in names} == before


def test_a_stored_definition_reads_as_it_was(work_with: MakeWork) -> None:
    """An instance goes on in another process, and after the map has changed, by exactly what it was started with."""
    work = work_with(
        "calendars: {office: {timezone: Europe/Berlin, holidays: ['2026-05-01']}}\n"
        + CAMPAIGN
        + "  other: {owner: legal, steps: {w: {kind: wait, delay: 2d}, "
        + "f: {kind: foreach, each: items, process: campaign, after: [w], join: any, retries: 3}}}"
    )
    for process in ("campaign", "other"):
        definition = work.library.current(process)
        again = definition_from(json.loads(json.dumps(definition.body)))
        assert (again.hash, again.process, again.gates, again.teams) == (
            definition.hash,
            definition.process,
            definition.gates,
            definition.teams,
        )


@pytest.mark.parametrize(
    "slow",
    ["{kind: auto, action: nothing, sla: 4h}", "{kind: wait, message: word, sla: 4h}", "{kind: subprocess, process: inner, sla: 4h}"],
)
def test_time_is_watched_whoever_takes_it(work_with: MakeWork, clock: Any, store: Store, slow: str) -> None:
    """An action that hangs, a word that does not come and a part that drags on keep people waiting as much as people do."""
    work = work_with(f"processes: {{p: {{owner: marketing, steps: {{a: {slow}}}}}, inner: {{owner: marketing, steps: {{x: {{}}}}}}}}")
    work.start("p", case="1", by="Mia")
    clock.move(hours=3)
    assert work.fire() == 0
    clock.move(hours=2)

    assert work.fire() == 1
    assert work.fire() == 0
    assert [s.event.attributes["kind"] for s in store.read(types=["task.escalated"])] == ["sla"]


def test_a_part_that_drags_on_is_left_for_the_step_its_time_leads_to(work_with: MakeWork, clock: Any) -> None:
    """What it had begun is cancelled with it, and nothing goes on behind it."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {a: {kind: subprocess, process: inner, sla: 4h, on_overdue: b}, b: {}}}, "
        "inner: {owner: marketing, steps: {x: {}}}}"
    )
    instance = work.start("p", case="1", by="Mia")
    clock.move(hours=5)
    assert work.fire() == 1

    (task,) = work.tasks()
    assert task.step == "b"
    work.complete(task.task, by="Mia")
    assert status(work, instance) == "completed"
    assert work.store.rows("SELECT status FROM work_instance WHERE parent = ?", instance) == [("cancelled",)]
