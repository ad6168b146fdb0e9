"""A small graph of systems: strong components, articulation points, hubs. Standard library only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Graph:
    """Directed edges between named nodes; ``edges[a][b]`` holds the labels (flows) that carry data from ``a`` to ``b``."""

    nodes: tuple[str, ...]
    edges: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def of(cls, nodes: Iterable[str], links: Iterable[tuple[str, str, str]]) -> Graph:
        """A graph from ``(source, target, label)`` links; a link of a node to itself is left out."""
        known = tuple(sorted(set(nodes)))
        found: dict[str, dict[str, list[str]]] = {n: {} for n in known}
        for source, target, label in links:
            if source != target and label not in found[source].setdefault(target, []):
                found[source][target].append(label)
        return cls(known, {a: {b: tuple(sorted(labels)) for b, labels in sorted(out.items())} for a, out in found.items()})

    def neighbours(self, node: str) -> tuple[str, ...]:
        """Nodes joined to this one in either direction."""
        inward = {a for a, out in self.edges.items() if node in out}
        return tuple(sorted(set(self.edges[node]) | inward))

    def links(self) -> tuple[tuple[str, str], ...]:
        """Each joined pair once, whatever the direction."""
        return tuple(sorted({(min(a, b), max(a, b)) for a, out in self.edges.items() for b in out}))


def strong_components(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more nodes that reach each other: the cycles data can run in.

    Source:
        Kosaraju's algorithm, iterative.
    """
    order: list[str] = []
    seen: set[str] = set()
    for root in graph.nodes:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(graph.edges[root]))]
        while stack:
            node, rest = stack[-1]
            step = next((n for n in rest if n not in seen), None)
            if step is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(step)
                stack.append((step, iter(graph.edges[step])))
    inward: dict[str, list[str]] = {n: [] for n in graph.nodes}
    for a, out in graph.edges.items():
        for b in out:
            inward[b].append(a)
    assigned: set[str] = set()
    groups = []
    for root in reversed(order):
        if root in assigned:
            continue
        group, frontier = [], [root]
        assigned.add(root)
        while frontier:
            node = frontier.pop()
            group.append(node)
            for before in inward[node]:
                if before not in assigned:
                    assigned.add(before)
                    frontier.append(before)
        if len(group) > 1:
            groups.append(tuple(sorted(group)))
    return tuple(sorted(groups))


def components(graph: Graph, without: str = "") -> tuple[tuple[str, ...], ...]:
    """Groups of nodes joined in any direction, with one node left out when given."""
    left = [n for n in graph.nodes if n != without]
    seen: set[str] = set()
    groups = []
    for root in left:
        if root in seen:
            continue
        seen.add(root)
        group, queue = [], deque([root])
        while queue:
            node = queue.popleft()
            group.append(node)
            for other in graph.neighbours(node):
                if other != without and other not in seen:
                    seen.add(other)
                    queue.append(other)
        groups.append(tuple(sorted(group)))
    return tuple(sorted(groups))


def articulation_points(graph: Graph) -> tuple[str, ...]:
    """Nodes whose loss splits what was joined: single points of failure.

    By definition rather than by Tarjan's numbering: a map has tens of systems, and this version cannot be subtly wrong.
    """
    whole = len(components(graph))
    return tuple(n for n in graph.nodes if graph.neighbours(n) and len(components(graph, without=n)) > whole)


def hops(graph: Graph, source: str) -> dict[str, int]:
    """Shortest number of hops from a node to each node it reaches, itself 0."""
    found, queue = {source: 0}, deque([source])
    while queue:
        node = queue.popleft()
        for after in graph.edges[node]:
            if after not in found:
                found[after] = found[node] + 1
                queue.append(after)
    return found
