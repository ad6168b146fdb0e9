"""Who is responsible, accountable and informed, read from owners in the map; and where that is not clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accord.model.integration_map import IntegrationMap

Conflict = Literal["", "nobody", "two owners", "steps without a team"]


@dataclass(frozen=True, slots=True)
class Responsibility:
    """One thing and the teams around it, by name.

    ``conflict`` is empty when exactly one team is accountable: «nobody» is; «two owners»: the flow and the entity it carries answer to
    different teams, the second of ``accountable`` being the entity's; «steps without a team»: nobody does the steps in ``missing``.
    """

    kind: str
    name: str
    accountable: tuple[str, ...]
    responsible: tuple[str, ...]
    informed: tuple[str, ...]
    conflict: Conflict = ""
    missing: tuple[str, ...] = ()


def responsibilities(integration_map: IntegrationMap) -> tuple[Responsibility, ...]:
    """RACI of systems, entities, flows and processes.

    Accountable is the declared owner. Responsible are the teams that own a system a flow reads from, or do a step. Informed are the
    owners of systems that only receive.
    """
    rows = [_row("system", s.name, s.owner) for s in integration_map.systems.values()]
    rows += [_row("entity", e.name, e.owner) for e in integration_map.entities.values()]
    for flow in integration_map.flows.values():
        owners = {name: integration_map.systems[b.holder].owner for name, b in flow.bindings.items()}
        giving = tuple(sorted({owners[n] for n, b in flow.bindings.items() if b.direction != "write" and owners[n]}))
        taking = tuple(sorted({owners[n] for n, b in flow.bindings.items() if b.direction == "write" and owners[n]} - set(giving)))
        of_entity = integration_map.entities[flow.entity].owner
        rows.append(_row("flow", flow.name, flow.owner, giving, taking, second=of_entity))
    for process in integration_map.processes.values():
        teams = tuple(sorted({s.team for s in process.steps.values() if s.team}))
        missing = tuple(s.name for s in process.steps.values() if not s.team)
        rows.append(_row("process", process.name, process.owner, teams, missing=missing))
    return tuple(rows)


def _row(
    kind: str,
    name: str,
    owner: str,
    responsible: tuple[str, ...] = (),
    informed: tuple[str, ...] = (),
    *,
    second: str = "",
    missing: tuple[str, ...] = (),
) -> Responsibility:
    accountable = tuple(dict.fromkeys(t for t in (owner, second if owner else "") if t))
    conflict: Conflict = ""
    if not owner:
        conflict = "nobody"
    elif len(accountable) > 1:
        conflict = "two owners"
    elif missing:
        conflict = "steps without a team"
    return Responsibility(kind, name, accountable, responsible, informed, conflict, missing)
