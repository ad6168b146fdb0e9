"""The frozen «before»: a window's observations of each KPI, kept under a hash; and change against it (F18)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from accord.measure.engine import Measure
from accord.measure.intervals import Sample, percentile_interval, replicates
from accord.measure.kpi import Kpi
from accord.measure.runner import overall
from accord.measure.window import Window, named_window
from accord.model.event import Event, ObjectRef
from accord.model.figure import Evidence, Figure, Verdict
from accord.store import Store

CLUSTERS_NEEDED = 30
_SCHEMA = pa.schema([("kpi", pa.string()), ("cluster", pa.int64()), ("value", pa.float64()), ("weight", pa.float64())])


@dataclass(frozen=True)
class Baseline:
    """A frozen baseline as the log holds it; figures by KPI, observations read from its segment when asked for.

    ``hash`` covers window, queries and every observation: equal hashes are equal baselines.
    """

    name: str
    window: str
    hash: str
    figures: Mapping[str, Figure]
    segment: str
    frozen_at: datetime
    store: Store

    @cached_property
    def _observations(self) -> pa.Table:
        return pq.read_table(self.store.read_segment(self.segment))

    def sample(self, kpi: str) -> Sample | None:
        """The observations of a KPI; ``None`` when it had none."""
        if kpi not in self.figures or self.figures[kpi].value is None:
            return None
        rows = self._observations.filter(pc.equal(self._observations["kpi"], kpi))
        weight = rows["weight"].to_numpy()
        return Sample(rows["cluster"].to_numpy(), rows["value"].to_numpy(), None if np.isnan(weight).any() else weight)


def freeze_baseline(
    measure: Measure, kpis: Mapping[str, Kpi], *, run: str, name: str = "baseline", window: Window | None = None
) -> Baseline:
    """Measure all KPIs in a window and keep values and observations for good; a baseline that stands is given back as it is.

    Args:
        measure: the opened views; its ``now`` is the time of freezing.
        kpis: the KPIs to keep.
        run: the run it is frozen in.
        name: of the baseline; another window needs another name.
        window: default: all before the map's go-live, or everything when it names none.
    """
    store = measure.sources.store
    standing = load_baseline(store, name)
    if standing is not None:
        return standing
    chosen = window or named_window("before_golive", golive=measure.map.golive, now=measure.now)
    parts, figures = [], {}
    for kpi in kpis.values():
        figures[kpi.name], observed = overall(measure, kpi, chosen, run)
        if observed is not None:
            parts.append(_rows(kpi.name, observed.sample))
    segment = store.write_segment(pa.concat_tables(parts) if parts else _SCHEMA.empty_table())
    kept = {n: _kept(f, kpis[n]) for n, f in figures.items()}
    identity = {"window": str(chosen), "segment": segment.sha, "queries": {n: k.file.sha for n, k in sorted(kpis.items())}}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    body = {"name": name, "window": str(chosen), "hash": digest, "sha": segment.sha, "kpis": kept, "run": run}
    store.append([Event(f"baseline:{name}", "baseline.frozen", measure.now, "measure", body, (ObjectRef("baseline", name),))])
    return Baseline(name, str(chosen), digest, figures, segment.sha, measure.now, store)


def _rows(kpi: str, sample: Sample) -> pa.Table:
    weight = np.full(sample.value.size, np.nan) if sample.weight is None else sample.weight
    return pa.table({"kpi": [kpi] * sample.value.size, "cluster": sample.cluster, "value": sample.value, "weight": weight}, schema=_SCHEMA)


def _kept(figure: Figure, kpi: Kpi) -> dict[str, Any]:
    fields = ("value", "unit", "n", "low", "high", "title", "not_measured")
    return {f: getattr(figure, f) for f in fields} | {
        "query": kpi.file.sha,
        "evidence": [[e.kind, e.reference, e.detail] for e in figure.evidence],
    }


def load_baseline(store: Store, name: str = "baseline") -> Baseline | None:
    """The frozen baseline of that name, or ``None``."""
    for stored in store.read(types=["baseline.frozen"], object=ObjectRef("baseline", name)):
        body = stored.event.attributes
        figures = {n: _figure(n, dict(kept)) for n, kept in body["kpis"].items()}
        return Baseline(name, body["window"], body["hash"], figures, body["sha"], stored.event.time, store)
    return None


def _figure(name: str, kept: dict[str, Any]) -> Figure:
    kept.pop("query")
    return Figure(name, **(kept | {"evidence": tuple(Evidence(*parts) for parts in kept["evidence"])}))


@dataclass(frozen=True, slots=True)
class Change:
    """A relative change with its 95 % interval: 0.4 is 40 % up for ``improve``, 40 % down for ``reduce``."""

    value: float
    low: float
    high: float
    clusters_before: int
    clusters_after: int

    def verdict(self, wanted: float) -> Verdict:
        """The status of F18: met when the whole interval reaches the goal, indicated when only the point does."""
        if min(self.clusters_before, self.clusters_after) < CLUSTERS_NEEDED:
            return "too little data"
        if self.low >= wanted:
            return "met"
        return "indicated" if self.value >= wanted else "not met"


def compare(before: Sample, after: Sample, aggregate: str, *, reduce: bool) -> Change | None:
    """Change between two windows by a cluster bootstrap that draws both independently; ``None`` when the baseline is 0.

    Improvement is after / before - 1, reduction 1 - after / before.

    Args:
        before: observations of the baseline.
        after: observations since.
        aggregate: of the KPI.
        reduce: whether less is the goal.

    Source:
        F18 of the marketing-operations specification: B = 1000, whole clusters, 95 %.
    """
    kind = "ratio" if aggregate in ("mean", "ratio", "sum_ratio") else aggregate
    base, now = _point(before, aggregate), _point(after, aggregate)
    if base == 0:
        return None
    sign = -1.0 if reduce else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = sign * (replicates(after, kind, seed=1) / replicates(before, kind, seed=0) - 1)
    ends = percentile_interval(draws)
    value = sign * (now / base - 1)
    low, high = ends if ends is not None else (value, value)
    return Change(value, low, high, before.clusters, after.clusters)


def _point(sample: Sample, aggregate: str) -> float:
    if aggregate in ("median", "p90"):
        return float(np.quantile(sample.value, 0.5 if aggregate == "median" else 0.9))
    weight = float(sample.value.size) if sample.weight is None else float(np.sum(sample.weight))
    return float(np.sum(sample.value)) / weight
