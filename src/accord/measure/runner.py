"""Runs KPI files: observations, window, aggregate, interval, breakdown, evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from accord.connectors.types import quote
from accord.measure.engine import Measure
from accord.measure.intervals import Sample, percentile_interval, replicates, wilson
from accord.measure.kpi import Kpi
from accord.measure.labels import OF_WORK, label_of
from accord.measure.window import ALL, Window, named_window
from accord.model.errors import MapError, Place
from accord.model.event import Event, ObjectRef, content_event
from accord.model.figure import Evidence, Figure, figure_to

_OBSERVATIONS = "kpi_observation"
Dims = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """A group of observations of a KPI: the point the engine computed in SQL, and the sample behind it."""

    dims: Dims
    value: float
    n: int
    sample: Sample

    def interval(self, kpi: Kpi) -> tuple[float, float] | None:
        """The 95 % interval, or ``None`` where one cluster alone cannot show how much varies."""
        sample = self.sample
        if kpi.aggregate == "count":
            return None
        yes_or_no = sample.weight is not None and bool(np.all(sample.weight == 1) and np.all((sample.value == 0) | (sample.value == 1)))
        if kpi.aggregate == "ratio" and yes_or_no and sample.clusters == self.n:
            return wilson(float(sample.value.sum()), self.n)
        if sample.clusters < 2:
            return None
        if kpi.aggregate == "ratio" and yes_or_no and self.value in (0.0, 1.0):
            # Where all answers are equal every draw is too; the clusters still are only so many.
            return wilson(self.value * sample.clusters, sample.clusters)
        return percentile_interval(replicates(sample, "ratio" if kpi.aggregate in ("mean", "ratio", "sum_ratio") else kpi.aggregate))


def observe(measure: Measure, kpi: Kpi, window: Window, *, breakdown: bool = True) -> tuple[list[Observed], str]:
    """The observations of a KPI in a window: overall first, then by each of its dims; and, when there are none, why.

    Raises:
        MapError: the query does not run on the standard views or lacks a column; with file and line.
    """
    missing = [
        v.removeprefix("entity_")
        for v in sorted(kpi.views)
        if v.startswith("entity_") and v.removeprefix("entity_") not in measure.map.entities
    ]
    if missing:
        return [], f"the map has no entity '{missing[0]}'"
    measure.ensure(sorted(kpi.views))
    con = measure.con
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_OBSERVATIONS} AS {kpi.file.query}")
    except duckdb.Error as error:
        raise _misfit(kpi, str(error)) from error
    _check_columns(con, kpi)
    _keep_window(con, kpi, window)
    groups: list[tuple[str, ...]] = [(), *(kpi.dims if breakdown else ())]
    try:
        found = [observed for group in groups for observed in _observed(con, kpi, group)]
    except duckdb.Error as error:
        raise _misfit(kpi, str(error)) from error
    finally:
        con.execute(f"DROP TABLE {_OBSERVATIONS}")
    if found:
        return found, ""
    empty = measure.empty_view(sorted(kpi.views))
    if empty:
        return [], empty
    if window != ALL:
        return [], f"no observation in the window {window}"
    return [], f"no row has what it needs: {kpi.needs}" if kpi.needs else "no row meets the conditions of the query"


def _misfit(kpi: Kpi, message: str) -> MapError:
    lines = message.splitlines()
    within = next((line for line in lines if line.startswith("LINE ")), "")
    number = within[5:].split(":")[0]
    # The engine puts one line of its own before the query, so that DuckDB's first line is the query's first.
    line = kpi.file.query_line + (int(number) - 1 if number.isdigit() else 0)
    return MapError(f"KPI '{kpi.name}' does not run: {lines[0]}", place=Place(str(kpi.file.path), line))


def _check_columns(con: duckdb.DuckDBPyConnection, kpi: Kpi) -> None:
    there = {str(row[0]) for row in con.execute(f"DESCRIBE {_OBSERVATIONS}").fetchall()}
    wanted = ("cluster", "at", *kpi.measures, *(d for group in kpi.dims for d in group))
    lacking = [name for name in wanted if name not in there]
    if lacking:
        raise MapError(
            f"KPI '{kpi.name}' gives no column '{lacking[0]}'.",
            place=kpi.file.place(),
            expected=f"Expected the columns {', '.join(wanted)}; found {', '.join(sorted(there))}.",
        )


def _keep_window(con: duckdb.DuckDBPyConnection, kpi: Kpi, window: Window) -> None:
    if window.start is not None:
        con.execute(f'DELETE FROM {_OBSERVATIONS} WHERE "at" IS NULL OR "at" < ?', [window.start])
    if window.end is not None:
        con.execute(f'DELETE FROM {_OBSERVATIONS} WHERE "at" IS NULL OR "at" >= ?', [window.end])
    value = kpi.measures[0]
    # A value that is missing, or a share of nothing, is no observation.
    con.execute(f"DELETE FROM {_OBSERVATIONS} WHERE {quote(value)} IS NULL OR NOT isfinite(CAST({quote(value)} AS DOUBLE))")
    if len(kpi.measures) == 2:
        con.execute(f"DELETE FROM {_OBSERVATIONS} WHERE denominator IS NULL OR denominator = 0")


def _observed(con: duckdb.DuckDBPyConnection, kpi: Kpi, group: tuple[str, ...]) -> Iterable[Observed]:
    dims = [f"coalesce(CAST({quote(d)} AS VARCHAR), '')" for d in group]
    keys = "".join(f", {d}" for d in dims)
    by = f"GROUP BY {', '.join(dims)} ORDER BY {', '.join(dims)}" if dims else "HAVING count(*) > 0"
    points = con.execute(f"SELECT {POINTS[kpi.aggregate]}, count(*){keys} FROM {_OBSERVATIONS} {by}").fetchall()
    if not points:
        return
    columns = ", ".join(f"CAST({quote(m)} AS DOUBLE) AS {quote(m)}" for m in kpi.measures)
    window = f"OVER (PARTITION BY {', '.join(dims)} ORDER BY cluster)" if dims else "OVER (ORDER BY cluster)"
    order = ", ".join([*dims, "cluster", *kpi.measures])
    rows = con.execute(f"SELECT dense_rank() {window} - 1 AS cluster_number, {columns} FROM {_OBSERVATIONS} ORDER BY {order}").fetchnumpy()
    start = 0
    for value, n, *labels in points:
        part = slice(start, start + n)
        start += n
        weight = np.asarray(rows["denominator"][part]) if "denominator" in rows else None
        sample = Sample(np.asarray(rows["cluster_number"][part], dtype=np.int64), np.asarray(rows[kpi.measures[0]][part]), weight)
        yield Observed(tuple(zip(group, labels, strict=True)), float(value), int(n), sample)


_RATIO = "sum(CAST(numerator AS DOUBLE) ORDER BY cluster, numerator) / sum(CAST(denominator AS DOUBLE) ORDER BY cluster, denominator)"
# Sums run in a fixed order, so that equal observations give the same last digit.
POINTS: Mapping[str, str] = {
    "median": "quantile_cont(CAST(value AS DOUBLE), 0.5)",
    "p90": "quantile_cont(CAST(value AS DOUBLE), 0.9)",
    "mean": "avg(CAST(value AS DOUBLE) ORDER BY cluster, value)",
    "ratio": _RATIO,
    "sum_ratio": _RATIO,
    "count": "sum(CAST(value AS DOUBLE) ORDER BY cluster, value)",
}


def measure_kpi(measure: Measure, kpi: Kpi, *, window: Window | None = None, run: str = "", breakdown: bool = True) -> list[Figure]:
    """The figures of one KPI: overall first, then one for each combination of its dims.

    Args:
        measure: the opened views.
        kpi: what to measure.
        window: the time that counts; default: the one in the KPI's header.
        run: the run it is measured in, for the evidence.
        breakdown: whether to give the figures by dims too.

    Returns:
        At least one figure; without any observation, one that says why there is no number.

    Raises:
        MapError: the query does not run; with file and line.
    """
    chosen = window or named_window(kpi.window, golive=measure.map.golive, now=measure.now)
    found, reason = observe(measure, kpi, chosen, breakdown=breakdown)
    evidence = (evidence_of(kpi, chosen, run),)
    if not found:
        return [Figure(kpi.name, None, kpi.unit, title=kpi.title, evidence=evidence, not_measured=reason)]
    label = label_of(measure, kpi, chosen)
    return [_figure(kpi, observed, evidence, label) for observed in found]


def overall(measure: Measure, kpi: Kpi, window: Window, run: str = "") -> tuple[Figure, Observed | None]:
    """The figure of a KPI without breakdown, and the observations behind it (``None`` when it was not measured)."""
    found, reason = observe(measure, kpi, window, breakdown=False)
    evidence = (evidence_of(kpi, window, run),)
    if not found:
        return Figure(kpi.name, None, kpi.unit, title=kpi.title, evidence=evidence, not_measured=reason), None
    return _figure(kpi, found[0], evidence, label_of(measure, kpi, window)), found[0]


def evidence_of(kpi: Kpi, window: Window, run: str = "") -> Evidence:
    """Which query, in which version, on which window and in which run."""
    folder = kpi.file.path.parent.parent.name
    detail = f"sha256:{kpi.file.sha[:16]}; window {window}" + (f"; run {run}" if run else "")
    return Evidence("query", f"{folder}/kpis/{kpi.file.path.name}", detail)


def _figure(kpi: Kpi, observed: Observed, evidence: tuple[Evidence, ...], label: str) -> Figure:
    low, high = observed.interval(kpi) or (None, None)
    value, n, dims = observed.value, observed.n, observed.dims
    return Figure(kpi.name, value, kpi.unit, n=n, low=low, high=high, title=kpi.title, dims=dims, evidence=evidence, label=label)


def measure_since_golive(measure: Measure, kpis: Mapping[str, Kpi], *, run: str = "") -> list[Figure]:
    """The figures of work since go-live, where a KPI counts all times and some of it lies before: the whole would hide the change.

    They carry the dimension ``window``, so that they stand beside the figure of all times and not in its place.
    """
    if not measure.map.golive:
        return []
    turn, found = named_window("since_golive", golive=measure.map.golive, now=measure.now), []
    before = named_window("before_golive", golive=measure.map.golive, now=measure.now)
    for kpi in kpis.values():
        if kpi.window != ALL.name or not kpi.views & OF_WORK:
            continue
        if observe(measure, kpi, before, breakdown=False)[0]:
            since = overall(measure, kpi, turn, run)[0]
            if since.value is not None:
                found.append(replace(since, dims=(("window", f"since {measure.map.golive}"),)))
    return found


def measure_kpis(
    measure: Measure,
    kpis: Mapping[str, Kpi] | Iterable[Kpi],
    *,
    window: Window | None = None,
    run: str = "",
    breakdown: bool = True,
) -> list[Figure]:
    """The figures of several KPIs, see ``measure_kpi``."""
    chosen = kpis.values() if isinstance(kpis, Mapping) else kpis
    return [figure for kpi in chosen for figure in measure_kpi(measure, kpi, window=window, run=run, breakdown=breakdown)]


def kpi_events(
    figures: Iterable[Figure], kpis: Mapping[str, Kpi], *, map_hash: str, run: str, now: datetime, source: str = "measure"
) -> list[Event]:
    """One ``kpi.measured`` event per figure, ready to append; repeating them in the same run is harmless."""
    return [_event(figure, kpis[figure.name], map_hash, run, now, source) for figure in figures]


def _event(figure: Figure, kpi: Kpi, map_hash: str, run: str, now: datetime, source: str) -> Event:
    attributes: dict[str, Any] = {
        "kpi": figure.name,
        "dims": dict(figure.dims),
        "window": kpi.window,
        "value": figure.value,
        "unit": figure.unit,
        "n": figure.n,
        "low": figure.low,
        "high": figure.high,
        "not_measured": figure.not_measured,
        "evidence": [e.reference for e in figure.evidence],
        "map_hash": map_hash,
        "run": run,
        "covers": list(kpi.covers),
        "figure": figure_to(figure),
    }
    return content_event("kpi.measured", attributes, ObjectRef("kpi", figure.name), run=run, now=now, source=source)
