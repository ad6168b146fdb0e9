"""The words people know things by: titles of the map in place of names, and counted nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from accord.model.figure import Figure, Finding, TargetResult
from accord.model.integration_map import IntegrationMap
from accord.report.document import Paragraph

_WORDS = ("simulated", "partly simulated")
# Dimensions of KPIs whose values are names of the map, and what the dimension is called on a page.
_DIMENSIONS = {"from_team": "from", "to_team": "to", "team": "team", "flow": "flow", "target": "in", "process": "process"}


def team_title(integration_map: IntegrationMap, name: str | None) -> str:
    """What people call a team; «nobody» for none, the name itself when the map has no such team."""
    if not name:
        return "nobody"
    team = integration_map.teams.get(name)
    return (team.title if team else "") or name


def system_title(integration_map: IntegrationMap, name: str) -> str:
    """What people call a system."""
    system = integration_map.systems.get(name)
    return (system.title if system else "") or name


def binding_title(integration_map: IntegrationMap, flow: str, binding: str) -> str:
    """What people call the system behind a binding of a flow."""
    declared = integration_map.flows.get(flow)
    side = declared.bindings.get(binding) if declared else None
    return system_title(integration_map, side.holder if side else binding)


def flow_title(integration_map: IntegrationMap, name: str) -> str:
    """What people call a flow."""
    flow = integration_map.flows.get(name)
    return (flow.title if flow else "") or name


def process_title(integration_map: IntegrationMap, name: str) -> str:
    """What people call a process, or the log it comes from."""
    process = integration_map.processes.get(name)
    return (process.title if process else "") or name.replace("_", " ")


def step_title(integration_map: IntegrationMap, process: str, activity: str) -> str:
    """What people call a step; an activity the map does not declare keeps its own words, with a capital letter."""
    declared = integration_map.processes.get(process)
    step = declared.steps.get(activity) if declared else None
    return (step.title if step else "") or sentence(activity.replace("_", " "))


def titled(integration_map: IntegrationMap, figure: Figure) -> Figure:
    """A figure whose dimensions are in words for people."""
    flow = dict(figure.dims).get("flow", "")
    dims = []
    for key, value in figure.dims:
        word = _DIMENSIONS.get(key, key.replace("_", " "))
        match key:
            case "from_team" | "to_team" | "team":
                shown = team_title(integration_map, value)
            case "flow":
                shown = flow_title(integration_map, value)
            case "target":
                shown = binding_title(integration_map, flow, value)
            case "process":
                shown = process_title(integration_map, value)
            case _:
                shown = value
        dims.append((word, shown))
    return replace(figure, dims=tuple(dims))


def shown(integration_map: IntegrationMap, finding: Finding) -> Finding:
    """A finding as people read it: its owner by title, its sentence with a capital letter."""
    owner = team_title(integration_map, finding.owner) if finding.owner else ""
    return replace(finding, owner=owner, sentence=sentence(finding.sentence))


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: «1 row», «2 rows»."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """The text with a capital first letter, and the rest as it is."""
    return text[:1].upper() + text[1:]


def the_rest(shown: int, whole: int, noun: str, plural: str = "") -> str:
    """What a cut table leaves out, in words; empty when it leaves out nothing."""
    return f"{counted(whole - shown, f'more {noun}', f'more {plural}' if plural else '')} not shown." if whole > shown else ""


def verdicts(results: Sequence[TargetResult]) -> str:
    """How targets stand, in a sentence: met, indicated, missed, and not known yet."""
    if not results:
        return "The map declares no targets."
    words = (("met", "met"), ("indicated", "indicated"), ("not met", "missed"), ("too little data", "with too little data"))
    parts = [f"{n} {word}" for verdict, word in words if (n := sum(r.verdict == verdict for r in results))]
    unknown = sum(r.verdict in ("not measured", "no target") for r in results)
    if unknown:
        parts.append(f"{unknown} not measured")
    assumed = sum(r.verdict in ("met", "indicated", "not met") and bool(r.value.label) for r in results)
    told = f" Of the judged, {assumed} {'stands' if assumed == 1 else 'stand'} on simulated work." if assumed else ""
    return f"Of {counted(len(results), 'target')}: {', '.join(parts)}.{told}"


def marked(text: str, label: str) -> str:
    """A sentence with the word that says what kind of work it counts, such as «simulated»."""
    return f"{text} ({label})" if label else text


def whose_work(integration_map: IntegrationMap, labels: Mapping[str, str]) -> tuple[Paragraph, ...]:
    """A note that says which processes simulated people worked in; none when they did in none.

    Args:
        integration_map: for the titles.
        labels: process: «simulated» or «partly simulated».
    """
    whole, partly = (sorted(process_title(integration_map, p) for p, word in labels.items() if word == w) for w in _WORDS)
    parts = [f"some of the work of {', '.join(partly)}"] if partly else []
    parts += [f"all work of {', '.join(whole)}"] if whole else []
    return (Paragraph(f"Simulated people did {' and '.join(parts)}; figures of these processes count it.", "note"),) if parts else ()
