"""The short way through a run in which nothing can have changed: no resource was written since a run that found nothing to do.

A run notes in ``flow.run_finished`` what it saw (``seen``) only when it read every system, wrote to none and changed nothing of what is
agreed; and only when each system could give a change token, the same before and after it was read. Such a run is a function of the
systems' rows, the map, the agreed state and this program. When all four are the same again, so is the answer, and the systems need not
be read.

Nothing else uses the tokens: reading back, reconciliation and every run that has something to do look at the rows themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from accord import __version__
from accord.connectors.protocol import change_token
from accord.sync.cycle import Cycle
from accord.sync.identity.links import identity_print
from accord.sync.judge.aggregates import stale_sources
from accord.sync.judge.kept_contract import CHANGED
from accord.sync.mapping.lookups import lookup_state
from accord.sync.result import FlowResult, kept_finding, told_again

# The first two are told once, by the run that saw it first; the third anew by each, by its clock.
_NOT_KEPT = ("new_column", CHANGED, "not_fresh")


def fingerprint(cycle: Cycle) -> str:
    """SHA-256 over all that a run depends on besides the systems' rows: map, agreed state, referenced rows, program."""
    referenced = {f.references for f in cycle.entity.fields.values() if f.references}
    golden = {
        flow.name: cycle.store.flow_state(flow.name).get("golden", ()) for flow in cycle.map.flows.values() if flow.entity in referenced
    }
    state = {
        role: shas
        for role, shas in cycle.store.flow_state(cycle.flow.name).items()
        if role not in ("failed", "open") and not role.startswith("digest:")
    }
    keys = {name: cycle.map.entities[name].key for name in sorted(referenced) if name in cycle.map.entities}
    systems = [s.connector.system for s in cycle.sides]
    decided: list[object] = [r["seq"] for r in cycle.store.table("quarantine_discard").to_pylist() if r["flow"] == cycle.flow.name]
    decided += cycle.sql("SELECT id FROM decision0 ORDER BY 1") if cycle.rows("decision0") else []
    program = (identity_print(cycle), lookup_state(cycle), __version__, duckdb.__version__)
    parts = (*program, cycle.flow, cycle.entity, systems, keys, sorted(golden.items()), sorted(state.items()), decided)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def seen_now(cycle: Cycle, result: FlowResult) -> dict[str, Any] | None:
    """What the next run may rest on; ``None`` when this one had something to do, or some system cannot say whether it changed."""
    tokens = {s.name: s.token for s in cycle.sides}
    if result.changed or result.status != "done" or None in tokens.values():
        return None
    return {
        "fingerprint": fingerprint(cycle),
        "tokens": tokens,
        "rows": dict(result.rows),
        "waiting": result.waiting,
        "open_conflicts": result.open_conflicts,
        "counts": dict(result.counts),
        "newest": {side: {field: moment.isoformat() for field, moment in fields.items()} for side, fields in cycle.newest.items()},
        "findings": [kept_finding(f) for f in result.findings if f.kind not in _NOT_KEPT],
    }


def same_as(cycle: Cycle, previous: Mapping[str, Any]) -> FlowResult | None:
    """The result of the run before, when nothing it depends on has changed since; ``None`` when the systems must be read.

    An intent that no run finished means that something may have been written since, whatever the tokens say.
    """
    seen = previous.get("seen")
    if not isinstance(seen, Mapping) or cycle.store.pending_intents(cycle.flow.name, cycle.flow.bindings):
        return None
    for side in cycle.sides:
        side.token = change_token(side.connector, side.binding.resource)
    tokens = {s.name: s.token for s in cycle.sides}
    if None in tokens.values() or tokens != seen["tokens"] or fingerprint(cycle) != seen["fingerprint"]:
        return None
    newest = {
        side: {field: datetime.fromisoformat(moment) for field, moment in fields.items()} for side, fields in seen.get("newest", {}).items()
    }
    findings = tuple(told_again(f) for f in seen["findings"])
    findings += tuple(stale_sources(cycle, newest))
    return FlowResult(
        cycle.flow.name,
        cycle.run,
        "done",
        dict(seen["counts"]),
        findings,
        cycle.seconds,
        False,
        dict(seen["rows"]),
        int(seen["waiting"]),
        int(seen["open_conflicts"]),
    )
