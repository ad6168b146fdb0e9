"""Per process, from the log: cases, throughput, handoffs per pair of teams, rework, how much is covered by an agreed time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import duckdb
import pyarrow as pa

from accord.lifecycle.assess.defects import Check, insert
from accord.measure import Measure
from accord.measure.labels import work_labels
from accord.model.figure import Evidence, Figure
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process


@dataclass(frozen=True)
class Passage:
    """Work passing from one team to another; hours are calendar hours, ``None`` when none was accepted."""

    from_team: str
    to_team: str
    handoffs: int
    accepted: int
    median_hours: float | None
    p90_hours: float | None
    total_hours: float
    late: int
    with_sla: int
    repeated: int


@dataclass(frozen=True)
class Activity:
    """What was done in a process: by which team mostly, in how many cases, how long, how often at once again."""

    name: str
    team: str
    cases: int
    median_hours: float | None
    repeats: int


@dataclass(frozen=True)
class Path:
    """From one activity to the next: cases, and the median hours between."""

    source: str
    target: str
    cases: int
    median_wait_hours: float | None


@dataclass(frozen=True)
class ProcessFacts:
    """A process as declared and as it ran; figures carry their own reason where there is none."""

    process: Process
    steps_with_sla: int
    steps_with_team: int
    cases: Figure
    throughput: Figure
    throughput_p90: Figure
    handoff: Figure
    handoff_p90: Figure
    late_share: Figure
    repeated_share: Figure
    rework_share: Figure
    sla_coverage: Figure
    invalid: int
    passages: tuple[Passage, ...]
    activities: tuple[Activity, ...] = ()
    paths: tuple[Path, ...] = ()
    label: str = ""


def evaluate_processes(measure: Measure, integration_map: IntegrationMap) -> tuple[ProcessFacts, ...]:
    """Every process of the map; one without history has figures that say why."""
    labels = work_labels(measure)
    return tuple(_labelled(_evaluate(measure, process), labels.get(process.name, "")) for process in integration_map.processes.values())


def _labelled(facts: ProcessFacts, label: str) -> ProcessFacts:
    """The facts with the word beside each figure that says whose work it counts."""
    if not label:
        return facts
    found = {item.name: getattr(facts, item.name) for item in fields(facts)}
    figures: dict[str, Any] = {n: replace(f, label=label) for n, f in found.items() if isinstance(f, Figure) and f.value is not None}
    return replace(facts, **figures, label=label)


_CASES = """
SELECT count(*) AS cases, count(*) FILTER (WHERE hours > 0) AS timed, median(hours) FILTER (WHERE hours > 0) AS median,
       quantile_cont(hours, 0.9) FILTER (WHERE hours > 0) AS p90, avg(repeated::INTEGER) AS rework
FROM (SELECT case_id, (epoch(max(complete_at)) - epoch(min(coalesce(start_at, complete_at)))) / 3600.0 AS hours,
             count(*) > count(DISTINCT activity) AS repeated
      FROM event_log WHERE process = $process GROUP BY case_id)
"""
_PASSAGES = """
SELECT from_team, to_team, count(*) AS handoffs, count(wait_hours) FILTER (WHERE valid) AS accepted,
       median(wait_hours) FILTER (WHERE valid) AS median_hours, quantile_cont(wait_hours, 0.9) FILTER (WHERE valid) AS p90_hours,
       coalesce(sum(wait_hours) FILTER (WHERE valid), 0) AS total_hours,
       count(*) FILTER (WHERE valid AND coalesce(ended_at, $now) > due_at) AS late, count(sla_hours) AS with_sla,
       count(*) FILTER (WHERE attempts > 1) AS repeated, count(*) FILTER (WHERE NOT valid) AS invalid
FROM handoff WHERE process = $process GROUP BY ALL ORDER BY from_team, to_team
"""
_ALL = """
SELECT count(*) AS handoffs, count(wait_hours) FILTER (WHERE valid) AS accepted, median(wait_hours) FILTER (WHERE valid) AS median,
       quantile_cont(wait_hours, 0.9) FILTER (WHERE valid) AS p90, count(*) FILTER (WHERE NOT valid) AS invalid
