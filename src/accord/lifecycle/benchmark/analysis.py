"""Measures every KPI, judges every target, and records both; the deliverables show what is found here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accord.lifecycle.benchmark.maturity import Maturity, assess_maturity
from accord.lifecycle.benchmark.references import Reference, load_references, percentile
from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.judge import level_target
from accord.lifecycle.scoreboard import target_to
from accord.lifecycle.titles import counted, verdicts
from accord.measure import Kpi, discover_kpis, judge_targets, kpi_events, measure_kpis, measure_since_golive, open_measure
from accord.model.event import ObjectRef, content_event
from accord.model.figure import Evidence, Figure, Finding, TargetResult, figure_from

SOURCE = "lifecycle.benchmark"


@dataclass(frozen=True)
class History:
    """What an earlier run measured: every KPI as a whole, by name."""

    at: datetime
    figures: dict[str, Figure]


@dataclass(frozen=True)
class BenchmarkAnalysis(Analysis):
    """All KPIs as measured now, all targets as judged, positions, maturity and the values before.

    ``since`` are the KPIs of work since go-live, where there was work before too; ``assumed`` says what simulated people were assumed to
    do, when there are any. ``history`` is the last earlier measurement that gave another value; ``None`` when there is none.
    """

    kpis: tuple[Figure, ...] = ()
    targets: tuple[TargetResult, ...] = ()
    references: tuple[Reference, ...] = ()
    positions: tuple[Figure, ...] = ()
    maturity: tuple[Maturity, ...] = ()
    history: History | None = None
    since: tuple[Figure, ...] = ()
    assumed: str = ""

    @property
    def whole(self) -> tuple[Figure, ...]:
        """The KPIs without their breakdown."""
        return tuple(k for k in self.kpis if not k.dims)

    @property
    def summary(self) -> str:
        """One sentence for the top of the page."""
        measured = sum(k.value is not None for k in self.whole)
        return (
            f"{measured} of {counted(len(self.whole), 'KPI')} {'is' if len(self.whole) == 1 else 'are'} measured. {verdicts(self.targets)}"
        )


def analyze(ctx: StepContext) -> BenchmarkAnalysis:
    """Measure, judge, place and record."""
    workspace = ctx.workspace
    definitions = {n: k for n, k in discover_kpis(workspace.map).items() if k.applies_to(workspace.map)}
    with open_measure(workspace.map, workspace.store, now=ctx.now) as measure:
        kpis = measure_kpis(measure, definitions, run=ctx.run)
        since = measure_since_golive(measure, definitions, run=ctx.run)
        targets = judge_targets(measure, definitions, run=ctx.run)
    _record(ctx, [*kpis, *since], targets, definitions)
    references = load_references(workspace.map_folder)
    whole = [k for k in kpis if not k.dims]
    positions = tuple(percentile(k, references, higher_is_better=definitions[k.name].better == "higher") for k in whole)
    maturity = assess_maturity(ctx, kpis, targets)
    return BenchmarkAnalysis(
        findings=_findings(ctx, targets),
        metrics=_metrics(whole, targets, positions, maturity),
        kpis=tuple(kpis),
        targets=tuple(targets),
        references=references,
        positions=positions,
        maturity=maturity,
        history=_history(ctx, whole),
        since=tuple(since),
        assumed=_assumed(ctx),
    )


def _assumed(ctx: StepContext) -> str:
    """What simulated people were assumed to do, in words; empty without any."""
    told = []
    for stored in ctx.workspace.store.read(types=["work.simulated"]):
        body = stored.event.attributes
        given = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(body["assumed"].items()))
        told.append(
            f"Simulated people from {str(body['since'])[:10]} on, {body['campaigns']} campaigns, seed {body['seed']}; assumed: {given}."
        )
    return " ".join(told)


def _metrics(
    whole: Sequence[Figure], targets: Sequence[TargetResult], positions: Sequence[Figure], maturity: Sequence[Maturity]
) -> tuple[TargetResult, ...]:
    log = (Evidence("log", "target.judged and kpi.measured of this run"),)
    judged = [t for t in targets if t.verdict in ("met", "indicated", "not met")]
    met = sum(t.verdict == "met" for t in judged)
    rate = (
        Figure("excellence_rate", met / len(judged), "share", len(judged), evidence=log)
        if judged
        else Figure("excellence_rate", None, "share", not_measured="no target could be judged")
    )
    known = [p.value for p in positions if p.value is not None]
    position = (
        Figure("position", statistics.median(known), "share", len(known), evidence=log)
        if known
        else Figure("position", None, "share", not_measured="no reference values are declared beside the map")
    )
    coverage = (
        Figure("kpi_coverage", sum(k.value is not None for k in whole) / len(whole), "share", len(whole), evidence=log)
        if whole
        else Figure("kpi_coverage", None, "share", not_measured="no KPI applies to this map")
    )
    lowest = Figure("maturity", float(min(m.level for m in maturity)), evidence=log)
    areas = ", ".join(f"{m.area.lower()} {m.level}" for m in maturity)
    return (
        level_target("excellence_rate", "Targets met of those that could be judged", rate, None),
        level_target("kpi_coverage", "KPIs with a value", coverage, None),
        level_target("maturity", "Maturity of the least mature area, 1 to 5", lowest, None, note=areas),
        level_target("position", "Median share of reference values equalled or beaten", position, None),
    )


def _findings(ctx: StepContext, targets: Sequence[TargetResult]) -> tuple[Finding, ...]:
    findings = []
    for result in targets:
        if result.verdict != "not met":
            continue
        owner = ctx.workspace.map.targets[result.target].owner
        text = f"target «{result.title or result.target}» is missed: {result.value.show()}, wanted {result.wanted}"
        findings.append(Finding("target_missed", result.target, text, "problem", owner=owner))
    return tuple(findings)


def _history(ctx: StepContext, whole: Sequence[Figure]) -> History | None:
    """The last earlier measurement of this workspace in which some KPI had another value than now.

    Measurements that gave the same are passed over, so that a run on unchanged inputs says the same as the one before.
    """
    now = {k.name: (k.value, k.low, k.high, k.n) for k in whole}
    runs: dict[str, History] = {}
    for stored in ctx.workspace.store.read(types=["kpi.measured"]):
        event = stored.event
        run = str(event.attributes["run"])
        if event.source == SOURCE and run != ctx.run and not event.attributes["dims"]:
            figure = figure_from(event.attributes["figure"])
            runs.setdefault(run, History(event.time, {})).figures[figure.name] = figure
    for earlier in reversed(runs.values()):
        if {n: (f.value, f.low, f.high, f.n) for n, f in earlier.figures.items()} != now:
            return earlier
    return None


def _record(ctx: StepContext, kpis: Sequence[Figure], targets: Sequence[TargetResult], definitions: dict[str, Kpi]) -> None:
    events = kpi_events(kpis, definitions, map_hash=ctx.workspace.map.content_hash, run=ctx.run, now=ctx.now, source=SOURCE)
    for result in targets:
        body = target_to(result) | {"run": ctx.run, "covers": list(ctx.workspace.map.targets[result.target].covers)}
        about = ObjectRef("target", result.target)
        events.append(content_event("target.judged", body, about, run=ctx.run, now=ctx.now, source=SOURCE))
    if events:
        ctx.workspace.store.append(events)
