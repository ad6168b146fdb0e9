"""Charts: plain data in, a picture with title, description, table twin and Vega-Lite declaration out."""

from accord.report.charts.bars import Bar, bar_chart
from accord.report.charts.kpi_targets import KpiRow, kpi_row, kpi_targets_chart
from accord.report.charts.matrix import HandoffCell, PairAgreement, compatibility_matrix, handoff_matrix
from accord.report.charts.trend import TrendPoint, trend_chart

__all__ = [
    "Bar",
    "HandoffCell",
    "KpiRow",
    "PairAgreement",
    "TrendPoint",
    "bar_chart",
    "compatibility_matrix",
    "handoff_matrix",
    "kpi_row",
    "kpi_targets_chart",
    "trend_chart",
]
