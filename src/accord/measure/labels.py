"""Words beside a figure that say what kind of evidence it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accord.measure.carried_out import AFTER_ALL_RULES
from accord.measure.engine import Measure
from accord.measure.kpi import Kpi
from accord.measure.window import Window

_OWN = frozenset({"work_instance", "work_step", "work_time", "work_alert"})  # nothing but what Accord carried out
OF_WORK = frozenset({"event_log", "handoff", "gate_result"}) | _OWN
_ORIGINS = "SELECT process, bool_or(seq < $own) AS recorded FROM event_log GROUP BY process HAVING bool_or(seq >= $own) ORDER BY process"


def label_of(measure: Measure, kpi: Kpi, window: Window) -> str:
    """«simulated» when simulated people did all the work a figure counts, «partly simulated» when they did some of it; else empty.

    Real people who work on the same store are not told apart from simulated ones: simulate on a store of its own.
    """
    began = measure.sources.simulated() if kpi.views & OF_WORK else ()
    if not began or (window.end is not None and window.end <= min(began)):
        return ""
    if not kpi.views & (OF_WORK - _OWN):
        return "simulated"
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
    for view in sorted(kpi.views & (OF_WORK - _OWN)):
        measure.ensure([view])
        end = f" AND {times[view]} < $end" if window.end is not None else ""
        given = {"start": window.start} | ({"end": window.end} if window.end is not None else {})
        if measure.con.execute(f"SELECT 1 FROM {view} WHERE {times[view]} >= $start{end} AND {own[view]} LIMIT 1", given).fetchone():
            return True
    return False


def work_labels(measure: Measure) -> dict[str, str]:
    """Process: «simulated» when simulated people did all the work its history shows, «partly simulated» when they did some of it.

    Processes without simulated work are left out.
    """
    if not measure.sources.simulated() or not measure.sources.work():
        return {}
    rows = measure.arrow(_ORIGINS, {"own": AFTER_ALL_RULES}).to_pylist()
    return {str(row["process"]): "partly simulated" if row["recorded"] else "simulated" for row in rows}


def label_of_all(labels: Mapping[str, str], processes: Iterable[str]) -> str:
    """The word beside what counts the work of several processes together.

    Args:
        labels: as ``work_labels`` gives them.
        processes: whose work is counted.
    """
    found = {labels.get(process, "") for process in processes}
    return "simulated" if found == {"simulated"} else "partly simulated" if found - {""} else ""
