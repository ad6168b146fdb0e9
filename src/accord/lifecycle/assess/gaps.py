"""What the map requires against what stands: resources, columns, permissions, owners, contracts, service levels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from accord.lifecycle.assess.status import SystemStatus
from accord.model.errors import nearest
from accord.model.figure import Evidence, Finding
from accord.model.flow import Binding
from accord.model.integration_map import IntegrationMap
from accord.sync.mapping.fields import mapped_columns


@dataclass(frozen=True)
class Gap:
    """One required item that is not there; ``kind`` groups them, ``todo`` closes it."""

    kind: str
    subject: str
    missing: str
    todo: str
    owner: str = ""
    severity: str = "warning"


@dataclass(frozen=True)
class GapAnalysis:
    """The gaps, and how many items were looked at."""

    gaps: tuple[Gap, ...]
    required: int


def find_gaps(integration_map: IntegrationMap, statuses: Sequence[SystemStatus], known_kpis: Collection[str]) -> GapAnalysis:
    """Compare what the map asks for with what the systems expose and what the map itself says.

    Systems that could not be reached are left out: they are reported as unreachable.
    """
    checked = [
        *_resources(integration_map, statuses),
        *_columns(integration_map, statuses),
        *_fields(integration_map),
        *_declared(integration_map),
        *_steps(integration_map),
        *_goals(integration_map, known_kpis),
    ]
    return GapAnalysis(tuple(g for g in checked if g is not None), len(checked))


def _resources(integration_map: IntegrationMap, statuses: Sequence[SystemStatus]) -> Iterator[Gap | None]:
    for status in statuses:
        if status.description is None:
            continue
        system = status.system
        exposed = [r.name for r in status.description.resources]
        for name in system.required:
            near = nearest(name, exposed)
            todo = f"expose it, or correct the name{f' (did you mean {near}?)' if near else ''}"
            yield (
                None
                if name in exposed
                else Gap(
                    "missing_resource", f"{system.name}/{name}", "the resource is required and not there", todo, system.owner, "problem"
                )
            )


def _columns(integration_map: IntegrationMap, statuses: Sequence[SystemStatus]) -> Iterator[Gap | None]:
    described = {s.system.name: s.description for s in statuses}
    for flow in integration_map.flows.values():
        for binding in flow.bindings.values():
            description = described.get(binding.holder)
            if description is None:
                continue
            owner = integration_map.systems[binding.holder].owner
            place = f"{binding.holder}/{binding.resource}"
            resource = description.resource(binding.resource)
            if resource is None:
                lost = not binding.create
                todo = f"flow '{flow.name}' needs it: create it, or set `create: true`"
                yield Gap("missing_resource", place, "the resource is not there", todo, owner, "problem") if lost else None
                continue
            names = [c.name for c in resource.columns]
            for field, mapping in binding.fields.items():
                for column in mapped_columns(mapping):
                    near = nearest(column, names)
                    todo = f"correct the mapping of '{field}' in flow '{flow.name}'" + (f"; did you mean '{near}'?" if near else "")
                    lost = column not in names
                    yield (
                        Gap("missing_column", f"{place}.{column}", "the column is mapped and not there", todo, owner, "problem")
                        if lost
                        else None
                    )
            blocked = binding.direction != "read" and not resource.writable
            todo = "grant the permission, or set `direction: read`"
            yield Gap("not_writable", place, f"flow '{flow.name}' writes here and may not", todo, owner, "problem") if blocked else None
            yield _key_gap(integration_map, binding, flow.entity, resource.key, place, owner)


def _key_gap(
    integration_map: IntegrationMap, binding: Binding, entity: str, declared: tuple[str, ...], place: str, owner: str
) -> Gap | None:
    wanted = {(binding.fields[k].column or k) for k in integration_map.entities[entity].key if k in binding.fields}
    wanted = {binding.own_key} if binding.own_key else wanted
    if not declared or set(declared) == wanted:
        return None
    what = f"its own key is {', '.join(declared)}, the {'binding' if binding.own_key else 'entity'}'s is {', '.join(sorted(wanted))}"
    todo = "make the latter unique in the system, or duplicates can be written"
    return Gap("key_not_enforced", place, what, todo, owner, "info")


def _fields(integration_map: IntegrationMap) -> Iterator[Gap | None]:
    for flow in integration_map.flows.values():
        entity = integration_map.entities[flow.entity]
        for name, declared in entity.fields.items():
            if declared.required:
                sources = [b.name for b in flow.bindings.values() if b.direction != "write" and name in b.fields]
                todo = "map it in at least one binding that is read"
                lost = not sources
                yield (
                    Gap("unmapped_field", f"{flow.name}.{name}", "no system provides this required field", todo, flow.owner, "problem")
                    if lost
                    else None
                )


def _declared(integration_map: IntegrationMap) -> Iterator[Gap | None]:
    for system in integration_map.systems.values():
        yield _owner("system", system.name, system.owner)
    for entity in integration_map.entities.values():
        yield _owner("entity", entity.name, entity.owner)
        checks = any(f.required or f.values or f.pattern or f.minimum or f.maximum or f.references for f in entity.fields.values())
        lost = not checks and not entity.rules
        todo = "give its fields checks; `accord design` proposes them"
        yield Gap("no_contract", f"entity {entity.name}", "nothing says what a good row is", todo, entity.owner) if lost else None
    for flow in integration_map.flows.values():
        yield _owner("flow", flow.name, flow.owner)
    for process in integration_map.processes.values():
        yield _owner("process", process.name, process.owner)


def _owner(noun: str, name: str, owner: str) -> Gap | None:
    return None if owner else Gap("no_owner", f"{noun} {name}", "nobody answers for it", "name a team as `owner`")


def _steps(integration_map: IntegrationMap) -> Iterator[Gap | None]:
    for process in integration_map.processes.values():
        for step in process.steps.values():
            place = f"{process.name}.{step.name}"
            yield None if step.team else Gap("no_team", place, "no team does this step", "name its `team`", process.owner)
            timed = step.sla is not None or step.kind in ("decision", "subprocess")
            yield None if timed else Gap("no_sla", place, "no time is agreed for this step", "agree on an `sla`", process.owner)
        lost = process.handoffs is None
        todo = "say with `handoffs` where its handoffs are read from"
        yield Gap("no_handoffs", process.name, "its handoffs cannot be timed", todo, process.owner) if lost else None


def _goals(integration_map: IntegrationMap, known_kpis: Collection[str]) -> Iterator[Gap | None]:
    for target in integration_map.targets.values():
        near = nearest(target.kpi, known_kpis)
        todo = "add the KPI's .sql file" + (f", or correct the name; did you mean '{near}'?" if near else "")
        known = target.kpi in known_kpis
        yield (
            None
            if known
            else Gap("unknown_kpi", f"target {target.name}", f"no KPI is called '{target.kpi}'", todo, target.owner, "problem")
        )
    for objective in integration_map.objectives.values():
        lost = not objective.kpis
        yield Gap("no_kpi", f"objective {objective.name}", "no KPI shows it", "name its `kpis`", objective.owner) if lost else None
    for risk in integration_map.risks.values():
        lost = not risk.indicator
        yield Gap("no_indicator", f"risk {risk.name}", "nothing shows it coming", "name a KPI as `indicator`", risk.owner) if lost else None


def gap_findings(analysis: GapAnalysis) -> tuple[Finding, ...]:
    """One finding for each gap that stops something, and one for each kind of the others."""
    found = [
        Finding(
            g.kind,
            g.subject,
            f"{g.subject}: {g.missing}. To do: {g.todo}.",
            "problem",
            owner=g.owner,
            evidence=(Evidence("scan", g.subject),),
        )
        for g in analysis.gaps
        if g.severity == "problem"
    ]
    grouped: dict[str, list[Gap]] = {}
    for gap in analysis.gaps:
        if gap.severity != "problem":
            grouped.setdefault(gap.kind, []).append(gap)
    for kind, gaps in grouped.items():
        severity = "info" if all(g.severity == "info" for g in gaps) else "warning"
        sentence = f"{len(gaps)} items: {gaps[0].missing}. To do: {gaps[0].todo}."
        examples = tuple(g.subject for g in gaps[:5])
        found.append(Finding(kind, "map", sentence, severity, len(gaps), examples, evidence=(Evidence("map", "all sections"),)))  # type: ignore[arg-type]
    return tuple(found)
