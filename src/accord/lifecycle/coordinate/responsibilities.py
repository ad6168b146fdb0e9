"""Who is responsible, accountable, consulted and informed, read from owners in the map; and where that is not clear."""

from __future__ import annotations

from dataclasses import dataclass

from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True, slots=True)
class Responsibility:
    """One thing and the teams around it. ``conflict`` is empty when exactly one team is accountable."""

    kind: str
    name: str
    accountable: tuple[str, ...]
    responsible: tuple[str, ...]
    informed: tuple[str, ...]
    conflict: str


def responsibilities(integration_map: IntegrationMap) -> tuple[Responsibility, ...]:
    """RACI of systems, entities, flows and processes.

    Accountable is the declared owner. Responsible are the teams that own a system a flow writes from, or do a step. Informed are the
    owners of systems that only receive. A flow without an owner between systems of several teams has several claimants: a conflict.
    """
    rows = [_row("system", s.name, s.owner, (), ()) for s in integration_map.systems.values()]
    rows += [_row("entity", e.name, e.owner, (), ()) for e in integration_map.entities.values()]
    for flow in integration_map.flows.values():
        owners = {name: integration_map.systems[b.holder].owner for name, b in flow.bindings.items()}
        giving = tuple(sorted({owners[n] for n, b in flow.bindings.items() if b.direction != "write" and owners[n]}))
        taking = tuple(sorted({owners[n] for n, b in flow.bindings.items() if b.direction == "write" and owners[n]} - set(giving)))
        rows.append(_row("flow", flow.name, flow.owner, giving, taking))
    for process in integration_map.processes.values():
        teams = tuple(sorted({s.team for s in process.steps.values() if s.team}))
        rows.append(_row("process", process.name, process.owner, teams, ()))
    return tuple(rows)


def _row(kind: str, name: str, owner: str, responsible: tuple[str, ...], informed: tuple[str, ...]) -> Responsibility:
    conflict = ""
    if not owner:
        conflict = f"nobody is accountable; {' and '.join(responsible)} all work on it" if len(responsible) > 1 else "nobody is accountable"
    return Responsibility(kind, name, (owner,) if owner else (), responsible, informed, conflict)
