"""Deliverable: every KPI with its standard, its value and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.model.figure import TargetResult
from accord.model.goals import Target
from accord.report.charts.kpi_targets import KpiRow, kpi_targets_chart
from accord.report.document import Block, Document, Figures, Section, Targets


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """The scorecard: targets first, then every KPI as a whole and by its dimensions."""
    targets: list[Block] = [Targets(analysis.targets)]
    if analysis.targets:
        targets.append(kpi_targets_chart(_rows(ctx, analysis.targets)))
    sections = (
        Section("Success", (Targets(analysis.metrics),)),
        Section("KPI against target", tuple(targets)),
        Section("All KPIs", (Figures(analysis.whole),)),
        Section("By dimension", (Figures(tuple(k for k in analysis.kpis if k.dims)),)),
    )
    return Document("excellence-framework", "Excellence framework", "benchmark", sections, analysis.summary, analysis.metrics)


def _rows(ctx: StepContext, results: Sequence[TargetResult]) -> list[KpiRow]:
    rows = []
    for result in results:
        target = ctx.workspace.map.targets[result.target]
        figure = result.value
        baseline = result.baseline.value if result.baseline else None
        rows.append(
            KpiRow(
                title=result.title or result.target,
                value=figure.value,
                unit=figure.unit,
                low=figure.low,
                high=figure.high,
                target=_goal(target, baseline),
                better="lower" if target.at_most is not None or target.reduce_by is not None else "higher",
                baseline=baseline,
                verdict=result.verdict,
                not_measured=figure.not_measured,
            )
        )
    return rows


def _goal(target: Target, baseline: float | None) -> float | None:
    """The level to reach: as declared, or the baseline moved by the wanted change."""
    if target.at_least is not None or target.at_most is not None:
        return target.at_least if target.at_least is not None else target.at_most
    if baseline is None:
        return None
    return baseline * (1 + target.improve_by) if target.improve_by is not None else baseline * (1 - (target.reduce_by or 0.0))
