"""Holds targets against what was measured: levels on their interval, changes against the frozen baseline."""

from __future__ import annotations

from collections.abc import Mapping

from accord.measure.baseline import CLUSTERS_NEEDED, Baseline, compare, load_baseline
from accord.measure.engine import Measure
from accord.measure.intervals import Sample
from accord.measure.kpi import Kpi
from accord.measure.labels import OF_WORK
from accord.measure.runner import Observed, evidence_of, overall
from accord.measure.window import ALL, named_window
from accord.model.figure import Figure, TargetResult, Verdict, show_gap, show_value
from accord.model.goals import Target

CEILING = 0.80  # a share above it cannot rise by a quarter


def judge_targets(measure: Measure, kpis: Mapping[str, Kpi], *, run: str = "", baseline: str = "baseline") -> list[TargetResult]:
    """The verdict on each target of the map, in its order.

    A level is *met* when the whole interval reaches it, *indicated* when only the point does; of work, what was
    observed since the map's go-live is judged where there is some. A change is judged by F18 against the
    frozen baseline (or, when none is frozen, against what lies before go-live); without a go-live date in the map, or data since, it
    is *not measured* and the baseline value is shown. Fewer than 30 clusters are *too little data*.

    Args:
        measure: the opened views.
        kpis: the KPIs known to the map.
        run: the run it is judged in, for the evidence.
        baseline: name of the frozen baseline.
    """
    frozen = load_baseline(measure.sources.store, baseline)
    return [_judge(measure, target, kpis.get(target.kpi), frozen, run) for target in measure.map.targets.values()]


def _judge(measure: Measure, target: Target, kpi: Kpi | None, frozen: Baseline | None, run: str) -> TargetResult:
    title = target.title or (kpi.title if kpi else target.kpi)
    if kpi is None:
        figure = Figure(target.kpi, None, not_measured=f"there is no KPI '{target.kpi}'")
        return TargetResult(target.name, title, figure, None, _wanted(target, ""), "not measured")
    if target.improve_by is not None or target.reduce_by is not None:
        return _judge_change(measure, target, kpi, frozen, title, run)
    return _judge_level(measure, target, kpi, frozen, title, run)


def _wanted(target: Target, unit: str) -> str:
    if target.at_least is not None:
        return f"≥ {show_value(target.at_least, unit)}"
    if target.at_most is not None:
        return f"≤ {show_value(target.at_most, unit)}"
    if target.improve_by is not None:
        return f"+{target.improve_by * 100:.0f} % against the baseline"
    if target.reduce_by is not None:
        return f"−{target.reduce_by * 100:.0f} % against the baseline"
    return "reported"


def _judge_level(measure: Measure, target: Target, kpi: Kpi, frozen: Baseline | None, title: str, run: str) -> TargetResult:
    figure, observed, since = _level(measure, kpi, run)
    before = frozen.figures.get(kpi.name) if frozen else None
    wanted = _wanted(target, kpi.unit)
    if figure.value is None:
        return TargetResult(target.name, title, figure, before, wanted, "not measured")
    clusters = observed.sample.clusters if observed else 0
    verdict, note = _level_verdict(target, kpi, figure, clusters)
    return TargetResult(target.name, title, figure, before, wanted, verdict, "; ".join(filter(None, (note, since))))


def _level(measure: Measure, kpi: Kpi, run: str) -> tuple[Figure, Observed | None, str]:
    """What a level is judged on, and in which window when that is not the whole of what was observed.

    A year of the old way of working would hide for a year what the new one is worth, so of work what came after go-live counts where
    there is some.
    """
    whole = named_window(kpi.window, golive=measure.map.golive, now=measure.now)
    figure, observed = overall(measure, kpi, whole, run)
    if measure.map.golive and whole == ALL and kpi.views & OF_WORK:
        since, after = overall(measure, kpi, named_window("since_golive", golive=measure.map.golive, now=measure.now), run)
        if after is not None and observed is not None and after.n < observed.n:
            return since, after, f"since {measure.map.golive}"
    return figure, observed, ""


