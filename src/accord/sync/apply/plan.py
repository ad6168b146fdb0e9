"""Plan first, then apply: what a flow would write as a document, and a run that writes exactly that or nothing.

A plan is made by a dry run. Applying it makes the dry run again, compares every row and value, and lets the real run go on only when what
it is about to write is what the plan says; a row that changes between that look and the write fails its compare-and-set and is reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused, PlanOutdated, UnknownName
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.apply.limit import Limit
from accord.sync.cycle import Ahead, Progress
from accord.sync.result import FlowResult, TargetPlan
from accord.sync.run import run_flow
from accord.sync.state.foreseen import LATER

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TargetRows:
    """What one system would be told.

    ``rows`` are sorted by key; each has ``key`` (JSON text), ``op``, ``set`` (fields that change), ``old`` and ``new`` (the system's own
    columns, every value as text) and ``unfit`` (why it cannot be written; such a row is not).
    """

    binding: str
    system: str
    resource: str
    inserts: int
    updates: int
    deletes: int
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What a run of one flow would write.

    Args:
        flow: its name.
        map: fingerprint of the flow, its contract and its systems.
        state: fingerprint of what was agreed when the plan was made.
        allow_deletes: the guards were waived by whoever made the plan.
        keys: the only keys the plan is about, as JSON text; ``None``: all.
        targets: one per system that may be written.
        restored: systems that were restored from a backup, and are brought up to what was agreed.
        agrees: it changes what other flows rest on, whether it writes anything or not.
        later: keys of rows that are left to a further plan, as they wait for what shows only once the plans before this one are applied.
    """

    flow: str
    map: str
    state: str
    allow_deletes: bool
    keys: tuple[str, ...] | None
    targets: tuple[TargetRows, ...]
    restored: tuple[str, ...] = ()
    agrees: bool = False
    later: tuple[str, ...] = ()

    @property
    def writes(self) -> int:
        """Rows it writes, in all systems."""
        return sum(t.inserts + t.updates + t.deletes for t in self.targets)


def plan_flow(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    flow: Flow | str,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    allow_deletes: bool = False,
    restored: Sequence[str] = (),
    keys: Sequence[str] | None = None,
    progress: Progress | None = None,
    foreseen: dict[str, Ahead] | None = None,
) -> tuple[FlowPlan, FlowResult]:
    """What a run would write now, every row of it; writes nothing itself.

    Args:
        allow_deletes: plan deletes beyond the guard too; noted in the plan.
        restored: systems to bring up to what was agreed; noted in the plan.
        keys: plan only for these keys (JSON text).
        foreseen: as ``run_flow`` takes it.

    Raises:
        GuardStopped: the plan would delete more than the map allows.
    """
    flow = _flow(map, flow)
    limit, foreseen = Limit(keys=keys), {} if foreseen is None else foreseen
    result = run_flow(
        map,
        flow,
        connectors,
        store,
        run=run,
        now=now,
        dry_run=True,
        allow_deletes=allow_deletes,
        restored=restored,
        progress=progress,
        limit=limit,
        foreseen=foreseen,
    )
    chosen = None if keys is None else tuple(sorted(set(keys)))
    made_from = map_fingerprint(map, flow, connectors), state_fingerprint(map, flow, store)
    agrees, later = flow.name in foreseen, tuple(key for f in result.findings if f.kind == LATER for key in f.examples)
    return FlowPlan(flow.name, *made_from, allow_deletes, chosen, _targets(result.plan), tuple(restored), agrees, later), result


def check_plan(
    map: IntegrationMap,  # noqa: A002
    plan: FlowPlan,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    progress: Progress | None = None,
    foreseen: dict[str, Ahead] | None = None,
) -> None:
    """Compare a plan with what would be written now; writes nothing.

    Raises:
        PlanOutdated: the map, the agreed state or a system is no longer what the plan was made from; says which and where.
    """
    flow = _flow(map, plan.flow)
    moved = []
    if map_fingerprint(map, flow, connectors) != plan.map:
        moved.append("the map or the place of a system is another one")
    if state_fingerprint(map, flow, store) != plan.state:
        moved.append("another run has moved what is agreed")
    if moved:
        raise PlanOutdated(plan.flow, moved)
    current, _ = plan_flow(
        map,
        flow,
        connectors,
        store,
        run=run,
        now=now,
        allow_deletes=plan.allow_deletes,
        restored=plan.restored,
        keys=plan.keys,
        progress=progress,
        foreseen=foreseen,
    )
    _compare(plan, current.targets)


