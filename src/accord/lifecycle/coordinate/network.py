"""Who hands to whom: the collaboration network of the log, with overload, reciprocity, silos and ping-pong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from accord.measure import Measure

# A team that receives more than this share of all handoffs is a hub that everybody waits for.
OVERLOAD_SHARE = 0.4

_PAIRS = """
SELECT from_team, to_team, count(*) AS n, median(wait_hours) FILTER (WHERE valid) AS median_hours,
       quantile_cont(wait_hours, 0.9) FILTER (WHERE valid) AS p90_hours,
       count(*) FILTER (WHERE attempts > 1) AS returned, count(*) FILTER (WHERE ended_at IS NULL) AS open,
       count(*) FILTER (WHERE due_at IS NOT NULL AND ended_at > due_at) AS late, sum(wait_hours) FILTER (WHERE valid) AS hours
FROM handoff WHERE from_team IS NOT NULL AND to_team IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

# A ping-pong: the case goes from a to b and the very next handoff of the case goes back from b to a.
_PING_PONG = """
SELECT count(*) FILTER (WHERE from_team = next_to AND to_team = next_from) AS back, count(*) AS n FROM (
  SELECT from_team, to_team, lead(from_team) OVER w AS next_from, lead(to_team) OVER w AS next_to FROM handoff
  WINDOW w AS (PARTITION BY process, case_id ORDER BY offered_at, handoff_id))
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Handoffs from one team to another; hours are calendar hours, ``None`` when none was accepted."""

    from_team: str
    to_team: str
    n: int
    median_hours: float | None
    p90_hours: float | None
    returned: int
    open: int
    late: int
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """One team's place in the network."""

    name: str
    given: int
    received: int
    partners: int
    open: int


@dataclass(frozen=True, slots=True)
class Network:
    """The whole network; shares are 0..1 and ``None`` when there are no handoffs."""

    pairs: tuple[Pair, ...]
    teams: tuple[Team, ...]
    reciprocity: float | None
    ping_pong: float | None
    overloaded: tuple[str, ...]
    silos: tuple[tuple[str, ...], ...]


def network(measure: Measure) -> Network:
    """Build the network from the handoffs of all processes."""
    pairs = tuple(Pair(**row) for row in measure.arrow(_PAIRS).to_pylist())
    row = measure.arrow(_PING_PONG).to_pylist()[0]
    return network_of(pairs, ping_pong=row["back"] / row["n"] if row["n"] else None)


def network_of(pairs: Sequence[Pair], *, ping_pong: float | None) -> Network:
    """The network of these pairs.

    Reciprocity is the share of handoffs between teams that hand to each other in both directions (Wasserman and Faust 1994, weighted by
    number). A silo is a group of teams with no handoff to the others.
    """
    given: Counter[str] = Counter()
    received: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    partners: dict[str, set[str]] = {}
    for pair in pairs:
        given[pair.from_team] += pair.n
        received[pair.to_team] += pair.n
        waiting[pair.to_team] += pair.open
        if pair.from_team != pair.to_team:
            partners.setdefault(pair.from_team, set()).add(pair.to_team)
            partners.setdefault(pair.to_team, set()).add(pair.from_team)
    names = sorted(given.keys() | received.keys())
    total = sum(p.n for p in pairs)
    between = sum(p.n for p in pairs if p.from_team != p.to_team)
    directed = {(p.from_team, p.to_team) for p in pairs}
    mutual = sum(p.n for p in pairs if p.from_team != p.to_team and (p.to_team, p.from_team) in directed)
    overloaded = tuple(t for t in names if total and len(names) > 2 and received[t] / total > OVERLOAD_SHARE)
    teams = tuple(Team(t, given[t], received[t], len(partners.get(t, ())), waiting[t]) for t in names)
    return Network(tuple(pairs), teams, mutual / between if between else None, ping_pong, overloaded, _components(names, partners))


def _components(names: Sequence[str], partners: dict[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    left = set(names)
    groups = []
    while left:
        reached, frontier = set(), {min(left)}
        while frontier:
            reached |= frontier
            frontier = {p for t in frontier for p in partners.get(t, ())} - reached
        left -= reached
        groups.append(tuple(sorted(reached)))
    return tuple(groups)
