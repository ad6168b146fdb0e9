"""A flow that has another name in the map than it had: what it remembers stands in the store under the old one.

Begun anew, it would meet full systems for the first time: what was agreed, who is linked to whom and what waits for people would be gone,
and every difference would be decided by the rules of a first contact. So the first run under the new name takes everything over, in one
event (``flow.renamed``), where the map says so (``renamed_from``), and is refused where the map only looks like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from accord.connectors.protocol import Logged
from accord.model.errors import GuardStopped
from accord.model.event import Event, ObjectRef
from accord.model.figure import Finding
from accord.model.flow import RENAMED_FROM_NONE, Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.store.kept_as import KEPT, keeps
from accord.sync.capture.moved import feed_name
from accord.sync.cycle import Cycle
from accord.sync.merge.decisions import load_decisions
from accord.sync.state.record import RENAMED, last_of

# Of the last run's event: what was about that run only, or about feeds, which bear the flow's name.
_LEFT: Final = frozenset(
    {"flow", "from", "run", "status", "counts", "seconds", "state", "seen", "positions", "live_folded", "live_closed", "limited"}
)


def known_as(map: IntegrationMap, flow: Flow, store: Store) -> str:  # noqa: A002 - the word of the glossary
    """The name under which the store keeps what a flow remembers, where that is not its own; empty where it is, or there is nothing.

    Raises:
        GuardStopped: nothing is kept under its name, a flow over the same entity and bindings is gone from the map, and the map does not
            say whether they are the same.
    """
    if keeps(store, flow.name):
        return ""
    gone = sorted({str(name) for (name,) in store.rows(KEPT)} - set(map.flows))
    if flow.renamed_from:
        return flow.renamed_from if flow.renamed_from in gone else ""
    for name in gone:
        if shared := _shared(flow, name, store):
            what = f"flow '{flow.name}' is new, and '{name}', over the same entity and bindings ({', '.join(shared)}), is gone from the map"
            todo = f"Give '{flow.name}' renamed_from: {name}, and it goes on where that one left off; or, if it is another flow that is to "
            raise GuardStopped("renamed flow", what, f"{todo}begin anew, renamed_from: {RENAMED_FROM_NONE}.")
    return ""


def go_on(cycle: Cycle, *, dry_run: bool) -> None:
    """Begin a run of a flow under the name it has now, with what it remembers; a dry run only looks there, under the old name.

    Raises:
        GuardStopped: as ``known_as`` says.
        SystemUnreachable: as ``take_over`` says.
    """
    old = known_as(cycle.map, cycle.flow, cycle.store)
    if not old:
        return
    if dry_run:
        sentence = f"flow '{cycle.flow.name}' was called '{old}'; its next run takes over what is agreed under that name."
        cycle.findings.append(Finding("renamed", cycle.flow.name, sentence, "info"))
        cycle.flow = replace(cycle.flow, name=old)
    else:
        take_over(cycle, old)
    load_decisions(cycle)


def take_over(cycle: Cycle, old: str) -> None:
    """Let the cycle's flow go on from what is kept under its old name, for good; a log of changes is opened anew, under the new name.

    Raises:
        SystemUnreachable: a system whose log was read did not answer; nothing was taken over.
    """
    read = last_of(cycle.store, old).get("positions", {})
    for side in cycle.sides:
        if (side.binding.capture == "cdc" or side.name in read) and isinstance(side.connector, Logged):
            # Before the event: what nobody reads would be kept there for ever. Without it, every row is compared once.
            side.connector.drop_feed(side.binding.resource, name=feed_name(cycle.store, old, side.name))
    name, kept = cycle.flow.name, {n: v for n, v in last_of(cycle.store, old).items() if n not in _LEFT}
    about = (ObjectRef("flow", name), ObjectRef("flow", old), ObjectRef("run", cycle.run))
    body: dict[str, Any] = {"flow": name, "from": old, "run": cycle.run, **kept}
    id_ = f"{cycle.run}:{name}:{RENAMED}:{cycle.store.head().seq + 1}"
    cycle.store.append([Event(id_, RENAMED, cycle.clock(), f"flow:{name}", body, about)])
    cycle.progress(f"{name}: took over what '{old}' had agreed on")


def _shared(flow: Flow, name: str, store: Store) -> list[str]:
    """The bindings that a flow shares with one that is gone, where they are enough to take the two for one."""
    contract = last_of(store, name).get("contract")
    if not isinstance(contract, Mapping) or contract.get("entity") != flow.entity:
        return []
    shared = sorted(b for b in flow.bindings if f"base:{b}" in store.flow_state(name))
    return shared if len(shared) > 1 else []
