"""Erase a person: out of the systems, then through the flows, then out of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from accord.store.erasing import Erasure, Found
from accord.sync import run_flow
from accord.sync.apply.limit import Limit
from accord.sync.apply.remove import Removal, remove_rows
from accord.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a person stands, or, after an erasure, still stands.

    Args:
        systems: rows of the person's own entity in the systems; after an erasure, what was deleted.
        found: what the store holds.
        files: deliverables in which one of the person's values stands.
    """

    systems: tuple[Removal, ...]
    found: Found
    files: tuple[str, ...]

    @property
    def remains(self) -> tuple[str, ...]:
        """What is left after an erasure, each with what to do about it."""
        return tuple(self._remains())

    def _remains(self) -> Iterator[str]:
        for r in self.systems:
            if r.left:
                yield f"{r.system}/{r.resource}: {r.left}"
        for entity, rows in self.found.present.items():
            yield f"{rows} rows of '{entity}' about the person are in the systems: delete or empty them there, sync, and erase again"
        if self.found.segments:
            yield f"{len(self.found.segments)} segments still hold rows of the person: erase again"
        if self.found.clear:
            shown = ", ".join(map(str, self.found.clear[:5]))
            yield f"{len(self.found.clear)} events hold values of the person unsealed, from before they were marked personal ({shown})"
        for sha, rows in self.found.unknown:
            yield f"segment {sha} of no flow, such as an imported log, names the id in {rows} rows: take it out of the log's file"
        for name in self.files:
            yield f"{name} holds a value of the person: make it again, or delete it"


def find_person(workspace: Workspace, person: str, *, entity: str = "") -> Plan:
    """What would be erased; nothing is changed."""
    erasure = Erasure(workspace.map, workspace.store, person, entity=entity)
    found = erasure.find()
    return Plan(tuple(_systems(workspace, erasure, "")), found, _files(workspace, found))


def erase_person(workspace: Workspace, person: str, *, entity: str = "", by: str, reason: str, run: str, now: datetime) -> Plan:
    """Erase a person. Doing it again is harmless, and finishes what a crash broke off.

    Nothing is shredded while a system that Accord may not write to still holds the person: the next run would bring the row back.

    Args:
        workspace: under its lease.
        person: id of the person.
        entity: only as a row of this entity.
        by: who asked for it.
        reason: why, for the log.
        run: id for the events.
        now: the time.

    Raises:
        UnknownName, UsageError: as ``Erasure``.
        SystemUnreachable, SystemChanged, DataRefused: from a system; what was done stays done.
        GuardStopped: a flow would delete more than the person's rows.
        LeaseHeld: somebody reads the store's database at the end.
    """
    erasure = Erasure(workspace.map, workspace.store, person, entity=entity)
    workspace.forget_readings()  # of lists not read to their end: nobody knows whose rows they hold
    before = erasure.find()
    looked = list(_systems(workspace, erasure, ""))
    if any(r.left and r.rows for r in looked):
        return Plan(tuple(looked), before, _files(workspace, before))
    systems = tuple(_systems(workspace, erasure, run))
    for name, field in erasure.own.items():
        limit = Limit([json.dumps({field: person}, separators=(",", ":"), ensure_ascii=False)])
        for flow in workspace.map.flows.values():
            if flow.entity == name and workspace.store.flow_state(flow.name):
                run_flow(workspace.map, flow, workspace.connectors(), workspace.store, run=run, now=now, limit=limit)
    workspace.forget_readings()
    after = erasure.erase(by=by, reason=reason, run=run, now=now)
    return Plan(systems, after, _files(workspace, before))


def _systems(workspace: Workspace, erasure: Erasure, batch: str) -> Iterator[Removal]:
    for name, field in erasure.own.items():
        for flow in workspace.map.flows.values():
            if flow.entity == name:
                given = f"{batch}:{flow.name}:erase" if batch else ""
                yield from remove_rows(flow, [field], [[erasure.person]], workspace.connectors(), batch=given)


def _files(workspace: Workspace, found: Found) -> tuple[str, ...]:
    """Deliverables with a value of the person in them."""
    if not (found.values and workspace.deliverables.is_dir()):
        return ()
    wanted = [value.encode() for value in found.values]
    files = (path for path in sorted(workspace.deliverables.rglob("*")) if path.is_file())
    return tuple(str(path.relative_to(workspace.root)) for path in files if any(value in path.read_bytes() for value in wanted))
