"""Positions among references, judged groups, maturity by evidence, and the rows of the target chart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.lifecycle.benchmark.excellence_framework import target_row
from accord.lifecycle.benchmark.maturity import Check, Maturity
from accord.lifecycle.benchmark.references import Reference, load_references, percentile
from accord.lifecycle.benchmark.standards_and_performance import judge
from accord.model.errors import MapSyntaxError
from accord.model.figure import Figure, TargetResult
from accord.model.goals import Target


def references(*values: float) -> list[Reference]:
    return [Reference("wait", v, "a source") for v in values]


def test_a_position_is_the_share_of_references_equalled_or_beaten() -> None:
    """For a wait, less is better; for a share of successes, more is."""
    wait = Figure("wait", 10.0, "h")

    assert percentile(wait, references(5, 10, 20, 40), higher_is_better=False).value == 0.75
    assert percentile(wait, references(5, 10, 20, 40), higher_is_better=True).value == 0.5


def test_without_a_reference_there_is_no_position() -> None:
    """A reference of another KPI is none."""
    position = percentile(Figure("quality", 1.0), references(5), higher_is_better=True)

    assert position.value is None
    assert "quality" in position.not_measured


def test_a_kpi_without_a_value_has_no_position() -> None:
    """The reason is that of the KPI."""
    assert (
        percentile(Figure("wait", None, not_measured="nothing happened"), references(5), higher_is_better=True).not_measured
        == "nothing happened"
    )


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 50))
def test_positions_of_both_directions_share_the_ties(values: list[int], mine: int) -> None:
    """Beaten upward plus beaten downward is everybody, ties counted in both."""
    figure = Figure("wait", float(mine), "h")
    up = percentile(figure, references(*values), higher_is_better=True).value
    down = percentile(figure, references(*values), higher_is_better=False).value

    assert up is not None
    assert down is not None
    assert up + down == pytest.approx(1 + values.count(mine) / len(values))


def test_reference_values_that_cannot_be_read_name_the_file(tmp_path: Path) -> None:
    """A person wrote the file and must find the mistake."""
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "references.yml").write_text("- {kpi: wait, value: soon, source: us}\n")

    with pytest.raises(MapSyntaxError, match=r"references\.yml"):
        load_references(tmp_path)


@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_level_stops_at_the_first_check_that_fails(passed: list[bool]) -> None:
    """Later evidence does not make up for an earlier hole."""
    level = Maturity("area", tuple(Check("c", p, "") for p in passed)).level

    assert level == 1 + ([*passed, False]).index(False)


@pytest.mark.parametrize(
    ("low", "value", "n", "verdict"),
    [(0.91, 0.95, 100, "meets it"), (0.85, 0.95, 100, "nearly"), (0.7, 0.8, 100, "misses it"), (0.0, 0.0, 2, "too little data")],
)
def test_a_group_is_judged_on_its_interval_and_its_number(low: float, value: float, n: int, verdict: str) -> None:
    """Two changes that failed say nothing yet about a flow."""
    figure = Figure("k", value, "share", n, low, 1.0)

    assert judge(figure, Target("t", "k", at_least=0.9)) == verdict


def test_a_group_under_an_upper_limit_is_judged_on_its_upper_bound() -> None:
    """The worst that is still likely must stay under the limit."""
    target = Target("t", "k", at_most=24.0)

    assert judge(Figure("k", 20.0, "h", 50, 18.0, 23.0), target) == "meets it"
    assert judge(Figure("k", 20.0, "h", 50, 18.0, 26.0), target) == "nearly"
    assert judge(Figure("k", 30.0, "h", 50, 18.0, 33.0), target) == "misses it"


def test_hours_before_never_stand_on_a_scale_of_shares() -> None:
    """46.4 h as 4,640 % was once shown as the baseline of a wanted fall by 80 %."""
    result = TargetResult(
        "faster", "Faster", Figure("wait", None, "share", not_measured="not yet"), Figure("wait", 46.4, "h"), "-80%", "not measured"
    )

    row = target_row(result, Target("faster", "wait", reduce_by=0.8))

    assert (row.baseline, row.target, row.unit, row.wanted) == (None, 0.8, "share", "−80.0 %")
