"""A unit in a system converts to the unit of its field, and the field has one."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.errors import MapError
from accord.model.units import factor


def check(facts: Facts) -> Iterator[Problem]:
    """Units that are unknown, measure something else, or would convert nothing because the field has none."""
    for flow in facts.map.flows.values():
        entity = facts.entity_of(flow)
        for binding in flow.bindings.values():
            for mapping in binding.fields.values():
                field = entity.fields.get(mapping.name) if entity else None
                if field is None or not mapping.unit or mapping.value:
                    continue
                path = ("flows", flow.name, "bindings", binding.name, "fields", mapping.name, "unit")
                holder = f"flow '{flow.name}', binding '{binding.name}', field '{mapping.name}'"
                if not field.unit:
                    what = f"{holder}: it is '{mapping.unit}' there, and the field of entity '{flow.entity}' has no unit to convert to."
                    yield facts.problem(path, what, "Give the field its unit, such as unit: EUR; or leave this one out.")
                    continue
                try:
                    factor(mapping.unit, field.unit, place=mapping.place)
                except MapError as error:
                    yield facts.problem(path, f"{holder}: {error.what}", error.expected)
