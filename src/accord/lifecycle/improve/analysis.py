"""Everything the deliverables of step 6 show, computed once from the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.improve.backlog import Opportunity, backlog
from accord.lifecycle.improve.drift import SIGNIFICANT, Drift, process_drift
from accord.lifecycle.improve.series import Series, monthly
from accord.lifecycle.judge import level_target
from accord.measure import discover_kpis, open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult, show_value

NO_IMPROVEMENTS = "the systems hold no record of an improvement that was tried"


@dataclass(frozen=True)
class ImproveAnalysis(Analysis):
    """Series with control charts, drift of the processes, and the backlog."""

    series: tuple[Series, ...] = ()
    drift: tuple[Drift, ...] = ()
    backlog: tuple[Opportunity, ...] = ()


def analyze(ctx: StepContext) -> ImproveAnalysis:
    """Read the log and the open findings; changes nothing."""
    workspace = ctx.workspace
    kpis = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        series, drift = monthly(measure, kpis), process_drift(measure)
    own = {"kpi_changed", "process_drift"}
    open_findings = [f for f in workspace.store.table("finding").to_pylist() if f["kind"] not in own]
    entries = backlog(open_findings, workspace.map)
    return ImproveAnalysis(
        findings=_findings(series, drift), metrics=_metrics(series, entries), series=series, drift=drift, backlog=entries
    )


def _findings(series: Sequence[Series], drift: Sequence[Drift]) -> tuple[Finding, ...]:
    findings = []
    for item in series:
        if item.change is not None:
            month = item.months[item.change.index].strftime("%B %Y")
            before, after = show_value(item.change.before, item.unit), show_value(item.change.after, item.unit)
            word, severity = ("for the better", "info") if item.improved else ("for the worse", "warning")
            sentence = f"KPI '{item.title}' changed {word} in {month}: from {before} to {after} (confidence {item.change.confidence:.0%})"
            findings.append(Finding("kpi_changed", f"KPI {item.kpi}", sentence, "info" if severity == "info" else "warning"))
    for process in drift:
        if process.p_value is not None and process.p_value < SIGNIFICANT:
            what = f"{process.moved} (p = {process.p_value:.2g})"
            sentence = f"process '{process.process}' is done differently in the second half of its history: {what}"
            findings.append(Finding("process_drift", f"process {process.process}", sentence, count=process.cases))
    return tuple(findings)


def _metrics(series: Sequence[Series], entries: Sequence[Opportunity]) -> tuple[TargetResult, ...]:
    charted = [s for s in series if s.chart is not None]
    signals = sum(len(s.chart.signals) for s in charted if s.chart is not None)
    points = sum(len(s.values) for s in charted)
    evidence = (Evidence("query", "monthly values of every KPI"),)
    rate = (
        Figure("signals", signals / points, "share", points, evidence=evidence)
        if points
        else Figure("signals", None, "share", not_measured="no KPI has three months of history")
    )
    return (
        level_target("opportunity_precision", "opportunities confirmed by an impact test", _none("opportunity_precision", "share"), 0.95),
        level_target("signals", "monthly KPI values outside their control limits or in a run of eight", rate, None),
        level_target("value", "measured gain × unit value − cost", _none("value", ""), None),
        level_target(
            "backlog",
            "opportunities in the backlog",
            Figure("backlog", float(len(entries)), "count", evidence=(Evidence("log", "open findings"),)),
            None,
        ),
    )


def _none(name: str, unit: str) -> Figure:
    return Figure(name, None, unit, not_measured=NO_IMPROVEMENTS)
