"""The standard views: the only inputs of a KPI. One file is one view."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accord.measure.sources import Sources, View
from accord.measure.views import (
    change_target,
    check_result,
    clock,
    completeness,
    entity,
    event_log,
    gate_result,
    handoff,
    review,
    work_alert,
    work_instance,
    work_step,
    work_time,
)

STANDARD_VIEWS: Mapping[str, tuple[Mapping[str, str], Callable[[Sources], View]]] = {
    "event_log": (event_log.COLUMNS, event_log.build),
    "handoff": (handoff.COLUMNS, handoff.build),
    "gate_result": (gate_result.COLUMNS, gate_result.build),
    "change_target": (change_target.COLUMNS, change_target.build),
    "completeness": (completeness.COLUMNS, completeness.build),
    "check_result": (check_result.COLUMNS, check_result.build),
    "review": (review.COLUMNS, review.build),
    "work_instance": (work_instance.COLUMNS, work_instance.build),
    "work_step": (work_step.COLUMNS, work_step.build),
    "work_time": (work_time.COLUMNS, work_time.build),
    "work_alert": (work_alert.COLUMNS, work_alert.build),
    "clock": (clock.COLUMNS, clock.build),
}


def build_view(name: str, sources: Sources) -> View:
    """The view of that name: a standard one, or ``entity_<name>`` of the map."""
    if name in STANDARD_VIEWS:
        return STANDARD_VIEWS[name][1](sources)
    return entity.build(name.removeprefix("entity_"), sources)


__all__ = ["STANDARD_VIEWS", "build_view"]
