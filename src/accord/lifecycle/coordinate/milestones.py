"""Dependent milestones: was each step done after the one it depends on, and within its service level?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accord.measure import Measure
from accord.measure.carried_out import AFTER_ALL_RULES
from accord.measure.labels import label_of_all, work_labels
from accord.model.figure import Evidence, Figure
from accord.model.organization import Calendar
from accord.model.process import Process
from accord.model.values import Duration
from accord.model.working_time import due

_FIRSTS = """
SELECT case_id, activity, min(complete_at) AS at, bool_or(seq >= $own) AS own
FROM event_log
WHERE process = $process AND activity IN (SELECT unnest($steps)) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One declared order of two steps, over the cases in which the later step was done or is overdue.

    ``out_of_order``: done before the earlier step, or without it. ``late``: done, or still not done, after its service level; a step
    without a service level is never late. Every other case is met.
    """

    process: str
    before: str
    after: str
    cases: int
    out_of_order: int
    late: int

    @property
    def met(self) -> int:
        """Cases in order and on time."""
        return self.cases - self.out_of_order - self.late


@dataclass(frozen=True, slots=True)
class Milestones:
    """All declared orders the log can show, and the share of dependent milestones met in order and on time."""

    dependencies: tuple[Dependency, ...]
    figure: Figure


def milestones(measure: Measure) -> Milestones:
    """Hold the log against the order of steps and the service levels the map declares.

    Steps are matched to activities by name or title; a step the log never shows is left out. The first completion of a step in a case
    counts, and its clock (working time of its team's calendar) starts with the first completion of the step it depends on. Cases that
    Accord carried out are not held against systems that recorded others: a step counts for cases of an origin in which it was ever done.
    """
    rows = [d for process in measure.map.processes.values() for d in _of_process(measure, process)]
    whole, kept = sum(d.cases for d in rows), sum(d.met for d in rows)
    if not whole:
        why = "the log holds no case with two steps whose order the map declares"
        return Milestones((), Figure("process_synchronization", None, "share", not_measured=why))
    evidence = (Evidence("query", "first completion of each step per case, from event_log; service levels of the map"),)
    title = "Dependent steps done in order and on time"
    label = label_of_all(work_labels(measure), {row.process for row in rows})
    figure = Figure("process_synchronization", kept / whole, "share", whole, title=title, evidence=evidence, label=label)
    return Milestones(tuple(rows), figure)


def _of_process(measure: Measure, process: Process) -> list[Dependency]:
    pairs = [(before, step.name) for step in process.steps.values() for before in step.after]
    if not pairs:
        return []
    names = {title: step.name for step in process.steps.values() for title in (step.title or step.name, step.name)}
    first: dict[str, dict[str, datetime]] = {}
    own: dict[str, bool] = {}
    for row in measure.arrow(_FIRSTS, {"process": process.name, "steps": sorted(names), "own": AFTER_ALL_RULES}).to_pylist():
        done = first.setdefault(names[row["activity"]], {})
        done[row["case_id"]] = min(row["at"], done.get(row["case_id"], row["at"]))
        own[row["case_id"]] = own.get(row["case_id"], False) or row["own"]
    shown = {step: {own[case] for case in cases} for step, cases in first.items()}
    rows = []
    for before, after in pairs:
        if before in first and after in first:
            earlier, later = process.steps[before], process.steps[after]
            # Nobody does a wait: it takes as long as it is to take, and only its place in the order can be missed.
            limit = later.sla if later.sla and later.kind != "wait" else None
            team = measure.map.teams.get(later.team)
            calendar = measure.map.calendars.get(team.calendar) if team else None
            both = shown[before] & shown[after]
            firsts = [{case: at for case, at in first[step].items() if own[case] in both} for step in (before, after)]
            # One of several ways in, or a step that is left out where its condition is false, need not have been gone.
            optional = later.join == "any" or bool(earlier.when)
            row = dependency(
                process.name,
                before,
                after,
                *firsts,
                limit=limit,
                calendar=calendar,
                now=measure.now,
                optional=optional,
                skippable=bool(later.when),
            )
            if row.cases:
                rows.append(row)
    return rows


def dependency(
    process: str,
    before: str,
    after: str,
    earlier: dict[str, datetime],
    later: dict[str, datetime],
    *,
    limit: Duration | None,
    now: datetime,
    calendar: Calendar | None = None,
    optional: bool = False,
    skippable: bool = False,
) -> Dependency:
    """Judge one order of two steps over all cases.

    Args:
        process: name of the process.
        before: the earlier step.
        after: the step that depends on it.
        earlier: first completion of the earlier step by case.
        later: first completion of the later step by case.
        limit: the later step's service level.
        now: a step not done by now is overdue when its limit has passed.
        calendar: by which the limit is counted, as people are told when a task is due; ``None`` counts every hour.
        optional: the later step may rightly be done without the earlier one.
        skippable: the later step may rightly be left out.
    """
    cases = out_of_order = late = 0
    for case in sorted(earlier.keys() | later.keys()):
        start, end = earlier.get(case), later.get(case)
        if end is None:
            if start is not None and limit is not None and due(start, limit, calendar) < now and not skippable:
                cases, late = cases + 1, late + 1
            continue
        if optional and (start is None or end < start):
            continue  # it was begun by another way in; a way back to it may come later
        cases += 1
        if start is None or end < start:
            out_of_order += 1
        elif limit is not None and end > due(start, limit, calendar):
            late += 1
    return Dependency(process, before, after, cases, out_of_order, late)
