"""Work that an action handed on and its receiver sends back: to whoever can do it again, never to a dead end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accord.model.errors import TerminalError
from accord.store import Store
from accord.work import Work

MakeWork = Callable[..., Work]
BEHIND = (
    "processes: {p: {owner: marketing, steps: {write: {team: marketing}, check: {kind: auto, team: marketing, action: x, after: [write]}, "
    "send: {kind: auto, team: marketing, action: y, after: [check]}, judge: {team: legal, after: [send]}}}}"
)
ALONE = "processes: {p: {owner: marketing, steps: {make: {kind: auto, team: studio, action: x}, judge: {team: legal, after: [make]}}}}"


def _act(work: Work, **outputs: object) -> str:
    (job,) = work.queued()
    work.finished(job.task, outputs, attempt=job.attempt)
    return job.action


def _states(work: Work, instance: str) -> dict[str, tuple[str, int]]:
    rows = work.store.rows("SELECT step, state, attempt FROM work_task WHERE instance = ?", instance)
    return {step: (state, attempt) for step, state, attempt in rows}


def test_what_actions_handed_on_goes_back_to_the_person_before_them(work_with: MakeWork, store: Store) -> None:
    """An action cannot mend what its receiver misses; whoever it worked for can, and then it has to work again."""
    work = work_with(BEHIND)
    instance = work.start("p", case="1", by="Mia")
    work.complete(f"{instance}/write/1", by="Mia", answer={"text": "draft"})
    assert [_act(work), _act(work)] == ["x", "y"]

    work.reject(f"{instance}/judge/1", by="Lea", reason="the source is missing")

    (task,) = work.tasks()
    assert (task.step, task.team, task.state, task.reasons, task.attempt) == ("write", "marketing", "ready", ("the source is missing",), 2)
    assert not work.queued()
    store.rebuild()
    work.complete(task.task, by="Mia", answer={"text": "with its source"})
    assert [_act(work), _act(work)] == ["x", "y"]
    (offer,) = work.tasks()
    assert (offer.task, offer.state) == (f"{instance}/judge/1", "offered")
    assert store.rows("SELECT attempt, state FROM handoff") == [(2, "offered")]
    assert _states(work, instance)["check"] == ("completed", 2)
    work.complete(offer.task, by="Lea")
    assert store.rows("SELECT status FROM work_instance") == [("completed",)]


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_an_action_made_by_itself_is_a_task_of_its_team(work_with: MakeWork, store: Store, by_hand: bool) -> None:
    """With nobody behind it, somebody of its team has to look, and does it by hand or lets it run again."""
    work = work_with(ALONE)
    instance = work.start("p", case="1", by="Mia")
    _act(work)

    work.reject(f"{instance}/judge/1", by="Lea", reason="unreadable")

    (task,) = work.tasks(team="studio")
    assert (task.step, task.state, task.reasons) == ("make", "ready", ("unreadable",))
    if by_hand:
        work.complete(task.task, by="Sam", answer={"file": "better"})
    else:
        work.restart(task.task, by="Sam")
        _act(work)
    assert [t.step for t in work.tasks()] == ["judge"]
    with pytest.raises(TerminalError, match="cannot be restarted"):
        work.restart(task.task, by="Sam")


def test_a_case_can_be_cancelled_while_actions_wait_for_the_work_before_them(work_with: MakeWork, store: Store) -> None:
    """What was sent back is still open: it must end with its instance, and nothing of it may run later."""
    work = work_with(BEHIND)
    instance = work.start("p", case="1", by="Mia")
    work.complete(f"{instance}/write/1", by="Mia")
    _act(work), _act(work)
    work.reject(f"{instance}/judge/1", by="Lea", reason="no")

    work.cancel(instance, by="Mia", reason="given up")

    assert {state for state, _ in _states(work, instance).values()} == {"cancelled"}
    assert not work.queued()
    assert store.rows("SELECT state FROM handoff") == [("withdrawn",)]
