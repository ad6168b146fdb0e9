"""What a layout is given and what it gives back: boxes, lines between them, and where each goes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    """A box to be placed; sizes in px, ``lane`` counted from 0."""

    id: str
    width: float
    height: float
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """A line to be routed between two nodes, with the size of its label in px (0: none)."""

    id: str
    source: str
    target: str
    label_width: float = 0.0
    label_height: float = 0.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its upper left corner, in px."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> Point:
        """Its middle."""
        return (self.x + self.width / 2, self.y + self.height / 2)


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a line from source to target: level stretches joined by curves that stay between their ends.

    Args:
        knots: the ends of the stretches, from the border of the source to the border of the target.
        label: where its label stands, or ``None``.
    """

    knots: tuple[Point, ...]
    label: Box | None = None

    @property
    def backward(self) -> bool:
        """Whether it runs against the reading direction."""
        return self.knots[-1][0] < self.knots[0][0]

    def path(self, *, cut_start: float = 0.0, cut_end: float = 0.0) -> str:
        """The SVG path, shortened by some px at its ends to leave room for arrowheads."""
        knots = list(self.knots)
        sign = -1.0 if self.backward else 1.0
        knots[0] = (knots[0][0] + sign * cut_start, knots[0][1])
        knots[-1] = (knots[-1][0] - sign * cut_end, knots[-1][1])
        parts = [f"M{_at(knots[0])}"]
        for (x0, y0), (x1, y1) in itertools.pairwise(knots):
            if abs(y1 - y0) < 0.05:
                parts.append(f"L{_at((x1, y1))}")
            else:
                middle = (x0 + x1) / 2
                parts.append(f"C{_at((middle, y0))} {_at((middle, y1))} {_at((x1, y1))}")
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is; ``lanes`` holds top and bottom of each lane."""

    width: float
    height: float
    boxes: Mapping[str, Box]
    routes: Mapping[str, Route]
    lanes: tuple[tuple[float, float], ...]


ROUND: Final = 1  # decimals of a coordinate in SVG


def _at(point: Point) -> str:
    return f"{point[0]:.{ROUND}f} {point[1]:.{ROUND}f}"
