"""Contracts over time: what changed since the last recorded one, and whether readers of the old one can live with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
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

    Adding an optional field or a rule, and allowing less than before, are compatible. Removing or retyping a field, a new key, unit or
    required field, and allowing values that readers never saw (more codes, a wider bound, a rule less) are breaking.
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
    for name in sorted(before["rules"].keys() | after["rules"].keys()):
        held, holds = before["rules"].get(name), after["rules"].get(name)
        if held is None:
            changes.append(f"rule {name} was added")
        elif held != holds:
            # Rows that the old rule kept out may pass now.
            changes.append(f"rule {name} was {'removed' if holds is None else 'changed'}")
            breaking = True
    return ("breaking" if breaking else "compatible"), tuple(changes)


def _breaks(key: str, old: Any, new: Any) -> bool:
    if key in ("type", "unit", "references"):
        return True
    if key == "required":
        return bool(old) and not new
    if key == "values":
        return bool(old) and not (new and set(new) <= set(old))
    if key in ("minimum", "maximum") and old and new:
        try:
            wider = Decimal(new) < Decimal(old) if key == "minimum" else Decimal(new) > Decimal(old)
        except InvalidOperation:  # a bound of dates or texts
            return True
        return wider
    # A changed pattern, or a bound that is gone, may let values through that readers never saw.
    return bool(old)


def check_contracts(ctx: StepContext) -> tuple[ContractChange, ...]:
    """Compare every entity with the last recorded contract that was another one, and record those that are new or changed.

    A change is told until the next one, so that a run on an unchanged map says the same again, and a wrong version stays a finding
    until it is right.
    """
    store = ctx.workspace.store
    history: dict[str, list[dict[str, Any]]] = {}
    for stored in store.read(types=["contract.recorded"]):
        history.setdefault(str(stored.event.attributes["entity"]), []).append(dict(stored.event.attributes))
    rows, events = [], []
    for entity in ctx.workspace.map.entities.values():
        contract = contract_of(entity)
        known = history.get(entity.name, [])
        other = [r for r in known if r["contract"] != contract or r["version"] != entity.version]
        if not other:
            rows.append(ContractChange(entity.name, entity.version, "", "first", (), ""))
        else:
            last = other[-1]
            compatibility, changes = compare_contracts(last["contract"], contract)
            problem = version_problem(str(last["version"]), entity.version, compatibility)
            rows.append(ContractChange(entity.name, entity.version, str(last["version"]), compatibility, changes, problem))
        if not known or known[-1]["contract"] != contract or known[-1]["version"] != entity.version:
            body = {"entity": entity.name, "version": entity.version, "contract": contract, "run": ctx.run}
            mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
            about = (ObjectRef("entity", entity.name),)
            events.append(Event(f"contract:{entity.name}:{mark}", "contract.recorded", ctx.now, "lifecycle.evolve", body, about))
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
