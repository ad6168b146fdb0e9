"""Contracts over time: what changed since the last recorded one, and whether the version says so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from accord.lifecycle.context import StepContext
from accord.mapfile.compatibility import judge_contract
from accord.mapfile.recorded import entity_of, recorded
from accord.model.entity import Entity
from accord.model.event import Event, ObjectRef

Compatibility = Literal["first", "unchanged", "compatible", "breaking"]
_RECORDED = "contract.recorded"


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One entity's contract against the one recorded last: what changed, whether that breaks something, and the version it asks for."""

    entity: str
    version: str
    previous_version: str
    compatibility: Compatibility
    changes: tuple[str, ...]
    version_problem: str


def check_contracts(ctx: StepContext) -> tuple[ContractChange, ...]:
    """Compare every entity with the last recorded contract that was another one, and record those that are new or changed.

    A change is told until the next one, so that a run on an unchanged map says the same again, and a wrong version stays a finding
    until it is right.
    """
    store = ctx.workspace.store
    history: dict[str, list[Any]] = {}
    for stored in store.read(types=[_RECORDED]):
        history.setdefault(str(stored.event.attributes["entity"]), []).append(stored.event.attributes.get("stated"))
    rows, events = [], []
    for entity in ctx.workspace.map.entities.values():
        contract = recorded(entity)
        known = [body for body in history.get(entity.name, []) if body is not None]  # an earlier program recorded less of it
        other = [body for body in known if body != contract]
        rows.append(compared(entity_of(other[-1]), entity) if other else ContractChange(entity.name, entity.version, "", "first", (), ""))
        if not known or known[-1] != contract:
            body = {"entity": entity.name, "version": entity.version, "stated": contract, "run": ctx.run}
            mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
            about = (ObjectRef("entity", entity.name),)
            events.append(Event(f"contract:{entity.name}:{mark}", _RECORDED, ctx.now, "lifecycle.evolve", body, about))
    if events:
        store.append(events)
    return tuple(rows)


def compared(before: Entity, after: Entity) -> ContractChange:
    """One contract against another, by the rules of ``accord contract check``; changes of words only are compatible."""
    verdict = judge_contract(before, after, any_version=True)
    compatibility: Compatibility = "unchanged"
    if verdict.changes:
        compatibility = "breaking" if verdict.changes[0].level == "breaking" else "compatible"
    wanted = "a version of its own" if verdict.wanted == "another" else verdict.wanted
    problem = "" if verdict.good else f"a {compatibility} change needs {wanted}, the map says {after.version}"
    sentences = tuple(change.sentence for change in verdict.changes)
    return ContractChange(after.name, after.version, before.version, compatibility, sentences, problem)
