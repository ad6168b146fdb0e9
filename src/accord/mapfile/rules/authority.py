"""Authority names a field of the entity and a binding that can be believed for it, or latest, merge or human."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_read
from accord.model.entity import Entity
from accord.model.flow import Binding, Flow

RULES: Final = ("latest", "merge", "human")


def check(facts: Facts) -> Iterator[Problem]:
    """Authorities that could never decide."""
    for flow in facts.map.flows.values():
        entity = facts.entity_of(flow)
        for field, winner in flow.authority.items():
            path, holder = ("flows", flow.name, "authority", field), f"flow '{flow.name}', authority of '{field}'"
            if entity is not None and field != "*" and field not in entity.fields:
                yield facts.unknown(
                    path, f"flow '{flow.name}', authority", f"field of entity '{entity.name}'", field, {**entity.fields, "*": None}
                )
            elif winner == "latest":
                yield from _latest(facts, flow, entity, field)
            elif winner and winner not in RULES:
                yield from _binding(facts, flow, field, winner, path, holder)


def _binding(facts: Facts, flow: Flow, field: str, winner: str, path: tuple[str, ...], holder: str) -> Iterator[Problem]:
    binding = flow.bindings.get(winner)
    if binding is None:
        yield facts.unknown(path, holder, "binding", winner, [*flow.bindings, *RULES])
    elif field != "*" and field not in binding.fields:
        able = [b.name for b in flow.bindings.values() if field in b.fields and can_read(b, b.fields[field])]
        yield facts.problem(
            path, f"{holder}: binding '{winner}' does not map this field.", f"Expected one that does: {', '.join(able) or 'none'}."
        )
    elif not can_read(binding, binding.fields.get(field)):
        yield facts.problem(
            path, f"{holder}: binding '{winner}' is only written to, so it cannot win.", "Expected a binding with direction: both or read."
        )


def _latest(facts: Facts, flow: Flow, entity: Entity | None, field: str) -> Iterator[Problem]:
    for binding in flow.bindings.values():
        holds = (field == "*" or field in binding.fields) and can_read(binding, binding.fields.get(field))
        lacks = not binding.cursor and binding.capture != "cursor"  # which is told for itself
        if holds and lacks and not _has_time(binding, entity):
            yield facts.problem(
                ("flows", flow.name, "authority", field),
                f"flow '{flow.name}', authority of '{field}': latest, but binding '{binding.name}' has no time of change.",
                f"Expected cursor: in '{binding.name}', or the timestamp field updated_at mapped there.",
            )


def _has_time(binding: Binding, entity: Entity | None) -> bool:
    if entity is None:
        return True
    field = entity.fields.get("updated_at")
    return field is not None and field.type == "timestamp" and field.name in binding.fields
