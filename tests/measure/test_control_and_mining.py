"""Control charts, change points, and the mining measures on cases small enough to see through."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accord.measure import Measure, change_point, import_log, open_measure, xmr_chart
from accord.measure.mining import bottlenecks, directly_follows, mine, mining_measures, ping_pong, rework, variants
from accord.model.errors import UnknownName
from accord.model.integration_map import IntegrationMap
from accord.model.process import Log
from accord.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_limits_are_those_of_the_textbook() -> None:
    """Mean ± 2.66 mean moving ranges; a point beyond is a signal."""
    chart = xmr_chart([10, 12, 11, 13, 12, 11, 30, 12, 11, 12])
    assert chart is not None

    mean_range = (2 + 1 + 2 + 1 + 1 + 19 + 18 + 1 + 1) / 9
    assert chart.center == pytest.approx(13.4)
    assert chart.upper == pytest.approx(13.4 + 3 * mean_range / 1.128)
    assert xmr_chart([1.0, 2.0]) is None


def test_a_point_beyond_a_limit_and_a_run_of_eight_are_signals() -> None:
    """Seven on one side may be chance; the eighth is not."""
    beyond = xmr_chart([10, 11, 10, 11, 10, 11, 10, 11, 10, 11, 40])
    run = xmr_chart([1, 2, 1, 2, 1, 2, 1, 2, 8, 9, 8, 9, 8, 9, 8, 9])
    seven = xmr_chart([5, 1, 5, 1, 6, 5.9, 6, 5.9, 6, 5.9, 6, 0, 5, 0])
    assert beyond is not None
    assert run is not None
    assert seven is not None

    assert [s.index for s in beyond.signals if s.rule == "beyond limit"] == [10]
    assert [s.index for s in run.signals if s.rule == "eight on one side"] == [7, 15]
    assert [s for s in seven.signals if s.rule == "eight on one side"] == []


def test_a_shift_is_found_where_it_happened_and_noise_is_not() -> None:
    """The improvement's effect must be dated by the data, and a wavering series has none."""
    rng = random.Random(3)
    noise = [rng.gauss(20, 1) for _ in range(40)]
    shifted = noise[:25] + [v - 6 for v in noise[25:]]

    found = change_point(shifted)

    assert found is not None
    assert found.index == 25
    assert found.before - found.after == pytest.approx(6, abs=1)
    assert change_point([5.0] * 20) is None
    assert change_point([1.0, 9.0]) is None
    assert change_point(shifted) == found


def test_noise_alone_gives_a_false_alarm_no_more_often_than_it_says() -> None:
    """At 95 % confidence about one wavering series in twenty may look like a change, not one in five."""
    rng = random.Random(11)

    alarms = sum(change_point([rng.gauss(20, 1) for _ in range(30)], shuffles=200) is not None for _ in range(100))

    assert alarms <= 12


EVENTS = [  # case, activity, who, started, completed (hours)
    ("1", "draft", "ana", 0, 1),
    ("1", "check", "bo", 5, 6),
    ("1", "draft", "ana", 6, 8),
    ("1", "check", "bo", 18, 19),
    ("2", "draft", "ana", 0, 2),
    ("2", "check", "bo", 1, 4),
]


@pytest.fixture
def mined(store: Store, tmp_path: Path) -> Callable[[], Measure]:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    lines = [f"{c},{a},{w},{start + timedelta(hours=s)},{start + timedelta(hours=e)}" for c, a, w, s, e in EVENTS]
    (tmp_path / "log.csv").write_text("\n".join(["case,activity,who,start,end", *lines]))
    log = Log("work", "log.csv", case="case", activity="activity", resource="who", start="start", time="end")
    import_log(log, store, base=tmp_path, now=NOW, run="r")
    return lambda: open_measure(IntegrationMap("m", logs={"work": log}), store, now=NOW)


def test_mining_measures_say_what_happened(mined: Callable[[], Measure]) -> None:
    """Edges, variants, waiting from completion to start (overlap is no waiting), rework and ping-pong."""
    with mined() as measure:
        edges = {(e["source"], e["target"]): (e["count"], e["median_seconds"]) for e in directly_follows(measure, "work").to_pylist()}
        ways = [(v["activities"], v["cases"], v["share"]) for v in variants(measure, "work").to_pylist()]
        waits = [(b["source"], b["target"], b["total_hours"], b["share"]) for b in bottlenecks(measure, "work").to_pylist()]
        again = [(r["activity"], r["cases"], r["extra"], r["share"]) for r in rework(measure, "work").to_pylist()]
        back = [(p["resource"], p["other"], p["count"]) for p in ping_pong(measure, "work").to_pylist()]

    assert edges == {("draft", "check"): (3, 18000.0), ("check", "draft"): (1, 7200.0)}
    assert ways == [(["draft", "check"], 1, 0.5), (["draft", "check", "draft", "check"], 1, 0.5)]
    assert waits == [("draft", "check", 14.0, 1.0), ("check", "draft", 0.0, 0.0)]
    assert again == [("check", 1, 1, 0.5), ("draft", 1, 1, 0.5)]
    assert back == [("ana", "bo", 1), ("bo", "ana", 1)]


def test_each_mining_file_gives_the_columns_it_names(mined: Callable[[], Measure]) -> None:
    """The header is the contract other parts read by."""
    with mined() as measure:
        for name, file in mining_measures().items():
            assert mine(measure, name, "work").column_names == [c.strip() for c in file.text("columns").split(",")], name
            assert mine(measure, name, "no such process").num_rows == 0
        with pytest.raises(UnknownName, match="Did you mean 'variants'"):
            mine(measure, "variant", "work")
