"""What to do first: the few things that stand between now and the targets, most urgent first, each with who and where to read on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accord.lifecycle.scoreboard import Scoreboard
from accord.lifecycle.titles import counted, sentence, team_title
from accord.model.integration_map import IntegrationMap

_BROKEN = ("unreachable", "flow_failed", "not_reconciled", "wave_held_back")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do; ``page`` is a link to where it is shown whole."""

    what: str
    why: str
    who: str
    page: str


def first_actions(integration_map: IntegrationMap, board: Scoreboard, standing: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    """Broken flows, then missed targets with the wait that weighs most, then rows to correct, then owners to name."""
    return (
        *_broken(integration_map, standing),
        *_missed(integration_map, board),
        *_late(integration_map, standing),
        *_quarantine(integration_map, standing),
        *_work(standing),
        *_defects(integration_map, standing),
        *_owners(integration_map, standing),
    )


def _who(integration_map: IntegrationMap, owners: Sequence[str]) -> str:
    names = list(dict.fromkeys(team_title(integration_map, o) for o in owners if o))
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "—"


def _broken(integration_map: IntegrationMap, standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    found = [f for kind in _BROKEN for f in standing if f["kind"] == kind]
    page = "[Agreement](../integrate/cross-priority-coordination.html)"
    words = {
        "unreachable": "Bring back what flow '{}' could not reach",
        "flow_failed": "Mend flow '{}'",
        "not_reconciled": "Bring flow '{}' into agreement",
        "wave_held_back": "Release {}",
    }
    return [
        Action(words[f["kind"]].format(f["subject"]), sentence(str(f["sentence"])), _who(integration_map, [f["owner"]]), page)
        for f in found[:3]
    ]


def _missed(integration_map: IntegrationMap, board: Scoreboard) -> list[Action]:
    page = "[Strategy](../benchmark/strategy-and-differentiation.html)"
    actions = []
    for result in board.targets:
        if result.verdict == "not met":
            owner = integration_map.targets[result.target].owner if result.target in integration_map.targets else ""
            why = f"{result.value.show()}, wanted {result.wanted}"
            actions.append(Action(f"Close the gap to «{result.title or result.target}»", why, _who(integration_map, [owner]), page))
    return actions[:2]


def _late(integration_map: IntegrationMap, standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    late = sorted((f for f in standing if f["kind"] == "late_handoffs"), key=lambda f: -float(f["detail"].get("hours") or 0.0))
    page = "[Waiting](../optimize/enhancement-coordination.html)"
    return [
        Action(
            f"Shorten the wait in {f['subject'].partition(': ')[2]}",
            sentence(str(f["sentence"])),
            _who(integration_map, [f["owner"]]),
            page,
        )
        for f in late[:2]
    ]


def _work(standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    """Where no service level says what is late: the longest wait, and the step done again most often."""
    if any(f["kind"] == "late_handoffs" for f in standing):
        return []
    waits = sorted((f for f in standing if f["kind"] == "bottleneck"), key=lambda f: -float(f["detail"].get("waited_hours") or 0.0))
    again = sorted((f for f in standing if f["kind"] == "rework_loop"), key=lambda f: -int(f["count"]))
    found = [
        ("Look into the longest wait", waits, "bottleneck-resolution"),
        ("Find out why work is done again", again, "workflow-improvement-record"),
    ]
    return [
        Action(what, sentence(str(findings[0]["sentence"])), "—", f"[Where](../optimize/{page}.html)")
        for what, findings, page in found
        if findings
    ]


def _quarantine(integration_map: IntegrationMap, standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    kept = sorted((f for f in standing if f["kind"] == "quarantine"), key=lambda f: -int(f["count"]))
    if not kept:
        return []
    rows = sum(int(f["count"]) for f in kept)
    keep = "keeps" if len(kept) == 1 else "keep"
    why = f"{counted(len(kept), 'flow')} {keep} back rows that break a contract; corrected at the source, they return"
    page = "[Backlog](../improve/continuous-optimization-program.html)"
    return [Action(f"Correct {counted(rows, 'row')} in quarantine", why, _who(integration_map, [f["owner"] for f in kept]), page)]


def _defects(integration_map: IntegrationMap, standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    found = [f for f in standing if f["detail"].get("step") == "assess" and f["severity"] == "problem" and f["kind"] not in _BROKEN]
    if not found:
        return []
    kinds: dict[str, int] = {}
    for f in found:
        kinds[f["kind"]] = kinds.get(f["kind"], 0) + int(f["count"])
    most = sorted(kinds.items(), key=lambda k: (-k[1], k[0]))
    why = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in most[:6])
    owners = [f["owner"] for f in sorted(found, key=lambda f: -int(f["count"]))]
    page = "[Findings](../assess/integration-assessment.html)"
    return [Action(f"Mend {counted(sum(kinds.values()), 'defect')} where they arise", why, _who(integration_map, owners), page)]


def _owners(integration_map: IntegrationMap, standing: Sequence[Mapping[str, Any]]) -> list[Action]:
    found = [f for f in standing if f["kind"] in ("no_owner", "unclear_owner")]
    if not found:
        return []
    page = "[Responsibilities](../coordinate/coordination-excellence-framework.html)"
    return [
        Action(
            f"Settle who decides in {counted(len(found), 'case')}",
            sentence(str(found[0]["sentence"])),
            _who(integration_map, [f["owner"] for f in found]),
            page,
        )
    ]