def apply_plan(
    map: IntegrationMap,  # noqa: A002
    plan: FlowPlan,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    only_planned: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> FlowResult:
    """Write exactly what the plan says, or nothing; call ``check_plan`` first, for all plans that belong together.

    Args:
        only_planned: look at the keys the plan writes and no others. For a plan whose flow rests on another that was applied after the
            plan was made: rows that became possible by it are left to the next run. A restored system is looked at as a whole.
        again: it was applied before, and part of it could not be done then; nothing is written that is not in it.

    Returns:
        The run. ``stale`` in its counts are rows that changed between the last look and the write; they were left alone.

    Raises:
        PlanOutdated: what would be written is not what the plan says; nothing was written.
    """
    keys: Sequence[str] | None = plan.keys
    if (only_planned or again) and keys is None and (again or not plan.restored):
        keys = sorted({str(row["key"]) for target in plan.targets for row in target.rows})
    looked = False

    def check(targets: tuple[TargetPlan, ...]) -> None:
        nonlocal looked
        looked = True
        _compare(plan, _targets(targets), rest=again)

    limit = Limit(keys=keys, check=check)
    result = run_flow(
        map,
        plan.flow,
        connectors,
        store,
        run=run,
        now=now,
        allow_deletes=plan.allow_deletes,
        restored=() if again else plan.restored,
        progress=progress,
        limit=limit,
    )
    if not (looked or again):
        # The run ended before it had anything to write, because no system says that it changed; nothing was written.
        _compare(plan, ())
    return result


def unplanned(plan: FlowPlan) -> list[str]:
    """Keys a plan for some keys says nothing about: what they need, no rule of the map decides, or no system takes."""
    named = {str(row["key"]) for target in plan.targets for row in target.rows if not row["unfit"]}
    return [key for key in plan.keys or () if key not in named]


def map_fingerprint(map: IntegrationMap, flow: Flow, connectors: Mapping[str, Connector]) -> str:  # noqa: A002
    """SHA-256 over the flow, its contract and where its systems are, passwords left out."""
    systems = [connectors[b.holder].system for b in flow.bindings.values()]
    return hashlib.sha256(repr((flow, map.entities[flow.entity], systems)).encode()).hexdigest()


def state_fingerprint(map: IntegrationMap, flow: Flow, store: Store) -> str:  # noqa: A002
    """SHA-256 over what is agreed in the flow and in those its references lead to."""
    referenced = {f.references for f in map.entities[flow.entity].fields.values() if f.references}
    golden = {f.name: store.flow_state(f.name).get("golden", ()) for f in map.flows.values() if f.entity in referenced}
    state = {role: shas for role, shas in store.flow_state(flow.name).items() if role != "failed"}  # what happened, not what is agreed
    return hashlib.sha256(repr((sorted(state.items()), sorted(golden.items()))).encode()).hexdigest()


def plan_to(plan: FlowPlan) -> dict[str, Any]:
    """A plan as plain JSON values."""
    return asdict(plan)


def plan_from(body: Mapping[str, Any], where: str) -> FlowPlan:
    """The plan that ``plan_to`` wrote.

    Raises:
        DataRefused: it is none.
    """
    try:
        targets = tuple(TargetRows(**{**t, "rows": tuple(t["rows"])}) for t in body["targets"])
        keys = None if body["keys"] is None else tuple(body["keys"])
        lists = {name: tuple(body.get(name, ())) for name in ("restored", "later")}
        return FlowPlan(**{**body, "targets": targets, "keys": keys, **lists})
    except (TypeError, KeyError) as error:
        raise DataRefused("this is no plan of this version", where, "a file written by accord plan") from error


def _flow(map: IntegrationMap, flow: Flow | str) -> Flow:  # noqa: A002
    if not isinstance(flow, str):
        return flow
    if flow not in map.flows:
        raise UnknownName("flow", flow, map.flows)
    return map.flows[flow]


def _targets(plans: Sequence[TargetPlan]) -> tuple[TargetRows, ...]:
    """Targets without a row are left out: whether a system was looked at with no result is no part of a plan."""
    return tuple(TargetRows(p.binding, p.system, p.resource, p.inserts, p.updates, p.deletes, _rows(p)) for p in plans if p.rows.num_rows)


def _rows(plan: TargetPlan) -> tuple[Mapping[str, Any], ...]:
    names = plan.rows.column_names
    keys = [n for n in names if not n.startswith(("k:", "n:", "o:", "_"))]

    def packed(prefix: str) -> str:
        parts = [f"{quote(n.removeprefix(prefix))} := CAST({quote(n)} AS VARCHAR)" for n in names if prefix and n.startswith(prefix)]
        parts = parts or [f"{quote(k)} := CAST({quote(k)} AS VARCHAR)" for k in (keys if not prefix else ())]
        return f"struct_pack({', '.join(parts)})" if parts else "NULL"

    with borrowed_duck() as con:
        con.register("planned", plan.rows)
        row = (
            f"struct_pack(key := CAST(to_json({packed('')}) AS VARCHAR), op := _op, "
            "set := CASE WHEN _op <> 'delete' THEN _set ELSE [] END, "
            f"old := {packed('o:')}, new := {packed('n:')}, at := {packed('k:')}, unfit := _unfit)"
        )
        query = f"SELECT CAST(to_json(list({row})) AS VARCHAR) FROM planned"
        found = con.execute(query).fetchone()
    rows: list[dict[str, Any]] = json.loads(found[0]) if found and found[0] else []
    return tuple(sorted(rows, key=lambda r: (str(r["key"]), str(r["op"]))))


def _compare(plan: FlowPlan, now: Sequence[TargetRows], *, rest: bool = False) -> None:
    """Refuse what is other than planned; with ``rest``, rows of the plan may be done already."""
    moved: list[str] = []
    planned, current = {t.binding: t for t in plan.targets}, {t.binding: t for t in now}
    for binding in sorted({*planned, *current}):
        then = {str(r["key"]): r for r in planned[binding].rows} if binding in planned else {}
        today = {str(r["key"]): r for r in current[binding].rows} if binding in current else {}
        cases = (
            ("in the plan and no longer to be written", [k for k in then if k not in today and not rest]),
            ("to be written now and not in the plan", [k for k in today if k not in then]),
            ("to be written otherwise than planned", [k for k in then if k in today and then[k] != today[k]]),
        )
        moved += [
            f"{len(keys)} rows of {literal(binding)} are {what} ({', '.join(sorted(keys)[:_SHOWN])}{' …' if len(keys) > _SHOWN else ''})"
            for what, keys in cases
            if keys
        ]
    if moved:
        raise PlanOutdated(plan.flow, moved)
