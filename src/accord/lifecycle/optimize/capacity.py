"""How busy people are: hours of work seen in the log, per resource and week."""

from __future__ import annotations

from dataclasses import dataclass

from accord.measure import Measure

# Two pieces of work of one person that overlap count once: hours are those in which the person worked at all.
_LOAD = """
WITH span AS (
    SELECT resource, team, start_at, complete_at,
           max(complete_at) OVER (
               PARTITION BY resource ORDER BY start_at, complete_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS until
    FROM event_log WHERE resource IS NOT NULL AND start_at IS NOT NULL AND complete_at > start_at
)
SELECT resource, max(team) AS team, count(*) AS pieces, count(DISTINCT date_trunc('week', start_at)) AS weeks,
       sum(greatest(epoch(complete_at) - epoch(greatest(start_at, coalesce(until, start_at))), 0)) / 3600.0 AS hours
FROM span GROUP BY resource ORDER BY hours DESC, resource
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One resource: pieces of work, weeks with work, and hours between start and end of work, overlaps counted once."""

    resource: str
    team: str | None
    pieces: int
    weeks: int
    hours: float

    @property
    def hours_per_week(self) -> float:
        """Mean hours in the weeks in which there was work."""
        return self.hours / self.weeks if self.weeks else 0.0


def find_load(measure: Measure) -> tuple[Load, ...]:
    """Every resource the log names with start times, the busiest first; empty where the log has no start times."""
    return tuple(Load(**row) for row in measure.arrow(_LOAD).to_pylist())
