"""Each process as it went: its steps by team, how many cases passed, and how long they waited."""

from __future__ import annotations

from dataclasses import dataclass

from accord.lifecycle.titles import counted, process_title, step_title, team_title
from accord.measure import Measure
from accord.measure.mining import bottlenecks
from accord.report.document import Picture
from accord.report.maps import Passage, ProcessStep, swimlanes_picture

# More than this is no picture any more; what is left out is said beside it.
_STEPS_SHOWN = 14
_PASSAGES_SHOWN = 24

_STEPS = """
WITH placed AS (
    SELECT case_id, activity, team, start_at, complete_at, row_number() OVER w AS position, lag(activity) OVER w AS before
    FROM event_log WHERE process = $process WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq)
), first AS (
    SELECT activity, avg(position) AS position
    FROM (SELECT case_id, activity, min(position) AS position FROM placed GROUP BY ALL) GROUP BY activity
), owner AS (
    SELECT activity, team FROM (SELECT activity, team, count(*) AS n FROM placed WHERE team IS NOT NULL GROUP BY ALL)
    QUALIFY row_number() OVER (PARTITION BY activity ORDER BY n DESC, team) = 1
)
SELECT p.activity, any_value(o.team) AS team, count(DISTINCT p.case_id) AS cases, count(*) FILTER (WHERE p.before = p.activity) AS repeats,
       median((epoch_us(p.complete_at) - epoch_us(p.start_at)) / 3600000000.0) FILTER (WHERE p.complete_at > p.start_at) AS hours,
       any_value(f.position) AS position
FROM placed AS p JOIN first AS f USING (activity) LEFT JOIN owner AS o USING (activity)
GROUP BY p.activity ORDER BY position, p.activity
"""


@dataclass(frozen=True)
class Lanes:
    """A process in the order its steps are first done; ``left_out`` says what the picture does not show."""

    process: str
    title: str
    steps: tuple[ProcessStep, ...]
    passages: tuple[Passage, ...]
    left_out: str = ""

    @property
    def picture(self) -> Picture:
        """The process as swimlanes."""
        return swimlanes_picture(self.steps, self.passages, name=f"process-{self.process}", title=self.title)


def find_lanes(measure: Measure) -> tuple[Lanes, ...]:
    """Every process of the log with at least two steps; the most frequent steps and passages where there are many."""
    names = [str(r["process"]) for r in measure.arrow("SELECT DISTINCT process FROM event_log ORDER BY process").to_pylist()]
    found = [_lanes(measure, name) for name in names]
    return tuple(lanes for lanes in found if len(lanes.steps) > 1)


def _lanes(measure: Measure, process: str) -> Lanes:
    rows = measure.arrow(_STEPS, {"process": process}).to_pylist()
    kept = {r["activity"] for r in sorted(rows, key=lambda r: (-r["cases"], r["activity"]))[:_STEPS_SHOWN]}
    steps = tuple(
        ProcessStep(
            r["activity"],
            team_title(measure.map, r["team"]) if r["team"] else "team not recorded",
            step_title(measure.map, process, r["activity"]),
            r["cases"],
            r["hours"],
            r["repeats"],
        )
        for r in rows
        if r["activity"] in kept
    )
    ways = [r for r in bottlenecks(measure, process).to_pylist() if r["source"] != r["target"]]
    drawn = sorted((r for r in ways if r["source"] in kept and r["target"] in kept), key=lambda r: (-r["count"], r["source"], r["target"]))
    passages = tuple(Passage(r["source"], r["target"], r["count"], r["median_hours"]) for r in drawn[:_PASSAGES_SHOWN])
    missing = [counted(n, noun) for n, noun in ((len(rows) - len(steps), "rare step"), (len(ways) - len(passages), "rare passage")) if n]
    left_out = f"Not drawn: {' and '.join(missing)}." if missing else ""
    return Lanes(process, process_title(measure.map, process), steps, passages, left_out)
