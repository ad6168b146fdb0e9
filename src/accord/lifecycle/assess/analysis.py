"""Everything the assessment computes, once; the deliverables only tell it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.lifecycle.assess.agreement import Systematic, compare_systems
from accord.lifecycle.assess.architecture import Architecture, architecture_findings, describe_architecture
from accord.lifecycle.assess.baseline import precise_share
from accord.lifecycle.assess.compatibility import Pair, evaluate_pairs
from accord.lifecycle.assess.data_quality import check_contracts, check_rules
from accord.lifecycle.assess.defects import create_table, defects, findings
from accord.lifecycle.assess.gaps import GapAnalysis, find_gaps, gap_findings
from accord.lifecycle.assess.observed import record_observed
from accord.lifecycle.assess.opportunities import Opportunity, find_opportunities
from accord.lifecycle.assess.reread import Reread, read_again
from accord.lifecycle.assess.status import SystemStatus, ask_systems, unreachable_findings
from accord.lifecycle.assess.workflow import ProcessFacts, evaluate_processes, handoff_defects
from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.judge import level_target
from accord.lifecycle.observe import Observation, observe
from accord.measure import Kpi, Measure, discover_kpis, freeze_baseline, load_baseline, measure_kpis, open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True)
class AssessAnalysis(Analysis):
    """What step 1 found.

    Args:
        systems: each declared system as found.
        defects: every defect with kind, entity, flow, system, resource, key, field, column and detail.
        systematic: differences nearly all rows show, which the map explains.
        pairs: systems sharing an entity, and how far they agree.
        architecture: the graph of systems and flows.
        gaps: what the map asks for and is not there.
        processes: each process as it ran.
        baseline: every KPI, overall: the frozen values where a baseline is frozen, else those of now.
        frozen: name, window and hash of the frozen baseline, empty when none is.
        opportunities: where something is to be gained.
        reread: the sample that was read again.
        rows: rows of each (system, resource) that is bound.
    """

    systems: tuple[SystemStatus, ...] = ()
    defects: pa.Table = field(default_factory=lambda: pa.table({}))
    systematic: tuple[Systematic, ...] = ()
    pairs: tuple[Pair, ...] = ()
    architecture: Architecture | None = None
    gaps: GapAnalysis = field(default_factory=lambda: GapAnalysis((), 0))
    processes: tuple[ProcessFacts, ...] = ()
    baseline: tuple[Figure, ...] = ()
    frozen: tuple[str, ...] = ()
    opportunities: tuple[Opportunity, ...] = ()
    reread: Reread = field(default_factory=lambda: Reread(0, 0, ()))
    rows: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Systems that did not answer; the command line ends with exit code 3 when there are any."""
        return tuple(s.system.name for s in self.systems if not s.reachable)


def analyze(ctx: StepContext) -> AssessAnalysis:
    """Assess systems, data, agreement, architecture, gaps, processes and KPIs. Changes no system."""
    workspace = ctx.workspace
    integration_map, connectors = workspace.map, workspace.connectors()
    systems = ask_systems(integration_map, connectors, ctx.progress)
    kpis = {n: k for n, k in discover_kpis(integration_map).items() if k.applies_to(integration_map)}
    with borrowed_duck() as con:
        observed = observe(integration_map, connectors, con, workspace.store, now=ctx.now)
        create_table(con)
        check_contracts(observed)
        systematic = compare_systems(observed, integration_map)
        check_rules(observed)
        pairs = evaluate_pairs(observed, integration_map, systems)
        record_observed(observed, workspace.store, run=ctx.run, now=ctx.now)
        with open_measure(integration_map, workspace.store, now=ctx.now) as measure:
            processes = evaluate_processes(measure, integration_map)
            handoff_defects(measure, integration_map, con)
            baseline, frozen = _baseline(ctx, measure, kpis, complete=all(s.reachable for s in systems) and not observed.unread)
        reread = read_again(observed, integration_map, connectors, workspace.store, now=ctx.now)
        table = defects(con)
        rows = {(b.system, b.binding.resource): b.rows for b in observed.bound}
        unread = _unread(observed, systems)
    architecture = describe_architecture(integration_map)
    gaps = find_gaps(integration_map, systems, kpis)
    data_findings = findings(table, integration_map, rows)
    every = (
        *unreachable_findings(systems),
        *unread,
        *data_findings,
        *gap_findings(gaps),
        *architecture_findings(architecture, integration_map),
    )
    return AssessAnalysis(
        findings=every,
        metrics=_metrics(integration_map, systems, pairs, reread, baseline, table),
        systems=systems,
        defects=table,
        systematic=systematic,
        pairs=pairs,
        architecture=architecture,
        gaps=gaps,
        processes=processes,
        baseline=baseline,
        frozen=frozen,
        opportunities=find_opportunities(processes, data_findings, systematic, integration_map),
        reread=reread,
        rows=rows,
    )


