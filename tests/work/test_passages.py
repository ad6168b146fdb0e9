"""Work passes from who worked last to who works next, also into the instances a step runs and out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accord.store import Store
from accord.work import Work
from accord.work.inbox import passages

MakeWork = Callable[..., Work]
TABLES = ("work_task", "work_instance", "handoff", "work_variable", "work_timer", "work_token")
CAMPAIGN = (
    "processes: {p: {owner: marketing, steps: {brief: {team: marketing}, "
    "make: {kind: foreach, team: studio, each: items, process: one, after: [brief]}, launch: {team: marketing, after: [make]}}}, "
    "one: {owner: studio, variables: {tone: text}, steps: {draft: {team: studio, accept_within: 4h}, "
    "check: {team: legal, after: [draft]}}}}"
)


def _handoffs(store: Store, step: str = "%") -> list[tuple[Any, ...]]:
    found = store.rows("SELECT step, from_team, to_team, state, attempt FROM handoff WHERE step LIKE ? ORDER BY handoff", step)
    return [tuple(row) for row in found]


def _open(work: Work) -> list[tuple[str, str, str]]:
    states = ("offered", "ready", "started", "queued", "waiting", "returned", "dead")
    return sorted((task.step, task.team, task.state) for task in work.tasks(states=states))


def _rebuilt(store: Store) -> None:
    """The tables say the same when they are made anew from the log."""
    before = {name: sorted(map(str, store.rows(f"SELECT * FROM {name}"))) for name in TABLES}
    store.rebuild()
    assert {name: sorted(map(str, store.rows(f"SELECT * FROM {name}"))) for name in TABLES} == before


def _do(work: Work, step: str, by: str, **answer: object) -> None:
    (task,) = [task for task in work.tasks() if task.step == step]
    work.complete(task.task, by=by, answer=answer)


def test_what_a_list_begins_is_offered_and_what_it_made_is_handed_back(work_with: MakeWork, store: Store) -> None:
    """Each item is a passage of its own to who works at it first; the last of them to end hands the whole back."""
    work = work_with(CAMPAIGN)
    instance = work.start("p", case="C1", by="Mia", variables={"items": ["a", "b"]})

    _do(work, "brief", "Mia")

    drafts = [task for task in work.tasks(team="studio") if task.step == "draft"]
    assert [task.state for task in drafts] == ["offered", "offered"]
    assert all(task.due_at is not None for task in drafts)
    assert _handoffs(store) == [("draft", "marketing", "studio", "offered", 1)] * 2
    for draft in drafts:
        work.complete(draft.task, by="Sam")
    for check in work.tasks(team="legal"):
        work.complete(check.task, by="Lea")
    assert _open(work) == [("launch", "marketing", "offered")]
    assert _handoffs(store, "launch") == [("launch", "legal", "marketing", "offered", 1)]
    (back,) = passages(store, instance, now=work.now())
    assert (back.giver_sees, back.receiver_sees) == ("waits for marketing", "to be accepted or sent back")
    _rebuilt(store)
    _do(work, "launch", "Mia")
    assert store.rows("SELECT DISTINCT status FROM work_instance") == [("completed",)]
    (back,) = passages(store, instance, now=work.now())
    assert (back.giver_sees, back.receiver_sees) == ("done by marketing on 2026-03-02", "done")


def test_within_one_team_nothing_is_handed_over(work_with: MakeWork, store: Store) -> None:
    """Also where the step between belongs to another team, at which nobody works."""
    work = work_with(
        "processes: {p: {owner: studio, steps: {a: {team: studio}, part: {kind: subprocess, team: legal, process: one, after: [a]}, "
        "b: {team: studio, after: [part]}}}, one: {owner: studio, steps: {do: {team: studio}}}}"
    )
    work.start("p", case="1", by="Sam")

    for step in ("a", "do", "b"):
        _do(work, step, "Sam")

    assert _handoffs(store) == []
    assert store.rows("SELECT DISTINCT status FROM work_instance") == [("completed",)]


def test_an_item_sent_back_returns_to_whose_work_it_carries_on(work_with: MakeWork, store: Store) -> None:
    """The work before the list is mended; the item then knows what was mended, keeps its clock, and nothing is begun twice."""
    work = work_with(CAMPAIGN)
    work.start("p", case="C1", by="Mia", variables={"items": ["a", "b"], "tone": "loud"})
    _do(work, "brief", "Mia")
    first, second = work.tasks(team="studio")

    work.reject(second.task, by="Sam", reason="which b?")

    assert _open(work) == [("brief", "marketing", "ready"), ("draft", "studio", "offered"), ("draft", "studio", "returned"),
                           ("make", "studio", "waiting")]  # fmt: skip
    _rebuilt(store)
    work.complete(first.task, by="Sam")
    _do(work, "brief", "Mia", items=["a", "b of the north"], tone="soft")
    assert work.task(second.task).state == "offered"
    assert ("draft", "marketing", "studio", "offered", 2) in _handoffs(store)
    known = dict(store.rows("SELECT name, value FROM work_variable WHERE instance = ?", second.instance))
    assert (known["item"], known["tone"]) == ('"b of the north"', '"soft"')
    _rebuilt(store)
    work.complete(second.task, by="Sam")
    for check in work.tasks(team="legal"):
        work.complete(check.task, by="Lea")
    _do(work, "launch", "Mia")
    assert store.rows("SELECT DISTINCT status FROM work_instance") == [("completed",)]
    assert store.rows("SELECT count(*) FROM work_task") == [(7,)]


NOBODY = (
    "processes: {p: {owner: marketing, steps: {make: {kind: subprocess, team: marketing, process: one}, "
    "launch: {team: marketing, after: [make]}}}, "
    "one: {owner: studio, steps: {draft: {team: studio}}}}"
)


def test_with_nobody_before_the_team_of_the_step_gives_and_mends(work_with: MakeWork, store: Store) -> None:
    """A rejection must find somebody: the team that answers for the step, which waits for its instance again afterwards."""
    work = work_with(NOBODY)
    work.start("p", case="C1", by="Mia")
    assert _handoffs(store) == [("draft", "marketing", "studio", "offered", 1)]

    (draft,) = work.tasks()
    work.reject(draft.task, by="Sam", reason="what is it about?")

    assert _open(work) == [("draft", "studio", "returned"), ("make", "marketing", "ready")]
    _do(work, "make", "Mia", topic="spring")
    assert _open(work) == [("draft", "studio", "offered"), ("make", "marketing", "waiting")]
    _rebuilt(store)
    work.complete(draft.task, by="Sam", answer={"file": "f"})
    assert _open(work) == [("launch", "marketing", "offered")]
    assert dict(store.rows("SELECT name, value FROM work_variable WHERE name = 'make'"))["make"] == '{"file":"f"}'


def test_what_a_part_handed_back_is_mended_by_who_worked_there_last(work_with: MakeWork, store: Store) -> None:
    """The instance has ended; its work is still that of the team that did it."""
    work = work_with(NOBODY)
    work.start("p", case="C1", by="Mia")
    _do(work, "draft", "Sam", file="f")
    (launch,) = work.tasks()

    work.reject(launch.task, by="Mia", reason="blurred")

    (again,) = work.tasks()
    assert (again.step, again.team, again.state, again.reasons) == ("make", "studio", "ready", ("blurred",))
    _rebuilt(store)
    work.complete(again.task, by="Sam", answer={"file": "sharp"})
    assert _handoffs(store, "launch") == [("launch", "studio", "marketing", "offered", 2)]
    _do(work, "launch", "Mia")
    assert store.rows("SELECT DISTINCT status FROM work_instance") == [("completed",)]


def test_a_cancelled_item_leaves_nothing_to_begin_again(work_with: MakeWork, store: Store) -> None:
    """Whoever mends work for an item that is called off meanwhile must not start the list a second time."""
    work = work_with(CAMPAIGN)
    work.start("p", case="C1", by="Mia", variables={"items": ["a", "b"]})
    _do(work, "brief", "Mia")
    first, second = work.tasks(team="studio")
    work.reject(second.task, by="Sam", reason="which b?")

    work.cancel(second.instance, by="Mia", reason="not needed")
    _do(work, "brief", "Mia")

    assert _open(work) == [("draft", "studio", "offered"), ("make", "studio", "waiting")]
    work.complete(first.task, by="Sam")
    _do(work, "check", "Lea")
    _do(work, "launch", "Mia")
    assert sorted(store.rows("SELECT process, status FROM work_instance")) == [
        ("one", "cancelled"),
        ("one", "completed"),
        ("p", "completed"),
    ]


def test_an_action_at_the_beginning_of_a_part_works_again_after_who_came_before(work_with: MakeWork, store: Store) -> None:
    """The way back leads over the border of the instance, and the way forth again, too."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {brief: {team: marketing}, "
        "part: {kind: subprocess, team: studio, process: one, after: [brief]}}}, "
        "one: {owner: studio, steps: {resize: {kind: auto, team: studio, action: x}, judge: {team: legal, after: [resize]}}}}"
    )
    work.start("p", case="C1", by="Mia")
    _do(work, "brief", "Mia")
    (job,) = work.queued()
    work.finished(job.task, {}, attempt=1)
    (judge,) = work.tasks()

    work.reject(judge.task, by="Lea", reason="too small")

    assert _open(work) == [("brief", "marketing", "ready"), ("judge", "legal", "returned"), ("part", "studio", "waiting"),
                           ("resize", "studio", "returned")]  # fmt: skip
    _do(work, "brief", "Mia")
    (job,) = work.queued()
    work.finished(job.task, {}, attempt=job.attempt)
    assert (work.task(judge.task).state, _handoffs(store)) == ("offered", [("judge", "studio", "legal", "offered", 2)])
    _rebuilt(store)


