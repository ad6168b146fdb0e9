"""The scoreboard: what the last judgement says of every target, read from the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from accord.lifecycle.standing import standing_findings
from accord.model.figure import Figure, TargetResult, Verdict, figure_from, figure_to
from accord.workspace import Workspace


@dataclass(frozen=True)
class Scoreboard:
    """The standing results of a workspace: targets, KPIs, open findings and the systems that did not answer."""

    targets: tuple[TargetResult, ...]
    kpis: tuple[Figure, ...]
    findings: tuple[dict[str, Any], ...]
    unreachable: tuple[str, ...]


def scoreboard(workspace: Workspace) -> Scoreboard:
    """Read the standing targets, KPIs and findings of a workspace.

    KPIs and targets are those of the last time ``benchmark`` measured; before that there are none.
    """
    last = ""
    for stored in workspace.store.read(types=["target.judged", "kpi.measured"]):
        last = str(stored.event.attributes["run"]) if stored.event.source == "lifecycle.benchmark" else last
    targets, kpis = [], []
    for stored in workspace.store.read(types=["target.judged", "kpi.measured"]):
        event = stored.event
        if event.source != "lifecycle.benchmark" or event.attributes["run"] != last:
            continue
        if event.type == "target.judged":
            targets.append(target_from(event.attributes))
        else:
            kpis.append(figure_from(event.attributes["figure"]))
    findings = standing_findings(workspace.store, workspace.map)
    unreachable = tuple(sorted({str(f["subject"]) for f in findings if f["kind"] == "unreachable"}))
    return Scoreboard(tuple(targets), tuple(kpis), findings, unreachable)


def target_to(result: TargetResult) -> dict[str, Any]:
    """A judged target as plain JSON values, for an event."""
    return {
        "target": result.target,
        "title": result.title,
        "value": figure_to(result.value),
        "baseline": figure_to(result.baseline) if result.baseline else None,
        "wanted": result.wanted,
        "verdict": result.verdict,
        "note": result.note,
    }


def target_from(body: Mapping[str, Any]) -> TargetResult:
    """The judged target that ``target_to`` wrote."""
    return TargetResult(
        target=str(body["target"]),
        title=str(body["title"]),
        value=figure_from(body["value"]),
        baseline=figure_from(body["baseline"]) if body["baseline"] else None,
        wanted=str(body["wanted"]),
        verdict=cast("Verdict", body["verdict"]),
        note=str(body["note"]),
    )
