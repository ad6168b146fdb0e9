"""The integration map: which system keeps which data in agreement with which, read from the owner on the left to the readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.report.document import Picture, Table
from accord.report.maps import drawing
from accord.report.maps.graph import Edge, Layout, Node
from accord.report.maps.layout import lay_out
from accord.report.palette import GROUPS, group_color

Level = Literal["good", "warning", "bad", "unknown"]

_LOOKS: Final[Mapping[Level, tuple[str, float, str | None, str]]] = {
    "good": ("blue", 1.8, None, "in agreement"),
    "warning": ("orange", 1.8, "7 3", "late or with open questions"),
    "bad": ("orange", 3.2, None, "failed or in disagreement"),
    "unknown": ("faint", 1.6, None, "not measured"),
}


@dataclass(frozen=True, slots=True)
class EdgeStatus:
    """What was measured of one binding: a few words or a number, such as «99.2 %», and how good that is."""

    text: str
    level: Level = "unknown"


@dataclass(frozen=True, slots=True)
class _Link:
    """A binding as a line: its flow, and whether it starts at the system."""

    flow: Flow
    binding: Binding
    system: str
    from_system: bool
    status: EdgeStatus | None

    @property
    def id(self) -> str:
        return f"{self.flow.name}/{self.binding.name}"

    @property
    def two_way(self) -> bool:
        return self.binding.direction == "both"


def integration_map_picture(
    integration_map: IntegrationMap,
    status: Mapping[tuple[str, str], EdgeStatus] | None = None,
    *,
    name: str = "integration-map",
    title: str = "Integration map",
) -> Picture:
    """Systems as boxes, flows as rounded boxes between them, a line for each binding.

    Args:
        integration_map: what is drawn; systems without a flow stand alone.
        status: by (flow, binding); a binding that is missing is drawn as not measured, and without any status all are plain.
        name: of the picture, unique in its document.
        title: its heading.
    """
    links = _links(integration_map, status or {})
    svg = _draw(integration_map, links, lay_out(_nodes(integration_map), _edges(links)), with_status=status is not None)
    two_way = sum(link.two_way for link in links)
    alt = f"{len(integration_map.systems)} systems and {len(integration_map.flows)} flows with {len(links)} bindings, {two_way} of them "
    alt += "two-way. A rounded box is a flow; arrows show where data goes."
    return Picture(name, svg, title, alt, _table(integration_map, links))


def _owner_binding(flow: Flow) -> str:
    """The binding that decides most: the authority for the rest, else the first that may be read."""
    for field in ("*", *flow.authority):
        if flow.authority.get(field) in flow.bindings:
            return flow.authority[field]
    return next((name for name, binding in flow.bindings.items() if binding.direction != "write"), "")


def _links(integration_map: IntegrationMap, status: Mapping[tuple[str, str], EdgeStatus]) -> list[_Link]:
    links = []
    for flow in integration_map.flows.values():
        owner = _owner_binding(flow)
        for binding in flow.bindings.values():
            from_system = binding.direction == "read" or (binding.direction == "both" and binding.name == owner)
            system = binding.system or binding.name
            if system in integration_map.systems:
                links.append(_Link(flow, binding, system, from_system, status.get((flow.name, binding.name))))
    return links


def _system_lines(integration_map: IntegrationMap, name: str) -> tuple[str, str]:
    system = integration_map.systems[name]
    team = integration_map.teams.get(system.owner)
    owner = (team.title if team and team.title else system.owner) or "no owner"
    return system.title or name, f"{owner} · wave {system.priority}"


def _flow_lines(flow: Flow) -> tuple[str, str]:
    return flow.title or flow.name, f"{flow.entity} · within {flow.freshness}"


def _nodes(integration_map: IntegrationMap) -> list[Node]:
    systems = sorted(integration_map.systems.values(), key=lambda system: (system.priority, system.owner))
    nodes = [Node(f"system/{s.name}", *drawing.box_size(*_system_lines(integration_map, s.name))) for s in systems]
    return nodes + [Node(f"flow/{f.name}", *drawing.box_size(*_flow_lines(f))) for f in integration_map.flows.values()]


def _edges(links: list[_Link]) -> list[Edge]:
    edges = []
    for link in links:
        ends = (f"system/{link.system}", f"flow/{link.flow.name}")
        source, target = ends if link.from_system else ends[::-1]
        wide = drawing.label_width(link.status.text) if link.status else 0.0
        edges.append(Edge(link.id, source, target, wide, drawing.LABEL_HEIGHT if wide else 0.0))
    return edges


def _draw(integration_map: IntegrationMap, links: list[_Link], layout: Layout, *, with_status: bool) -> str:
    owners = sorted({system.owner for system in integration_map.systems.values()})
    colors = {owner: group_color(i) if owner else GROUPS[-1] for i, owner in enumerate(owners)}
    lines, labels, boxes = [], [], []
    for link in links:
        route = layout.routes[link.id]
        color, width, dash, _ = _LOOKS[link.status.level if link.status else "unknown"] if with_status else ("muted", 1.5, None, "")
        lines.append(drawing.line(route, color=color, width=width, dash=dash, at_start=link.two_way))
        if link.status and route.label:
            labels.append(drawing.label(route.label, link.status.text, color="muted" if color == "faint" else color))
    for name, system in integration_map.systems.items():
        boxes.append(drawing.box(layout.boxes[f"system/{name}"], *_system_lines(integration_map, name), bar=colors[system.owner]))
    for flow in integration_map.flows.values():
        boxes.append(drawing.box(layout.boxes[f"flow/{flow.name}"], *_flow_lines(flow), bar="", round_=True))
    entries = [
        (drawing.swatch(colors[owner]), (t.title if (t := integration_map.teams.get(owner)) and t.title else owner) or "no owner")
        for owner in owners
    ]
    if with_status:
        used = {link.status.level if link.status else "unknown" for link in links}
        entries += [(drawing.stroke(c, width=w, dash=d), text) for level, (c, w, d, text) in _LOOKS.items() if level in used]
    width = max(layout.width, 320.0)
    legend, high = drawing.legend(entries, top=layout.height + 18, width=width)
    return drawing.document(width, layout.height + 10 + high, "".join([*lines, *labels, *boxes, legend]))


def _table(integration_map: IntegrationMap, links: list[_Link]) -> Table:
    ways = {"both": "two-way", "read": "read only", "write": "written only"}
    rows = [
        (
            link.flow.title or link.flow.name,
            link.flow.entity,
            integration_map.systems[link.system].title or link.system,
            ways[link.binding.direction],
            ", ".join(field for field, who in link.flow.authority.items() if who == link.binding.name),
            str(len(link.binding.fields)),
            link.status.text if link.status else "not measured: no status given",
        )
        for link in links
    ]
    linked = {link.system for link in links}
    alone = [system for system in integration_map.systems.values() if system.name not in linked]
    rows += [("no flow", "", system.title or system.name, "", "", "", "") for system in alone]
    heads = ("Flow", "Entity", "System", "Direction", "Decides", "Fields", "Status")
    return Table(heads, tuple(rows), align="lllllrl", empty="the map declares no flow")
