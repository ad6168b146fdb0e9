"""Words beside a figure that say what kind of evidence it stands on."""

from __future__ import annotations

from accord.measure.engine import Measure
from accord.measure.kpi import Kpi
from accord.measure.window import Window

OF_WORK = frozenset({"event_log", "handoff", "gate_result"})


def label_of(measure: Measure, kpi: Kpi, window: Window) -> str:
    """«simulated» when simulated people did all the work a figure counts, «partly simulated» when they did some of it; else empty.

    Real people who work on the same store are not told apart from simulated ones: simulate on a store of its own.
    """
    began = measure.sources.simulated() if kpi.views & OF_WORK else ()
    if not began or (window.end is not None and window.end <= min(began)):
        return ""
    return "simulated" if window.start is not None and not recorded_since(measure, kpi, window) else "partly simulated"


def recorded_since(measure: Measure, kpi: Kpi, window: Window) -> bool:
    """Whether systems recorded some of the work in a window that a KPI counts."""
    times = {"event_log": "complete_at", "handoff": "offered_at", "gate_result": '"at"'}
    own = {
        "event_log": 'seq NOT IN (SELECT seq FROM "work log")',
        "handoff": 'handoff_id NOT IN (SELECT handoff_id FROM "work handoffs")',
        "gate_result": 'gate_result_id NOT IN (SELECT gate_result_id FROM "work gates")',
    }
    if not measure.sources.work():
        return True
    for view in sorted(kpi.views & OF_WORK):
        measure.ensure([view])
        end = f" AND {times[view]} < $end" if window.end is not None else ""
        given = {"start": window.start} | ({"end": window.end} if window.end is not None else {})
        if measure.con.execute(f"SELECT 1 FROM {view} WHERE {times[view]} >= $start{end} AND {own[view]} LIMIT 1", given).fetchone():
            return True
    return False
