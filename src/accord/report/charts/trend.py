"""A measure over time, with the limits it stays within when nothing special happens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from accord.model.figure import show_value
from accord.report.charts.vega import Spec, label, layer, picture
from accord.report.document import Picture, Table
from accord.report.palette import LIGHT

_WIDTH: Final = 640
_HEIGHT: Final = 220
_LINE: Final = 15  # px between two labels
_LIMIT: Final[Spec] = {"color": LIGHT["faint"], "strokeDash": [4, 3], "strokeWidth": 1.3}
_CENTER: Final[Spec] = {"color": LIGHT["faint"], "strokeWidth": 1.3}
_TARGET: Final[Spec] = {"color": LIGHT["ink"], "strokeDash": [8, 3], "strokeWidth": 1.5}
_TITLE_ON_TOP: Final = {"titleAngle": 0, "titleAlign": "left", "titleX": -34, "titleY": -12}


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """A value at a time; ``signal`` says in words why the point stands out, empty when it does not."""

    at: datetime
    value: float
    signal: str = ""


def trend_chart(
    points: Sequence[TrendPoint],
    *,
    name: str,
    title: str,
    unit: str = "",
    center: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    target: float | None = None,
) -> Picture:
    """A line over time with center line, control limits and target where they are given; what stands out is marked and named.

    Args:
        points: ordered by time; times are aware.
        name: of the picture, unique in its document.
        title: its heading.
        unit: of the values; ``share`` is shown in percent.
        center: mean of the stable stretch.
        lower: lower control limit.
        upper: upper control limit.
        target: the level wanted.
    """
    factor = 100.0 if unit == "share" else 1.0
    lines = ((upper, "upper limit", _LIMIT), (center, "center", _CENTER), (lower, "lower limit", _LIMIT), (target, "target", _TARGET))
    levels = [_Level(value * factor, f"{word} {show_value(value, unit)}", look) for value, word, look in lines if value is not None]
    bottom, top = _ends([*(point.value * factor for point in points), *(level.value for level in levels)])
    scale = {"domain": [bottom, top], "nice": False, "zero": False}
    axis = {"grid": True, "gridOpacity": 0.7, "title": "%" if unit == "share" else unit or None, "tickCount": 5, **_TITLE_ON_TOP}
    x: Spec = {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": {"title": None, "tickCount": 8, "labelOverlap": True}}
    y: Spec = {"field": "value", "type": "quantitative", "scale": scale, "axis": axis}
    calm, loud = "datum.signal == ''", "datum.signal != ''"
    orange = {"color": LIGHT["orange"]}
    layers = [
        *(layer("rule", {"y": {"datum": level.value, "type": "quantitative", "scale": scale}}, **level.look) for level in levels),
        *_labels(levels, bottom, top),
        layer("line", {"x": x, "y": y}, color=LIGHT["blue"], strokeWidth=2),
        layer("point", {"x": x, "y": y}, where=calm, color=LIGHT["blue"], filled=True, size=26, opacity=1),
        layer("point", {"x": x, "y": y}, where=loud, filled=True, size=110, shape="triangle-up", opacity=1, **orange),
        layer("text", {"x": x, "y": y, "text": {"field": "signal"}}, where=loud, align="left", dx=11, fontSize=12, **orange),
    ]
    values = [{"at": f"{p.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "value": p.value * factor, "signal": p.signal} for p in points]
    spec: Spec = {"data": {"values": values}, "width": _WIDTH, "height": _HEIGHT, "layer": layers}
    return picture(name, title, _alt(points, unit), spec, _table(points, unit))


@dataclass(frozen=True, slots=True)
class _Level:
    """A line across the chart with the words beside it."""

    value: float
    words: str
    look: Spec


def _labels(levels: Sequence[_Level], bottom: float, top: float) -> list[Spec]:
    heights = _apart([_HEIGHT * (top - level.value) / (top - bottom) for level in levels])
    return [label(level.words, _WIDTH + 8, height, color=LIGHT["muted"]) for level, height in zip(levels, heights, strict=True)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the scale: a little beyond the smallest and largest value."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _apart(heights: Sequence[float]) -> list[float]:
    """The heights, moved so that two labels are never closer than a line of text; their order stays."""
    placed = list(heights)
    order = sorted(range(len(placed)), key=placed.__getitem__)
    for above, below in itertools.pairwise(order):
        placed[below] = max(placed[below], placed[above] + _LINE)
    return placed


def _alt(points: Sequence[TrendPoint], unit: str) -> str:
    if not points:
        return "Nothing was measured."
    signals = sum(bool(p.signal) for p in points)
    first, last = (f"{p.at.astimezone(UTC):%Y-%m-%d} ({show_value(p.value, unit)})" for p in (points[0], points[-1]))
    return f"{len(points)} points from {first} to {last}; {signals} stand{'s' if signals == 1 else ''} out."


def _table(points: Sequence[TrendPoint], unit: str) -> Table:
    rows = tuple((p.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"), show_value(p.value, unit), p.signal) for p in points)
    return Table(("Time (UTC)", "Value", "Signal"), rows, align="lrl", empty="nothing was measured")
