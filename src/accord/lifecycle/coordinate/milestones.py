"""Dependent milestones: were the steps of each case done in the order the map wants?"""

from __future__ import annotations

from dataclasses import dataclass

from accord.measure import Measure
from accord.measure.intervals import wilson
from accord.model.figure import Evidence, Figure

_FIRSTS = """
SELECT case_id, activity, min(complete_at) AS at
FROM event_log
WHERE process = $process AND activity IN (SELECT unnest($steps)) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One declared order: how many cases hold both steps, and in how many the later one was done after the earlier."""

    process: str
    before: str
    after: str
    cases: int
    in_order: int


@dataclass(frozen=True, slots=True)
class Milestones:
    """All declared orders and the share of them kept."""

    dependencies: tuple[Dependency, ...]
    figure: Figure


def milestones(measure: Measure) -> Milestones:
    """Hold the log against the order of steps the map declares; steps are matched to activities by name or title."""
    rows: list[Dependency] = []
    for process in measure.map.processes.values():
        names = {s.name: s.title or s.name for s in process.steps.values()}
        pairs = [(before, s.name) for s in process.steps.values() for before in s.after]
        if not pairs:
            continue
        labels = sorted({*names, *names.values()})
        first: dict[tuple[str, str], object] = {}
        back = {title: name for name, title in names.items()} | {name: name for name in names}
        for row in measure.arrow(_FIRSTS, {"process": process.name, "steps": labels}).to_pylist():
            first[row["case_id"], back[row["activity"]]] = row["at"]
        cases = sorted({case for case, _ in first})
        for before, after in pairs:
            both = [(first[c, before], first[c, after]) for c in cases if (c, before) in first and (c, after) in first]
            if both:
                rows.append(Dependency(process.name, before, after, len(both), sum(b <= a for b, a in both)))  # type: ignore[operator]  # times of one view
    whole, kept = sum(d.cases for d in rows), sum(d.in_order for d in rows)
    if not whole:
        why = "the log holds no case with two steps whose order the map declares"
        return Milestones((), Figure("process_synchronization", None, "share", not_measured=why))
    low, high = wilson(kept, whole)
    evidence = (Evidence("query", "first completion of each step per case, from event_log"),)
    return Milestones(tuple(rows), Figure("process_synchronization", kept / whole, "share", whole, low, high, evidence=evidence))
