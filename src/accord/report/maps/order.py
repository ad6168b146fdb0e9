"""Crossing reduction: the order inside each layer, by barycenter sweeps and swaps of neighbors; lanes keep their order."""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SWEEPS: Final = 24


@dataclass(frozen=True, slots=True)
class Layered:
    """A graph in which every line joins neighboring layers: for each vertex its layer and lane, and what it is joined to."""

    layer: Sequence[int]
    lane: Sequence[int]
    before: Sequence[Sequence[int]]
    after: Sequence[Sequence[int]]

    @property
    def depth(self) -> int:
        """How many layers there are."""
        return max(self.layer, default=-1) + 1


def order(graph: Layered) -> list[list[int]]:
    """The vertices of each layer in an order with few crossings; the same for the same graph."""
    rows: list[list[int]] = [[] for _ in range(graph.depth)]
    for vertex, layer in enumerate(graph.layer):
        rows[layer].append(vertex)
    for row in rows:
        row.sort(key=lambda vertex: graph.lane[vertex])
    best, fewest = [list(row) for row in rows], crossings(rows, graph.after)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        forward = sweep % 2 == 0
        for layer in range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1):
            _sort_row(rows, layer, graph, graph.before if forward else graph.after)
        _swap_neighbors(rows, graph)
        found = crossings(rows, graph.after)
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    return best


def crossings(rows: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    """How many pairs of lines cross."""
    total = 0
    for upper, lower in itertools.pairwise(rows):
        place = {vertex: position for position, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = sorted(place[later] for later in after[vertex])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _sort_row(rows: list[list[int]], layer: int, graph: Layered, joined: Sequence[Sequence[int]]) -> None:
    neighbor = rows[layer - 1] if joined is graph.before else rows[layer + 1]
    place = {vertex: position for position, vertex in enumerate(neighbor)}
    size, spread = len(rows[layer]), max(1, len(neighbor))
    wish: dict[int, float] = {}
    for position, vertex in enumerate(rows[layer]):
        ends = [place[other] for other in joined[vertex]]
        # what is joined to nothing keeps its relative place
        wish[vertex] = sum(ends) / len(ends) if ends else position * spread / size
    rows[layer].sort(key=lambda vertex: (graph.lane[vertex], wish[vertex]))


def _swap_neighbors(rows: list[list[int]], graph: Layered) -> None:
    improved, rounds = True, 0
    while improved and rounds < 6:
        improved, rounds = False, rounds + 1
        for layer, row in enumerate(rows):
            above = {vertex: position for position, vertex in enumerate(rows[layer - 1])} if layer else {}
            below = {vertex: position for position, vertex in enumerate(rows[layer + 1])} if layer + 1 < len(rows) else {}
            for i in range(len(row) - 1):
                left, right = row[i], row[i + 1]
                if graph.lane[left] != graph.lane[right]:
                    continue
                now = _pair_crossings(left, right, graph, above, below)
                if now and _pair_crossings(right, left, graph, above, below) < now:
                    row[i], row[i + 1] = right, left
                    improved = True


def _pair_crossings(left: int, right: int, graph: Layered, above: dict[int, int], below: dict[int, int]) -> int:
    found = 0
    for joined, place in ((graph.before, above), (graph.after, below)):
        ends = sorted(place[other] for other in joined[right])
        for other in joined[left]:
            position = place[other]
            found += sum(end < position for end in ends)
    return found
