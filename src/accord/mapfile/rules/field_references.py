"""A field that references names an entity, or an entity and its field, that the map holds."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """References that lead nowhere, or to an entity whose key one field cannot hold."""
    entities = facts.map.entities
    for entity in entities.values():
        for field in entity.fields.values():
            if not field.references:
                continue
            path, holder = ("entities", entity.name, "fields", field.name, "references"), f"entity '{entity.name}', field '{field.name}'"
            target, dot, column = field.references.partition(".")
            if target not in entities:
                if "entities" in facts.unread:
                    continue
                yield facts.unknown(path, holder, "references: entity", target, entities)
            elif dot and entities[target].fields and column not in entities[target].fields:
                yield facts.unknown(path, holder, f"references: field of entity '{target}'", column, entities[target].fields)
            elif not dot and len(set(entities[target].key)) > 1:
                yield facts.problem(
                    path,
                    f"{holder}: the key of entity '{target}' has {len(entities[target].key)} fields.",
                    f"Expected {target}.field, naming one of them.",
                )
