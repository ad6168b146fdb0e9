"""An entity has a key of its own fields, and every binding of it maps the whole key."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """Keys that are empty, name unknown fields, or are missing in a binding."""
    for entity in facts.map.entities.values():
        path, holder = ("entities", entity.name, "key"), f"entity '{entity.name}'"
        if not entity.key and facts.written(*path):
            yield facts.problem(path, f"{holder}: the key is empty.", "Expected the fields that identify a row.")
        for position, name in enumerate(entity.key):
            if entity.fields and name not in entity.fields:
                yield facts.unknown((*path, str(position)), holder, "key field", name, entity.fields)
            if name in entity.key[:position]:
                yield facts.problem((*path, str(position)), f"{holder}: the key holds '{name}' twice.", "Remove one of the two.")
    for flow in facts.map.flows.values():
        keyed = facts.entity_of(flow)
        if keyed is None:
            continue
        key = [name for name in dict.fromkeys(keyed.key) if name in keyed.fields]
        for binding in flow.bindings.values():
            for name in key if binding.fields else ():
                if name not in binding.fields and not binding.own_key:
                    yield facts.problem(
                        ("flows", flow.name, "bindings", binding.name, "fields"),
                        f"flow '{flow.name}', binding '{binding.name}': the key field '{name}' is not mapped.",
                        "Expected every key field, so that rows can be matched.",
                    )
