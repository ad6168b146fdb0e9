"""Coordinates across the reading direction: an exact linear program that keeps lines straight and everything apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accord.model.errors import TerminalError


@dataclass(frozen=True, slots=True)
class Pull:
    """A wish that two vertices stand level: ``weight`` times the height between their ports is paid."""

    first: int
    second: int
    first_port: float
    second_port: float
    weight: float


@dataclass(frozen=True, slots=True)
class Apart:
    """Two vertices of one layer whose centers keep a distance, the first above the second."""

    first: int
    second: int
    distance: float


@dataclass(frozen=True, slots=True)
class Levels:
    """Centers of the vertices and borders of the lanes (one more than lanes), in px from the top."""

    centers: list[float]
    borders: list[float]


def levels(sizes: Sequence[float], lanes: Sequence[int], pulls: Sequence[Pull], apart: Sequence[Apart], *, margin: float) -> Levels:
    """The centers with the least weighted bend of lines, in the least height; every vertex inside its lane.

    Args:
        sizes: height of each vertex.
        lanes: lane of each vertex, from 0.
        pulls: lines between neighboring layers.
        apart: neighbors in a layer.
        margin: room between a vertex and the border of its lane.

    Source:
        The coordinate step of Gansner, Koutsofios, North, Vo, «A technique for drawing directed graphs» (1993), as a linear program.
    """
    vertices, bends, borders = len(sizes), len(pulls), max(lanes, default=0) + 2
    first_border = vertices + bends
    program = _Program(first_border + borders)
    for number, pull in enumerate(pulls):
        bend, shift = vertices + number, pull.second_port - pull.first_port
        program.cost[bend] = pull.weight
        program.at_most(shift, (pull.first, 1), (pull.second, -1), (bend, -1))
        program.at_most(-shift, (pull.first, -1), (pull.second, 1), (bend, -1))
    for pair in apart:
        program.at_most(-pair.distance, (pair.first, 1), (pair.second, -1))
    for vertex, (size, lane) in enumerate(zip(sizes, lanes, strict=True)):
        program.at_most(-size / 2 - margin, (first_border + lane, 1), (vertex, -1))
        program.at_most(-size / 2 - margin, (vertex, 1), (first_border + lane + 1, -1))
    for lane in range(borders - 1):
        program.at_most(-4 * margin, (first_border + lane, 1), (first_border + lane + 1, -1))
    program.cost[-1] = 0.4
    solved = program.solve()
    return Levels([round(y, 1) for y in solved[:vertices]], [round(y, 1) for y in solved[first_border:]])


class _Program:
    """Collects the rows of a linear program over variables that are not negative."""

    def __init__(self, variables: int) -> None:
        self.cost = np.zeros(variables)
        self._limits: list[float] = []
        self._entries: list[tuple[int, int, float]] = []

    def at_most(self, limit: float, *terms: tuple[int, float]) -> None:
        """The weighted sum of some variables stays at or under a limit."""
        self._entries += [(len(self._limits), variable, weight) for variable, weight in terms]
        self._limits.append(limit)

    def solve(self) -> list[float]:
        """The cheapest values; equal input gives equal output."""
        rows, columns, weights = zip(*self._entries, strict=True)
        # Imported here: scipy takes longer to load than most commands take to answer, and only a map needs it.
        from scipy.optimize import linprog
        from scipy.sparse import coo_array

        matrix = coo_array((weights, (rows, columns)), shape=(len(self._limits), len(self.cost)))
        # the stubs of scipy do not know that it takes sparse matrices
        found = linprog(self.cost, A_ub=matrix.tocsr(), b_ub=self._limits, bounds=(0, None), method="highs")  # type: ignore[call-overload]
        if not found.success:  # the rows only ask for distances, which some height always grants
            raise TerminalError(f"the layout of a map could not be computed: {found.message}", left="no picture was drawn")
        return [float(value) for value in found.x]
