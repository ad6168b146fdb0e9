"""How busy people are: hours with work in hand, per resource and week."""

from __future__ import annotations

from dataclasses import dataclass

from accord.measure import Measure

# Pieces of work of one person that overlap are one stretch; a stretch that crosses a week's end belongs to every week it touches.
_LOAD = """
WITH span AS (
    SELECT resource, team, start_at, complete_at,
           max(complete_at) OVER (
               PARTITION BY resource ORDER BY start_at, complete_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS until
    FROM event_log WHERE resource IS NOT NULL AND start_at IS NOT NULL AND complete_at > start_at
), fresh AS (
    SELECT resource, team, greatest(start_at, coalesce(until, start_at)) AS since, complete_at FROM span
), touched AS (
    SELECT resource, count(DISTINCT week) AS weeks FROM (
        SELECT resource, unnest(generate_series(date_trunc('week', since), date_trunc('week', last), INTERVAL 7 DAY)) AS week
        FROM (SELECT resource, since, complete_at - INTERVAL 1 MICROSECOND AS last FROM fresh WHERE complete_at > since)
    ) GROUP BY resource
), owner AS (
    SELECT resource, team FROM (SELECT resource, team, count(*) AS n FROM span WHERE team IS NOT NULL GROUP BY ALL)
    QUALIFY row_number() OVER (PARTITION BY resource ORDER BY n DESC, team) = 1
)
SELECT f.resource, any_value(o.team) AS team, count(*) AS pieces, any_value(t.weeks) AS weeks,
       sum(greatest(epoch_us(f.complete_at) - epoch_us(f.since), 0)) / 3600000000.0 AS hours
FROM fresh AS f JOIN touched AS t USING (resource) LEFT JOIN owner AS o USING (resource)
GROUP BY f.resource ORDER BY hours DESC, f.resource
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One resource: pieces of work, weeks touched by work, and hours with at least one piece of work in hand.

    Hours are calendar hours between start and end, overlaps counted once: nights and weekends are in them, so they are no hours worked.
    """

    resource: str
    team: str | None
    pieces: int
    weeks: int
    hours: float

    @property
    def hours_per_week(self) -> float:
        """Mean hours in the weeks touched by work, at most 168."""
        return self.hours / self.weeks if self.weeks else 0.0


def find_load(measure: Measure) -> tuple[Load, ...]:
    """Every resource the log names with start times, the busiest first; empty where the log has no start times."""
    return tuple(Load(**row) for row in measure.arrow(_LOAD).to_pylist())
