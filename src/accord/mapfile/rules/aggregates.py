"""A check of all rows together is one aggregate with a limit; freshness is asked of a date or a timestamp."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from accord.mapfile.engine import brief, result_type
from accord.mapfile.expression import aggregate_mistakes, mistakes
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.entity import AggregateCheck, Entity
from accord.model.types import CanonicalType

NUMBER: Final = re.compile(r"-?[0-9]{1,25}(\.[0-9]{1,20})?")
_LIMITS: Final = ("at_least", "at_most", "equals")
_NUMBERS: Final = ("BIGINT", "HUGEINT", "INTEGER", "DOUBLE", "DECIMAL", "FLOAT", "UBIGINT", "UHUGEINT")


def check(facts: Facts) -> Iterator[Problem]:
    """Aggregates that do not parse, name what is not there or have no limit they could break, and freshness of what is no time."""
    for entity in filter(None, map(facts.entity, facts.map.entities)):
        try:
            types = {f.name: CanonicalType.parse(f.type) for f in entity.fields.values()}
        except ValueError:
            continue  # another rule says so
        for name, field in entity.fields.items():
            path = ("entities", entity.name, "fields", name, "freshness")
            if field.freshness is not None and types[name].name not in ("date", "timestamp"):
                holder = f"entity '{entity.name}', field '{name}'"
                yield facts.problem(path, f"{holder}: a {types[name].name} has no freshness.", "Expected a date or a timestamp.")
        for aggregate in entity.checks.values():
            yield from _aggregate(facts, entity, aggregate, types)


def _aggregate(facts: Facts, entity: Entity, declared: AggregateCheck, types: Mapping[str, CanonicalType]) -> Iterator[Problem]:
    path, holder = ("entities", entity.name, "checks", declared.name), f"entity '{entity.name}', check '{declared.name}'"
    if not declared.aggregate:
        return  # the key is missing, which is told already
    wrong = [("aggregate", *found) for found in aggregate_mistakes(declared.aggregate, entity.fields)]
    if declared.where:
        wrong += [("where", *found) for found in mistakes(declared.where, entity.fields)]
    for key, message, expected in wrong:
        yield facts.problem((*path, key), f"{holder}, {key}: {message}", expected)
    for position, name in enumerate(declared.group_by):
        if name not in entity.fields:
            yield facts.unknown((*path, "group_by", str(position)), f"{holder}, group_by", "field", name, entity.fields)
    limits = {key: getattr(declared, key) for key in _LIMITS if getattr(declared, key)}
    if not limits:
        yield facts.problem(path, f"{holder}: it has no limit.", "Expected at_least, at_most or equals.")
    if "equals" in limits and len(limits) > 1:
        yield facts.problem((*path, "equals"), f"{holder}: it has equals and another limit.", "Keep equals, or at_least and at_most.")
    if wrong:
        return
    yield from _types(facts, path, holder, declared, limits, types)


def _types(
    facts: Facts,
    path: tuple[str, ...],
    holder: str,
    declared: AggregateCheck,
    limits: Mapping[str, str],
    types: Mapping[str, CanonicalType],
) -> Iterator[Problem]:
    """What only the engine can say: columns outside of an aggregate, conditions that are none, limits of another type."""
    try:
        given = result_type(declared.aggregate, types)
        condition = result_type(declared.where, types) if declared.where else "BOOLEAN"
    except duckdb.Error as error:
        yield facts.problem((*path, "aggregate"), f"{holder}: '{declared.aggregate}' cannot be computed: {brief(error)}.", "Correct it.")
        return
    if condition not in ("BOOLEAN", '"NULL"'):
        yield facts.problem((*path, "where"), f"{holder}, where: it gives {condition.lower()}.", "Expected a condition, such as a >= b.")
    if given.partition("(")[0] in _NUMBERS:
        for key, text in limits.items():
            if not NUMBER.fullmatch(text):
                yield facts.problem((*path, key), f"{holder}: {key} '{text}' is no number.", f"'{declared.aggregate}' gives a number.")
