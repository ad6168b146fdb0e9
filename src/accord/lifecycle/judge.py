"""Holds a figure against a level, for the steps' own success metrics."""

from __future__ import annotations

from dataclasses import replace

from accord.model.figure import Figure, TargetResult, Verdict, show_value


def level_target(
    name: str, title: str, figure: Figure, at_least: float | None, *, note: str = "", at_most: float | None = None
) -> TargetResult:
    """A success metric with its verdict: met, not met, not measured, or no target when there is none."""
    wanted = "reported"
    verdict: Verdict = "no target"
    if at_least is not None:
        wanted = f"≥ {show_value(at_least, figure.unit)}"
        verdict = "not measured" if figure.value is None else "met" if figure.value >= at_least else "not met"
    elif at_most is not None:
        wanted = f"≤ {show_value(at_most, figure.unit)}"
        verdict = "not measured" if figure.value is None else "met" if figure.value <= at_most else "not met"
    elif figure.value is None:
        verdict = "not measured"
    if verdict == "not met" and figure.value is not None and not note:
        goal = at_least if at_least is not None else at_most
        note = f"missed by {show_value(abs(figure.value - (goal or 0.0)), figure.unit)}"
    return TargetResult(name, title, replace(figure, name=name), None, wanted, verdict, note)
