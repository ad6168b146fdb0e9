"""The shape of the integration: hubs, cycles, orphans, single points of failure, fields with several masters, number of links."""

from __future__ import annotations

from dataclasses import dataclass

from accord.lifecycle.assess.graph import Graph, articulation_points, components, strong_components
from accord.model.figure import Evidence, Finding
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap

HUB_SHARE = 0.5


@dataclass(frozen=True)
class Masters:
    """A field that several systems of one flow may write, and who is believed."""

    flow: str
    field: str
    systems: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class Architecture:
    """The graph of systems with what stands out in it.

    Args:
        graph: systems and the flows between them.
        hubs: systems joined to at least half of the others.
        cycles: groups of systems that data can run round in.
        orphans: systems no flow touches.
        single_points: systems whose loss cuts others off from each other.
        groups: systems joined with each other, directly or not.
        masters: fields more than one system may change.
        links: pairs of systems joined directly.
        hub_links: links the same systems would need through one hub.
    """

    graph: Graph
    hubs: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]
    orphans: tuple[str, ...]
    single_points: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    masters: tuple[Masters, ...]
    links: int
    hub_links: int


def describe_architecture(integration_map: IntegrationMap) -> Architecture:
    """The architecture the map declares."""
    links = [
        (source.holder, target.holder, flow.name)
        for flow in integration_map.flows.values()
        for source in flow.bindings.values()
        for target in flow.bindings.values()
        if source is not target and source.direction != "write" and target.direction != "read"
    ]
    graph = Graph.of(integration_map.systems, links)
    joined = [n for n in graph.nodes if graph.neighbours(n)]
    hubs = tuple(n for n in joined if len(joined) > 3 and len(graph.neighbours(n)) >= HUB_SHARE * (len(joined) - 1))
    bound = {b.holder for f in integration_map.flows.values() for b in f.bindings.values()}
    return Architecture(
        graph,
        hubs,
        strong_components(graph),
        tuple(s for s in integration_map.systems if s not in bound),
        articulation_points(graph),
        components(graph),
        tuple(m for f in integration_map.flows.values() for m in _masters(f)),
        len(graph.links()),
        max(len(joined), 0),
    )


def _masters(flow: Flow) -> list[Masters]:
    """Fields that at least two systems may change."""
    changers: dict[str, list[str]] = {}
    for binding in flow.bindings.values():
        for field, mapping in binding.fields.items():
            if (mapping.direction or binding.direction) != "write" and not mapping.value:
                changers.setdefault(field, []).append(binding.holder)
    found = []
    for field, systems in changers.items():
        if len(set(systems)) > 1:
            rule = flow.authority.get(field) or flow.authority.get("*") or ""
            found.append(Masters(flow.name, field, tuple(dict.fromkeys(systems)), rule))
    return found


def architecture_findings(found: Architecture, integration_map: IntegrationMap) -> tuple[Finding, ...]:
    """What of the architecture someone should know."""
    findings = []
    evidence = (Evidence("map", "flows"),)
    for name in found.orphans:
        sentence = f"System '{name}' takes part in no flow. Bind it, or take it out of the map."
        findings.append(Finding("orphan_system", name, sentence, "warning", owner=integration_map.systems[name].owner, evidence=evidence))
    for name in found.single_points:
        parts = [g for g in components(found.graph, without=name) if g not in found.groups]
        sentence = f"System '{name}' is a single point of failure: without it {len(parts)} groups of systems lose each other."
        findings.append(
            Finding("single_point_of_failure", name, sentence, "warning", owner=integration_map.systems[name].owner, evidence=evidence)
        )
    undecided = [m for m in found.masters if not m.rule]
    for flow in sorted({m.flow for m in undecided}):
        fields = tuple(m.field for m in undecided if m.flow == flow)
        what = f"{len(fields)} fields may be changed in several systems and the map does not say whose value wins"
        sentence = f"Flow '{flow}': {what}. Give `authority`."
        findings.append(
            Finding("several_masters", flow, sentence, "warning", len(fields), fields[:5], integration_map.flows[flow].owner, {}, evidence)
        )
    return tuple(findings)
