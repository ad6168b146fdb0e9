"""Lay a diagram out: kept positions stay, new nodes stand in columns by how far they are from the start, in a band for each team."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

from accord.mapfile.bpmn.diagram import Box, Diagram, Points
from accord.mapfile.bpmn.graph import Graph, Node

_COLUMN: Final = 160
_ROW: Final = 120
_LEFT: Final = 200
_TOP: Final = 80
_SIZES: Final = {"start": (36, 36), "end": (36, 36), "late": (36, 36), "all": (50, 50), "one": (50, 50)}


def laid_out(graph: Graph, kept: Diagram) -> Diagram:
    """Positions of every node, lane and flow."""
    boxes = {key: box for key, box in kept.boxes.items() if key in graph.nodes}
    if not boxes:
        boxes = _columns(graph)
    else:
        for node in graph.nodes.values():
            if node.id not in boxes and node.kind != "late":
                boxes[node.id] = _beside(graph, node, boxes)
    for node in graph.nodes.values():
        if node.kind == "late" and node.id not in boxes:
            host = boxes[node.host]
            boxes[node.id] = Box(host.x + host.width - 30, host.y + host.height - 18, 36, 36)
    bends = {}
    for flow in graph.flows:
        key = f"{flow.source} {flow.target}"
        moved = flow.source not in kept.boxes or flow.target not in kept.boxes
        bends[key] = _bends(boxes[flow.source], boxes[flow.target]) if moved or key not in kept.bends else kept.bends[key]
    return Diagram({key: boxes[key] for key in graph.nodes}, _lanes(graph, boxes, kept), bends)


def teams_of(graph: Graph) -> list[str]:
    """Teams with a lane, in the order of the process."""
    return list(dict.fromkeys(node.team for node in graph.nodes.values() if node.team))


def size(node: Node) -> tuple[float, float]:
    """Width and height of a node."""
    drawn_small = node.step is not None and node.step.kind in ("decision", "wait") and not (node.step.form or node.step.form_schema)
    return _SIZES.get(node.kind, (50, 50) if drawn_small else (100, 80))


def _columns(graph: Graph) -> dict[str, Box]:
    column = _depths(graph)
    used: dict[tuple[str, int], int] = {}
    rows: dict[str, int] = {}
    at: dict[str, tuple[str, int, int]] = {}
    for node in sorted(graph.nodes.values(), key=lambda n: column[n.id]):
        if node.kind == "late":
            continue
        row = used.get((node.team, column[node.id]), 0)
        used[node.team, column[node.id]] = row + 1
        rows[node.team] = max(rows.get(node.team, 0), row + 1)
        at[node.id] = (node.team, column[node.id], row)
    top, tops = _TOP, {}
    for team in [*teams_of(graph), ""]:
        tops[team] = top
        top += rows.get(team, 0) * _ROW
    boxes = {}
    for key, (team, across, row) in at.items():
        width, height = size(graph.nodes[key])
        boxes[key] = Box(_LEFT + across * _COLUMN + (100 - width) / 2, tops[team] + row * _ROW + (_ROW - height) / 2, width, height)
    return boxes


def _depths(graph: Graph) -> dict[str, int]:
    """Columns: the longest way from a beginning, ways that lead back left out."""
    ways: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for flow in graph.flows:
        ways[flow.source].append(flow.target)
    for node in graph.nodes.values():
        if node.kind == "late":
            ways[node.host].append(node.id)
    order, state = [], dict.fromkeys(graph.nodes, 0)
    forward: dict[str, list[str]] = {name: [] for name in graph.nodes}
    roots = [n.id for n in graph.nodes.values() if n.kind == "start"]
    for root in [*roots, *graph.nodes]:
        if state[root]:
            continue
        stack = [(root, iter(ways[root]))]
        state[root] = 1
        while stack:
            name, following = stack[-1]
            target = next(following, None)
            if target is None:
                state[name] = 2
                order.append(name)
                stack.pop()
            elif state[target] != 1:  # one that is open leads back
                forward[name].append(target)
                if not state[target]:
                    state[target] = 1
                    stack.append((target, iter(ways[target])))
    depth = dict.fromkeys(graph.nodes, 0)
    for name in reversed(order):
        for target in forward[name]:
            step = 0 if graph.nodes[target].kind == "late" else 1
            depth[target] = max(depth[target], depth[name] + step)
    return depth


def _beside(graph: Graph, node: Node, boxes: dict[str, Box]) -> Box:
    """A free place to the right of what leads to a new node."""
    width, height = size(node)
    before = next((boxes[flow.source] for flow in graph.into(node.id) if flow.source in boxes), None)
    x, y = (before.x + before.width + 60, before.y + (before.height - height) / 2) if before else (_LEFT, _TOP)
    while any(x < b.x + b.width and b.x < x + width and y < b.y + b.height and b.y < y + height for b in boxes.values()):
        y += _ROW
    return Box(x, y, width, height)


def _bends(source: Box, target: Box) -> Points:
    """From the right of one box to the left of another, with a step between them; back underneath when it leads back."""
    x1, y1, x2, y2 = source.x + source.width, source.y + source.height / 2, target.x, target.y + target.height / 2
    if x2 >= x1:
        if y1 == y2:
            return ((x1, y1), (x2, y2))
        middle = (x1 + x2) / 2
        return ((x1, y1), (middle, y1), (middle, y2), (x2, y2))
    below = max(source.y + source.height, target.y + target.height) + 20
    return (
        (source.x + source.width / 2, source.y + source.height),
        (source.x + source.width / 2, below),
        (target.x + target.width / 2, below),
        (target.x + target.width / 2, target.y + target.height),
    )


def _lanes(graph: Graph, boxes: dict[str, Box], kept: Diagram) -> dict[str, Box]:
    """A band for each team, and the pool around them under «»."""
    teams = teams_of(graph)
    if not teams:
        return {}
    if all(team in kept.lanes for team in [*teams, ""]):
        return {team: kept.lanes[team] for team in [*teams, ""]}
    left = min(box.x for box in boxes.values()) - 60
    right = max(box.x + box.width for box in boxes.values()) + 40
    bands: dict[str, Box] = {}
    for team in teams:
        own = [boxes[node.id] for node in graph.nodes.values() if node.team == team]
        top, low = min(b.y for b in own) - 20, max(b.y + b.height for b in own) + 20
        bands[team] = kept.lanes.get(team, Box(left, top, right - left, low - top))
    ordered = sorted((team for team in teams if team not in kept.lanes), key=lambda team: bands[team].y)
    for above, below in pairwise(ordered):
        if not kept.lanes:  # what stands in bands one above the other has no gaps between them
            bands[above] = replace(bands[above], height=bands[below].y - bands[above].y)
    top, low = min(b.y for b in [*bands.values(), *boxes.values()]), max(b.y + b.height for b in [*bands.values(), *boxes.values()])
    bands[""] = Box(left - 30, top, right - left + 30, low - top)
    return bands
