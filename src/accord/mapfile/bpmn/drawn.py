"""The positions in a file of BPMN, and how they are carried to the nodes an export would draw."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from accord.mapfile.bpmn.diagram import Box, Diagram, Points, finite
from accord.mapfile.bpmn.elements import Notes
from accord.mapfile.bpmn.graph import Graph
from accord.mapfile.bpmn.unfold import unfold
from accord.mapfile.bpmn.words import BPMN, DC, DD, DI
from accord.mapfile.bpmn.xml import Element
from accord.model.process import Process

Signature = tuple[str, frozenset[str], frozenset[str]]


@dataclass(frozen=True)
class Before:
    """A graph as the file had it: kinds of nodes, hosts of timers, and flows by their ends."""

    kinds: dict[str, str]
    hosts: dict[str, str]
    flows: dict[tuple[str, str], str]


def carried(graph: Graph) -> Before:
    """What has to be known of a graph before it is folded."""
    return Before(
        {node.id: node.kind for node in graph.nodes.values()},
        {node.id: node.host for node in graph.nodes.values() if node.kind == "late"},
        {(flow.source, flow.target): flow.id for flow in graph.flows},
    )


@dataclass
class Drawing:
    """Positions by the ids of the file."""

    boxes: dict[str, Box] = field(default_factory=dict)
    bends: dict[str, Points] = field(default_factory=dict)
    lane_of: dict[str, str] = field(default_factory=dict)
    pools: list[str] = field(default_factory=list)

    def of(self, process: Process, before: Before, folded: Graph) -> Diagram:
        """The positions of a process, by the ids an export gives."""
        if not self.boxes:
            return Diagram()
        made = unfold(process)
        names = {node.id: node.step.name for node in folded.nodes.values() if node.step is not None}
        old_names = {key: name for key, name in names.items() if key in before.kinds}
        new_names = {node.id: node.step.name for node in made.nodes.values() if node.step is not None}
        by_name = {name: key for key, name in old_names.items()}
        old_ways = list(before.flows)
        new_ways = [(flow.source, flow.target) for flow in made.flows]
        waiting: dict[Signature, deque[str]] = {}
        for key, kind in before.kinds.items():
            if key not in old_names and key in self.boxes:
                host = before.hosts.get(key, "")
                waiting.setdefault(_signature(kind, key, old_ways, old_names, names.get(host, "")), deque()).append(key)
        same: dict[str, str] = {}
        for node in made.nodes.values():
            if node.id in new_names:
                same[node.id] = by_name.get(new_names[node.id], "")
            elif before.kinds.get(node.id) == node.kind and node.id in self.boxes and node.id not in old_names:
                same[node.id] = node.id  # one of our own, come back
            else:
                found = waiting.get(_signature(node.kind, node.id, new_ways, new_names, new_names.get(node.host, "")))
                same[node.id] = found.popleft() if found else ""
        boxes = {new: self.boxes[old] for new, old in same.items() if old in self.boxes}
        bends = {}
        for source, target in new_ways:
            flow = before.flows.get((same.get(source, ""), same.get(target, "")), "")
            if flow in self.bends:
                bends[f"{source} {target}"] = self.bends[flow]
        lanes = {team: self.boxes[lane] for lane, team in self.lane_of.items() if lane in self.boxes}
        if self.pools:
            lanes[""] = self.boxes[self.pools[0]]
        return Diagram(boxes, lanes if boxes else {}, bends)


def _signature(kind: str, node: str, ways: list[tuple[str, str]], names: dict[str, str], host: str) -> Signature:
    """What tells a gateway, a start or an end: the steps nearest before and after it."""
    ends: list[frozenset[str]] = []
    for here, there in ((1, 0), (0, 1)):
        found, queue, seen = set[str](), deque([node]), {node}
        while queue:
            current = queue.popleft()
            for way in ways:
                if way[here] == current and way[there] not in seen:
                    seen.add(way[there])
                    if way[there] in names:
                        found.add(names[way[there]])
                    else:
                        queue.append(way[there])
        ends.append(frozenset(found | ({f"at {host}"} if host else set())))
    return kind, ends[0], ends[1]


def drawn(root: Element, notes: Notes) -> Drawing:
    """The positions in a file."""
    found = Drawing()
    pools = {child.get("id") for holder in root.named(BPMN, "collaboration") for child in holder.named(BPMN, "participant")}
    for diagram in root.named(DI, "BPMNDiagram"):
        for plane in diagram.named(DI, "BPMNPlane"):
            for shape in plane.children:
                _shape(shape, found, notes)
    found.pools = [key for key in found.boxes if key in pools]
    return found


def _shape(shape: Element, found: Drawing, notes: Notes) -> None:
    about = shape.get("bpmnElement")
    try:
        if shape.name == "BPMNShape":
            bounds = shape.first(DC, "Bounds")
            if bounds is not None:
                x, y, width, height = (finite(bounds.get(key)) for key in ("x", "y", "width", "height"))
                found.boxes[about] = Box(x, y, width, height)
        elif shape.name == "BPMNEdge":
            found.bends[about] = tuple((finite(point.get("x")), finite(point.get("y"))) for point in shape.named(DD, "waypoint"))
    except ValueError as error:
        notes.wrong(shape.line, f"the position of '{about[:60]}' is not taken: {error}.", "Expected numbers.")
