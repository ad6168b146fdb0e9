"""Deliverable: every KPI with its standard, its value and its verdict."""

from __future__ import annotations

from dataclasses import replace

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import the_rest, titled
from accord.model.figure import Figure, TargetResult, show_value
from accord.model.goals import Target
from accord.report.charts.kpi_targets import KpiRow, kpi_row, kpi_targets_chart
from accord.report.document import Block, Document, Figures, Paragraph, Section, Targets

_SHOWN = 30


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The scorecard: targets first, then every KPI as a whole and by its dimensions."""
    declared = ctx.workspace.map.targets
    targets: list[Block] = [Paragraph("The map declares no targets; `targets:` names the level a KPI must reach.", "note")]
    if analysis.targets:
        targets = [kpi_targets_chart([target_row(t, declared.get(t.target)) for t in analysis.targets]), Targets(analysis.targets)]
    groups = _groups(analysis.kpis)
    by_group: list[Block] = [Figures(tuple(titled(ctx.workspace.map, k) for k in groups[:_SHOWN]))]
    if rest := the_rest(_SHOWN, len(groups), "group"):
        by_group.append(Paragraph(rest, "note"))
    sections = [Section("KPI against target", tuple(targets)), Section("All KPIs", (Figures(analysis.whole),))]
    if analysis.since:
        told = (Paragraph(analysis.assumed, "note"),) if analysis.assumed else ()
        sections.append(Section("Work since go-live", (Figures(analysis.since), *told)))
    if groups:
        sections.append(Section("By team, flow and channel", tuple(by_group)))
    return Document("excellence-framework", "Excellence framework", "benchmark", tuple(sections), analysis.summary, analysis.metrics)


def _groups(kpis: tuple[Figure, ...]) -> list[Figure]:
    """The breakdown of each KPI by the fewest dimensions it has, those with a value."""
    fewest: dict[str, int] = {}
    for kpi in kpis:
        if kpi.dims:
            fewest[kpi.name] = min(len(kpi.dims), fewest.get(kpi.name, len(kpi.dims)))
    return [k for k in kpis if k.dims and k.value is not None and len(k.dims) == fewest[k.name]]


def target_row(result: TargetResult, target: Target | None) -> KpiRow:
    """A target's row in the chart.

    A change against the baseline is a share; the value before is in the KPI's own unit and has no place on that scale, so the row shows
    the wanted change and leaves the value before to the table.
    """
    if target is None or (target.improve_by is None and target.reduce_by is None):
        return kpi_row(result, target)
    row = kpi_row(replace(result, baseline=None), None)
    wanted = target.improve_by if target.improve_by is not None else target.reduce_by
    words = f"{'+' if target.improve_by is not None else '−'}{show_value(wanted or 0.0, 'share')}"
    return replace(row, target=wanted, words=words)
