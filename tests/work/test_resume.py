"""An instance that is stuck goes on, once somebody mended what held it up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accord.model.errors import DataRefused, TerminalError, UnknownName, UsageError
from accord.work import Work

MakeWork = Callable[..., Work]
LOOP = (
    "processes: {p: {owner: marketing, steps: {s: {}, a: {after: [s], join: any, max_times: %d}, "
    "b: {kind: decision, after: [a], routes: {again: {to: a, when: '%s'}, out: {}}}}}}"
)
WAIT = (
    "processes: {p: {owner: marketing, variables: {launch: timestamp}, steps: {s: {}, w: {kind: wait, after: [s], until: launch}, "
    "x: {after: [w]}}}}"
)


def status(work: Work, instance: str) -> tuple[str, str]:
    """Status and reason of an instance, as the table holds it."""
    found = work.store.rows("SELECT status, reason FROM work_instance WHERE instance = ?", instance)
    return found[0][0], found[0][1]


def finish(work: Work, step: str) -> None:
    (task,) = (t for t in work.tasks() if t.step == step)
    work.complete(task.task, by="Mia")


def test_a_step_begins_again_with_the_value_that_was_missing(work_with: MakeWork, clock: Any) -> None:
    """The finished work stays finished; only what could not go on is done again."""
    work = work_with(WAIT)
    instance = work.start("p", case="1", by="Mia")
    finish(work, "s")
    assert status(work, instance)[0] == "stuck"

    when = (clock() + timedelta(hours=2)).isoformat()
    work.resume(instance, by="Sam", step="w", variables={"launch": when}, comment="it was forgotten")

    assert status(work, instance) == ("running", "")
    clock.move(hours=2)
    assert work.fire() == 1
    finish(work, "x")
    assert status(work, instance)[0] == "completed"
    (told,) = work.store.read(types=["process.resumed"])
    assert (told.event.attributes["by"], told.event.attributes["comment"]) == ("Sam", "it was forgotten")


def test_a_loop_goes_on_under_a_definition_with_a_higher_bound(work_with: MakeWork) -> None:
    """Under the old one it would be stuck at once again, and is."""
    work = work_with(LOOP % (1, "true"))
    instance = work.start("p", case="1", by="Mia")
    finish(work, "s")
    finish(work, "a")
    work.resume(instance, by="Sam", step="a")
    assert "at most 1" in status(work, instance)[1]

    work = work_with(LOOP % (5, "false"))
    work.migrate(instance, by="Sam")
    work.resume(instance, by="Sam", step="a")
    finish(work, "a")

    assert status(work, instance)[0] == "completed"


def test_what_cannot_go_on_says_what_it_needs_and_stays(work_with: MakeWork) -> None:
    """Nothing open and no step named; a step that is not there; a value that gives no time; an instance that runs."""
    work = work_with(WAIT)
    instance = work.start("p", case="1", by="Mia")
    with pytest.raises(TerminalError, match="not stuck"):
        work.resume(instance, by="Sam")
    finish(work, "s")
    before = work.store.head()

    with pytest.raises(UsageError, match="Name the step"):
        work.resume(instance, by="Sam")
    with pytest.raises(UnknownName, match="nowhere"):
        work.resume(instance, by="Sam", step="nowhere")
    with pytest.raises(DataRefused, match="'soon' is no time"):
        work.resume(instance, by="Sam", step="w", variables={"launch": "soon"})

    assert work.store.head() == before
