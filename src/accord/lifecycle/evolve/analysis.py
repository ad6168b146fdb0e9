"""Everything the deliverables of step 8 show, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.evolve.contracts import ContractChange, check_contracts
from accord.lifecycle.evolve.debt import Debt, map_debt
from accord.lifecycle.evolve.growth import Growth, weekly_growth
from accord.lifecycle.evolve.replaceability import Replaceability, check_replaceability
from accord.lifecycle.evolve.soundness import Soundness, check_flows
from accord.lifecycle.judge import level_target
from accord.lifecycle.titles import flow_title, system_title
from accord.measure import open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult

_DEPENDENCIES = ("duckdb", "pyarrow", "psycopg", "sqlglot", "ruamel.yaml", "numpy", "scipy", "openpyxl")


@dataclass(frozen=True)
class EvolveAnalysis(Analysis):
    """Contracts, replaceability, soundness of flows, growth, debt and the versions it all stands on."""

    contracts: tuple[ContractChange, ...] = ()
    systems: tuple[Replaceability, ...] = ()
    flows: tuple[Soundness, ...] = ()
    growth: Growth | None = None
    debt: tuple[Debt, ...] = ()
    dependencies: tuple[tuple[str, str], ...] = ()


def analyze(ctx: StepContext) -> EvolveAnalysis:
    """Read map and log; records changed contracts and changes no system."""
    workspace = ctx.workspace
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        growth = weekly_growth(measure)
        busy = {str(r["flow"]) for r in measure.arrow("SELECT DISTINCT flow FROM change_target").to_pylist()}
    contracts = check_contracts(ctx)
    systems, debt = check_replaceability(workspace.map), map_debt(workspace.map)
    bad_versions = {c.entity for c in contracts if c.version_problem}
    flows = check_flows(workspace.store, workspace.map, now=ctx.now, carrying=busy, bad_versions=bad_versions)
    return EvolveAnalysis(
        findings=_findings(ctx, contracts, systems, flows),
        metrics=_metrics(flows, systems, growth),
        contracts=contracts,
        systems=systems,
        flows=flows,
        growth=growth,
        debt=debt,
        dependencies=tuple((name, version(name)) for name in _DEPENDENCIES),
    )


def _metrics(flows: Sequence[Soundness], systems: Sequence[Replaceability], growth: Growth) -> tuple[TargetResult, ...]:
    log = (Evidence("log", "flow.reconciled of the last 31 days, contract.recorded"), Evidence("map", "owners and contracts of flows"))
    bindings = (Evidence("map", "bindings"),)
    error = (
        Figure("forecast_error", growth.mape, "share", growth.weeks, evidence=(Evidence("query", "events a week, last eight held out"),))
        if growth.mape is not None
        else Figure("forecast_error", None, "share", not_measured=growth.reason or "too few weeks to hold eight of them out")
    )
    absorbed = Figure("adaptivity", None, "share", not_measured="no schema of a system changed in this workspace yet")
    lasting = "Flows with owner, checks, contract version and a month in agreement"
    return (
        level_target("sustainability", lasting, _share(sum(f.sound for f in flows), len(flows), "flows", log), None),
        level_target(
            "evolution_readiness",
            "Systems whose data the other systems hold in full",
            _share(sum(s.passes for s in systems), len(systems), "systems", bindings),
            None,
        ),
        level_target("adaptivity", "Schema changes absorbed without loss", absorbed, 1.0),
        level_target("forecast_error", "Error of a forecast made eight weeks ago (MAPE)", error, None),
    )


def _share(part: int, whole: int, noun: str, evidence: tuple[Evidence, ...]) -> Figure:
    if not whole:
        return Figure("share", None, "share", not_measured=f"the map has no {noun}")
    return Figure("share", part / whole, "share", whole, evidence=evidence)


def _findings(
    ctx: StepContext, contracts: Sequence[ContractChange], systems: Sequence[Replaceability], flows: Sequence[Soundness]
) -> tuple[Finding, ...]:
    integration_map = ctx.workspace.map
    findings = []
    for contract in contracts:
        if contract.compatibility == "breaking" or contract.version_problem:
            changes = "; ".join(contract.changes)
            text = f"contract of «{contract.entity}» changed ({contract.compatibility}): {changes}. {contract.version_problem}".strip()
            findings.append(Finding("contract_changed", f"entity {contract.entity}", text, count=len(contract.changes)))
    for system in systems:
        if system.only_holder_of:
            held = ", ".join(e.replace("_", " ") for e in system.only_holder_of)
            text = f"{system_title(integration_map, system.system)} is the only holder of {held}; if it is lost, so are they"
            findings.append(Finding("only_holder", f"system {system.system}", text, "info", len(system.only_holder_of)))
    for flow in flows:
        if flow.idle(ctx.now):
            since = f"{flow.first_run:%Y-%m-%d}"
            text = f"«{flow_title(integration_map, flow.flow)}» carried no change since it was first compared on {since}; is it needed?"
            findings.append(Finding("unused_flow", f"flow {flow.flow}", text, "info"))
    return tuple(findings)
