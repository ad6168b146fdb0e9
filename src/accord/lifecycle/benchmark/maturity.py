"""Maturity 1 to 5 per area, from evidence that can be checked and from nothing else.

Source: the idea of levels by evidence is CMMI's; the checks are F20 and the eight steps' own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.lifecycle.context import StepContext
from accord.lifecycle.standing import standing_findings
from accord.lifecycle.titles import counted
from accord.model.figure import Figure, TargetResult, show_value
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a level, with what was found."""

    sentence: str
    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Maturity:
    """An area's level: 1, and one more for each check passed before the first that is not."""

    area: str
    checks: tuple[Check, ...]

    @property
    def level(self) -> int:
        """1 (nothing proven) to 5 (all four checks in their order)."""
        passed = 0
        for check in self.checks:
            if not check.passed:
                break
            passed += 1
        return 1 + passed


def assess_maturity(ctx: StepContext, kpis: Sequence[Figure], targets: Sequence[TargetResult]) -> tuple[Maturity, ...]:
    """The five areas, each with its four checks in order."""
    return (
        _integration(ctx, kpis),
        _data(ctx, kpis),
        _process(ctx.workspace.map, kpis),
        _measurement(ctx, kpis, targets),
        _governance(ctx, kpis),
    )


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def _worst(kpis: Sequence[Figure], name: str) -> float | None:
    """The lower end of a KPI's interval, as its target is judged; the value where it has none."""
    figure = next((k for k in kpis if k.name == name and not k.dims), None)
    if figure is None:
        return None
    return figure.low if figure.low is not None else figure.value


def _bound(value: float | None) -> str:
    return "not measured" if value is None else f"lower bound {show_value(value, 'share')}"


def _shown(value: float | None) -> str:
    return "not measured" if value is None else show_value(value, "share")


def _value(kpis: Sequence[Figure], name: str) -> float | None:
    return next((k.value for k in kpis if k.name == name and not k.dims), None)


def _integration(ctx: StepContext, kpis: Sequence[Figure]) -> Maturity:
    flows = ctx.workspace.map.flows
    ran, proven = set(), set()
    for stored in ctx.workspace.store.read(types=["flow.run_finished", "flow.reconciled"]):
        attributes = stored.event.attributes
        if stored.event.type == "flow.run_finished":
            ran.add(attributes["flow"])
        elif all(not (p["missing"] or p["extra"] or p["different"]) for p in attributes["pairs"]):
            proven.add(attributes["flow"])
        else:
            proven.discard(attributes["flow"])
    sync = _worst(kpis, "sync_success")
    return Maturity(
        "Integration",
        (
            Check("flows are declared", bool(flows), f"{counted(len(flows), 'flow')} in the map"),
            Check("every flow has run", bool(flows) and ran >= set(flows), _share(len(ran & set(flows)), len(flows))),
            Check("every flow is proven to agree", bool(flows) and proven >= set(flows), _share(len(proven & set(flows)), len(flows))),
            Check(
                "strict synchronization success is 95 % or more, with its whole interval",
                sync is not None and sync >= 0.95,
                _bound(sync),
            ),
        ),
    )


def _data(ctx: StepContext, kpis: Sequence[Figure]) -> Maturity:
    entities = ctx.workspace.map.entities.values()
    owned = sum(bool(e.owner) for e in entities)
    checked = sum(
        any(f.required or f.values or f.pattern or f.references or f.minimum or f.maximum for f in e.fields.values()) or bool(e.rules)
        for e in entities
    )
    completeness = _value(kpis, "completeness")
    # A missed target is no problem of the data, and a difference that was settled since is none any more.
    standing = standing_findings(ctx.workspace.store, ctx.workspace.map)
    open_problems = sum(r["severity"] == "problem" and r["kind"] != "target_missed" for r in standing)
    return Maturity(
        "Data quality",
        (
            Check("every entity has a contract", bool(entities) and checked == len(entities), _share(checked, len(entities))),
            Check("every entity has an owner", bool(entities) and owned == len(entities), _share(owned, len(entities))),
            Check(
                "completeness is 98 % or more",
                completeness is not None and completeness >= 0.98,
                _shown(completeness),
            ),
            Check("no problem of the data is open", open_problems == 0, counted(open_problems, "open problem")),
        ),
    )


def _process(integration_map: IntegrationMap, kpis: Sequence[Figure]) -> Maturity:
    steps = [s for p in integration_map.processes.values() for s in p.steps.values()]
    complete = sum(bool(s.team) and s.sla is not None for s in steps)
    handoff = _value(kpis, "handoff_time")
    effective = _worst(kpis, "coordination_effectiveness")
    return Maturity(
        "Process",
        (
            Check(
                "processes are declared", bool(integration_map.processes), counted(len(integration_map.processes), "process", "processes")
            ),
            Check("handoffs are measured", handoff is not None, "not measured" if handoff is None else f"median {handoff:.1f} h"),
            Check("every step has a team and a service level", bool(steps) and complete == len(steps), _share(complete, len(steps))),
            Check(
                "coordination effectiveness is 90 % or more, with its whole interval",
                effective is not None and effective >= 0.9,
                _bound(effective),
            ),
        ),
    )


def _measurement(ctx: StepContext, kpis: Sequence[Figure], targets: Sequence[TargetResult]) -> Maturity:
    whole = [k for k in kpis if not k.dims]
    measured = [k for k in whole if k.value is not None]
    # A plain count was counted whole: there is nothing an interval could say.
    measured_by_sample = [k for k in measured if k.unit != "count"]
    with_interval = sum(k.low is not None for k in measured_by_sample)
    baselines = ctx.workspace.store.table("baseline").num_rows
    judged = sum(t.verdict not in ("not measured", "too little data") for t in targets)
    return Maturity(
        "Measurement",
        (
            Check(
                "at least half of the KPIs have a value", bool(whole) and 2 * len(measured) >= len(whole), _share(len(measured), len(whole))
            ),
            Check(
                "every measured KPI has an interval",
                bool(measured_by_sample) and with_interval == len(measured_by_sample),
                _share(with_interval, len(measured_by_sample)),
            ),
            Check("a baseline is frozen", baselines > 0, counted(baselines, "baseline")),
            Check("every target could be judged", bool(targets) and judged == len(targets), _share(judged, len(targets))),
        ),
    )


def _governance(ctx: StepContext, kpis: Sequence[Figure]) -> Maturity:
    integration_map = ctx.workspace.map
    owned = [s.owner for s in integration_map.systems.values()] + [f.owner for f in integration_map.flows.values()]
    owned += [e.owner for e in integration_map.entities.values()] + [p.owner for p in integration_map.processes.values()]
    with_owner = sum(map(bool, owned))
    measured = {k.name for k in kpis if k.value is not None}
    risks = integration_map.risks.values()
    live = sum(r.indicator in measured for r in risks)
    return Maturity(
        "Governance",
        (
            Check(
                "systems, flows, entities and processes have owners",
                bool(owned) and with_owner == len(owned),
                _share(with_owner, len(owned)),
            ),
            Check("reviews are scheduled", bool(integration_map.reviews), counted(len(integration_map.reviews), "review")),
            Check("every risk has a live indicator", bool(risks) and live == len(risks), _share(live, len(risks))),
            Check("the map is approved", integration_map.status == "approved", f"status {integration_map.status}"),
        ),
    )
