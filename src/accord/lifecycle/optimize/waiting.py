"""Where hours are lost: steps that wait, handoffs beyond their service level, batches, and work done again."""

from __future__ import annotations

from dataclasses import dataclass

from accord.measure import Measure
from accord.measure.mining import bottlenecks, rework

# If acceptances came evenly over the working day, no hour would hold much more than an eighth of them.
BATCH_SHARE = 0.25

_HANDOFFS = """
SELECT process, from_team, to_team, count(*) AS n, sum(wait_hours) AS hours, median(wait_hours) AS median_hours,
       count(*) FILTER (WHERE sla_hours IS NOT NULL) AS with_sla, count(*) FILTER (WHERE wait_hours > sla_hours) AS late,
       sum(greatest(wait_hours - sla_hours, 0)) FILTER (WHERE sla_hours IS NOT NULL) AS hours_beyond_sla
FROM handoff WHERE valid AND wait_hours IS NOT NULL GROUP BY ALL ORDER BY hours DESC, process, from_team, to_team
"""

_BATCHES = """
SELECT to_team AS team, hour, count(*) AS n, count(*) / sum(count(*)) OVER (PARTITION BY to_team) AS share
FROM (SELECT to_team, hour(accepted_at AT TIME ZONE $zone) AS hour FROM handoff WHERE accepted_at IS NOT NULL)
GROUP BY to_team, hour QUALIFY row_number() OVER (PARTITION BY to_team ORDER BY count(*) DESC, hour) = 1 ORDER BY share DESC, team
"""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Waiting between two steps of a process: hours in all cases together, and its share of all waiting (0..1)."""

    process: str
    source: str
    target: str
    count: int
    median_hours: float
    total_hours: float
    share: float | None


@dataclass(frozen=True, slots=True)
class HandoffLoss:
    """Waiting of one pair of teams, in handoffs that were accepted.

    ``late`` of the ``with_sla`` handoffs with a service level waited longer than that; ``hours_beyond_sla`` is the sum of what they
    waited beyond it, ``None`` where no handoff has one.
    """

    process: str
    from_team: str
    to_team: str
    n: int
    hours: float
    median_hours: float
    with_sla: int
    late: int
    hours_beyond_sla: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """The hour of the day in which a team accepts most of its handoffs, and the share of them (0..1)."""

    team: str
    hour: int
    n: int
    share: float


@dataclass(frozen=True, slots=True)
class Rework:
    """An activity that cases go through more than once: cases, extra executions, share of all cases (0..1)."""

    process: str
    activity: str
    cases: int
    extra: int
    share: float


def find_bottlenecks(measure: Measure) -> tuple[Bottleneck, ...]:
    """The waits of every process with a history, most hours first; passages that never wait, or lead to what is no work, are left out."""
    rows = []
    for process in _processes(measure):
        idle = _no_work(measure, process)
        waits = [r for r in bottlenecks(measure, process).to_pylist() if r["total_hours"] > 0 and r["target"] not in idle]
        whole = sum(r["total_hours"] for r in waits)
        for r in waits:
            share = r["total_hours"] / whole
            rows.append(Bottleneck(process, r["source"], r["target"], r["count"], r["median_hours"], r["total_hours"], share))
    return tuple(sorted(rows, key=lambda b: (-b.total_hours, b.process, b.source, b.target)))


def find_handoff_losses(measure: Measure) -> tuple[HandoffLoss, ...]:
    """The waits of every pair of teams, most hours waited first."""
    return tuple(HandoffLoss(**row) for row in measure.arrow(_HANDOFFS).to_pylist())


def find_batches(measure: Measure, timezone: str) -> tuple[Batch, ...]:
    """Each team's busiest hour of acceptance in the map's time zone, the most concentrated first."""
    return tuple(Batch(**row) for row in measure.arrow(_BATCHES, {"zone": timezone}).to_pylist())


def find_rework(measure: Measure) -> tuple[Rework, ...]:
    """Activities done again, most extra executions first."""
    rows = [
        Rework(process, r["activity"], r["cases"], r["extra"], r["share"])
        for process in _processes(measure)
        for r in rework(measure, process).to_pylist()
    ]
    return tuple(sorted(rows, key=lambda r: (-r.extra, r.process, r.activity)))


def _no_work(measure: Measure, process: str) -> tuple[str, ...]:
    """Activities the map calls no work, such as an automatic close: nobody can do them sooner."""
    declared = measure.map.processes.get(process)
    return declared.handoffs.ignore_activities if declared and declared.handoffs else ()


def _processes(measure: Measure) -> list[str]:
    return [str(r["process"]) for r in measure.arrow("SELECT DISTINCT process FROM event_log ORDER BY process").to_pylist()]