FROM handoff WHERE process = $process
"""


_STEPS = """
WITH ordered AS (SELECT case_id, activity, coalesce(team, '') AS team, start_at, complete_at,
                        lag(activity) OVER (PARTITION BY case_id ORDER BY complete_at, seq) AS before
                 FROM event_log WHERE process = $process)
SELECT activity AS name, mode(team ORDER BY team) AS team, count(DISTINCT case_id) AS cases,
       median((epoch(complete_at) - epoch(start_at)) / 3600.0) FILTER (WHERE start_at IS NOT NULL) AS median_hours,
       count(*) FILTER (WHERE before = activity) AS repeats
FROM ordered GROUP BY activity ORDER BY cases DESC, name LIMIT 16
"""
_PATHS = """
WITH ordered AS (SELECT case_id, activity AS source, complete_at AS done, lead(activity) OVER w AS target,
                        lead(coalesce(start_at, complete_at)) OVER w AS next
                 FROM event_log WHERE process = $process WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq))
SELECT source, target, count(DISTINCT case_id) AS cases, median((epoch(next) - epoch(done)) / 3600.0) AS median_wait_hours
FROM ordered WHERE target IS NOT NULL AND target <> source GROUP BY ALL ORDER BY cases DESC, source, target LIMIT 40
"""


def _evaluate(measure: Measure, process: Process) -> ProcessFacts:
    name = process.name
    cases = measure.arrow(_CASES, {"process": name}).to_pylist()[0]
    every = measure.arrow(_ALL, {"process": name}).to_pylist()[0]
    activities = tuple(Activity(**row) for row in measure.arrow(_STEPS, {"process": name}).to_pylist())
    shown = {a.name for a in activities}
    paths = tuple(Path(**row) for row in measure.arrow(_PATHS, {"process": name}).to_pylist())
    passages = tuple(
        Passage(*(row[c] for c in Passage.__dataclass_fields__))
        for row in measure.arrow(_PASSAGES, {"process": name, "now": measure.now}).to_pylist()
    )
    log = Evidence("query", "event_log", f"process = {name}")
    hand = Evidence("query", "handoff", f"process = {name}")
    n, timed = int(cases["cases"]), int(cases["timed"])
    why_log = "" if n else f"no event of this process: {measure.why_empty(['event_log'])}"
    why_time = why_log or ("" if timed else "no case has two events to time")
    accepted, handoffs = int(every["accepted"]), int(every["handoffs"])
    if process.handoffs is None:
        why_hand = "the map does not say where handoffs are read from"
    else:
        why_hand = "" if handoffs else f"no handoff of this process: {measure.why_empty(['handoff'])}"
    with_sla = sum(p.with_sla for p in passages)
    repeated = sum(p.repeated for p in passages)
    tells_attempts = process.handoffs is not None and bool(process.handoffs.attempts)
    return ProcessFacts(
        process,
        sum(s.sla is not None for s in process.steps.values()),
        sum(bool(s.team) for s in process.steps.values()),
        _figure("cases", float(n), "count", None, why_log, log, "Cases"),
        _figure("throughput_median", cases["median"], "h", timed, why_time, log, "Throughput time, median"),
        _figure("throughput_p90", cases["p90"], "h", timed, why_time, log, "Throughput time, 90th percentile"),
        _figure("handoff_median", every["median"], "h", accepted, why_hand or _none(accepted), hand, "Handoff time, median"),
        _figure("handoff_p90", every["p90"], "h", accepted, why_hand or _none(accepted), hand, "Handoff time, 90th percentile"),
        _share(
            "late_handoffs",
            sum(p.late for p in passages),
            with_sla,
            why_hand or "no handoff has an agreed time",
            hand,
            "Handoffs over the agreed time",
        ),
        _share(
            "repeated_handoffs",
            repeated,
            handoffs if tells_attempts else 0,
            why_hand or "the attempts are not recorded",
            hand,
            "Handoffs sent back",
        ),
        _figure("rework", cases["rework"], "share", n, why_log, log, "Cases in which an activity was done again"),
        _share("sla_coverage", with_sla, handoffs, why_hand, hand, "Handoffs with an agreed time"),
        int(every["invalid"]),
        passages,
        activities,
        # What one case in fifty did is the process; the rest is noise in a picture and stays in the log.
        tuple(p for p in paths if {p.source, p.target} <= shown and p.cases >= 0.02 * n),
    )


def _none(accepted: int) -> str:
    return "" if accepted else "no handoff was accepted"


def _figure(name: str, value: float | None, unit: str, n: int | None, why: str, evidence: Evidence, title: str) -> Figure:
    reason = why or ("" if value is not None else "nothing was recorded")
    return Figure(name, None if reason else value, unit, None if reason else n, title=title, evidence=(evidence,), not_measured=reason)


def _share(name: str, part: int, whole: int, why: str, evidence: Evidence, title: str) -> Figure:
    return _figure(name, part / whole if whole else None, "share", whole, "" if whole else why, evidence, title)


_LATE = """
SELECT handoff_id AS key, from_team || ' to ' || to_team || ': ' ||
       round((epoch(coalesce(ended_at, $now)) - epoch(offered_at)) / 3600.0, 1) || ' h, agreed ' || sla_hours || ' h' AS detail
