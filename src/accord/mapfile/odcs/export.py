"""From an entity of the map to a data contract in ODCS 3.0.2."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

from accord.mapfile.content import meaning
from accord.mapfile.odcs.aggregates import aggregate_check
from accord.mapfile.odcs.patterns import portable, to_search
from accord.mapfile.odcs.servers import servers, service_levels
from accord.mapfile.odcs.types import read_type, written
from accord.mapfile.odcs.words import DIMENSIONS_OUT, KIND, OWNER, PERSONAL, WRITTEN
from accord.mapfile.shapes import record
from accord.model.entity import Entity, EventRule, Field, Rule
from accord.model.errors import UnknownName
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,37})")
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_NUMBERS: Final = frozenset({"integer", "number", "double"})
_ORDERED: Final = _NUMBERS | {"date", "timestamp"}
_STATUS: Final = {"draft": "draft", "approved": "active"}


def export_contract(map_: IntegrationMap, entity: str) -> dict[str, Any]:
    """The contract of one entity as a document of ODCS 3.0.2, of plain values that YAML and JSON can hold.

    It describes the canonical shape, on which all systems agree: columns are the entity's fields, physical types and rules are in DuckDB's
    SQL. Servers are the bindings of its flows, without user names, passwords and the values of ``${env:…}``. The longest freshness of its
    flows is the latency, because that is what holds for each of them.

    Args:
        map_: a checked map.
        entity: name of the entity.

    Raises:
        UnknownName: the map has no entity of that name.
    """
    if entity not in map_.entities:
        raise UnknownName("entity", entity, map_.entities)
    found = map_.entities[entity]
    head: dict[str, Any] = {
        "kind": KIND,
        "apiVersion": WRITTEN,
        # The same for every version of the same entity in the same map.
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"accord:{map_.name}/{entity}")),
        "name": found.title or found.name,
        "version": found.version,
        "status": _STATUS[map_.status],
    }
    team = map_.teams.get(found.owner)
    if team is not None and team.domain:
        head["domain"] = team.domain
    head["dataProduct"] = map_.name
    if map_.title:
        head["tenant"] = map_.title
    flows = [flow for flow in map_.flows.values() if flow.entity == entity]
    parts = {
        "servers": servers(map_, flows),
        "schema": [_object(found)],
        "team": _team(map_, found),
        "slaProperties": service_levels(entity, flows),
    }
    return {**head, **{name: part for name, part in parts.items() if part}}


def _team(map_: IntegrationMap, entity: Entity) -> list[dict[str, Any]]:
    if not entity.owner:
        return []
    members = [{"username": entity.owner, "role": OWNER}]
    team = map_.teams.get(entity.owner)
    if team is not None:
        members += [{"username": name, "role": role} for name, role in ((team.owner, "contact"), (team.backup, "backup")) if name]
    return members


def _object(entity: Entity) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": entity.name, "logicalType": "object", "physicalType": "table"}
    if entity.title:
        shown["businessName"] = entity.title
    if entity.description:
        shown["description"] = entity.description
    shown["properties"] = [_property(entity, field) for field in entity.fields.values()]
    quality = [*map(_rule, entity.rules.values()), *map(aggregate_check, entity.checks.values())]
    if quality:
        shown["quality"] = quality
    if entity.events:
        shape = record(EventRule)
        shown["customProperties"] = [{"property": "accordEvents", "value": [meaning(shape, event) for event in entity.events]}]
    return shown


def _property(entity: Entity, field: Field) -> dict[str, Any]:
    type_ = CanonicalType.parse(field.type)
    odcs = written(type_)
    shown: dict[str, Any] = {"name": field.name}
    if field.description:
        shown["description"] = field.description
    shown |= {"logicalType": odcs.logical, "physicalType": odcs.physical}
    options = _options(field, type_, odcs.format)
    if options:
        shown["logicalTypeOptions"] = options
    if field.name in entity.key:
        shown |= {"primaryKey": True, "primaryKeyPosition": entity.key.index(field.name) + 1}
    if field.required:
        shown["required"] = True
    if field.unique:
        shown["unique"] = True
    if field.personal:
        shown["classification"] = PERSONAL
    if field.values:
        values = [_value(type_, text) for text in field.values]
        shown["quality"] = [_listed(values)]
    custom = [{"property": name, "value": value} for name, value in _custom(field, type_, options)]
    if custom:
        shown["customProperties"] = custom
    return shown


def _listed(values: list[Any]) -> dict[str, Any]:
    """The check of listed values: named as 3.0 does and, since 3.0 allows further keys, with metric and operator as 3.1 requires."""
    return {
        "type": "library",
        "rule": "validValues",
        "metric": "invalidValues",
        "arguments": {"validValues": values},
        "mustBe": 0,
        "severity": "error",
    }


def _options(field: Field, type_: CanonicalType, format_: str) -> dict[str, Any]:
    options: dict[str, Any] = {"format": format_} if format_ else {}
    if field.pattern and type_.name == "text" and portable(field.pattern):
        options["pattern"] = to_search(field.pattern)
    for name in ("minimum", "maximum"):
        text = getattr(field, name)
        limit = _number(text) if type_.name in _NUMBERS else text
        if text and type_.name in _ORDERED and limit is not None:
            options[name] = limit
    return options


def _custom(field: Field, type_: CanonicalType, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the standard part would not give back as it is written in the map."""
    odcs = written(type_)
    if read_type(odcs.logical, odcs.physical, odcs.format).type != field.type:
        yield "accordType", field.type
    if field.unit:
        yield "accordUnit", field.unit
    for name in ("minimum", "maximum"):
        text = getattr(field, name)
        if text and str(options.get(name)) != text:
            yield f"accord{name.capitalize()}", text
    if field.pattern and "pattern" not in options:
        yield "accordPattern", field.pattern
    if field.references:
        yield "accordReferences", field.references
    if field.at_most:
        yield "accordAtMost", field.at_most
    if field.severity != "quarantine":
        yield "accordSeverity", field.severity
    if field.freshness is not None:
        yield "accordFreshness", str(field.freshness)


def _number(text: str) -> int | float | None:
    """A limit as a JSON number, ``None`` when none can hold it; where the number is written otherwise, a custom property keeps its text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _value(type_: CanonicalType, text: str) -> int | float | bool | str:
    """A listed value in the type of its field, where that keeps the text."""
    if type_.name == "boolean" and text in ("true", "false"):
        return text == "true"
    if type_.name in _NUMBERS:
        if _INTEGER.fullmatch(text) and str(int(text)) == text:
            return int(text)
        if _DECIMAL.fullmatch(text) and repr(float(text)) == text:
            return float(text)
    return text


def _rule(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "sql", "name": rule.name}
    if rule.reason:
        shown["description"] = rule.reason
    shown |= {
        "dimension": DIMENSIONS_OUT[rule.dimension],
        "severity": "error" if rule.severity == "quarantine" else "warning",
        # A check that is null counts as met; so does NOT of it, which is null too.
        "query": f"SELECT count(*) FROM ${{object}} WHERE NOT ({rule.check})",
        "mustBe": 0,
    }
    if rule.dimension == "mapping":
        shown["customProperties"] = [{"property": "accordDimension", "value": rule.dimension}]
    return shown