def test_a_wait_and_a_step_that_is_skipped_pass_on_what_they_were_given(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Nobody worked there, so nobody could take the work back, and no team gave what it never had."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {write: {team: marketing}, print: {team: legal, when: 'false', after: [write]}, "
        "rest: {kind: wait, team: legal, delay: 1h, after: [print]}, post: {team: studio, after: [rest]}, "
        "own: {team: marketing, when: 'true', after: [post]}}}}"
    )
    work.start("p", case="1", by="Mia")
    _do(work, "write", "Mia")
    clock.move(hours=2)
    work.fire()
    assert _handoffs(store) == [("post", "marketing", "studio", "offered", 1)]

    (post,) = work.tasks()
    work.reject(post.task, by="Sam", reason="torn")

    assert _open(work) == [("post", "studio", "returned"), ("write", "marketing", "ready")]
    _do(work, "write", "Mia")
    assert _open(work) == [("post", "studio", "offered")]


def test_two_who_send_back_the_work_of_one_both_say_why(work_with: MakeWork, store: Store) -> None:
    """The second reason must not wipe out the first, nor take the work out of the hands of who mends it already."""
    work = work_with(
        "processes: {p: {owner: marketing, steps: {write: {team: marketing}, draw: {team: studio, after: [write]}, "
        "judge: {team: legal, after: [write]}}}}"
    )
    instance = work.start("p", case="1", by="Mia")
    _do(work, "write", "Mia")
    work.reject(f"{instance}/draw/1", by="Sam", reason="no size")
    work.claim(f"{instance}/write/1", by="Mia")

    work.reject(f"{instance}/judge/1", by="Lea", reason="no source")

    task = work.task(f"{instance}/write/1")
    assert (task.state, task.assignee, task.reasons) == ("started", "Mia", ("no size", "no source"))
    _rebuilt(store)
    work.complete(task.task, by="Mia")
    assert _open(work) == [("draw", "studio", "offered"), ("judge", "legal", "offered")]


