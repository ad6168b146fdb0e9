"""Which flows the direct path understands: those that ask for nothing it does not know."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from accord.connectors.bulk import Filled
from accord.model.errors import SystemUnreachable, UnknownName
from accord.sync.cycle import Cycle, Side
from accord.sync.mapping.fields import FieldCode

# Whatever is added to the model later is unknown here, and a flow that uses it goes the ordinary way until somebody adds it.
# fmt: off
_FLOW: Final = frozenset({
    "name", "entity", "bindings", "title", "owner", "authority", "existence", "deletes", "delete_guard", "freshness", "drift", "priority",
    "covers", "place", "empty_guard",
})
_BINDING: Final = frozenset({
    "name", "resource", "fields", "system", "direction", "cursor", "where", "create", "capture", "overlap", "sweep_every", "place",
    "marker",
})
_MAPPING: Final = frozenset({"name", "column", "direction", "codes", "unit", "timezone", "format", "value", "read", "place"})
_ENTITY: Final = frozenset({"name", "key", "fields", "title", "owner", "rules", "events", "version", "description", "place"})
_FIELD: Final = frozenset({
    "name", "type", "required", "unique", "unit", "values", "pattern", "minimum", "maximum", "at_most", "personal", "description", "place",
})
_RULE: Final = frozenset({"name", "check", "reason", "dimension", "place"})
# fmt: on
FILLS: Final = "fills"  # attribute of an intent: the fields written, by target, of rows that are all inserts


def understood(cycle: Cycle) -> bool:
    """Whether the map asks for nothing but what is known here."""
    entity, flow = cycle.entity, cycle.flow
    fields = all(_plain(f, _FIELD) for f in entity.fields.values())
    rules = all(_plain(r, _RULE) for r in entity.rules.values())
    bindings = all(_plain(b, _BINDING) and all(_plain(m, _MAPPING) for m in b.fields.values()) for b in flow.bindings.values())
    return _plain(entity, _ENTITY) and _plain(flow, _FLOW) and fields and rules and bindings


def _plain(thing: Any, known: frozenset[str]) -> bool:
    return all(f.name in known or getattr(thing, f.name) == _default(f) for f in dataclasses.fields(thing))


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def untouched(cycle: Cycle) -> bool:
    """Whether nothing was ever agreed, and nothing written that was not this same load, begun before and broken off."""
    if cycle.store.flow_state(cycle.flow.name) or cycle.store.flow_records(cycle.flow.name, "changes", last=1):
        return False
    return all(FILLS in stored.event.attributes for stored in cycle.store.pending_intents(cycle.flow.name, cycle.flow.bindings))


def pair(cycle: Cycle) -> tuple[Side, Side] | None:
    """The side with the rows and the empty one to fill; ``None`` when it is not plain which is which."""
    if len(cycle.sides) != 2:
        return None
    for source, target in (cycle.sides, cycle.sides[::-1]):
        if source.readable and source.may_exist and target.writable and not target.binding.where and _is_empty(target):
            return source, target
    return None


def _is_empty(target: Side) -> bool:
    if not isinstance(target.connector, Filled):
        return False
    try:
        return target.connector.is_empty(target.binding.resource)
    except (UnknownName, SystemUnreachable):
        return target.binding.create  # not made yet; where it is not to be made, the ordinary way says what is wrong


def simple(cycle: Cycle, source: Side, target: Side) -> bool:
    """Whether both sides, as compiled, can be told row by row: every value comes from the source and goes to columns of its own."""
    keyed = all(k in side.codes for k in cycle.keys for side in (source, target))
    believed = all(code.readable for code in source.codes.values())
    own = all(not _computed(side, code) for side in (source, target) for code in side.codes.values() if code.writable)
    # The merged row is held against the contract with what the target provides, too; only the source's own was checked.
    shared = any(f.unique or f.at_most for f in cycle.entity.fields.values())
    more = any(n not in source.codes for n, c in target.codes.items() if c.readable or n in cycle.keys)
    return keyed and believed and own and not (source.lacking or target.lacking) and not (shared and more)


def _computed(side: Side, code: FieldCode) -> bool:
    mapping = side.binding.fields[code.name]
    return bool(mapping.read or mapping.value)
