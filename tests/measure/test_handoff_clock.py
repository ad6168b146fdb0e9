"""The handoff clock (F2): what starts it, what stops it, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accord.measure import Measure, load_kpis, measure_kpis
from accord.measure.kpi import kpi_folders
from accord.model.figure import Figure

START = datetime(2025, 3, 3, 9, tzinfo=UTC)


def row(number: int = 1, *, accepted: float | None = None, started: float | None = None, **more: Any) -> dict[str, Any]:
    """A handoff offered at START; times in hours after it."""
    at = {k: None if h is None else START + timedelta(hours=h) for k, h in (("accepted", accepted), ("started", started))}
    return {"id": f"h{number}", "campaign": f"c{number}", "giver": "a", "taker": "b", "offered": START, **at, **more}


def clock(measure: Measure) -> list[tuple[float | None, bool]]:
    return [(r["wait_hours"], r["valid"]) for r in measure.arrow("SELECT wait_hours, valid FROM handoff ORDER BY handoff_id").to_pylist()]


def figures(measure: Measure, *names: str) -> dict[str, Figure]:
    kpis = load_kpis(kpi_folders()[:1])
    return {f.name: f for f in measure_kpis(measure, [kpis[n] for n in names], breakdown=False)}


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        (row(accepted=30.5), 30.5),
        (row(accepted=None), None),
        (row(accepted=2, started=50, auto=False), 2.0),
        (row(accepted=2, started=2.5, auto=True), 2.0),
        (row(accepted=2, started=3, auto=True), 2.0),
        (row(accepted=2, started=3.001, auto=True), 3.001),
        (row(accepted=2, started=None, auto=True), None),
        (row(accepted=72, attempts=3), 72.0),
    ],
)
def test_the_clock_runs_from_the_first_offer_to_the_acceptance_that_counts(
    given: dict[str, Any], wait: float | None, handoffs: Callable[..., Measure]
) -> None:
    """An automatic acceptance stops the clock only when work starts within the grace of one hour; rejections restart nothing."""
    found, valid = clock(handoffs([given]))[0]

    assert found == (None if wait is None else pytest.approx(wait))
    assert valid


def test_a_negative_wait_is_flagged_and_never_averaged(handoffs: Callable[..., Measure]) -> None:
    """It is an error of the data: it would make the average better than the truth."""
    measure = handoffs([row(1, accepted=10), row(2, accepted=-100), row(3, accepted=20)])

    found = figures(measure, "handoff_time", "invalid_handoffs")

    assert [v for _, v in clock(measure)] == [True, False, True]
    assert (found["handoff_time"].value, found["handoff_time"].n) == (15.0, 2)
    assert (found["invalid_handoffs"].value, found["invalid_handoffs"].n) == (1.0, 3)


def test_open_and_overdue_handoffs_count_as_failures(handoffs: Callable[..., Measure]) -> None:
    """F4: all that are due count; what nobody accepted in time is not left out because it has no end."""
    measure = handoffs(
        [
            row(1, accepted=4, attempts=1, hours=8),
            row(2, accepted=4, attempts=2, hours=8),
            row(3, accepted=12, attempts=1, hours=8),
            row(4, attempts=1, hours=8),
            row(5, attempts=1, hours=24 * 400),
            row(6, accepted=4, attempts=1),
        ]
    )

    found = figures(measure, "coordination_effectiveness", "first_time_accepted", "on_time_share")

    assert (found["coordination_effectiveness"].value, found["coordination_effectiveness"].n) == (0.25, 4)
    assert (found["on_time_share"].value, found["on_time_share"].n) == (0.5, 4)
    assert (found["first_time_accepted"].value, found["first_time_accepted"].n) == (0.6, 5)


def test_an_automatic_acceptance_cannot_meet_an_agreed_time_by_itself(handoffs: Callable[..., Measure]) -> None:
    """Goodhart guard: accepting everything at once by a rule must not give 100 %."""
    measure = handoffs([row(i, accepted=0, started=30, auto=True, attempts=1, hours=8) for i in range(5)])

    assert figures(measure, "coordination_effectiveness")["coordination_effectiveness"].value == 0.0
