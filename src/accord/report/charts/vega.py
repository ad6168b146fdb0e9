"""Vega-Lite declarations drawn as SVG on the server, the same text for the same declaration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import vl_convert

from accord.report.document import Picture, Table
from accord.report.palette import LIGHT
from accord.report.svg import FONT

Spec = dict[str, Any]

_NO_AXIS_LINES: Final = {"domain": False, "ticks": False, "grid": False}
_CONFIG: Final[Spec] = {
    "background": "transparent",
    "font": FONT,
    "padding": 6,
    "view": {"stroke": None},
    "axis": {
        **_NO_AXIS_LINES,
        "labelColor": LIGHT["muted"],
        "labelFontSize": 12,
        "labelLimit": 230,
        "titleColor": LIGHT["muted"],
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": LIGHT["line"],
    },
    "legend": {"labelColor": LIGHT["ink"], "labelFontSize": 12, "labelLimit": 260, "titleColor": LIGHT["muted"], "titleFontSize": 12},
    "text": {"color": LIGHT["ink"], "fontSize": 12},
}
_RANDOM_ID: Final = re.compile(r"\b(?:clip|gradient|gradient_|pattern_)\d+\b")


def picture(name: str, title: str, alt: str, spec: Spec, table: Table) -> Picture:
    """A picture drawn from a Vega-Lite declaration, with the declaration itself for notebooks."""
    text = json.dumps(
        {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "description": alt, "config": _CONFIG, **spec},
        ensure_ascii=False,
        sort_keys=True,
        allow_nan=False,
    )
    return Picture(name, _draw(text), title, alt, table, text)


@lru_cache(maxsize=256)
def _draw(spec: str) -> str:
    """The SVG of a declaration; nothing is loaded, and ids that count up over a process's life are numbered anew."""
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    numbers: dict[str, str] = {}
    return _RANDOM_ID.sub(lambda found: numbers.setdefault(found.group(), f"id{len(numbers)}"), svg)


def layer(mark: str, encoding: Mapping[str, Any], *, where: str = "", **options: Any) -> Spec:
    """One layer: a mark with its options, its encoding, and the condition its rows meet."""
    made: Spec = {"mark": {"type": mark, **options}, "encoding": dict(encoding)}
    if where:
        made["transform"] = [{"filter": where}]
    return made


def interval(at: Callable[..., Spec]) -> list[Spec]:
    """The fields ``low`` to ``high`` as a thin line with ends, where a row has them; light around it, to be seen on any bar."""
    given, low, high = "datum.low != null", at("low"), at("high")
    line = at("low", x2={"field": "high"})
    made = [layer("rule", line, where=given, color=LIGHT["surface"], strokeWidth=4.5)]
    made += [layer("tick", end, where=given, color=LIGHT["surface"], thickness=4, size=12, opacity=1) for end in (low, high)]
    made.append(layer("rule", line, where=given, color=LIGHT["ink"], strokeWidth=1.5))
    return [*made, *(layer("tick", end, where=given, color=LIGHT["ink"], thickness=1.5, size=9, opacity=1) for end in (low, high))]


def label(text: str, x: float, y: float, **options: Any) -> Spec:
    """A fixed text at a place in px, such as a column heading; drawn once, not per row."""
    return {"data": {"values": [{}]}, "mark": {"type": "text", "text": text, "align": "left", "x": x, "y": y, **options}}


def quantitative(field: str, scale: Sequence[float] | None = None, **options: Any) -> Spec:
    """The channel of a number; ``scale`` fixes the ends of its scale."""
    made: Spec = {"field": field, "type": "quantitative", **options}
    if scale is not None:
        made["scale"] = {"domain": list(scale), "nice": False}
    return made