FROM handoff WHERE process = $process AND valid AND coalesce(ended_at, $now) > due_at
"""
_REWORK = "SELECT handoff_id AS key, attempts || ' attempts' AS detail FROM handoff WHERE process = $process AND attempts > 1"
_NEGATIVE = "SELECT handoff_id AS key, round(wait_hours, 1) || ' h' AS detail FROM handoff WHERE process = $process AND NOT valid"


def handoff_defects(measure: Measure, integration_map: IntegrationMap, con: duckdb.DuckDBPyConnection) -> None:
    """Add late, repeated and negative handoffs to the table ``defect``, under the system that is believed about them.

    Handoffs of processes that Accord carries out stand in no system and are no defect of one.
    """
    own = ' AND handoff_id NOT IN (SELECT handoff_id FROM "work handoffs")' if measure.sources.work() else ""
    for process in integration_map.processes.values():
        rule = process.handoffs
        if rule is None:
            continue
        place = handoff_place(integration_map, process)
        late: dict[str, object] = {"process": process.name, "now": measure.now}
        plain: dict[str, object] = {"process": process.name}
        ended = rule.accepted or rule.started
        found = (
            ("late_handoff", _LATE, late, ended),
            ("rework", _REWORK, plain, rule.attempts),
            ("negative_duration", _NEGATIVE, plain, ended),
        )
        for kind, sql, values, field in found:
            rows: pa.Table = measure.arrow(sql + own, values)
            if rows.num_rows:
                con.register("handoff_rows", rows)
                insert(con, [Check(kind, {**place, "field": field, "column": field}, "SELECT * FROM handoff_rows")])
                con.unregister("handoff_rows")


def handoff_place(integration_map: IntegrationMap, process: Process) -> dict[str, str]:
    """Where the handoffs of a process are recorded: the first readable binding of their entity, or the imported log."""
    rule = process.handoffs
    entity = rule.entity if rule else ""
    for flow in integration_map.flows.values():
        if entity and flow.entity == entity:
            named = flow.authority.get("*", "")
            readable = sorted((b for b in flow.bindings.values() if b.direction != "write"), key=lambda b: b.name != named)
            if readable:
                return {"entity": entity, "flow": flow.name, "system": readable[0].holder, "resource": readable[0].resource}
    return {"entity": entity, "flow": "", "system": "log", "resource": process.log or process.name}


def slowest(facts: Sequence[ProcessFacts]) -> Passage | None:
    """The passage most hours were spent waiting in."""
    every = [p for f in facts for p in f.passages if p.median_hours is not None]
    return max(every, key=lambda p: (p.total_hours, p.from_team, p.to_team), default=None)
