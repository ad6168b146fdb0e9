"""SQL in a map is one scalar expression over the columns at hand, of the type its place needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import duckdb

from accord.mapfile.engine import brief, result_type
from accord.mapfile.expression import mistakes
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.entity import Entity
from accord.model.flow import Binding, Flow
from accord.model.types import CanonicalType


def check(facts: Facts) -> Iterator[Problem]:
    """Expressions that do not parse, name what is not there, or give the wrong type."""
    for entity in filter(None, map(facts.entity, facts.map.entities)):
        types = _types({f.name: f.type for f in entity.fields.values()})
        for rule in entity.rules.values():
            path = ("entities", entity.name, "rules", rule.name, "check")
            yield from _expression(
                facts, path, f"entity '{entity.name}', rule '{rule.name}'", rule.check, entity.fields, types, condition=True
            )
        for position, event in enumerate(entity.events):
            path = ("entities", entity.name, "events", str(position), "when")
            yield from _expression(
                facts, path, f"entity '{entity.name}', event '{event.type}', when", event.when, entity.fields, types, condition=True
            )
    for process in facts.map.processes.values():
        for start in process.starts.values():
            if (started := facts.entity(start.entity)) is not None:
                path = ("processes", process.name, "starts", start.name, "when")
                types, holder = _types({f.name: f.type for f in started.fields.values()}), f"process '{process.name}', start '{start.name}'"
                yield from _expression(facts, path, f"{holder}, when", start.when, started.fields, types, condition=True)
    for flow in facts.map.flows.values():
        for binding in flow.bindings.values():
            yield from _binding(facts, flow, binding, facts.entity_of(flow))


def _binding(facts: Facts, flow: Flow, binding: Binding, entity: Entity | None) -> Iterator[Problem]:
    path, holder = ("flows", flow.name, "bindings", binding.name), f"flow '{flow.name}', binding '{binding.name}'"
    declared = _columns(facts, binding)
    yield from _expression(facts, (*path, "where"), f"{holder}, where", binding.where, declared, None, condition=True)
    types = _types({f.name: f.type for f in entity.fields.values()}) if entity else None  # once: there may be hundreds of fields
    if binding.new_key not in ("", "given", "uuid", "next"):
        yield from _expression(facts, (*path, "new_key"), f"{holder}, new_key", binding.new_key, entity.fields if entity else None, types)
    for mapping in binding.fields.values():
        inside = f"{holder}, field '{mapping.name}'"
        yield from _expression(facts, (*path, "fields", mapping.name, "read"), f"{inside}, read", mapping.read, declared, None)
        yield from _expression(
            facts,
            (*path, "fields", mapping.name, "write"),
            f"{inside}, write",
            mapping.write,
            entity.fields if entity else None,
            types,
        )


def _columns(facts: Facts, binding: Binding) -> Collection[str] | None:
    """The columns of a binding's resource, where the map declares them; systems with types of their own are asked only when opened."""
    system = facts.map.systems.get(binding.system or binding.name)
    resource = system.resources.get(binding.resource) if system else None
    return resource.columns if resource is not None and resource.columns else None


def _types(texts: Mapping[str, str]) -> Mapping[str, CanonicalType] | None:
    """The parsed types, or ``None`` while one of them is wrong, which another rule reports."""
    try:
        return {name: CanonicalType.parse(text) for name, text in texts.items()}
    except ValueError:
        return None


def _expression(
    facts: Facts,
    path: tuple[str, ...],
    holder: str,
    sql: str,
    columns: Collection[str] | None,
    types: Mapping[str, CanonicalType] | None,
    *,
    condition: bool = False,
) -> Iterator[Problem]:
    """Problems of one expression; with ``types`` the engine is asked what it gives, which a ``condition`` needs to be true or false."""
    if not sql:
        return
    found = mistakes(sql, columns)
    for message, expected in found:
        yield facts.problem(path, f"{holder}: {message}", expected)
    if found or types is None:
        return
    try:
        given = result_type(sql, types)
    except duckdb.Error as error:
        yield facts.problem(
            path, f"{holder}: '{sql}' does not fit the types of its fields: {brief(error)}.", "Cast one side, or change the type."
        )
        return
    if condition and given not in ("BOOLEAN", '"NULL"'):
        yield facts.problem(path, f"{holder}: '{sql}' gives {given.lower()}, not true or false.", "Expected a condition, such as a >= b.")
