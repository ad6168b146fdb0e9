"""Holds a figure against a level, for the steps' own success metrics."""

from __future__ import annotations

from dataclasses import replace

from accord.model.figure import Figure, TargetResult, Verdict, show_gap, show_value


def level_target(
    name: str,
    title: str,
    figure: Figure,
    at_least: float | None,
    *,
    note: str = "",
    at_most: float | None = None,
    by_interval: bool = False,
) -> TargetResult:
    """A success metric with its verdict: met, not met, not measured, or no target when there is none.

    Args:
        name: of the metric.
        title: the metric in words.
        figure: what was measured, or why not.
        at_least: the level it must reach.
        note: words beside the verdict; default: by how much a level was missed.
        at_most: the level it must stay under.
        by_interval: judge as the map's targets are judged: *met* takes the whole interval, the point alone is *indicated*.
    """
    wanted = "reported"
    verdict: Verdict = "no target"
    if at_least is not None:
        wanted = f"≥ {show_value(at_least, figure.unit)}"
        verdict = "not measured" if figure.value is None else "met" if figure.value >= at_least else "not met"
        if by_interval and verdict == "met" and figure.low is not None and figure.low < at_least:
            verdict = "indicated"
    elif at_most is not None:
        wanted = f"≤ {show_value(at_most, figure.unit)}"
        verdict = "not measured" if figure.value is None else "met" if figure.value <= at_most else "not met"
        if by_interval and verdict == "met" and figure.high is not None and figure.high > at_most:
            verdict = "indicated"
    elif figure.value is None:
        verdict = "not measured"
    if verdict == "not met" and figure.value is not None and not note:
        goal = at_least if at_least is not None else at_most
        note = f"missed by {missed_by(figure, goal or 0.0)}"
    return TargetResult(name, title, replace(figure, name=name), None, wanted, verdict, note)


def missed_by(figure: Figure, goal: float) -> str:
    """The distance to a goal in words."""
    return show_gap(abs((figure.value or 0.0) - goal), figure.unit)
