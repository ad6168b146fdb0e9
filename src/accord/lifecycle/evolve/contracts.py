"""Contracts over time: what changed since the last recorded one, and whether readers of the old one can live with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from accord.lifecycle.context import StepContext
from accord.model.entity import Entity
from accord.model.event import Event, ObjectRef

Compatibility = Literal["first", "unchanged", "compatible", "breaking"]


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One entity's contract against the one recorded last: what changed, whether it breaks readers, and what the version should be."""

    entity: str
    version: str
    previous_version: str
    compatibility: Compatibility
    changes: tuple[str, ...]
    version_problem: str


def contract_of(entity: Entity) -> dict[str, Any]:
    """The part of an entity that others rely on."""
    fields = {
        f.name: {
            "type": f.type,
            "required": f.required,
            "values": sorted(f.values),
            "pattern": f.pattern,
            "minimum": f.minimum,
            "maximum": f.maximum,
            "unit": f.unit,
            "references": f.references,
        }
        for f in entity.fields.values()
    }
    return {
        "key": list(entity.key),
        "fields": fields,
        "rules": {r.name: r.check for r in entity.rules.values() if r.severity == "quarantine"},
    }


def compare_contracts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Compatibility, tuple[str, ...]]:
    """What changed, and whether it breaks: a reader of the old contract must be able to read rows of the new one.

    Adding an optional field or widening is compatible. Removing or retyping a field, a new key, a new unit, and allowing more values than
    readers know are breaking.
    """
    if before == after:
        return "unchanged", ()
    changes: list[str] = []
    breaking = False
    if before["key"] != after["key"]:
        changes.append(f"key {', '.join(before['key'])} became {', '.join(after['key'])}")
        breaking = True
    for name in sorted(before["fields"].keys() | after["fields"].keys()):
        old, new = before["fields"].get(name), after["fields"].get(name)
        if old is None:
            changes.append(f"field {name} was added{' and is required' if new['required'] else ''}")
            breaking = breaking or new["required"]
        elif new is None:
            changes.append(f"field {name} was removed")
            breaking = True
        else:
            for key in sorted(k for k in old if old[k] != new[k]):
                changes.append(f"{key} of {name} changed from {old[key] or 'none'} to {new[key] or 'none'}")
                breaking = breaking or _breaks(key, old[key], new[key])
    if before["rules"] != after["rules"]:
        changes.append("rules changed")
    return ("breaking" if breaking else "compatible"), tuple(changes)


def _breaks(key: str, old: Any, new: Any) -> bool:
    if key in ("type", "unit", "references"):
        return True
    if key == "required":
        return bool(old) and not new
    if key == "values":
        return bool(old) and not set(new) <= set(old) if new else bool(old)
    # A changed pattern or bound may let values through that readers never saw.
    return bool(old)


def check_contracts(ctx: StepContext) -> tuple[ContractChange, ...]:
    """Compare every entity with its last recorded contract, and record those that are new or changed."""
    store = ctx.workspace.store
    recorded: dict[str, dict[str, Any]] = {}
    for stored in store.read(types=["contract.recorded"]):
        recorded[str(stored.event.attributes["entity"])] = dict(stored.event.attributes)
    rows, events = [], []
    for entity in ctx.workspace.map.entities.values():
        contract = contract_of(entity)
        last = recorded.get(entity.name)
        if last is None:
            rows.append(ContractChange(entity.name, entity.version, "", "first", (), ""))
        else:
            compatibility, changes = compare_contracts(last["contract"], contract)
            problem = version_problem(str(last["version"]), entity.version, compatibility)
            rows.append(ContractChange(entity.name, entity.version, str(last["version"]), compatibility, changes, problem))
        if last is None or last["contract"] != contract or last["version"] != entity.version:
            body = {"entity": entity.name, "version": entity.version, "contract": contract, "run": ctx.run}
            mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
            events.append(
                Event(
                    f"contract:{entity.name}:{mark}",
                    "contract.recorded",
                    ctx.now,
                    "lifecycle.evolve",
                    body,
                    (ObjectRef("entity", entity.name),),
                )
            )
    if events:
        store.append(events)
    return tuple(rows)


def version_problem(before: str, after: str, compatibility: Compatibility) -> str:
    """What is wrong with the new version number by semantic versioning; empty when nothing is."""
    if compatibility in ("first", "unchanged"):
        return ""
    old, new = version_parts(before), version_parts(after)
    if old is None or new is None:
        return f"version '{after}' is not of the form 1.2.3"
    if compatibility == "breaking" and new[0] <= old[0]:
        return f"a breaking change needs {old[0] + 1}.0.0, the map says {after}"
    if compatibility == "compatible" and new <= old:
        return f"a compatible change needs {old[0]}.{old[1] + 1}.0, the map says {after}"
    return ""


def version_parts(version: str) -> tuple[int, int, int] | None:
    """The three numbers of a version of the form 1.2.3; ``None`` for any other form."""
    parts = version.split(".")
    if len(parts) != 3 or not all(p.isdigit() for p in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])
