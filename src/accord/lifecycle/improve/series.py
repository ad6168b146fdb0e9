"""Each KPI month by month, on a control chart, with its most likely change of level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from accord.measure import ALL, ChangePoint, Kpi, Measure, XmrChart, change_point, xmr_chart
from accord.measure.labels import label_of
from accord.measure.runner import POINTS

# A month with fewer observations wavers too much to be a point on a chart.
MINIMUM_OBSERVATIONS = 5


@dataclass(frozen=True)
class Series:
    """A KPI by calendar month (UTC, first day); ``chart`` and ``change`` are ``None`` when there are too few months."""

    kpi: str
    title: str
    unit: str
    better: str
    months: tuple[datetime, ...]
    values: tuple[float, ...]
    counts: tuple[int, ...]
    chart: XmrChart | None
    change: ChangePoint | None

    @property
    def improved(self) -> bool | None:
        """Whether the change of level went in the wanted direction; ``None`` without a change."""
        if self.change is None:
            return None
        return (self.change.after > self.change.before) == (self.better == "higher")


def monthly(measure: Measure, kpis: Mapping[str, Kpi]) -> tuple[Series, ...]:
    """The series of every KPI whose observations carry a time; those without any month are left out."""
    found = []
    for kpi in kpis.values():
        # The sum needs whole observations; what has no time belongs to no month.
        rows = measure.arrow(
            f"SELECT date_trunc('month', \"at\") AS month, {POINTS[kpi.aggregate]} AS value, count(*) AS n FROM ({kpi.file.query}) AS o "
            f'WHERE "at" IS NOT NULL AND {kpi.measures[0]} IS NOT NULL GROUP BY 1 HAVING count(*) >= {MINIMUM_OBSERVATIONS} ORDER BY 1'
        ).to_pylist()
        rows = [r for r in rows if r["value"] is not None]
        if rows:
            values = tuple(float(r["value"]) for r in rows)
            months, counts = tuple(r["month"] for r in rows), tuple(int(r["n"]) for r in rows)
            label = label_of(measure, kpi, ALL)
            title = f"{kpi.title} ({label})" if label else kpi.title
            found.append(Series(kpi.name, title, kpi.unit, kpi.better, months, values, counts, xmr_chart(values), change_point(values)))
    return tuple(found)
