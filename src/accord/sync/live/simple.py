"""Which flows may take the short way: those of which everything that can happen to one row is decided by that row alone.

The test lists what is known to be safe. A key of the map that this list does not name, set to anything but its default, keeps the flow on
the ordinary way: a new feature is slow here before it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType

_ENTITY = {"name", "key", "fields", "title", "owner", "rules", "events", "version", "description", "place"}
_FIELD = {"name", "type", "required", "unique", "unit", "values", "pattern", "minimum", "maximum", "references", "at_most", "severity"}
_FIELD |= {"personal", "description", "place", "dimension"}
_FLOW = {"name", "entity", "bindings", "title", "owner", "authority", "existence", "delete_guard", "freshness", "drift", "priority"}
_FLOW |= {"covers", "place", "contested", "empty_guard"}
_BINDING = {
    "name",
    "resource",
    "fields",
    "system",
    "direction",
    "capture",
    "cursor",
    "create",
    "place",
    "overlap",
    "sweep_every",
    "changed_by",
    "marker",
    "cascades",
}
_MAPPING = {"name", "column", "direction", "codes", "unit", "timezone", "format", "place"}
_KEY_TYPES = ("text", "integer", "uuid")


def why_not(map_: IntegrationMap, flow: Flow) -> str:
    """Why a flow keeps to the ordinary way, for people; empty when it need not."""
    entity = map_.entities[flow.entity]
    if len(flow.bindings) < 2:
        return "it has one system only"
    for other in map_.flows.values():
        for mapping in (m for b in other.bindings.values() for m in b.fields.values()):
            if mapping.lookup is not None and mapping.lookup.entity == flow.entity:
                return f"flow '{other.name}' looks values up in its agreed rows"
    found = _beyond(entity, _ENTITY) or _beyond(flow, _FLOW)
    for field in entity.fields.values():
        found = found or _beyond(field, _FIELD)
    for name in entity.key:
        if CanonicalType.parse(entity.fields[name].type).name not in _KEY_TYPES:
            return f"key '{name}' is no text, integer or uuid"
    for binding in flow.bindings.values():
        found = found or _beyond(binding, _BINDING)
        columns = [m.column or m.name for m in binding.fields.values()]
        if len(set(columns)) < len(columns):
            return f"two fields share a column of '{binding.name}'"
        for mapping in binding.fields.values():
            found = found or _beyond(mapping, _MAPPING)
            if mapping.name in entity.key and (mapping.codes or mapping.unit or mapping.format or mapping.direction):
                return f"key '{mapping.name}' is converted in '{binding.name}'"
        if binding.own_key:
            return f"'{binding.name}' has a key of its own, and a row with an unknown one is recognized among all others"
        if not set(entity.key) <= set(binding.fields):
            return f"'{binding.name}' lacks a part of the key"
    return found


def guarded_fields(map_: IntegrationMap, flow: Flow) -> frozenset[str]:
    """Fields whose change needs the ordinary way: other rows, other sides or people have a say in them."""
    entity = map_.entities[flow.entity]
    found = {f.name for f in entity.fields.values() if f.unique or f.at_most or f.references}
    for name in entity.fields:
        rule = flow.authority.get(name) or flow.authority.get("*") or ""
        if rule in ("human", "merge"):
            found.add(name)
    return frozenset(found - set(entity.key))


def _beyond(noun: Any, known: set[str]) -> str:
    for field in fields(noun):
        if field.name in known:
            continue
        value = getattr(noun, field.name)
        usual = field.default if field.default is not MISSING else field.default_factory() if field.default_factory is not MISSING else None
        if value != usual and not (isinstance(value, Mapping) and not value):
            return f"'{field.name}' of '{getattr(noun, 'name', '')}' needs the ordinary way"
    return ""
