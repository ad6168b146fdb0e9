"""A field's type exists, and its limits, values and pattern are possible for that type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from accord.mapfile.engine import pattern_error
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.entity import Entity, Field
from accord.model.errors import nearest
from accord.model.types import NAMES, CanonicalType

_ORDERED: Final = frozenset({"integer", "number", "double", "date", "timestamp"})
_LIKELY: Final = {
    "string": "text", "str": "text", "varchar": "text", "char": "text", "int": "integer", "bigint": "integer", "float": "double",
    "real": "double", "decimal": "number(p,s)", "numeric": "number(p,s)", "money": "number(12,2)", "bool": "boolean",
    "datetime": "timestamp", "time": "timestamp", "timestamptz": "timestamp", "blob": "binary", "bytes": "binary", "object": "json",
}  # fmt: skip


def check(facts: Facts) -> Iterator[Problem]:
    """Types that do not exist and checks that no value could pass or fail."""
    for entity in facts.map.entities.values():
        for field in entity.fields.values():
            yield from _field(facts, entity, field)
    for system in facts.map.systems.values():
        for resource in system.resources.values():
            for column, type_ in resource.columns.items():
                path = ("systems", system.name, "resources", resource.name, "columns", column)
                yield from _type(facts, path, f"system '{system.name}', resource '{resource.name}', column '{column}'", type_)


def _type(facts: Facts, path: tuple[str, ...], holder: str, text: str) -> Iterator[Problem]:
    try:
        CanonicalType.parse(text)
    except ValueError:
        meant = _LIKELY.get(text.strip().lower().partition("(")[0]) or nearest(text.lower(), NAMES)
        hint = f" Did you mean '{meant}'?" if meant else ""
        yield facts.problem(
            path, f"{holder}: '{text}' is no type.", f"Expected one of {', '.join(NAMES)} or number(precision,scale).{hint}"
        )


def _field(facts: Facts, entity: Entity, field: Field) -> Iterator[Problem]:
    path, holder = ("entities", entity.name, "fields", field.name), f"entity '{entity.name}', field '{field.name}'"
    wrong_type = list(_type(facts, (*path, "type"), holder, field.type))
    if wrong_type:
        yield from wrong_type
        return
    type_ = CanonicalType.parse(field.type)
    limits = {}
    for name in ("minimum", "maximum"):
        text = getattr(field, name)
        if text:
            limits[name] = _as(type_, text) if type_.name in _ORDERED else None
            if type_.name not in _ORDERED:
                yield facts.problem(
                    (*path, name), f"{holder}: a {type_.name} has no {name}.", f"Expected one of the types {', '.join(sorted(_ORDERED))}."
                )
            elif limits[name] is None:
                yield facts.problem(
                    (*path, name), f"{holder}: {name} '{text}' is no {type_.name}.", f"Expected a value of the type {type_}."
                )
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None and high is not None and low > high:
        yield facts.problem(
            (*path, "minimum"), f"{holder}: the minimum {field.minimum} is above the maximum {field.maximum}.", "Exchange them."
        )
    for position, value in enumerate(field.values):
        if type_.name in _ORDERED | {"boolean"} and _as(type_, value) is None:
            yield facts.problem(
                (*path, "values", str(position)), f"{holder}: value '{value}' is no {type_.name}.", f"Expected values of the type {type_}."
            )
    if len(set(field.values)) < len(field.values):
        yield facts.problem((*path, "values"), f"{holder}: a value is listed twice.", "Remove one of the two.")
    yield from _text_checks(facts, path, holder, field, type_)


def _text_checks(facts: Facts, path: tuple[str, ...], holder: str, field: Field, type_: CanonicalType) -> Iterator[Problem]:
    if field.pattern:
        if type_.name != "text":
            yield facts.problem(
                (*path, "pattern"), f"{holder}: a pattern fits text only, not {type_.name}.", "Remove it, or make the field a text."
            )
        elif reason := pattern_error(field.pattern):
            yield facts.problem(
                (*path, "pattern"),
                f"{holder}: the pattern is no regular expression: {reason}.",
                "Expected RE2 syntax, without look-around.",
            )
    if field.at_most < 0:
        yield facts.problem((*path, "at_most"), f"{holder}: at_most is {field.at_most}.", "Expected 0 for any number, or 1 and more.")


def _as(type_: CanonicalType, text: str) -> Any:
    """The text as a value that can be compared within its type, or ``None`` when it is none."""
    try:
        if type_.name == "boolean":
            return {"true": 1, "false": 0}.get(text.lower())
        if type_.name == "date":
            return date.fromisoformat(text)
        if type_.name == "timestamp":
            return datetime.fromisoformat(text).replace(tzinfo=None)
        number = Decimal(text)
        return number if number.is_finite() and (type_.name != "integer" or number == number.to_integral_value()) else None
    except (ValueError, InvalidOperation):
        return None
