"""A layered layout of boxes and lines, read from left to right: no label meets another, and no line runs through a box.

The way of Sugiyama: turn cycles, give layers, put a placeholder into every layer a line passes (one of them with the size of its
label), order the layers to avoid crossings, then compute coordinates. Lines bend only in the free columns between two layers, and
inside a layer they run level through their own placeholder, so by construction they cannot meet a box or a label.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from accord.report.maps.coordinates import Apart, Levels, Pull, levels
from accord.report.maps.graph import Box, Edge, Layout, Node, Point, Route
from accord.report.maps.layers import layers, without_cycles
from accord.report.maps.order import Layered, order

_PORT: Final = 11.0  # px between two lines on one side of a box
_LANE_MARGIN: Final = 14.0
_GAP_BOXES, _GAP_LINES, _GAP_MIXED = 24.0, 11.0, 14.0
_COLUMN_MIN, _COLUMN_MAX = 16.0, 44.0
_STRAIGHT, _HALF, _LOOSE = 8.0, 2.0, 1.0


@dataclass(slots=True)
class _Chain:
    """A line as the vertices it passes, in the reading direction; ``turned`` when the line itself runs backward."""

    edge: Edge
    vertices: list[int]
    turned: bool
    label: int | None


@dataclass(slots=True)
class _Work:
    """Vertices (the nodes first, then placeholders) with their sizes, layers and lanes."""

    nodes: Sequence[Node]
    along: list[float]
    across: list[float]
    layer: list[int]
    lane: list[int]
    chains: list[_Chain] = field(default_factory=list)

    def placeholder(self, layer: int, lane: int, along: float, across: float) -> int:
        self.along.append(along)
        self.across.append(across)
        self.layer.append(layer)
        self.lane.append(lane)
        return len(self.layer) - 1

    def real(self, vertex: int) -> bool:
        return vertex < len(self.nodes)


def lay_out(nodes: Sequence[Node], edges: Sequence[Edge]) -> Layout:
    """Places boxes and routes lines; the same for the same input.

    A box may become taller than asked, to give each of its lines its own place. An edge from a node to itself is not drawn.

    Raises:
        KeyError: an edge names a node that is not there.
    """
    if not nodes:
        return Layout(0.0, 0.0, {}, {}, ())
    work = _prepare(nodes, edges)
    rows, ports = _order(work)
    found = _levels(work, rows, ports)
    starts, ends = _columns(work, rows, ports, found)
    boxes = {
        node.id: Box(starts[work.layer[i]], found.centers[i] - work.across[i] / 2, node.width, work.across[i])
        for i, node in enumerate(nodes)
    }
    routes = {chain.edge.id: _route(number, chain, work, ports, found, starts, ends) for number, chain in enumerate(work.chains)}
    lanes = tuple(itertools.pairwise(found.borders))
    return Layout(ends[-1], found.borders[-1], boxes, routes, lanes)


def _prepare(nodes: Sequence[Node], edges: Sequence[Edge]) -> _Work:
    place = {node.id: number for number, node in enumerate(nodes)}
    drawn = [(edge, place[edge.source], place[edge.target]) for edge in edges if edge.source != edge.target]
    turned = without_cycles(len(nodes), [(source, target) for _, source, target in drawn])
    pairs = [(target, source) if back else (source, target) for (_, source, target), back in zip(drawn, turned, strict=True)]
    # labels stand in layers of their own between those of the nodes
    step = 2 if any(edge.label_width for edge, _, _ in drawn) else 1
    layer = [step * number for number in layers(len(nodes), pairs)]
    work = _Work(nodes, [n.width for n in nodes], [n.height for n in nodes], layer, [n.lane for n in nodes])
    for (edge, _, _), (first, last), back in zip(drawn, pairs, turned, strict=True):
        between = range(layer[first] + 1, layer[last])
        # the label stands beside the later node, where the wait it tells of ends
        labelled = layer[last] - 1 if edge.label_width else None
        passed = [
            work.placeholder(at, work.lane[last], edge.label_width if at == labelled else 0.0, edge.label_height if at == labelled else 0.0)
            for at in between
        ]
        work.chains.append(_Chain(edge, [first, *passed, last], back, passed[-1] if labelled is not None else None))
    return work


@dataclass(slots=True)
class _Ports:
    """Where a line meets its vertices: (chain, step) gives the distance from the center of the vertex it leaves or enters."""

    leaving: dict[tuple[int, int], float]
    entering: dict[tuple[int, int], float]


def _order(work: _Work) -> tuple[list[list[int]], _Ports]:
    count = len(work.layer)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for chain in work.chains:
        for first, second in itertools.pairwise(chain.vertices):
            after[first].append(second)
            before[second].append(first)
    rows = order(Layered(work.layer, work.lane, before, after))
    return rows, _ports(work, rows)


def _ports(work: _Work, rows: Sequence[Sequence[int]]) -> _Ports:
    """Lines leave and enter a box in the order of where they go, so that they do not cross at its side."""
    place = {vertex: position for row in rows for position, vertex in enumerate(row)}
    out: dict[int, list[tuple[int, int, int]]] = {}
    into: dict[int, list[tuple[int, int, int]]] = {}
    for number, chain in enumerate(work.chains):
        for step, (first, second) in enumerate(itertools.pairwise(chain.vertices)):
            out.setdefault(first, []).append((place[second], number, step))
            into.setdefault(second, []).append((place[first], number, step))
    ports = _Ports({}, {})
    for side, kept in ((out, ports.leaving), (into, ports.entering)):
        for vertex, lines in side.items():
            work.across[vertex] = max(work.across[vertex], _PORT * (len(lines) + 1) if work.real(vertex) else 0.0)
            for position, (_, number, step) in enumerate(sorted(lines)):
                kept[number, step] = _PORT * (position - (len(lines) - 1) / 2)
    return ports


def _levels(work: _Work, rows: Sequence[Sequence[int]], ports: _Ports) -> Levels:
    pulls = []
    for number, chain in enumerate(work.chains):
        for step, (first, second) in enumerate(itertools.pairwise(chain.vertices)):
            weight = (_STRAIGHT, _HALF, _LOOSE)[work.real(first) + work.real(second)]
            pulls.append(Pull(first, second, ports.leaving[number, step], ports.entering[number, step], weight))
    apart = [
        Apart(upper, lower, (work.across[upper] + work.across[lower]) / 2 + _gap(work, upper, lower))
        for row in rows
        for upper, lower in itertools.pairwise(row)
        if work.lane[upper] == work.lane[lower]
    ]
    return levels(work.across, work.lane, pulls, apart, margin=_LANE_MARGIN)


def _gap(work: _Work, upper: int, lower: int) -> float:
    boxes = work.real(upper) + work.real(lower)
    return (_GAP_LINES, _GAP_MIXED, _GAP_BOXES)[boxes]


def _columns(work: _Work, rows: Sequence[Sequence[int]], ports: _Ports, found: Levels) -> tuple[list[float], list[float]]:
    """Start and end of each layer along the reading direction; steeper lines get more room to bend."""
    drop = [0.0] * len(rows)
    for number, chain in enumerate(work.chains):
        for step, (first, second) in enumerate(itertools.pairwise(chain.vertices)):
            height = found.centers[second] + ports.entering[number, step] - found.centers[first] - ports.leaving[number, step]
            drop[work.layer[first]] = max(drop[work.layer[first]], abs(height))
    starts, ends, at = [], [], 0.0
    for layer, row in enumerate(rows):
        starts.append(at)
        ends.append(at + max((work.along[vertex] for vertex in row), default=0.0))
        at = ends[-1] + min(_COLUMN_MAX, max(_COLUMN_MIN, 14 + drop[layer] * 0.12))
    return starts, ends


def _route(number: int, chain: _Chain, work: _Work, ports: _Ports, found: Levels, starts: Sequence[float], ends: Sequence[float]) -> Route:
    first, last = chain.vertices[0], chain.vertices[-1]
    leave = found.centers[first] + ports.leaving[number, 0]
    enter = found.centers[last] + ports.entering[number, len(chain.vertices) - 2]
    knots: list[Point] = [(starts[work.layer[first]] + work.along[first], leave), (ends[work.layer[first]], leave)]
    for vertex in chain.vertices[1:-1]:
        level = found.centers[vertex]
        knots += [(starts[work.layer[vertex]], level), (ends[work.layer[vertex]], level)]
    knots.append((starts[work.layer[last]], enter))
    label = None
    if chain.label is not None:
        column = (starts[work.layer[chain.label]] + ends[work.layer[chain.label]]) / 2
        wide, high = chain.edge.label_width, chain.edge.label_height
        label = Box(column - wide / 2, found.centers[chain.label] - high / 2, wide, high)
    tidy = [knots[0], *(knot for earlier, knot in itertools.pairwise(knots) if knot != earlier)]
    return Route(tuple(reversed(tidy)) if chain.turned else tuple(tidy), label)
