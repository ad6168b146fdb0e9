"""Which event, handoff or agreed row feeds which KPI, and what feeds none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accord.measure import Kpi
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True)
class Feed:
    """A KPI with what it is measured from; ``sources`` empty means nothing of this map feeds it."""

    kpi: Kpi
    sources: tuple[str, ...]
    owner: str


@dataclass(frozen=True)
class MeasurementDesign:
    """Every KPI with its sources; event types no KPI reads; goals that name a KPI there is not."""

    feeds: tuple[Feed, ...]
    unread_events: tuple[str, ...]
    unknown: tuple[str, ...]


def design_measurement(integration_map: IntegrationMap, kpis: Mapping[str, Kpi]) -> MeasurementDesign:
    """Trace each KPI's views back to flows, event rules, logs and handoff rules of the map."""
    owners = {t.kpi: t.owner for t in integration_map.targets.values()}
    feeds = tuple(
        Feed(k, tuple(s for v in sorted(k.views) for s in _sources(integration_map, v)), owners.get(k.name, "")) for k in kpis.values()
    )
    reads_log = any(v in ("event_log", "handoff") for k in kpis.values() for v in k.views)
    events = [
        f"{e.type} ({entity.name})" for entity in integration_map.entities.values() for e in entity.events if not e.process or not reads_log
    ]
    named = [(f"target {t.name}", t.kpi) for t in integration_map.targets.values()]
    named += [(f"objective {o.name}", k) for o in integration_map.objectives.values() for k in o.kpis]
    named += [(f"risk {r.name}", r.indicator) for r in integration_map.risks.values() if r.indicator]
    return MeasurementDesign(feeds, tuple(dict.fromkeys(events)), tuple(f"{who}: {kpi}" for who, kpi in named if kpi not in kpis))


def _sources(integration_map: IntegrationMap, view: str) -> list[str]:
    if view.startswith("entity_"):
        name = view.removeprefix("entity_")
        return [f"agreed rows of {name} (flow {f.name})" for f in integration_map.flows.values() if f.entity == name]
    if view == "event_log":
        logs = [f"log {p.log} of process {p.name}" for p in integration_map.processes.values() if p.log]
        return logs + [f"event {e.type}" for entity in integration_map.entities.values() for e in entity.events if e.process]
    if view == "handoff":
        rules = [(p, p.handoffs) for p in integration_map.processes.values() if p.handoffs]
        return [f"handoffs of {p.name} ({r.entity or 'changes of ' + r.between})" for p, r in rules]
    if view == "change_target":
        return [
            f"change records of flow {f.name}"
            for f in integration_map.flows.values()
            if any(b.direction != "read" for b in f.bindings.values())
        ]
    if view == "completeness":
        return ["agreed rows of every entity"]
    return []
