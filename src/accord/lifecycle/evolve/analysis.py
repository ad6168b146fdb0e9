"""Everything the deliverables of step 8 show, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.evolve.contracts import ContractChange, check_contracts
from accord.lifecycle.evolve.debt import Debt, map_debt, unused_flows
from accord.lifecycle.evolve.growth import Growth, weekly_growth
from accord.lifecycle.evolve.replaceability import Replaceability, check_replaceability
from accord.lifecycle.judge import level_target
from accord.measure import open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult

_DEPENDENCIES = ("duckdb", "pyarrow", "psycopg", "sqlglot", "ruamel.yaml", "numpy", "scipy", "openpyxl")


@dataclass(frozen=True)
class EvolveAnalysis(Analysis):
    """Contracts, replaceability, growth, debt, unused flows and the versions it all stands on."""

    contracts: tuple[ContractChange, ...] = ()
    systems: tuple[Replaceability, ...] = ()
    growth: Growth | None = None
    debt: tuple[Debt, ...] = ()
    unused: tuple[str, ...] = ()
    dependencies: tuple[tuple[str, str], ...] = ()


def analyze(ctx: StepContext) -> EvolveAnalysis:
    """Read map and log; records changed contracts and changes no system."""
    workspace = ctx.workspace
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        growth = weekly_growth(measure)
        busy = {str(r["flow"]) for r in measure.arrow("SELECT DISTINCT flow FROM change_target").to_pylist()}
    contracts = check_contracts(ctx)
    systems, debt, unused = check_replaceability(workspace.map), map_debt(workspace.map), unused_flows(workspace.map, busy)
    return EvolveAnalysis(
        findings=_findings(contracts, systems, unused),
        metrics=_metrics(ctx, systems, growth),
        contracts=contracts,
        systems=systems,
        growth=growth,
        debt=debt,
        unused=unused,
        dependencies=tuple((name, version(name)) for name in _DEPENDENCIES),
    )


def _metrics(ctx: StepContext, systems: Sequence[Replaceability], growth: Growth) -> tuple[TargetResult, ...]:
    flows = ctx.workspace.map.flows
    green: set[str] = set()
    owned = {n for n, f in flows.items() if f.owner}
    for stored in ctx.workspace.store.read(types=["flow.reconciled"]):
        body = stored.event.attributes
        agrees = all(not (p["missing"] or p["extra"] or p["different"]) for p in body["pairs"])
        (green.add if agrees else green.discard)(str(body["flow"]))
    sound = len(owned & green & set(flows))
    log = (Evidence("log", "flow.reconciled"), Evidence("map", "owners of flows"))
    sustainability = (
        Figure("sustainability", sound / len(flows), "share", len(flows), evidence=log)
        if flows
        else Figure("sustainability", None, "share", not_measured="the map has no flows")
    )
    ready = (
        Figure(
            "evolution_readiness",
            sum(s.passes for s in systems) / len(systems),
            "share",
            len(systems),
            evidence=(Evidence("map", "bindings"),),
        )
        if systems
        else Figure("evolution_readiness", None, "share", not_measured="the map has no systems")
    )
    error = (
        Figure("forecast_error", growth.mape, "share", growth.weeks, evidence=(Evidence("query", "events a week, last eight held out"),))
        if growth.mape is not None
        else Figure("forecast_error", None, "share", not_measured=growth.reason or "too few weeks to hold eight of them out")
    )
    absorbed = Figure(
        "adaptivity", None, "share", not_measured="no schema change was injected in this workspace; the test suite injects them"
    )
    return (
        level_target("sustainability", "flows with an owner that were proven to agree last", sustainability, None),
        level_target("evolution_readiness", "systems whose replacement could be filled from the others", ready, None),
        level_target("adaptivity", "schema changes absorbed without loss", absorbed, 1.0),
        level_target("forecast_error", "forecast error, back-tested", error, None),
    )


def _findings(contracts: Sequence[ContractChange], systems: Sequence[Replaceability], unused: Sequence[str]) -> tuple[Finding, ...]:
    findings = []
    for contract in contracts:
        if contract.compatibility == "breaking" or contract.version_problem:
            what = "; ".join(contract.changes)
            sentence = f"contract of '{contract.entity}' changed ({contract.compatibility}): {what}. {contract.version_problem}".strip()
            findings.append(Finding("contract_changed", f"entity {contract.entity}", sentence, count=len(contract.changes)))
    for system in systems:
        if system.only_holder_of:
            sentence = f"system '{system.system}' is the only holder of {', '.join(system.only_holder_of)}; if it is lost, so are they"
            findings.append(Finding("only_holder", f"system {system.system}", sentence, "info", len(system.only_holder_of)))
    for flow in unused:
        findings.append(Finding("unused_flow", f"flow {flow}", f"flow '{flow}' never carried a change; is it needed?", "info"))
    return tuple(findings)
