"""A target has exactly one goal, and the goal can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts

_GOALS: Final = ("at_least", "at_most", "improve_by", "reduce_by")


def check(facts: Facts) -> Iterator[Problem]:
    """Targets with no goal or several, or with a change of nothing or of more than everything."""
    for target in facts.map.targets.values():
        path, holder = ("targets", target.name), f"target '{target.name}'"
        given = [goal for goal in _GOALS if getattr(target, goal) is not None]
        if len(given) != 1 and not any(facts.written(*path, g) for g in _GOALS if g not in given):
            what = f"{' and '.join(given)} are given" if given else "it has no goal"
            yield facts.problem((*path, given[1]) if given else path, f"{holder}: {what}.", f"Expected exactly one of {', '.join(_GOALS)}.")
        if target.improve_by is not None and target.improve_by <= 0:
            yield facts.problem(
                (*path, "improve_by"), f"{holder}: improve_by is {target.improve_by:g}.", "Expected a rise above 0, such as 0.4 for +40 %."
            )
        if target.reduce_by is not None and not 0 < target.reduce_by <= 1:
            yield facts.problem(
                (*path, "reduce_by"),
                f"{holder}: reduce_by is {target.reduce_by:g}.",
                "Expected a fall above 0 up to 1, such as 0.8 for -80 %.",
            )