def _level_verdict(target: Target, kpi: Kpi, figure: Figure, clusters: int) -> tuple[Verdict, str]:
    assert figure.value is not None
    goal = target.at_least if target.at_least is not None else target.at_most
    if goal is None:
        return "no target", ""
    sign = 1.0 if target.at_least is not None else -1.0
    # What has no interval, such as a plain count, is judged on its value.
    worst = (figure.low if sign > 0 else figure.high) if figure.low is not None else figure.value
    assert worst is not None
    bound = "lower" if sign > 0 else "upper"
    note = f"{bound} bound {show_value(worst, figure.unit)}" if figure.low is not None else ""
    if kpi.aggregate != "count" and clusters < CLUSTERS_NEEDED:
        return "too little data", f"{clusters} of {CLUSTERS_NEEDED} clusters"
    if sign * worst >= sign * goal:
        return "met", note
    if sign * figure.value >= sign * goal:
        return "indicated", note
    return "not met", f"missed by {show_gap(abs(figure.value - goal), figure.unit)}" + (f"; {note}" if note else "")


def _judge_change(measure: Measure, target: Target, kpi: Kpi, frozen: Baseline | None, title: str, run: str) -> TargetResult:
    reduce = target.reduce_by is not None
    wanted = float(target.reduce_by if target.reduce_by is not None else target.improve_by or 0.0)
    words = _wanted(target, kpi.unit)
    before_window = named_window("before_golive", golive=measure.map.golive, now=measure.now)
    before_figure, before, note = _before(measure, kpi, frozen, run)
    note = "; ".join(filter(None, (note, _ceiling(kpi, before_figure, wanted, reduce))))

    def unmeasured(reason: str) -> TargetResult:
        figure = Figure(kpi.name, None, "share", title=f"Change of {kpi.title}", not_measured=reason)
        return TargetResult(target.name, title, figure, before_figure, words, "not measured", note)

    if before is None:
        return unmeasured(f"there is no baseline: {before_figure.not_measured}")
    if not measure.map.golive:
        return unmeasured("the map names no golive; all that was measured is the baseline")
    since = named_window("since_golive", golive=measure.map.golive, now=measure.now)
    now, after = overall(measure, kpi, since, run)
    if after is None:
        return unmeasured(f"nothing was observed since go-live on {measure.map.golive}")
    change = compare(before, after.sample, kpi.aggregate, reduce=reduce)
    if change is None:
        return unmeasured("the baseline is 0, so there is no relative change")
    figure = Figure(
        kpi.name,
        change.value,
        "share",
        n=change.clusters_before + change.clusters_after,
        low=change.low,
        high=change.high,
        title=f"Change of {kpi.title}",
        evidence=(evidence_of(kpi, before_window, run), evidence_of(kpi, since, run)),
        label=now.label,
    )
    points = _points(kpi, before_figure, now)
    verdict = change.verdict(wanted)
    note = "; ".join(filter(None, (f"now {now.show()}", points, note)))
    return TargetResult(target.name, title, figure, before_figure, words, verdict, note)


def _before(measure: Measure, kpi: Kpi, frozen: Baseline | None, run: str) -> tuple[Figure, Sample | None, str]:
    if frozen is not None and kpi.name in frozen.figures:
        return frozen.figures[kpi.name], frozen.sample(kpi.name), f"baseline frozen {frozen.frozen_at:%Y-%m-%d}, {frozen.hash[:12]}"
    window = named_window("before_golive", golive=measure.map.golive, now=measure.now)
    figure, observed = overall(measure, kpi, window, run)
    return figure, observed.sample if observed else None, "baseline not frozen"


def _ceiling(kpi: Kpi, before: Figure, wanted: float, reduce: bool) -> str:
    if reduce or kpi.unit != "share" or before.value is None or before.value <= CEILING:
        return ""
    most = 1 / before.value - 1
    reach = "out of reach" if wanted > most else "close to the ceiling"
    return f"{reach}: from {before.value:.1%} a share can rise by at most {most:.1%}"


def _points(kpi: Kpi, before: Figure, now: Figure) -> str:
    if kpi.unit != "share" or before.value is None or now.value is None:
        return ""
    return f"{(now.value - before.value) * 100:+.1f} percentage points"
