"""Feeds that this store set up and the map does not read any more: what nobody reads is kept in its system until it is taken down.

A flow or binding that is gone from the map has no run that could take its feed down, and the map no longer says in which system it is. But
feeds bear names that are made of the store, the flow and the binding, so that in every system those of this store are known, and no other.
Several maps may share a store: what a flow of another map reads is not left, though this map knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accord.connectors.feed_state import KeepsFeeds
from accord.connectors.registry import connector_kind
from accord.model.event import Event, ObjectRef
from accord.model.figure import Finding
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.moved import feed_called, named
from accord.sync.state.record import RENAMED, last_of

DROPPED: Final = "flow.feeds_dropped"


@dataclass(frozen=True, slots=True)
class OwnFeed:
    """A feed of this store, by the name Accord calls it in every system."""

    name: str
    flow: str
    binding: str
    map: str = ""  # the other map whose flow it is; empty: the one at hand


def own_feeds(map: IntegrationMap, store: Store) -> tuple[OwnFeed, ...]:  # noqa: A002 - the word of the glossary
    """Every feed this store may ever have set up, whatever became of its flow and binding."""
    store_name = named(store)
    if not store_name:
        return ()
    flows = {*map.flows, *_known(store), *(str(s.event.attributes["from"]) for s in store.read(types=[RENAMED]))}
    bindings = {b for flow in map.flows.values() for b in flow.bindings}
    bindings |= {b for flow in flows for b in last_of(store, flow).get("positions", {})}
    bindings |= {str(role).partition(":")[2] for (role,) in store.rows("SELECT DISTINCT role FROM flow_state WHERE role LIKE 'base:%'")}
    others = {flow: _other_map(map, store, flow) for flow in flows}
    return tuple(OwnFeed(feed_called(store_name, flow, b), flow, b, others[flow]) for flow in sorted(flows) for b in sorted(bindings))


def is_read(map: IntegrationMap, feed: OwnFeed, system: str) -> bool:  # noqa: A002
    """Whether the map reads this feed, from this system or from another name of the same one."""
    flow = map.flows.get(feed.flow)
    binding = flow.bindings.get(feed.binding) if flow else None
    if binding is None or binding.capture != "cdc":
        return False
    reader, shown = map.systems.get(binding.holder), map.systems.get(system)
    return reader is not None and shown is not None and (reader.connector, reader.at) == (shown.connector, shown.at)


def left_feeds(map: IntegrationMap, store: Store) -> tuple[OwnFeed, ...]:  # noqa: A002
    """Those that a flow read in its last run and the map does not read any more, by the store alone: no system is asked.

    A binding whose capture is another one now is not among them: the flow's next run takes its feed down.
    """
    store_name, found = named(store), []
    for flow in _known(store) if store_name else ():
        now = map.flows.get(flow)
        places = {b: p for b, p in last_of(store, flow).get("positions", {}).items() if not (now and b in now.bindings)}
        if not places or _other_map(map, store, flow) or any(f.renamed_from == flow for f in map.flows.values()):
            continue
        dropped: dict[str, str] = {}
        for stored in store.read(types=[DROPPED], object=ObjectRef("flow", flow)):
            dropped |= stored.event.attributes["positions"]
        left = (b for b, place in places.items() if dropped.get(b) != place and _is_kept(map, b))
        found += [OwnFeed(feed_called(store_name, flow, b), flow, b) for b in left]
    return tuple(found)


def left_findings(map: IntegrationMap, store: Store) -> Iterator[Finding]:  # noqa: A002
    """The same, for people."""
    for feed in left_feeds(map, store):
        what = f"the map no longer has binding '{feed.binding}' of flow '{feed.flow}', whose system goes on keeping its changes for it"
        todo = "accord doctor shows how much, accord doctor --drop-feeds ends it."
        yield Finding("left_feed", f"{feed.flow}/{feed.binding}", f"{what}: {todo}")


def note_dropped(store: Store, feeds: Iterable[OwnFeed], *, now: datetime) -> None:
    """Let the log say that feeds were taken down, so that nobody is told of them again."""
    flows: dict[str, list[str]] = {}
    for feed in feeds:
        flows.setdefault(feed.flow, []).append(feed.binding)
    for flow, bindings in flows.items():
        positions: Mapping[str, str] = last_of(store, flow).get("positions", {})
        body = {"flow": flow, "bindings": bindings, "positions": {b: positions[b] for b in bindings if b in positions}}
        id_ = f"{flow}:{DROPPED}:{store.head().seq + 1}"
        store.append([Event(id_, DROPPED, now, f"flow:{flow}", body, (ObjectRef("flow", flow),))])


def _other_map(map: IntegrationMap, store: Store, flow: str) -> str:  # noqa: A002
    """The map by which a flow ran last, where it is another one; the name stands in its last run."""
    ran_by = "" if flow in map.flows else str(last_of(store, flow).get("map", ""))
    return "" if ran_by == map.name else ran_by


def _known(store: Store) -> list[str]:
    return [str(flow) for (flow,) in store.rows("SELECT flow FROM flow_status ORDER BY flow")]


def _is_kept(map: IntegrationMap, binding: str) -> bool:  # noqa: A002
    """Whether a system of the binding's name keeps anything for feeds; one that the map does not have may."""
    system = map.systems.get(binding)
    kind = connector_kind(system.connector) if system else None
    return kind is None or issubclass(kind, KeepsFeeds)
