"""The order in which flows run: what is referenced comes before what refers to it."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap


def flow_order(map: IntegrationMap) -> tuple[str, ...]:  # noqa: A002 - the word of the glossary
    """Names of all flows, parents before children; flows that do not depend on each other by priority, then as the map lists them.

    Entities that refer to each other in a circle cannot all come first; then priority and the map's order decide.
    """
    listed = sorted(map.flows.values(), key=lambda f: (f.priority or _priority(map, f.name), list(map.flows).index(f.name)))
    rank = {flow.name: number for number, flow in enumerate(listed)}
    needs: dict[str, set[str]] = {}
    for flow in listed:
        wanted = _entities_asked(map, flow)
        needs[flow.name] = {other.name for other in listed if other.entity in wanted and other.entity != flow.entity}
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError:
        return tuple(rank)
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        order += ready
        sorter.done(*ready)
    return tuple(order)


def rests_on(map: IntegrationMap, flow: str, earlier: Iterable[str]) -> bool:  # noqa: A002
    """Whether a run of the ``earlier`` flows can change what one of ``flow`` would write."""
    mine = map.flows[flow]
    asked = _entities_asked(map, mine) | {mine.entity}
    places = {(b.holder, b.resource) for b in mine.bindings.values()}
    others = [map.flows[name] for name in earlier]
    return any(o.entity in asked or places & {(b.holder, b.resource) for b in o.bindings.values()} for o in others)


def _entities_asked(map: IntegrationMap, flow: Flow) -> set[str]:  # noqa: A002
    """The entities whose agreed rows a flow's rows point at, or are looked up in."""
    entity = map.entities.get(flow.entity)
    pointed = {field.references for field in entity.fields.values() if field.references} if entity else set()
    # A table of codes comes before what is looked up in it.
    return pointed | {m.lookup.entity for b in flow.bindings.values() for m in b.fields.values() if m.lookup is not None}


def _priority(map: IntegrationMap, flow: str) -> int:  # noqa: A002
    systems = [map.systems[b.system or b.name] for b in map.flows[flow].bindings.values() if (b.system or b.name) in map.systems]
    return min((s.priority for s in systems), default=1)
