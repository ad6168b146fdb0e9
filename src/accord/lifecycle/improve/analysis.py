"""Everything the deliverables of step 6 show, computed once from the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.improve.backlog import Opportunity, backlog
from accord.lifecycle.improve.drift import SIGNIFICANT, Drift, process_drift
from accord.lifecycle.improve.series import Series, monthly
from accord.lifecycle.improve.tried import Tried, tried_changes
from accord.lifecycle.judge import level_target
from accord.lifecycle.standing import standing_findings
from accord.lifecycle.titles import counted, marked, process_title
from accord.measure import discover_kpis, open_measure
from accord.measure.labels import work_labels
from accord.model.figure import Evidence, Figure, Finding, TargetResult, show_value
from accord.model.integration_map import IntegrationMap

NO_IMPROVEMENTS = "no improvement was tried in this workspace yet"


@dataclass(frozen=True)
class ImproveAnalysis(Analysis):
    """Series with control charts, drift of the processes, and the backlog; ``labels`` names the processes with simulated work."""

    series: tuple[Series, ...] = ()
    drift: tuple[Drift, ...] = ()
    backlog: tuple[Opportunity, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tried: tuple[Tried, ...] = ()


def analyze(ctx: StepContext) -> ImproveAnalysis:
    """Read the log and the open findings; changes nothing."""
    workspace = ctx.workspace
    kpis = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        series, drift, labels = monthly(measure, kpis), process_drift(measure), work_labels(measure)
        tried = tried_changes(measure)
    entries = backlog(standing_findings(workspace.store, workspace.map))
    return ImproveAnalysis(
        findings=_findings(workspace.map, series, drift, labels),
        metrics=_metrics(series, entries, tried),
        series=series,
        drift=drift,
        backlog=entries,
        labels=labels,
        tried=tried,
    )


def _findings(
    integration_map: IntegrationMap, series: Sequence[Series], drift: Sequence[Drift], labels: Mapping[str, str]
) -> tuple[Finding, ...]:
    findings = []
    for item in series:
        if item.change is not None:
            month = item.months[item.change.index].strftime("%B %Y")
            before, after = show_value(item.change.before, item.unit), show_value(item.change.after, item.unit)
            word = "for the better" if item.improved else "for the worse"
            text = f"«{item.title}» changed {word} in {month}: from {before} to {after} (confidence {item.change.confidence:.0%})"
            findings.append(Finding("kpi_changed", f"KPI {item.kpi}", text, "info" if item.improved else "warning"))
    for process in drift:
        if process.p_value is not None and process.p_value < SIGNIFICANT:
            title = process_title(integration_map, process.process)
            text = f"{title}: cases go other ways in the second half of the history; {process.moved} (p = {process.p_value:.2g})"
            text = marked(text, labels.get(process.process, ""))
            findings.append(Finding("process_drift", f"process {process.process}", text, count=process.cases))
    return tuple(findings)


def _metrics(series: Sequence[Series], entries: Sequence[Opportunity], tried: Sequence[Tried]) -> tuple[TargetResult, ...]:
    charted = [s for s in series if s.chart is not None]
    signals = sum(len(s.chart.signals) for s in charted if s.chart is not None)
    points = sum(len(s.values) for s in charted)
    evidence = (Evidence("query", "monthly values of every KPI"),)
    rate = (
        Figure("signals", signals / points, "share", points, evidence=evidence)
        if points
        else Figure("signals", None, "share", not_measured="no KPI has three months of history")
    )
    known = "the true times of changes are not known in these systems, so neither delay nor false alarms can be counted"
    entry = Figure("backlog", float(len(entries)), "count", evidence=(Evidence("log", "standing findings"),))
    confirmed = _none(NO_IMPROVEMENTS, "share")
    enough = [t for t in tried if t.verdict != "too little data"]
    if tried and not enough:
        confirmed = _none(f"{counted(len(tried), 'change')} measured, all with too little data", "share")
    if enough:
        share = sum(t.verdict == "better" for t in enough) / len(enough)
        word = "simulated" if any(t.simulated for t in enough) else ""
        confirmed = Figure("confirmed", share, "share", len(enough), evidence=(Evidence("query", "work_step: measure_change"),), label=word)
    return (
        level_target("opportunity_precision", "Opportunities confirmed by an impact test", confirmed, 0.95),
        level_target("signals", "Monthly KPI values beyond their limits or in a run of eight", rate, None),
        level_target("detection_delay", "Delay and false alarms of change detection", _none(known, "d"), None),
        level_target("value", "Measured gain × unit value − cost", _none("there is no measured gain to price", ""), None),
        level_target("backlog", "Opportunities in the backlog", entry, None),
    )


def _none(reason: str, unit: str) -> Figure:
    return Figure("none", None, unit, not_measured=reason)