GATES = "gates: {fits: {checks: {small: {check: 'size < 10', reason: 'it is larger than 10'}}}}\n"


@pytest.mark.parametrize("alone", [True, False])
def test_what_an_action_made_and_its_gate_refuses_goes_back_with_reasons(work_with: MakeWork, store: Store, alone: bool) -> None:
    """To whose work the action carried on, and the action works again; with nobody before, its team does it by hand or restarts it."""
    write, after = ("", "") if alone else ("write: {team: marketing}, ", ", after: [write]")
    work = work_with(
        f"{GATES}processes: {{p: {{owner: marketing, steps: {{{write}make: {{kind: auto, team: studio, action: x, gate: fits{after}}}}}}}}}"
    )
    work.start("p", case="1", by="Mia")
    if not alone:
        _do(work, "write", "Mia")
    (job,) = work.queued()

    work.finished(job.task, {"size": 12}, attempt=1)

    (task,) = work.tasks()
    assert (task.step, task.state, task.reasons) == ("make" if alone else "write", "ready", ("it is larger than 10",))
    _rebuilt(store)
    if alone:
        work.complete(task.task, by="Sam", answer={"size": 11})
        assert work.task(task.task).state == "started"
        work.complete(task.task, by="Sam", answer={"size": 9})
    else:
        work.complete(task.task, by="Mia")
        (job,) = work.queued()
        work.finished(job.task, {"size": 9}, attempt=job.attempt)
    assert store.rows("SELECT status FROM work_instance") == [("completed",)]


def test_what_a_wait_or_a_part_brought_and_its_gate_refuses_is_a_task_for_its_team(work_with: MakeWork, store: Store) -> None:
    """Nobody has such a step, so a task that counts as begun by nobody could be finished by nobody."""
    work = work_with(
        f"{GATES}processes: {{p: {{owner: marketing, steps: {{hear: {{kind: wait, team: legal, message: m, gate: fits}}, "
        "part: {kind: subprocess, team: studio, process: one, gate: fits, after: [hear]}}}, "
        "one: {owner: studio, steps: {do: {team: studio}}}}"
    )
    work.start("p", case="1", by="Mia")
    work.signal("m", key="1", content={"size": 12}, by="Mia")
    assert _open(work) == [("hear", "legal", "ready")]
    _do(work, "hear", "Lea", size=5)
    (do,) = work.tasks()
    work.complete(do.task, by="Sam", answer={"size": 11})

    assert store.rows("SELECT DISTINCT status FROM work_instance") == [("completed",)]
