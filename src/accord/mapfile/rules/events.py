"""An event rule uses fields its entity has: times are timestamps, other texts are fields or stand in quotes."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """Event rules that name unknown fields or fields of the wrong type."""
    for entity in filter(None, map(facts.entity, facts.map.entities)):
        for position, rule in enumerate(entity.events):
            path, holder = ("entities", entity.name, "events", str(position)), f"entity '{entity.name}', event '{rule.type}'"
            for key in ("time", "start", "case", "resource"):
                name = getattr(rule, key)
                if name and name not in entity.fields:
                    yield facts.unknown((*path, key), holder, f"{key}: field", name, entity.fields)
                elif name and key in ("time", "start") and entity.fields[name].type not in ("timestamp", "date"):
                    yield facts.problem(
                        (*path, key), f"{holder}: {key} '{name}' is a {entity.fields[name].type}.", "Expected a timestamp or date field."
                    )
            for key in ("activity", "team"):
                text = getattr(rule, key)
                if text and not is_quoted(text) and text not in entity.fields:
                    problem = facts.unknown((*path, key), holder, f"{key}: field", text, entity.fields)
                    yield Problem(problem.place, problem.message, f"{problem.expected} The text itself stands in quotes: \"'{text}'\".")
            for kind, name in rule.objects.items():
                if name not in entity.fields:
                    yield facts.unknown((*path, "objects", kind), holder, f"objects: field of '{kind}'", name, entity.fields)


def is_quoted(text: str) -> bool:
    """Whether a text of an event rule is meant as it stands, not as a field."""
    return len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
