"""What optimizing brought so far: utilization and efficiency since go-live against the frozen baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accord.lifecycle.context import StepContext
from accord.lifecycle.judge import level_target
from accord.measure import Kpi, judge_targets, open_measure
from accord.model.figure import Figure, TargetResult
from accord.model.goals import Target

NO_PLANNER = "Solvers and simulation come with a later release. Until then nothing is proposed, because nothing is proposed unsimulated."

_UTILIZATION, _EFFICIENCY, _SERVICE = "utilization_improvement", "process_efficiency", "service"


def realized_gains(ctx: StepContext, kpis: Mapping[str, Kpi]) -> tuple[TargetResult, ...]:
    """The step's four success metrics.

    Utilization counts only at equal or better service: when handoffs are accepted in time significantly less often than before, more
    utilization is no improvement.

    Source:
        step 4 of the lifecycle; change against the baseline by F18.
    """
    titles = {
        _UTILIZATION: "More hours booked per hour of capacity, at equal or better service",
        _EFFICIENCY: "More accepted work per paid hour",
        _SERVICE: "Handoffs accepted in time",
    }
    wanted = (
        Target(_UTILIZATION, "utilisation", titles[_UTILIZATION], improve_by=0.2),
        Target(_EFFICIENCY, "operations_efficiency", titles[_EFFICIENCY], improve_by=0.4),
        Target(_SERVICE, "on_time_share", titles[_SERVICE], improve_by=0.0),
    )
    workspace = ctx.workspace
    with open_measure(replace(workspace.map, targets={t.name: t for t in wanted}), workspace.store, now=ctx.now) as measure:
        judged = {r.target: r for r in judge_targets(measure, kpis)}
    for name in (_UTILIZATION, _EFFICIENCY):
        kpi = next(t.kpi for t in wanted if t.name == name)
        if kpi not in kpis:
            why = f"no KPI '{kpi}' applies to this map"
            judged[name] = replace(judged[name], value=Figure(kpi, None, "share", not_measured=why))
    utilization, service = judged[_UTILIZATION], judged[_SERVICE]
    if utilization.value.value is not None and service.value.high is not None and service.value.high < 0:
        worse = f"service got worse: {service.value.show()} of handoffs accepted in time"
        utilization = replace(utilization, verdict="not met", note="; ".join(filter(None, (worse, utilization.note))))
    return (
        utilization,
        judged[_EFFICIENCY],
        level_target("simulated_gain_error", "Simulated against realized gain", _none("no proposal was simulated"), None),
        level_target("solver_gap", "Solver gap to its bound", _none("no solver ran"), None),
    )


def _none(reason: str) -> Figure:
    return Figure("none", None, "share", not_measured=reason)
