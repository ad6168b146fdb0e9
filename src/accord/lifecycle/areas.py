"""The five areas of the success framework: the state of each from the steps' own metrics, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accord.lifecycle.titles import counted, sentence
from accord.model.figure import show_value
from accord.store import Store

# The areas of the success framework, with the steps whose metrics stand for them.
AREAS: Mapping[str, tuple[str, ...]] = {
    "Integration": ("assess", "design", "integrate"),
    "Optimization": ("optimize", "improve"),
    "Governance": ("coordinate",),
    "Sustainability": ("evolve",),
    "Position": ("benchmark",),
}

# The metrics that say most of each area, in the order they are told.
_TOLD: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Integration": (
        ("implementation_success", "of the flows are active and in agreement"),
        ("synchronization_success", "of the due changes arrived"),
    ),
    "Optimization": (("utilization_improvement", "more utilization"), ("process_efficiency", "more work per paid hour")),
    "Governance": (
        ("coordination_effectiveness", "of the handoffs accepted first time and in time"),
        ("alignment", "of the objectives measured and owned"),
        ("process_synchronization", "of the dependent steps in order and on time"),
    ),
    "Sustainability": (
        ("sustainability", "of the flows keep going by themselves"),
        ("evolution_readiness", "of the systems could be filled again from the others"),
    ),
    "Position": (
        ("excellence_rate", "of the judged targets met"),
        ("maturity", "of 5 is the least mature area"),
        ("position", "of reference values beaten"),
    ),
}


@dataclass(frozen=True, slots=True)
class AreaState:
    """One area: its state in words, how many of its judged metrics are met, and what comes next."""

    area: str
    state: str
    met: str
    following: str


def last_metrics(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The success metrics of each step, as it ended last."""
    metrics: dict[str, list[dict[str, Any]]] = {}
    for stored in store.read(types=["step.finished"]):
        metrics[str(stored.event.attributes["step"])] = [dict(m) for m in stored.event.attributes["metrics"]]
    return metrics


def area_states(metrics: Mapping[str, Sequence[Mapping[str, Any]]], standing: Sequence[Mapping[str, Any]]) -> tuple[AreaState, ...]:
    """The state of every area; one whose steps did not run says so."""
    return tuple(_state(area, [m for step in steps for m in metrics.get(step, ())], standing) for area, steps in AREAS.items())


def _state(area: str, metrics: Sequence[Mapping[str, Any]], standing: Sequence[Mapping[str, Any]]) -> AreaState:
    if not metrics:
        return AreaState(area, "not measured: its steps did not run yet", "—", "—")
    by_name = {str(m["target"]): m for m in metrics}
    parts, reasons = [], []
    for name, words in _TOLD[area]:
        metric = by_name.get(name)
        if metric is None:
            continue
        if metric["value"] is None:
            reasons.append(str(metric["not_measured"]))
        else:
            parts.append(f"{show_value(float(metric['value']), str(metric['unit']))} {words}")
    if area == "Optimization":
        hours = sum(float(f["detail"].get("hours") or 0.0) for f in standing if f["kind"] == "late_handoffs")
        parts = [f"handoffs waited {hours:,.0f} h longer than agreed", *parts] if hours else parts
    state = sentence("; ".join(parts))
    if reasons:
        why = "; ".join(dict.fromkeys(reasons))
        left = {"Optimization": "Gains are", "Position": "The place among others is"}.get(area, "The rest is")
        state = f"{state}. {left} not measured: {why}" if state else f"not measured: {why}"
    judged = [m for m in metrics if m["verdict"] in ("met", "indicated", "not met")]
    met = sum(m["verdict"] == "met" for m in judged)
    return AreaState(
        area,
        state or "no metric of it was measured",
        f"{met} of {len(judged)}" if judged else "none judged",
        _next(area, metrics, standing),
    )


def _next(area: str, metrics: Sequence[Mapping[str, Any]], standing: Sequence[Mapping[str, Any]]) -> str:
    """The metric furthest from met, or the finding of the area that stands out most."""
    told = [name for name, _ in _TOLD[area]]
    missed = [m for m in metrics if m["verdict"] == "not met"]
    first = [m for m in missed if m["target"] in told]
    waiting = sum(int(f["count"]) for f in standing if f["kind"] == "quarantine")
    if area == "Integration" and waiting and not first:
        return f"Correct the {counted(waiting, 'row')} in quarantine"
    if missed:
        metric = (first or missed)[0]
        title = str(metric.get("title") or metric["target"]).replace("_", " ")
        return f"{sentence(title)}: {show_value(float(metric['value']), str(metric['unit']))}, wanted {metric['wanted']}"
    late = [f for f in standing if f["kind"] == "late_handoffs"]
    if area == "Optimization" and late:
        return sentence(str(max(late, key=lambda f: float(f["detail"].get("hours") or 0.0))["sentence"]))
    unknown = [m for m in metrics if m["verdict"] == "not measured"]
    if unknown:
        title = str(unknown[0].get("title") or unknown[0]["target"]).replace("_", " ")
        return f"Make it measurable: {title[:1].lower()}{title[1:]}"
    return "Hold it"
