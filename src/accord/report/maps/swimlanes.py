"""A process as swimlanes: a lane for each team, steps with what they took, lines with how many passed and how long they waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accord.report.document import Picture, Table
from accord.report.maps import drawing
from accord.report.maps.graph import Box, Edge, Layout, Node, Route
from accord.report.maps.layout import lay_out
from accord.report.palette import LIGHT, group_color
from accord.report.svg import element, shorten, text_width

_THIN, _THICK = 1.2, 6.0
_LANE_NAME_MAX: Final = 150.0


@dataclass(frozen=True, slots=True)
class ProcessStep:
    """A step of a process as measured; ``repeats`` counts how often a case did it again at once.

    ``cases`` and ``median_hours`` are ``None`` where nothing was measured, as in a process that is only declared.
    """

    name: str
    team: str
    title: str = ""
    cases: int | None = None
    median_hours: float | None = None
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """From one step to the next: how many cases passed, and the median hours they waited."""

    source: str
    target: str
    cases: int | None = None
    median_wait_hours: float | None = None


def swimlanes_picture(
    steps: Sequence[ProcessStep],
    passages: Sequence[Passage],
    *,
    slow_hours: float | None = None,
    name: str = "process",
    title: str = "Process by team",
) -> Picture:
    """The process from left to right, teams from top to bottom in the order of their first step.

    Args:
        steps: in the order of the process; what runs against this order is drawn backward, as rework.
        passages: between steps; one from a step to itself is counted as a repeat of the step and not drawn.
        slow_hours: from which median wait a passage is marked as slow; default: the slowest fifth of the measured ones.
        name: of the picture, unique in its document.
        title: its heading.

    Raises:
        KeyError: a passage names a step that is not there.
    """
    lanes = list(dict.fromkeys(step.team for step in steps))
    slow = _slow(passages) if slow_hours is None else slow_hours
    drawn = [(f"p{number}", passage) for number, passage in enumerate(passages) if passage.source != passage.target]
    layout = lay_out([_node(step, lanes) for step in steps], [_edge(key, passage) for key, passage in drawn])
    svg = _draw(steps, drawn, layout, lanes, slow)
    return Picture(name, svg, title, _alt(steps, [passage for _, passage in drawn], lanes), _table(steps, passages))


def _slow(passages: Sequence[Passage]) -> float:
    waits = sorted(p.median_wait_hours for p in passages if p.median_wait_hours is not None)
    return waits[min(len(waits) - 1, len(waits) * 4 // 5)] if waits else float("inf")


def _hours(hours: float) -> str:
    return f"{hours:,.0f} h" if abs(hours) >= 10 else f"{hours:.1f} h"


def _step_line(step: ProcessStep) -> str:
    parts = [] if step.cases is None else [f"{step.cases:,}"]
    if step.median_hours is not None:
        parts.append(_hours(step.median_hours))
    if step.repeats:
        parts.append(f"↻ {step.repeats:,}")
    return " · ".join(parts)


def _wait(passage: Passage) -> str:
    return "" if passage.median_wait_hours is None else _hours(passage.median_wait_hours)


def _node(step: ProcessStep, lanes: Sequence[str]) -> Node:
    return Node(step.name, *drawing.box_size(step.title or step.name, _step_line(step)), lanes.index(step.team))


def _edge(key: str, passage: Passage) -> Edge:
    wide = drawing.label_width(_wait(passage))
    return Edge(key, passage.source, passage.target, wide, drawing.LABEL_HEIGHT if wide else 0.0)


def _draw(steps: Sequence[ProcessStep], drawn: Sequence[tuple[str, Passage]], layout: Layout, lanes: Sequence[str], slow: float) -> str:
    names = [shorten(lane or "no team", _LANE_NAME_MAX, drawing.TITLE, bold=True) for lane in lanes]
    left = 18 + max((text_width(name, drawing.TITLE, bold=True) for name in names), default=0.0) + 22
    width = left + layout.width + 16
    most = max((p.cases or 0 for _, p in drawn), default=0)
    lines, labels = [], []
    for key, passage in sorted(drawn, key=lambda pair: _is_slow(pair[1], slow)):  # slow ones on top
        route, marked = layout.routes[key], _is_slow(passage, slow)
        thick = _THIN + (_THICK - _THIN) * ((passage.cases or 0) / most) ** 0.5 if most else 1.6
        lines.append(drawing.line(_moved(route, left), color="orange" if marked else "faint", width=round(thick, 1)))
        if route.label:
            labels.append(drawing.label(_shifted(route.label, left), _wait(passage), color="orange" if marked else "muted"))
    boxes = []
    for step in steps:
        color = group_color(lanes.index(step.team))
        boxes.append(drawing.box(_shifted(layout.boxes[step.name], left), step.title or step.name, _step_line(step), bar=color))
    legend, high = drawing.legend(_legend(steps, drawn, slow), top=layout.height + 20, width=max(width, 320))
    bands = _bands(layout, names, width)
    return drawing.document(max(width, 320.0), layout.height + 10 + high, "".join([bands, *lines, *labels, *boxes, legend]))


def _is_slow(passage: Passage, slow: float) -> bool:
    return passage.median_wait_hours is not None and passage.median_wait_hours >= slow


def _bands(layout: Layout, names: Sequence[str], width: float) -> str:
    parts = []
    for number, ((top, bottom), name) in enumerate(zip(layout.lanes, names, strict=True)):
        parts.append(element("path", d=f"M0 {top:.1f}H{width:.1f}", fill="none", stroke=LIGHT["line"]) if number else "")
        parts.append(element("rect", x=0, y=top + 2, width=5, height=bottom - top - 4, rx=2.5, fill=group_color(number)))
        parts.append(drawing.words(name, 18, (top + bottom) / 2, size=drawing.TITLE, bold=True))
    return "".join(parts)


def _shifted(place: Box, left: float) -> Box:
    return Box(place.x + left, place.y, place.width, place.height)


def _moved(route: Route, left: float) -> Route:
    return Route(tuple((x + left, y) for x, y in route.knots))


def _legend(steps: Sequence[ProcessStep], drawn: Sequence[tuple[str, Passage]], slow: float) -> list[tuple[str, str]]:
    entries = [("", "box: cases · median hours worked · ↻ repeats")] if any(_step_line(step) for step in steps) else []
    if any(p.cases is not None for _, p in drawn):
        entries.append((drawing.stroke("faint", width=4), "line: its width shows cases, its label the median hours waited"))
    if any(_is_slow(p, slow) for _, p in drawn):
        entries.append((drawing.stroke("orange", width=4), f"waits {_hours(slow)} or more"))
    return entries


def _alt(steps: Sequence[ProcessStep], passages: Sequence[Passage], lanes: Sequence[str]) -> str:
    titles = {step.name: step.title or step.name for step in steps}
    text = f"{_count(len(steps), 'step')} in {_count(len(lanes), 'team')}."
    slowest = max((p for p in passages if p.median_wait_hours is not None), key=lambda p: p.median_wait_hours or 0, default=None)
    if slowest is not None:
        text += f" The longest wait is {titles[slowest.source]} to {titles[slowest.target]}, median {_wait(slowest)}."
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(steps: Sequence[ProcessStep], passages: Sequence[Passage]) -> Table:
    known = {step.name: step for step in steps}
    slowest_first = sorted(passages, key=lambda p: -1.0 * (p.median_wait_hours if p.median_wait_hours is not None else -1))
    rows = tuple(
        (
            known[p.source].title or p.source,
            known[p.source].team,
            known[p.target].title or p.target,
            known[p.target].team,
            "not measured" if p.cases is None else f"{p.cases:,}",
            "not measured" if p.median_wait_hours is None else f"{p.median_wait_hours:,.1f}",
        )
        for p in slowest_first
    )
    return Table(("From", "Team", "To", "Team", "Cases", "Median wait h"), rows, align="llllrr", empty="no passage between steps")
