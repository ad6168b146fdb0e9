"""Map debt: what the map leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True, slots=True)
class Debt:
    """One thing the map should say and does not."""

    kind: str
    subject: str
    missing: str


def map_debt(integration_map: IntegrationMap) -> tuple[Debt, ...]:
    """Elements without owner, contract, service level, target or response."""
    rows = [Debt("system", s.name, "owner") for s in integration_map.systems.values() if not s.owner]
    rows += [Debt("flow", f.name, "owner") for f in integration_map.flows.values() if not f.owner]
    for entity in integration_map.entities.values():
        if not entity.owner:
            rows.append(Debt("entity", entity.name, "owner"))
        checked = any(f.required or f.values or f.pattern or f.references or f.minimum or f.maximum for f in entity.fields.values())
        if not checked and not entity.rules:
            rows.append(Debt("entity", entity.name, "any check in its contract"))
    for process in integration_map.processes.values():
        if not process.owner:
            rows.append(Debt("process", process.name, "owner"))
        rows += [Debt("step", f"{process.name}.{s.name}", "team") for s in process.steps.values() if not s.team]
        rows += [Debt("step", f"{process.name}.{s.name}", "service level") for s in process.steps.values() if s.sla is None]
    rows += [Debt("target", t.name, "owner") for t in integration_map.targets.values() if not t.owner]
    rows += [Debt("risk", r.name, "response") for r in integration_map.risks.values() if not r.response]
    return tuple(rows)