def _baseline(ctx: StepContext, measure: Measure, kpis: dict[str, Kpi], *, complete: bool) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The frozen baseline, frozen now if it never was; not while a system is missing, because it would lack that system for good."""
    name = str(ctx.options.get("baseline") or "baseline")
    if not complete and load_baseline(ctx.workspace.store, name) is None:
        return tuple(measure_kpis(measure, kpis, breakdown=False)), ()
    frozen = freeze_baseline(measure, kpis, run=ctx.run, name=name)
    # By name and without the run it was frozen in, which the event keeps: the first run must say what every later one will.
    figures = tuple(_without_run(frozen.figures[n]) for n in sorted(frozen.figures))
    return figures, (frozen.name, frozen.window, frozen.hash)


def _without_run(figure: Figure) -> Figure:
    return replace(figure, evidence=tuple(replace(e, detail=e.detail.partition("; run ")[0]) for e in figure.evidence))


def _unread(observed: Observation, systems: tuple[SystemStatus, ...]) -> tuple[Finding, ...]:
    """Resources that could not be read although their system answers."""
    reachable = {s.system.name: s.system for s in systems if s.reachable}
    return tuple(
        Finding(
            "unreadable",
            f"{system}/{resource}",
            reason,
            "problem",
            owner=reachable[system].owner,
            evidence=(Evidence("scan", f"{system}/{resource}"),),
        )
        for (system, resource), reason in observed.unread.items()
        if system in reachable
    )


def _metrics(
    integration_map: IntegrationMap,
    systems: tuple[SystemStatus, ...],
    pairs: tuple[Pair, ...],
    reread: Reread,
    baseline: tuple[Figure, ...],
    table: pa.Table,
) -> tuple[TargetResult, ...]:
    scan = (Evidence("scan", "all declared systems"),)
    declared = len(systems) + len(integration_map.processes) + len(integration_map.flows)
    answered = {s.system.name for s in systems if s.reachable}
    flows = sum(all(b.holder in answered for b in f.bindings.values()) for f in integration_map.flows.values())
    assessed = len(answered) + flows + len(integration_map.processes)
    evaluated = sum(not p.reason for p in pairs)
    return (
        level_target(
            "completeness",
            "Completeness: assessed items of declared systems, flows and processes",
            _share("completeness", assessed, declared, "the map declares nothing", scan),
            1.0,
        ),
        level_target(
            "accuracy",
            "Accuracy: recorded facts that a second reading confirms",
            _share("accuracy", reread.confirmed, reread.sampled, "nothing could be read", scan),
            1.0,
        ),
        level_target(
            "thoroughness",
            "Thoroughness: evaluated pairs of systems sharing an entity",
            _share("thoroughness", evaluated, len(pairs), "no two systems share an entity", scan),
            1.0,
        ),
        level_target(
            "opportunity_identification",
            "Opportunity identification: known defects that were found",
            Figure(
                "opportunity_identification",
                None,
                "share",
                not_measured="which defects there are is known only for reference organizations, and checked in their tests; "
                f"{table.num_rows:,} were found here",
            ),
            0.95,
        ),
        level_target(
            "baseline_precision", "Baseline precision: KPIs whose interval is within 5 % of the value", precise_share(baseline), 1.0
        ),
    )


def _share(name: str, part: int, whole: int, why: str, evidence: tuple[Evidence, ...]) -> Figure:
    return Figure(name, part / whole if whole else None, "share", whole or None, evidence=evidence, not_measured="" if whole else why)
