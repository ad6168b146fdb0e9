"""The standards of the integration, each with a check that can be run on the map."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zoneinfo import available_timezones

from accord.model.integration_map import IntegrationMap

Check = Callable[[IntegrationMap], Iterator[tuple[str, bool]]]


@dataclass(frozen=True)
class Standard:
    """A rule everyone keeps; ``check`` yields each item it applies to and whether it keeps the rule."""

    name: str
    rule: str
    check: Check


@dataclass(frozen=True)
class Compliance:
    """A standard with the items that keep it and those that do not."""

    standard: Standard
    kept: int
    broken: tuple[str, ...]


def _fields(integration_map: IntegrationMap, *types: str) -> Iterator[tuple[str, str, str]]:
    for entity in integration_map.entities.values():
        for name, declared in entity.fields.items():
            if declared.type.split("(")[0] in types:
                yield entity.name, name, declared.unit


def _identifiers(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for entity in integration_map.entities.values():
        for key in entity.key:
            declared = entity.fields[key]
            sure = bool(declared.pattern or declared.references or declared.values) or declared.type != "text"
            yield f"{entity.name}.{key}", sure


def _time_zones(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    known = available_timezones()
    yield "map", integration_map.timezone in known
    for flow in integration_map.flows.values():
        for binding in flow.bindings.values():
            for name, mapping in binding.fields.items():
                if integration_map.entities[flow.entity].fields[name].type == "timestamp":
                    yield f"{flow.name}.{binding.name}.{name}", not mapping.timezone or mapping.timezone in known


def _currencies(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for entity, name, unit in _fields(integration_map, "number"):
        if re.fullmatch(r"[A-Z]{3}", unit):
            yield f"{entity}.{name}", unit == integration_map.currency or "currency" in integration_map.entities[entity].fields


def _units(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for entity, name, unit in _fields(integration_map, "number", "double"):
        yield f"{entity}.{name}", bool(unit)


def _codes(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for flow in integration_map.flows.values():
        fields = integration_map.entities[flow.entity].fields
        for binding in flow.bindings.values():
            for name, mapping in binding.fields.items():
                if mapping.codes:
                    inside = not fields[name].values or set(mapping.codes.values()) <= set(fields[name].values)
                    yield f"{flow.name}.{binding.name}.{name}", inside


def _versions(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for entity in integration_map.entities.values():
        yield entity.name, re.fullmatch(r"\d+\.\d+\.\d+", entity.version) is not None


def _conflicts(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for flow in integration_map.flows.values():
        for field in dict.fromkeys(f for b in flow.bindings.values() for f in b.fields):
            changers = [b for b in flow.bindings.values() if field in b.fields and (b.fields[field].direction or b.direction) != "write"]
            if len(changers) > 1 and field not in integration_map.entities[flow.entity].key:
                yield f"{flow.name}.{field}", bool(flow.authority.get(field) or flow.authority.get("*"))


def _owners(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for section in ("systems", "entities", "flows", "processes"):
        for name, item in getattr(integration_map, section).items():
            yield f"{section} {name}", bool(item.owner)


def _errors(integration_map: IntegrationMap) -> Iterator[tuple[str, bool]]:
    for flow in integration_map.flows.values():
        yield flow.name, flow.drift in ("evolve", "quarantine", "stop") and flow.delete_guard.endswith("%")


STANDARDS = (
    Standard("identifiers", "A key has a pattern, a set of values or a reference, so that a wrong one is noticed.", _identifiers),
    Standard("time", "Times are instants in UTC; a system that writes local time names its IANA zone in the mapping.", _time_zones),
    Standard("currency", "An amount is in the map's currency, or its entity has a field «currency».", _currencies),
    Standard("units", "Every number names its unit.", _units),
    Standard("codes", "A code table maps into the agreed set of values only.", _codes),
    Standard("versions", "A contract has a version of three numbers.", _versions),
    Standard("conflicts", "A field that may change in several systems names who is believed.", _conflicts),
    Standard(
        "errors", "A flow says what happens on schema drift and mass deletion; a stale write is always the one outcome StaleWrite.", _errors
    ),
    Standard("ownership", "Every system, entity, flow and process has a team that answers for it.", _owners),
)


def check_standards(integration_map: IntegrationMap) -> tuple[Compliance, ...]:
    """Run every standard's check on the map."""
    found = []
    for standard in STANDARDS:
        items = list(standard.check(integration_map))
        found.append(Compliance(standard, sum(good for _, good in items), tuple(name for name, good in items if not good)))
    return tuple(found)
