"""How responsibilities read."""

from __future__ import annotations

from accord.lifecycle.coordinate.responsibilities import Responsibility
from accord.lifecycle.titles import flow_title, process_title, step_title, system_title, team_title
from accord.model.integration_map import IntegrationMap


def what(integration_map: IntegrationMap, item: Responsibility) -> str:
    """The thing, by kind and title."""
    entity = integration_map.entities.get(item.name)
    title = {
        "system": system_title(integration_map, item.name),
        "flow": flow_title(integration_map, item.name),
        "process": process_title(integration_map, item.name),
        "entity": (entity.title if entity else "") or item.name.replace("_", " "),
    }[item.kind]
    return f"{item.kind} «{title}»"


def conflict_words(integration_map: IntegrationMap, item: Responsibility) -> str:
    """What is not clear, and what to do about it; empty when all is."""
    match item.conflict:
        case "nobody":
            others = " and ".join(team_title(integration_map, t) for t in item.responsible)
            work = f" though {others} work on it" if len(item.responsible) > 1 else ""
            return f"nobody is accountable{work}; name an owner in the map"
        case "two owners":
            flow, entity = (team_title(integration_map, t) for t in item.accountable)
            return f"the flow answers to {flow}, its data to {entity}; agree who decides when they differ"
        case "steps without a team":
            steps = ", ".join(f"«{step_title(integration_map, item.name, s)}»" for s in item.missing)
            return f"no team does {steps}; name one in the map"
        case _:
            return ""
