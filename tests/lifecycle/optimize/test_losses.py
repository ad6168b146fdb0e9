"""Where hours are lost, against sums made by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.lifecycle.optimize.capacity import find_load
from accord.lifecycle.optimize.lanes import find_lanes
from accord.lifecycle.optimize.waiting import find_batches, find_bottlenecks, find_handoff_losses, find_rework
from accord.measure import Measure, import_log, open_measure
from accord.model.integration_map import IntegrationMap
from accord.model.process import HandoffRule, Log, Process
from accord.store import Store, open_store

At = Callable[[float], datetime]


def test_overlapping_work_of_one_person_counts_once(measured: Callable[..., Measure], at: At) -> None:
    """Two pieces in hand at the same time are one stretch; another person's work is another's."""
    events = [
        ("c1", "draw", "Ann", "red", at(0), at(10)),
        ("c2", "draw", "Ann", "red", at(5), at(12)),
        ("c3", "draw", "Ann", "red", at(6), at(7)),
        ("c4", "draw", "Ben", "red", at(0), at(4)),
    ]

    load = {x.resource: x for x in find_load(measured(events))}

    assert (load["Ann"].hours, load["Ann"].pieces, load["Ann"].weeks) == (12.0, 3, 1)
    assert load["Ben"].hours == 4.0


def test_work_that_crosses_weeks_belongs_to_every_week_it_touches(measured: Callable[..., Measure], at: At) -> None:
    """Otherwise a week would hold more hours than it has: 300 h of work begun in one week are not 300 h a week."""
    (load,) = find_load(measured([("c1", "draw", "Ann", "red", at(0), at(300))]))

    assert (load.weeks, load.hours) == (2, 300.0)
    assert load.hours_per_week <= 168.0


def test_work_that_ends_as_the_week_ends_does_not_touch_the_next(measured: Callable[..., Measure], at: At) -> None:
    """The border belongs to one week only."""
    (load,) = find_load(measured([("c1", "draw", "Ann", "red", at(0), at(168))]))

    assert (load.weeks, load.hours_per_week) == (1, 168.0)


SPANS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 300)), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=SPANS)
def test_hours_in_hand_are_the_hours_covered_by_any_work(
    spans: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory, at: At
) -> None:
    """Counted hour by hour, the union of all stretches and the weeks they touch are the same."""
    folder = tmp_path_factory.mktemp("load")
    lines = [f"c{i},draw,Ann,{at(s).isoformat()},{at(s + n).isoformat()}" for i, (s, n) in enumerate(spans)]
    (folder / "log.csv").write_text("\n".join(["case,activity,who,start,end", *lines]))
    log = Log("l", "log.csv", case="case", activity="activity", time="end", start="start", resource="who")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    with open_store(str(folder / "s.db"), segments=folder / "segments") as store:
        import_log(log, store, base=folder, now=now, run="r")
        with open_measure(IntegrationMap("m", logs={"l": log}), store, now=now) as measure:
            (load,) = find_load(measure)

    covered = {hour for s, n in spans for hour in range(s, s + n)}
    assert load.hours == pytest.approx(len(covered))
    assert load.weeks == len({hour // 168 for hour in covered})


def test_waiting_runs_from_the_end_of_one_event_to_the_start_of_the_next(measured: Callable[..., Measure], at: At) -> None:
    """Work itself is no waiting, and a passage that never waits is left out."""
    events = [
        ("c1", "draw", "Ann", "red", at(0), at(2)),
        ("c1", "check", "Ben", "blue", at(7), at(9)),
        ("c1", "send", "Ben", "blue", at(9), at(9)),
        ("c2", "draw", "Ann", "red", at(0), at(1)),
        ("c2", "check", "Ben", "blue", at(4), at(5)),
    ]

    (wait,) = find_bottlenecks(measured(events))

    assert (wait.source, wait.target, wait.count, wait.total_hours, wait.median_hours) == ("draw", "check", 2, 8.0, 4.0)


def handoff(at: At, offered: float, accepted: float | None, *, sla: float | None = None, taker: str = "blue") -> dict[str, Any]:
    return {
        "case": "c",
        "giver": "red",
        "taker": taker,
        "offered": at(offered),
        "accepted": None if accepted is None else at(accepted),
        "sla": sla,
        "attempts": 1,
    }


def test_hours_beyond_the_service_level_are_summed_over_late_handoffs_alone(measured: Callable[..., Measure], at: At) -> None:
    """Being early does not pay for being late, and open or impossible handoffs have no hours."""
    rows = [handoff(at, 0, 10, sla=4), handoff(at, 0, 1, sla=4), handoff(at, 0, None, sla=4), handoff(at, 9, 2, sla=4)]

    (loss,) = find_handoff_losses(measured(handoffs=rows))

    assert (loss.n, loss.late, loss.with_sla, loss.hours, loss.hours_beyond_sla) == (2, 1, 2, 11.0, 6.0)


def test_without_a_service_level_nothing_is_beyond_it(measured: Callable[..., Measure], at: At) -> None:
    """No agreement, no number: zero would be a claim."""
    (loss,) = find_handoff_losses(measured(handoffs=[handoff(at, 0, 10)]))

    assert (loss.with_sla, loss.hours_beyond_sla) == (0, None)


def test_the_busiest_hour_is_that_of_the_maps_time_zone(measured: Callable[..., Measure], at: At) -> None:
    """08:30 UTC is 09:30 in Berlin in winter; three of four acceptances fall into it."""
    rows = [handoff(at, day * 24, day * 24 + 8.5) for day in range(3)] + [handoff(at, 0, 20)]

    (batch,) = find_batches(measured(handoffs=rows), "Europe/Berlin")

    assert (batch.hour, batch.n, batch.share) == (9, 3, 0.75)


def test_rework_counts_the_executions_beyond_the_first(measured: Callable[..., Measure], at: At) -> None:
    """One case of two does the step three times."""
    events = [("c1", "check", "Ben", "blue", None, at(h)) for h in (0, 1, 2)] + [("c2", "check", "Ben", "blue", None, at(5))]

    (item,) = find_rework(measured(events))

    assert (item.activity, item.cases, item.extra, item.share) == ("check", 1, 2, 0.5)


def test_lanes_follow_the_order_of_first_execution_and_name_the_team_that_does_most(measured: Callable[..., Measure], at: At) -> None:
    """Work done again does not move a step backward; immediate repeats are counted."""
    events = [
        ("c1", "draw", "Ann", "red", at(0), at(2)),
        ("c1", "check", "Ben", "blue", at(5), at(6)),
        ("c1", "check", "Ben", "blue", at(7), at(8)),
        ("c1", "draw", "Cid", "green", at(9), at(10)),
        ("c2", "draw", "Ann", "red", at(0), at(4)),
        ("c2", "check", "Ben", "blue", at(6), at(7)),
    ]

    (lanes,) = find_lanes(measured(events))

    assert [(s.name, s.team, s.cases, s.repeats) for s in lanes.steps] == [("draw", "red", 2, 0), ("check", "blue", 2, 1)]
    assert {(p.source, p.target): (p.cases, p.median_wait_hours) for p in lanes.passages} == {
        ("draw", "check"): (2, 2.5),
        ("check", "draw"): (1, 1.0),
    }
    assert "<svg" in lanes.picture.svg


def test_nobody_can_do_sooner_what_is_no_work(step_store: Store, tmp_path: Path, at: At) -> None:
    """An automatic close weeks after the end is no bottleneck when the map says so."""
    rows = [f"c,{activity},{at(hours).isoformat()}" for activity, hours in (("open", 0), ("solve", 5), ("Closed", 900))]
    (tmp_path / "log.csv").write_text("\n".join(["case,activity,end", *rows]))
    log = Log("l", "log.csv", case="case", activity="activity", time="end")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    import_log(log, step_store, base=tmp_path, now=now, run="r")
    care = Process("care", log="l", handoffs=HandoffRule(between="resource", ignore_activities=("Closed",)))

    with open_measure(IntegrationMap("m", logs={"l": log}, processes={"care": care}), step_store, now=now) as measure:
        waits = find_bottlenecks(measure)

    assert [(w.source, w.target, w.total_hours, w.share) for w in waits] == [("open", "solve", 5.0, 1.0)]
