"""Validations as figures: a score with its interval for each dimension, flow and side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accord.measure.intervals import wilson
from accord.model.figure import Evidence, Figure
from accord.sync.quality import VALIDATIONS, Quality

# What to do about a defect, by its check or else by its dimension.
REMEDIES: Mapping[str, str] = {
    "accuracy": "correct the value there",
    "completeness": "fill it in there",
    "timeliness": "see why it is late, or promise a longer freshness",
    "consistency": "correct it there, then synchronize",
    "mapping": "correct the mapping, or the value",
    "readable": "correct the value, or give the mapping its format or code",
    "there and back": "map it so that it can be written back, or make it one-way",
    "required fields mapped": "map the field",
    "columns mapped": "map the column to a field, or leave it",
    "column there": "bring the column back, or map another",
    "same in both": "synchronize the flow",
    "one row per key": "merge the copies",
}


def score(name: str, bad: int, asked: int, dims: Mapping[str, str], run: str) -> Figure:
    """Good of asked with the Wilson interval, or why there is none."""
    evidence = (Evidence("run", run, "check.evaluated: every system read again"),)
    shown = tuple(dims.items())
    if not asked:
        return Figure(name, None, "share", dims=shown, evidence=evidence, not_measured="nothing was there to ask about")
    low, high = wilson(asked - bad, asked)
    return Figure(name, (asked - bad) / asked, "share", asked, low, high, dims=shown, evidence=evidence)


def scores(found: Quality, dimensions: Iterable[str] = ()) -> tuple[Figure, ...]:
    """The score of each validation over all flows, in their fixed order."""
    counts = found.counts(lambda c: c.dimension)
    return tuple(score(d, *counts.get(d, (0, 0)), {}, found.run) for d in VALIDATIONS if not dimensions or d in dimensions)


def flow_scores(found: Quality) -> tuple[Figure, ...]:
    """The score of each validation of each flow and side, the worst first."""
    places = {f"{c.flow}\n{c.binding}\n{c.dimension}": c for c in found.checks}
    counts = found.counts(lambda c: f"{c.flow}\n{c.binding}\n{c.dimension}")
    made = [
        score(c.dimension, *counts[place], {"flow": c.flow, "entity": c.entity, "side": c.binding or "all"}, found.run)
        for place, c in places.items()
    ]
    return tuple(sorted(made, key=lambda f: (f.value if f.value is not None else 2.0, f.dims, f.name)))


def remedy(dimension: str, check: str) -> str:
    """What to do about a defect a check found."""
    return REMEDIES.get(check, REMEDIES[dimension])
