"""A heat map of named rows and columns, in five levels from good (blue) to bad (orange), each cell with its figure in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accord.report.charts.vega import Spec, layer
from accord.report.palette import LIGHT

_LEVELS: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell: a level from 1 (good) to 5 (bad), 0 where nothing was measured, a figure, and a smaller line below it."""

    row: str
    column: str
    level: int
    text: str
    small: str = ""


def heat_spec(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[HeatCell],
    *,
    legend: Sequence[str],
    row_title: str = "",
    column_title: str = "",
) -> Spec:
    """The declaration of a heat map; ``legend`` names the five levels, cells that are not given stay empty."""
    width = max([64.0, *(9 + 6.6 * len(cell.small) for cell in cells), *(9 + 8.2 * len(cell.text) for cell in cells)])
    too_long = max((len(column) for column in columns), default=0) * 7.2 > width
    axis: Spec = {"labelColor": LIGHT["ink"], "labelPadding": 7}
    x = _axis("column", columns, {**axis, "orient": "top", "labelAngle": -35 if too_long else 0, "title": column_title or None})
    y = _axis("row", rows, {**axis, "title": row_title or None})
    return {
        "data": {"values": [_datum(cell, legend) for cell in cells]},
        "width": {"step": round(width)},
        "height": {"step": 44 if any(cell.small for cell in cells) else 32},
        "encoding": {"x": x, "y": y},
        "layer": [*_boxes(legend), *_words()],
    }


def _axis(field: str, names: Sequence[str], axis: Spec) -> Spec:
    return {"field": field, "type": "nominal", "scale": {"domain": list(names), "padding": 0.03}, "axis": axis}


def _datum(cell: HeatCell, legend: Sequence[str]) -> dict[str, str | int]:
    level = legend[cell.level - 1] if cell.level else ""
    return {"row": cell.row, "column": cell.column, "text": cell.text, "small": cell.small, "level": level, "tone": cell.level}


def _boxes(legend: Sequence[str]) -> list[Spec]:
    """Filled boxes for the five levels with their legend, and empty ones where nothing was measured."""
    key = {"title": None, "orient": "bottom", "direction": "horizontal", "columns": 5}
    square = {"symbolType": "square", "symbolSize": 180, "symbolStrokeWidth": 0}
    scale = {"domain": list(legend), "range": [LIGHT[f"heat-{level}"] for level in _LEVELS]}
    color = {"field": "level", "type": "nominal", "scale": scale, "legend": {**key, **square}}
    empty = {"color": LIGHT["surface"], "stroke": LIGHT["faint"], "strokeDash": [3, 3], "strokeWidth": 1}
    return [
        layer("rect", {"color": color}, where="datum.tone > 0", cornerRadius=4),
        layer("rect", {}, where="datum.tone == 0", cornerRadius=4, **empty),
    ]


def _words() -> list[Spec]:
    """The figure and the smaller line of each cell, in the color that reads on its level."""
    made = []
    for level in (0, *_LEVELS):
        color = LIGHT[f"on-heat-{level}"] if level else LIGHT["muted"]
        figure, line = ({"text": {"field": field, "type": "nominal"}} for field in ("text", "small"))
        for sign, lift in (("!=", -6), ("==", 1)):
            having = f"datum.tone == {level} && datum.small {sign} ''"
            made.append(layer("text", figure, where=having, fontSize=13, fontWeight="bold", dy=lift, color=color))
        made.append(layer("text", line, where=f"datum.tone == {level}", fontSize=11, dy=10, color=color))
    return made
