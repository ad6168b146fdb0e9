"""Gates of decisions, and the cases of instances a step runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accord.work import Work

TEXT = """gates:
  G: {checks: {brand: {reason: off brand}, legal: {reason: not cleared}}}
processes:
  deliver:
    steps:
      begin: {team: studio}
      review:
        kind: decision
        team: legal
        gate: G
        form: {brand: {type: boolean, required: true}, legal: {type: boolean, required: true}}
        routes: {good: {when: passed, to: publish}, bad: {to: mend}}
        after: [begin, mend]
        join: any
      mend: {team: studio, max_times: 3}
      publish: {team: marketing}
  first: {steps: {all: {kind: foreach, each: items, process: deliver, case: "item ->> 'id'"}}}
"""


def _finish(work: Work, step: str, **answer: object) -> None:
    task = next(t for t in work.tasks() if t.step == step)
    work.complete(task.task, by="x", answer=answer)


@pytest.fixture
def work(work_with: Callable[..., Work]) -> Work:
    return work_with(TEXT)


def test_gate_of_a_decision_is_a_verdict_and_the_routes_decide(work: Work) -> None:
    """Whoever judges the work of others cannot mend it; the work goes back on the route that says so, and both verdicts are recorded."""
    work.start("deliver", case="d1", by="x")
    _finish(work, "begin")
    _finish(work, "review", brand=True, legal=False)

    assert [t.step for t in work.tasks()] == ["mend"]
    _finish(work, "mend")
    _finish(work, "review", brand=True, legal=True)

    assert [t.step for t in work.tasks()] == ["publish"]
    verdicts = [(e.event.attributes["passed"], e.event.attributes["failed"]) for e in work.store.read(types=["gate.evaluated"])]
    assert verdicts == [(False, ["legal"]), (True, [])]


def test_instances_of_a_foreach_step_carry_the_case_the_map_says(work: Work) -> None:
    """Deliverables of one campaign are cases of their own; without this their histories would be one."""
    work.start("first", case="c1", by="x", variables={"items": [{"id": "d1"}, {"id": "d2"}]})

    assert sorted(t.case for t in work.tasks()) == ["d1", "d2"]
