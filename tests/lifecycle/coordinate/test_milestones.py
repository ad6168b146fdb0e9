"""Dependent steps: in order, on time, or not due yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.lifecycle.coordinate.milestones import dependency, milestones
from accord.measure import Measure
from accord.model.organization import Calendar, Team
from accord.model.process import Process, Step
from accord.model.values import Duration

At = Callable[[float], datetime]


def a_process(sla_hours: int | None = 10) -> Process:
    sla = Duration(sla_hours * 3600) if sla_hours else None
    return Process("work", steps={"a": Step("a"), "b": Step("b", title="Check it", after=("a",), sla=sla)})


def test_each_case_is_met_late_or_out_of_order(measured: Callable[..., Measure], at: At) -> None:
    """One case of each kind; the limit itself is on time, and a step may be known by its title."""

    def event(case: str, step: str, hour: float) -> tuple[Any, ...]:
        return (case, step, "x", "red", None, at(hour))

    events = [
        event("met", "a", 0),
        event("met", "Check it", 10),
        event("late", "a", 0),
        event("late", "b", 10.5),
        event("before", "a", 20),
        event("before", "b", 5),
        event("without", "b", 5),
        event("overdue", "a", 0),
    ]

    found = milestones(measured(events, process=a_process()))

    (row,) = found.dependencies
    assert (row.cases, row.met, row.late, row.out_of_order) == (5, 1, 2, 2)
    assert found.figure.value == pytest.approx(1 / 5)


def test_a_step_that_is_not_due_yet_does_not_count(measured: Callable[..., Measure], at: At, step_now: datetime) -> None:
    """An open case within its service level is neither met nor missed."""
    events = [
        ("done", "a", "x", "red", None, at(0)),
        ("done", "b", "x", "red", None, at(1)),
        ("open", "a", "x", "red", None, step_now - timedelta(hours=9)),
    ]

    found = milestones(measured(events, process=a_process()))

    assert [(d.cases, d.met) for d in found.dependencies] == [(1, 1)]


def test_without_a_service_level_only_the_order_counts(measured: Callable[..., Measure], at: At) -> None:
    """Nothing is late that has no limit, and a case that stopped is not judged."""
    events = [("x", "a", "r", "red", None, at(0)), ("x", "b", "r", "red", None, at(900)), ("y", "a", "r", "red", None, at(0))]

    found = milestones(measured(events, process=a_process(None)))

    assert [(d.cases, d.met) for d in found.dependencies] == [(1, 1)]


def test_the_first_completion_of_a_step_counts(measured: Callable[..., Measure], at: At) -> None:
    """Work done again later neither breaks the order nor makes the step late."""
    events = [("x", "a", "r", "red", None, at(h)) for h in (0, 50)] + [("x", "b", "r", "red", None, at(h)) for h in (5, 60)]

    found = milestones(measured(events, process=a_process()))

    assert [(d.cases, d.met) for d in found.dependencies] == [(1, 1)]


def test_a_log_without_the_steps_gives_a_reason_and_no_number(measured: Callable[..., Measure], at: At) -> None:
    """Nothing is concluded from what the log does not show."""
    found = milestones(measured([("x", "other", "r", "red", None, at(0))], process=a_process()))

    assert found.dependencies == ()
    assert found.figure.value is None
    assert found.figure.not_measured


TIMES = st.one_of(st.none(), st.integers(0, 30))


@given(st.lists(st.tuples(TIMES, TIMES), max_size=15), st.one_of(st.none(), st.integers(1, 12)), st.integers(0, 40))
def test_every_case_falls_into_exactly_one_class(cases: list[tuple[int | None, int | None]], limit: int | None, now: int) -> None:
    """Written a second time, case by case, the counts are the same."""
    start = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    hours = [timedelta(hours=h) for h in range(50)]
    earlier = {str(i): start + hours[a] for i, (a, _) in enumerate(cases) if a is not None}
    later = {str(i): start + hours[b] for i, (_, b) in enumerate(cases) if b is not None}

    row = dependency("p", "a", "b", earlier, later, limit=Duration(3600 * limit) if limit else None, now=start + hours[now])

    classes = []
    for a, b in cases:
        if a is None and b is None:
            continue
        if b is None:
            classes += ["late"] if limit and a is not None and a + limit < now else []
        elif a is None or b < a:
            classes.append("order")
        else:
            classes.append("late" if limit and b - a > limit else "met")
    assert (row.cases, row.met, row.late, row.out_of_order) == tuple([len(classes)] + [classes.count(c) for c in ("met", "late", "order")])


def test_a_way_back_and_a_step_that_may_be_left_out_are_no_disorder() -> None:
    """A correction leads back to the review that found its reason, and a step with a condition is skipped where that is false."""
    first = datetime(2026, 1, 5, tzinfo=UTC)
    later = first + timedelta(hours=1)

    back = dependency("p", "correct", "review", {"a": later}, {"a": first, "b": first}, limit=None, now=later, optional=True)
    left_out = dependency("p", "edit", "design", {"a": first}, {}, limit=Duration(60), now=later, skippable=True)

    assert (back.cases, left_out.cases) == (0, 0)


def test_a_wait_is_never_late_and_a_service_level_is_working_time(measured: Callable[..., Measure], at: At) -> None:
    """Nobody does a wait; and who is told that work is due on Monday is not late over the weekend."""
    monday = datetime(2026, 3, 2, 16, tzinfo=UTC)
    steps = {
        "a": Step("a"),
        "w": Step("w", kind="wait", after=("a",), sla=Duration(3600)),
        "b": Step("b", "red", after=("a",), sla=Duration(7200)),
    }
    process = Process("work", steps=steps)
    events = [
        ("c", "a", "x", "red", None, monday),
        ("c", "w", "x", "red", None, monday + timedelta(days=9)),
        ("c", "b", "x", "red", None, monday + timedelta(hours=18)),  # Tuesday 10:00, two working hours later
        ("d", "a", "x", "red", None, monday),
        ("d", "b", "x", "red", None, monday + timedelta(hours=19)),
    ]

    found = milestones(
        measured(events, process=process, teams={"red": Team("red", calendar="office")}, calendars={"office": Calendar("office")})
    )

    assert {d.after: (d.cases, d.late) for d in found.dependencies} == {"w": (1, 0), "b": (2, 1)}
