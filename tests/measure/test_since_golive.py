"""Work since go-live stands beside the whole, targets look at it, and simulated work says that it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from accord.measure import Measure, judge_targets, load_kpis, measure_kpis, measure_since_golive
from accord.measure.kpi import kpi_folders
from accord.model.event import Event
from accord.model.goals import Target
from accord.store import Store

GOLIVE = "2025-06-01"
SLOW, FAST = datetime(2025, 3, 3, 9, tzinfo=UTC), datetime(2025, 9, 1, 9, tzinfo=UTC)


def _rows(since: bool) -> list[dict[str, Any]]:
    """40 handoffs of 50 h before go-live, and as many of 1 h after it."""
    times = [(SLOW, 50), *([(FAST, 1)] if since else [])]
    return [
        {
            "id": f"h{start:%m}{n}",
            "campaign": f"c{start:%m}{n}",
            "giver": "a",
            "taker": "b",
            "offered": start,
            "accepted": start + timedelta(hours=hours),
            "attempts": 1,
            "hours": 24.0,
        }
        for start, hours in times
        for n in range(40)
    ]


def _opened(handoffs: Callable[..., Measure], *, since: bool = True, golive: str = GOLIVE) -> Measure:
    return handoffs(_rows(since), golive=golive, targets={"t": Target("t", kpi="coordination_effectiveness", at_least=0.9)})


KPIS = load_kpis(kpi_folders()[:1])
CHOSEN = {name: KPIS[name] for name in ("handoff_time", "coordination_effectiveness", "sync_success")}


def test_work_since_golive_stands_beside_the_whole(handoffs: Callable[..., Measure]) -> None:
    """A year of the old way would hide for a year what the new one is worth."""
    found = {f.name: (f.value, f.n, dict(f.dims), f.label) for f in measure_since_golive(_opened(handoffs), CHOSEN)}

    assert found == {
        "handoff_time": (1.0, 40, {"window": "since 2025-06-01"}, ""),
        "coordination_effectiveness": (1.0, 40, {"window": "since 2025-06-01"}, ""),
    }


def test_no_second_figure_where_there_is_but_one_time(handoffs: Callable[..., Measure]) -> None:
    """A figure given twice would look like two measurements."""
    assert measure_since_golive(_opened(handoffs, since=False), CHOSEN) == []


def test_no_second_figure_without_golive(handoffs: Callable[..., Measure]) -> None:
    """Nothing is since what the map does not name."""
    assert measure_since_golive(_opened(handoffs, golive=""), CHOSEN) == []


def test_level_of_work_is_judged_on_what_came_since_golive(handoffs: Callable[..., Measure]) -> None:
    """The whole would be 50 %, and the target missed, however well work goes now; the window is named."""
    (result,) = judge_targets(_opened(handoffs), CHOSEN)

    assert (result.value.value, result.value.n, result.verdict) == (1.0, 40, "met")
    assert "since 2025-06-01" in result.note


def test_level_of_work_is_judged_on_the_whole_before_there_is_work_since_golive(handoffs: Callable[..., Measure]) -> None:
    """What was never observed cannot be met."""
    (result,) = judge_targets(_opened(handoffs, since=False), CHOSEN)

    assert (result.value.value, result.verdict) == (0.0, "not met")


def test_figures_that_count_simulated_work_say_so(handoffs: Callable[..., Measure], store: Store) -> None:
    """What people were assumed to do must never read as what they did; here systems recorded work after go-live too, so it is partly."""
    store.append([Event("s", "work.simulated", FAST, "simulation", {"since": FAST.isoformat(), "assumed": {}})])
    measure = _opened(handoffs)

    whole = {f.name: f.label for f in measure_kpis(measure, CHOSEN, breakdown=False)}
    since = {f.name: f.label for f in measure_since_golive(measure, CHOSEN)}

    assert whole == {"handoff_time": "partly simulated", "coordination_effectiveness": "partly simulated", "sync_success": ""}
    assert since == {"handoff_time": "partly simulated", "coordination_effectiveness": "partly simulated"}
