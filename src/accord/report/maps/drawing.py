"""The strokes maps are made of: boxes with two lines of text, lines with arrowheads, labels, and legends."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

from accord.report.maps.graph import Box, Route
from accord.report.palette import LIGHT
from accord.report.svg import FONT, NAMESPACE, element, escape, number, shorten, text_width, wrap

TITLE: Final = 13.0
SMALL: Final = 11.5
BOX_HEIGHT: Final = 46.0
LABEL_HEIGHT: Final = 17.0
_ROOM_MAX: Final = 172.0
_LINE_MAX: Final = 190.0
_BOX_MIN: Final = 84.0
_PADDING: Final = 25.0  # the bar and the room beside the text
_TITLE_LINE: Final = 16.0
_HEAD: Final = 8.0


def box_size(title: str, line: str) -> tuple[float, float]:
    """Width and height in px of a box for a title, on one or two lines, and a smaller line; within bounds."""
    titles = wrap(title, _ROOM_MAX, TITLE, bold=True)
    wide = max(max(text_width(part, TITLE, bold=True) for part in titles), min(_LINE_MAX, text_width(line, SMALL)))
    return max(_BOX_MIN, ceil(wide) + _PADDING), BOX_HEIGHT + _TITLE_LINE * (len(titles) - 1)


def label_width(text: str) -> float:
    """The width in px of a label on a line; 0 for none."""
    return round(text_width(text, SMALL, bold=True) + 8) if text else 0.0


def words(text: str, x: float, y: float, *, size: float = SMALL, color: str = "ink", bold: bool = False, anchor: str = "start") -> str:
    """Text with its middle at a height."""
    return element(
        "text",
        escape(text),
        x=x,
        y=y + size * 0.35,
        font_size=size,
        font_weight=650 if bold else None,
        text_anchor=None if anchor == "start" else anchor,
        fill=LIGHT[color],
    )


def box(place: Box, title: str, line: str, *, bar: str, round_: bool = False) -> str:
    """A box with a title, a smaller line, and a bar in the color of its group; ``round_`` sets another kind apart."""
    fill = LIGHT["blue-soft"] if round_ else LIGHT["surface"]
    stroke = LIGHT["blue"] if round_ else LIGHT["faint"]
    parts = [_rect(place, 14 if round_ else 5, fill=fill, stroke=stroke)]
    if bar:
        parts.append(element("rect", x=place.x, y=place.y, width=5, height=place.height, rx=2.5, fill=bar))
    left = place.x + 14
    titles = wrap(title, _ROOM_MAX, TITLE, bold=True)
    at = place.center[1] - (_TITLE_LINE * len(titles) + (_TITLE_LINE if line else 0)) / 2 + _TITLE_LINE / 2 - (1 if line else 0)
    for part in titles:
        parts.append(words(part, left, at, size=TITLE, bold=True))
        at += _TITLE_LINE
    if line:
        parts.append(words(shorten(line, _LINE_MAX, SMALL), left, at + 2, color="muted"))
    return element("g", "".join(parts))


def _rect(place: Box, radius: float, *, fill: str, stroke: str | None = None) -> str:
    size = {"x": place.x, "y": place.y, "width": place.width, "height": place.height}
    shape = " ".join(f'{key}="{number(value)}"' for key, value in size.items())
    border = f' stroke="{stroke}" stroke-width="1.2"' if stroke else ""
    return f'<rect {shape} rx="{number(radius)}" fill="{fill}"{border}/>'


def line(route: Route, *, color: str, width: float = 1.6, dash: str | None = None, at_start: bool = False, at_end: bool = True) -> str:
    """A line along a route with arrowheads at its ends."""
    head = _HEAD + width * 0.6
    path = route.path(cut_start=head * 0.8 if at_start else 0, cut_end=head * 0.8 if at_end else 0)
    parts = [element("path", d=path, fill="none", stroke=LIGHT[color], stroke_width=width, stroke_dasharray=dash)]
    way = -1.0 if route.backward else 1.0
    if at_end:
        parts.append(_arrow(route.knots[-1], way, head, color))
    if at_start:
        parts.append(_arrow(route.knots[0], -way, head, color))
    return "".join(parts)


def _arrow(tip: tuple[float, float], way: float, size: float, color: str) -> str:
    (x, y), back, half = tip, -way * size, size * 0.45
    points = f"{number(x)},{number(y)} {number(x + back)},{number(y - half)} {number(x + back)},{number(y + half)}"
    return element("polygon", points=points, fill=LIGHT[color])


def label(place: Box, text: str, *, color: str) -> str:
    """The label of a line, on a ground of its own so that the line does not run through the letters."""
    x, y = place.center
    return _rect(place, 4, fill=LIGHT["surface"]) + words(text, x, y, color=color, bold=True, anchor="middle")


def legend(entries: Sequence[tuple[str, str]], *, top: float, width: float) -> tuple[str, float]:
    """Entries of (drawing of 26 px, text) in rows no wider than ``width``; the SVG and its height in px."""
    parts, x, y = [], 0.0, top
    for drawing, text in entries:
        wide = 34 + text_width(text, SMALL) + 22
        if x and x + wide > width:
            x, y = 0.0, y + 20
        parts.append(element("g", drawing, transform=f"translate({number(x)},{number(y)})"))
        parts.append(words(text, x + 34, y, color="muted"))
        x += wide
    return "".join(parts), (y - top + 20 if entries else 0.0)


def swatch(color: str) -> str:
    """The bar of a group, for a legend."""
    return element("rect", x=10, y=-7, width=5, height=14, rx=2.5, fill=color)


def stroke(color: str, *, width: float = 1.6, dash: str | None = None) -> str:
    """A piece of line, for a legend."""
    return element("path", d="M0 0H26", fill="none", stroke=LIGHT[color], stroke_width=width, stroke_dasharray=dash)


def document(width: float, height: float, content: str, *, margin: float = 12.0) -> str:
    """The whole SVG around a drawing that starts at 0,0."""
    wide, high = number(round(width + 2 * margin)), number(round(height + 2 * margin))
    moved = element("g", content, transform=f"translate({number(margin)},{number(margin)})")
    frame = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" font-family="{escape(FONT)}"'
    return f'<svg xmlns="{NAMESPACE}" {frame}>{moved}</svg>'
