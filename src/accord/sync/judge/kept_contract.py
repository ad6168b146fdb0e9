"""The contract of the map against the one a flow ran under last, before anything is written.

``contract.kept`` holds a contract as it was in force first, and what changed by it; a flow's last event holds its fingerprint, which is
all that a run compares where nothing changed. What breaks rows or readers under the same version of an approved map is judged as the flow's
``drift`` says: ``stop`` ends the run, ``quarantine`` goes on and tells it as a problem until the version says so, ``evolve`` goes on and
tells it once. All other changes, and all of a map that is a draft, are told once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from accord.mapfile.compatibility import ContractChange, ContractVerdict, judge_contract
from accord.mapfile.recorded import contract_print, entity_of, recorded
from accord.model.errors import NOWHERE, GuardStopped
from accord.model.event import Event, ObjectRef
from accord.model.figure import Finding
from accord.store import Store
from accord.sync.cycle import Cycle

KEPT: Final = "contract.kept"
CHANGED: Final = "contract_changed"  # told by the first run under the new one
UNSAID: Final = "contract_version"  # told by each run until the version says so
_SHOWN = 5


def judge_kept(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Compare the entity's contract with the kept one; findings, or the end of the run. Fills ``cycle.contract``.

    A flow that kept none (it is new, or an older program ran it last) is compared with the last one kept of its entity, where there is one.

    Raises:
        GuardStopped: a change breaks rows or readers, its version does not say so, and the flow of an approved map says stop.
    """
    now, noted = contract_print(cycle.entity), previous.get("contract") or {}
    cycle.contract = now
    if noted.get("fingerprint") == now:
        return
    cycle.keep_contract = True
    before = _kept(cycle.store, noted.get("entity") or cycle.entity.name, noted.get("fingerprint"))
    if before is None or before["fingerprint"] == now:
        return
    verdict = judge_contract(entity_of(before["contract"]), cycle.entity, any_version=True)
    breaking = [c for c in verdict.changes if c.level == "breaking"]
    if not breaking or verdict.good:
        if verdict.old != verdict.new or any(c.level != "editorial" for c in verdict.changes):
            severity = "warning" if breaking or not verdict.good else "info"
            _tell(cycle, CHANGED, severity, f"{_said(cycle, verdict)}{_advice(verdict)}", len(verdict.changes))
        return
    what = f"{_said(cycle, verdict)}, under a version that does not say so"
    todo = f"Raise version of the entity to {verdict.wanted}{_at(cycle.entity.place)}, or take the change back"
    draft = cycle.map.status == "draft"
    if draft or cycle.flow.drift == "evolve":
        _tell(
            cycle, CHANGED, "warning", f"{what}; it goes on, as {'the map is a draft' if draft else 'drift: evolve says'}.", len(breaking)
        )
    elif cycle.flow.drift == "stop":
        raise GuardStopped("contract", what, f"{todo}; one run with drift: evolve takes it as it is.")
    else:
        cycle.contract, cycle.keep_contract = before["fingerprint"], False  # what the next run is held against
        _tell(cycle, UNSAID, "problem", f"{what}. {todo}.", len(breaking))


def kept_contract(cycle: Cycle) -> list[Event]:
    """The event that keeps the contract of a run, for the end of the run; none where it was kept."""
    if not cycle.keep_contract:
        return []
    name, store = cycle.entity.name, cycle.store
    before = _kept(store, name, None)
    if before is not None and before["fingerprint"] == cycle.contract:
        return []  # by another flow over the same entity
    body: dict[str, Any] = {
        "entity": name,
        "version": cycle.entity.version,
        "fingerprint": cycle.contract,
        "contract": recorded(cycle.entity),
        "flow": cycle.flow.name,
        "run": cycle.run,
    }
    if before is not None:
        verdict = judge_contract(entity_of(before["contract"]), cycle.entity, any_version=True)
        changes = [{"level": c.level, "sentence": c.sentence, "why": c.why} for c in verdict.changes]
        body |= {"before": {"version": before["version"], "fingerprint": before["fingerprint"]}, "changes": changes, "good": verdict.good}
    id_ = f"{cycle.run}:{cycle.flow.name}:{KEPT}:{store.head().seq + 1}"
    return [Event(id_, KEPT, cycle.clock(), f"flow:{cycle.flow.name}", body, (ObjectRef("entity", name), ObjectRef("run", cycle.run)))]


def _kept(store: Store, entity: str, fingerprint: str | None) -> Mapping[str, Any] | None:
    """The last contract kept of an entity, of that fingerprint where one is given and still known."""
    kept = [s.event.attributes for s in store.read(types=[KEPT], object=ObjectRef("entity", entity))]
    return next((k for k in reversed(kept) if k["fingerprint"] == fingerprint), kept[-1] if kept else None)


def _said(cycle: Cycle, verdict: ContractVerdict) -> str:
    moved = verdict.changes[:_SHOWN]
    rest = f"; and {len(verdict.changes) - _SHOWN} more" if len(verdict.changes) > _SHOWN else ""
    versions = f"version {verdict.new}, before {verdict.old}" if verdict.new != verdict.old else f"version {verdict.new} as before"
    changes = f": {'; '.join(map(_told, moved))}{rest}" if moved else ""
    return f"the contract of entity '{verdict.entity}' changed ({versions}){changes}"


def _told(change: ContractChange) -> str:
    return f"{change.sentence}{_at(change.place)}" + (f", which is breaking: {change.why}" if change.why else "")


def _advice(verdict: ContractVerdict) -> str:
    return "." if verdict.good else f". Nothing breaks by it; its version must be at least {verdict.wanted} to say so."


def _at(place: Any) -> str:
    return "" if place == NOWHERE else f" ({place})"


def _tell(cycle: Cycle, kind: str, severity: Any, sentence: str, count: int) -> None:
    subject = f"entity {cycle.entity.name}"
    cycle.findings.append(Finding(kind, subject, f"flow '{cycle.flow.name}': {sentence}", severity, count))
