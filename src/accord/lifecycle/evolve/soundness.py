"""Which flows keep going by themselves: owner, executable contract, contract version, and a month without a difference."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from accord.mapfile.compatibility import is_version
from accord.model.integration_map import IntegrationMap
from accord.store import Store

_MONTH = timedelta(days=31)
_QUARTER = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Soundness:
    """One flow and what it lacks to be sustainable; ``first_run`` is when it was first proven, ``changes`` what it carried since."""

    flow: str
    lacks: tuple[str, ...]
    first_run: datetime | None
    carried: bool

    @property
    def sound(self) -> bool:
        """Nothing is missing."""
        return not self.lacks

    def idle(self, now: datetime) -> bool:
        """Whether it has been running for a quarter without carrying a change: is it needed?"""
        return not self.carried and self.first_run is not None and now - self.first_run >= _QUARTER


def check_flows(
    store: Store, integration_map: IntegrationMap, *, now: datetime, carrying: Collection[str], bad_versions: Collection[str]
) -> tuple[Soundness, ...]:
    """Every flow of the map by the rule of step 8: flows with owner, tests, contract version and green last month / flows.

    The tests of a flow are the executable checks of its entity's contract. Green is a month in which it was compared at least once and
    every comparison agreed.

    Args:
        store: the log.
        integration_map: the map.
        now: end of the month looked at.
        carrying: flows that carried a change at some time.
        bad_versions: entities whose version does not follow from what changed.
    """
    first: dict[str, datetime] = {}
    month: dict[str, list[bool]] = {}
    for stored in store.read(types=["flow.reconciled"]):
        body, flow = stored.event.attributes, str(stored.event.attributes["flow"])
        first.setdefault(flow, stored.event.time)
        if stored.event.time >= now - _MONTH:
            month.setdefault(flow, []).append(all(not (p["missing"] or p["extra"] or p["different"]) for p in body["pairs"]))
    rows = []
    for flow_name, declared in integration_map.flows.items():
        entity = integration_map.entities[declared.entity]
        checked = bool(entity.rules) or any(
            f.required or f.values or f.pattern or f.references or f.minimum or f.maximum for f in entity.fields.values()
        )
        seen = month.get(flow_name, [])
        lacks = [
            word
            for word, lacking in (
                ("an owner", not declared.owner),
                ("a check in its contract", not checked),
                ("a contract version of the form 1.2.3", not is_version(entity.version)),
                ("a contract version that follows from its changes", entity.name in bad_versions),
                ("a comparison in the last month", not seen),
                ("agreement in all comparisons of the last month", bool(seen) and not all(seen)),
            )
            if lacking
        ]
        rows.append(Soundness(flow_name, tuple(lacks), first.get(flow_name), flow_name in carrying))
    return tuple(rows)
