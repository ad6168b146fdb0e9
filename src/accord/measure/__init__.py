"""What happened: event logs in, standard views, KPIs with intervals, baselines, targets, control charts and process mining."""

from __future__ import annotations

from accord.measure.baseline import Baseline, Change, compare, freeze_baseline, load_baseline
from accord.measure.control import ChangePoint, XmrChart, change_point, xmr_chart
from accord.measure.discovery import known_kpis
from accord.measure.engine import Measure, open_measure
from accord.measure.kpi import Kpi, discover_kpis, kpi_folders, load_kpi, load_kpis
from accord.measure.logs import BadRow, ImportResult, declared_log, import_log, import_logs, read_mapping
from accord.measure.runner import kpi_events, measure_kpi, measure_kpis, measure_since_golive
from accord.measure.targets import judge_targets
from accord.measure.window import ALL, Window, named_window

__all__ = [
    "ALL",
    "BadRow",
    "Baseline",
    "Change",
    "ChangePoint",
    "ImportResult",
    "Kpi",
    "Measure",
    "Window",
    "XmrChart",
    "change_point",
    "compare",
    "declared_log",
    "discover_kpis",
    "freeze_baseline",
    "import_log",
    "import_logs",
    "judge_targets",
    "known_kpis",
    "kpi_events",
    "kpi_folders",
    "load_baseline",
    "load_kpi",
    "load_kpis",
    "measure_kpi",
    "measure_kpis",
    "measure_since_golive",
    "named_window",
    "open_measure",
    "read_mapping",
    "xmr_chart",
]
