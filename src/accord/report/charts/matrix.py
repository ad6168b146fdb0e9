"""Matrices: how well systems agree with each other, and how long teams wait for each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accord.report.charts.heat import HeatCell, heat_spec
from accord.report.charts.vega import picture
from accord.report.document import Picture, Table

_MATCH_FLOORS: Final = (0.999, 0.99, 0.95, 0.80)
_MATCH_LEGEND: Final = ("99.9 % or more agree", "99 % or more", "95 % or more", "80 % or more", "under 80 %")
_FAMILIAR_HOURS: Final = (0.5, 1, 2, 4, 8, 12, 24, 36, 48, 72, 96, 120, 168, 240, 336, 504, 720, 1440, 2160)


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two systems that share an entity: ``match`` is the share of comparable values that agree, 0..1, or ``None`` with the reason."""

    left: str
    right: str
    match: float | None
    entity: str = ""
    issues: int = 0
    not_measured: str = ""


@dataclass(frozen=True, slots=True)
class HandoffCell:
    """The handoffs from one team to another: how many, and their median and 90th percentile wait in hours."""

    from_team: str
    to_team: str
    n: int
    median_hours: float | None
    p90_hours: float | None


def compatibility_matrix(
    pairs: Sequence[PairAgreement], *, name: str = "compatibility", title: str = "Compatibility of systems"
) -> Picture:
    """Systems against systems; a pair that shares several entities shows its worst, and the table lists each."""
    systems = sorted({system for pair in pairs for system in (pair.left, pair.right)})
    worst: dict[tuple[str, str], PairAgreement] = {}
    for pair in pairs:
        for key in ((pair.left, pair.right), (pair.right, pair.left)):
            if key not in worst or _badness(pair) > _badness(worst[key]):
                worst[key] = pair
    cells = [HeatCell(row, column, *_agreement(pair)) for (row, column), pair in sorted(worst.items(), key=lambda item: item[0])]
    bad = sum(pair.match is not None and pair.match < 0.95 for pair in pairs)
    alt = f"{len(systems)} systems, {len(pairs)} pairs sharing an entity; in {bad} of them fewer than 95 % of the values agree."
    rows = tuple((p.left, p.right, p.entity, _match_or_reason(p), f"{p.issues:,}") for p in pairs)
    heads = ("System", "System", "Entity", "Values that agree", "Issues")
    table = Table(heads, rows, align="lllrr", empty="no pair of systems shares an entity")
    return picture(name, title, alt, heat_spec(systems, systems, cells, legend=_MATCH_LEGEND), table)


def handoff_matrix(cells: Sequence[HandoffCell], *, name: str = "handoffs", title: str = "Waiting between teams") -> Picture:
    """Giving teams in rows, receiving teams in columns; each cell holds the median wait in hours, the 90th percentile and the count."""
    measured = [(cell.median_hours, cell) for cell in cells if cell.median_hours is not None]
    bounds = _hour_bounds([median for median, _ in measured])
    drawn = [HeatCell(cell.from_team, cell.to_team, *_wait(cell, bounds)) for cell in cells]
    alt = "No handoff was measured."
    if measured:
        median, slowest = max(measured, key=lambda pair: (pair[0], pair[1].n))
        alt = f"{len(cells)} pairs of teams; the slowest passage is {slowest.from_team} to {slowest.to_team}, median {_hours(median)} h."
    slowest_first = sorted(cells, key=lambda c: (-1.0 * (c.median_hours if c.median_hours is not None else -1), c.from_team, c.to_team))
    rows = tuple(
        (c.from_team, c.to_team, f"{c.n:,}", _hours_or_reason(c.median_hours), _hours_or_reason(c.p90_hours)) for c in slowest_first
    )
    table = Table(("From", "To", "Handoffs", "Median h", "p90 h"), rows, align="llrrr", empty="no handoffs")
    givers, takers = sorted({cell.from_team for cell in cells}), sorted({cell.to_team for cell in cells})
    spec = heat_spec(givers, takers, drawn, legend=_hour_legend(bounds), row_title="from", column_title="to")
    return picture(name, title, alt, spec, table)


def _badness(pair: PairAgreement) -> tuple[float, int]:
    return (2.0 if pair.match is None else 1 - pair.match, pair.issues)


def _agreement(pair: PairAgreement) -> tuple[int, str, str]:
    """Level, figure and smaller line of a pair."""
    if pair.match is None:
        return 0, "–", "not measured"
    level = next((number for number, floor in enumerate(_MATCH_FLOORS, 1) if pair.match >= floor), 5)
    return level, _percent(pair.match), f"{pair.issues:,} issue{'' if pair.issues == 1 else 's'}" if pair.issues else ""


def _percent(match: float) -> str:
    """A share in percent in which «nearly all» is never rounded to «all»."""
    return "100 %" if match >= 1 else f"{min(match * 100, 99.9):.1f} %"


def _match_or_reason(pair: PairAgreement) -> str:
    return f"not measured: {pair.not_measured}" if pair.match is None else _percent(pair.match)


def _wait(cell: HandoffCell, bounds: Sequence[float]) -> tuple[int, str, str]:
    """Level, figure and smaller line of a pair of teams."""
    if cell.median_hours is None:
        return 0, "–", f"open · n {cell.n:,}"
    level = 1 + sum(cell.median_hours >= bound for bound in bounds)
    return level, f"{_hours(cell.median_hours)} h", f"p90 {_hours(cell.p90_hours)} · n {cell.n:,}"


def _hour_bounds(medians: Sequence[float]) -> list[float]:
    """Four rising bounds near the fifths of the waits, taken from steps people think in."""
    ordered = sorted(medians) or [24.0]
    picked: list[float] = []
    for part in (1, 2, 3, 4):
        wanted = ordered[min(len(ordered) - 1, part * len(ordered) // 5)]
        higher = [step for step in _FAMILIAR_HOURS if not picked or step > picked[-1]]
        left_for_the_rest = len(higher) - (4 - part)
        picked.append(min(higher[:left_for_the_rest], key=lambda step: abs(step - wanted)))
    return picked


def _hour_legend(bounds: Sequence[float]) -> list[str]:
    between = [f"{_hours(low)} to {_hours(high)} h" for low, high in itertools.pairwise(bounds)]
    return [f"median under {_hours(bounds[0])} h", *between, f"{_hours(bounds[-1])} h or more"]


def _hours(hours: float | None) -> str:
    if hours is None:
        return "–"
    return f"{hours:,.0f}" if hours >= 100 or float(hours).is_integer() else f"{hours:.1f}"


def _hours_or_reason(hours: float | None) -> str:
    return "not measured: none accepted" if hours is None else f"{hours:,.1f}"
