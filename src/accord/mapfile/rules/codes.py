"""Codes lead to values the field allows, and are one-to-one where they are written back."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_write
from accord.model.errors import alternatives


def check(facts: Facts) -> Iterator[Problem]:
    """Codes that lose information or lead outside the field's values."""
    for flow in facts.map.flows.values():
        entity = facts.entity_of(flow)
        for binding in flow.bindings.values():
            for mapping in binding.fields.values():
                path = ("flows", flow.name, "bindings", binding.name, "fields", mapping.name, "codes")
                holder = f"flow '{flow.name}', binding '{binding.name}', field '{mapping.name}'"
                field = entity.fields.get(mapping.name) if entity else None
                back: dict[str, str] = {}
                for code, value in mapping.codes.items():
                    if field is not None and field.values and value not in field.values:
                        yield facts.problem(
                            (*path, code),
                            f"{holder}: code '{code}' means '{value}', which the field does not allow.",
                            alternatives(value, field.values),
                        )
                    other = back.setdefault(value, code)
                    if other != code and can_write(binding, mapping) and not mapping.write:
                        yield facts.problem(
                            (*path, code), f"{holder}: codes '{other}' and '{code}' both mean '{value}', so it cannot be written back.",
                            "Make them one-to-one, give write:, or set direction: read.",
                        )  # fmt: skip
