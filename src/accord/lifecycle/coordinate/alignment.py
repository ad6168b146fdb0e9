"""From objective to KPI to process to flow: what holds together, and where the chain has a hole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True, slots=True)
class Alignment:
    """One objective with what stands for it; ``holes`` says in words what is missing."""

    objective: str
    title: str
    owner: str
    measured: tuple[str, ...]
    unmeasured: tuple[str, ...]
    processes: tuple[str, ...]
    flows: tuple[str, ...]
    holes: tuple[str, ...]
    owned: tuple[str, ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether a KPI of it has a value and a process of it has an owner, as the metric of step 5 asks."""
        return bool(self.measured and self.owned)


def align(integration_map: IntegrationMap, measured_kpis: Collection[str]) -> tuple[Alignment, ...]:
    """Each objective with its KPIs, its owning processes and the flows that feed them.

    A flow feeds a process when it carries the process's case, its handoffs, or an entity whose events are the process's steps.

    Args:
        integration_map: the map.
        measured_kpis: KPIs that have a value now.
    """
    rows = []
    for objective in integration_map.objectives.values():
        measured = tuple(k for k in objective.kpis if k in measured_kpis)
        owned = tuple(p for p in objective.processes if integration_map.processes[p].owner)
        flows = sorted({f for p in objective.processes for f in flows_of(integration_map, p)})
        holes = []
        if not objective.kpis:
            holes.append("no KPI shows it")
        elif not measured:
            holes.append("none of its KPIs has a value")
        if not objective.processes:
            holes.append("no process brings it about")
        elif not owned:
            holes.append("none of its processes has an owner")
        elif not flows:
            holes.append("no flow feeds its processes")
        if not objective.owner:
            holes.append("nobody answers for it")
        rows.append(
            Alignment(
                objective.name,
                objective.title or objective.name,
                objective.owner,
                measured,
                tuple(k for k in objective.kpis if k not in measured_kpis),
                objective.processes,
                tuple(flows),
                tuple(holes),
                owned,
            )
        )
    return tuple(rows)


def flows_of(integration_map: IntegrationMap, process: str) -> set[str]:
    """The flows that carry a process's case, its handoffs or the entities whose events are its steps."""
    declared = integration_map.processes[process]
    entities = {declared.case} if declared.case else set()
    if declared.handoffs is not None and declared.handoffs.entity:
        entities.add(declared.handoffs.entity)
    entities |= {e.name for e in integration_map.entities.values() if any(rule.process == process for rule in e.events)}
    return {flow.name for flow in integration_map.flows.values() if flow.entity in entities}
