"""One run of a flow: capture ▸ validate ▸ merge ▸ intend ▸ apply ▸ read back ▸ move the base."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb

from accord.connectors.duck import borrowed_duck, memory_short
from accord.connectors.protocol import ApplyResult, Connector
from accord.connectors.types import literal
from accord.model.errors import AccordError, UnknownName, UsageError
from accord.model.figure import Finding
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.store.projections.segment import ROWS_KEPT
from accord.store.sealing import PersonalValues
from accord.sync.apply.cascades import foreseen_cascades
from accord.sync.apply.guard import check_deletes, check_emptied
from accord.sync.apply.limit import Limit, keep_held, limit_active, target_plans
from accord.sync.apply.receipts import ask_targets, to_note
from accord.sync.apply.targets import intent_query, plan_target
from accord.sync.apply.unshown import take_back_unshown
from accord.sync.apply.write import apply_target
from accord.sync.capture.asked_again import ask_again
from accord.sync.capture.brought_up import RESTORED, bring_up, mark_restored, mark_unfinished
from accord.sync.capture.drift import judge_drift, unsettled
from accord.sync.capture.elsewhere import check_elsewhere, note_places
from accord.sync.capture.extend import extend_targets
from accord.sync.capture.idle import same_as, seen_now
from accord.sync.capture.read import capture, drop_scanned
from accord.sync.capture.readback import read_back, take_read_back
from accord.sync.capture.readings import going_on, older_seconds
from accord.sync.capture.restored import check_restored, find_restored, note_reached, told_of
from accord.sync.capture.scope import begin_notes, close_logs, find_scope, first_load, read_scope, settle_logs
from accord.sync.capture.since import note_since
from accord.sync.capture.vanished import as_vanished, note_known
from accord.sync.capture.versions import settle_versions
from accord.sync.cycle import Ahead, Cycle, Progress, Side, names
from accord.sync.identity.links import record_links
from accord.sync.identity.made import MADE, made_keys
from accord.sync.identity.own_key import assign_keys
from accord.sync.identity.provisional import recognized_rows
from accord.sync.identity.resolve import identify, resolve_only, restore_unmerged
from accord.sync.judge.aggregates import check_aggregates, newest_values, stale_sources
from accord.sync.judge.going import let_doomed_go
from accord.sync.judge.judge import collect_quarantine, contract_findings, judge_merged, judge_none, judge_side, load_references
from accord.sync.judge.kept_contract import judge_kept, kept_contract
from accord.sync.judge.key_changes import KEPT, keep_deletes
from accord.sync.live.fold import fold_live, pend_live
from accord.sync.mapping.lookups import make_lookups
from accord.sync.mapping.outside import find_hidden, hide_written, is_partial, refuse_hidden
from accord.sync.mapping.remapped import find_remapped
from accord.sync.merge.conflicts import record_conflicts, record_stale, withdraw_stale
from accord.sync.merge.decisions import apply_decisions, load_decisions, settled_conflicts
from accord.sync.merge.merge import find_active, merge
from accord.sync.result import FlowResult
from accord.sync.state.base import load_pending, load_state, load_waiting, overlay_intents
from accord.sync.state.changes import note_due, note_quarantined, settle_due, start_due
from accord.sync.state.finish import next_base, next_golden
from accord.sync.state.foreseen import foresee, later_rows
from accord.sync.state.record import append, last_finished
from accord.sync.state.release import let_go
from accord.sync.state.renamed import go_on
from accord.sync.state.resume import advance, agreement, believe_written, find_moving, keep_told, note_applied, resume
from accord.sync.state.segments import find_touched, move_digests, move_state
from accord.sync.state.stands import keep_standing

ROUNDS = 3  # a row that is stale after so many tries is left for the next run
_EFFECTS = ("inserted", "updated", "deleted", "unchanged")


def run_flow(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    flow: Flow | str,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    dry_run: bool = False,
    allow_deletes: bool = False,
    progress: Progress | None = None,
    limit: Limit | None = None,
    whole: bool = False,
    listen: bool = False,
    restored: Collection[str] = (),
    foreseen: dict[str, Ahead] | None = None,
) -> FlowResult:
    """Bring every system of a flow into agreement, once.

    Repeating it is harmless, a second run right after writes nothing, and a run that died at any point is taken up by the next one.

    Args:
        map: the map the flow belongs to.
        flow: the flow or its name.
        connectors: by system name; at least the systems of this flow.
        store: where bases, intents and events live.
        run: id of this run, for events.
        now: the time, aware, in UTC.
        dry_run: only plan; nothing is written anywhere, the store included.
        allow_deletes: go on where the guards of deletes, emptied fields, and moved or restored systems would stop.
        progress: told a sentence before each step.
        limit: keys to look at, and a last word before the first write; default: all keys, none.
        whole: look at every row of every system, also where what changed is known.
        listen: read the systems' logs also where nothing was written since the last run, so that they are open and read up to here.
        restored: systems that were restored from a backup: what they show counts as no edit, and is brought up to what was agreed.
        foreseen: of a dry run: what dry runs before it would change in what is agreed; gets what this one would.

    Raises:
        GuardStopped: a mass delete, a vanished column, a system at a place with other rows or at an earlier state, or a flow that seems
            to be renamed; nothing of it was written.
        SystemUnreachable, SystemChanged, DataRefused, StorageFull: from a connector; what was written so far is taken up by the next run.
        UnknownName, UsageError: a restored system is none of the flow's, or may only be read there.
        MemoryShort: the values of the flow need more memory than there is for them; the same holds of what was written.
    """
    ahead = {} if foreseen is None else foreseen
    with open_cycle(map, flow, connectors, store, run=run, now=now, progress=progress, foreseen=ahead) as cycle:
        try:
            name = cycle.flow.name
            go_on(cycle, dry_run=dry_run)
            if not dry_run:
                fold_live(cycle)
            with going_on(cycle, keep=not dry_run):
                whole = mark_restored(cycle, restored) or whole
                result = _run(cycle, limit or Limit(), dry_run=dry_run, allow_deletes=allow_deletes, whole=whole, listen=listen)
                result = replace(result, older_seconds=older_seconds(cycle))
        except (AccordError, duckdb.OutOfMemoryException) as met:
            error = memory_short(met) or (as_vanished(cycle, met) if isinstance(met, AccordError) else met)
            if not cycle.intended and not dry_run:
                # Nothing was written; the log says that and why. The error itself matters more than a log that cannot be written.
                told = {"status": "failed", "counts": {}, "seconds": cycle.seconds, "state": {}, "reason": str(error)}
                with contextlib.suppress(AccordError):
                    append(cycle, "flow.run_finished", **told, **told_of(cycle))
            if error is not met:
                raise error from met
            raise
        finally:
            close_logs(cycle)
        if not dry_run:
            let_go(cycle)
        elif cycle.ahead is not None:
            ahead[name] = cycle.ahead
        return result if result.flow == name else replace(result, flow=name)


@contextlib.contextmanager
def open_cycle(
    map: IntegrationMap,  # noqa: A002
    flow: Flow | str,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    progress: Progress | None,
    foreseen: Mapping[str, Ahead] = {},
) -> Iterator[Cycle]:
    """A cycle with one side per binding, nothing read yet.

    Raises:
        UnknownName: no such flow, entity or system.
        UsageError: ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise UsageError("'now' has no time zone.", expected="Expected an aware time in UTC.")
    if isinstance(flow, str):
        if flow not in map.flows:
            raise UnknownName("flow", flow, map.flows)
        flow = map.flows[flow]
    if flow.entity not in map.entities:
        raise UnknownName("entity", flow.entity, map.entities, place=flow.place, holder=f"flow '{flow.name}'")
    sides = []
    for index, binding in enumerate(flow.bindings.values()):
        system = binding.system or binding.name
        if system not in connectors:
            raise UnknownName("system", system, connectors, place=binding.place, holder=f"binding '{binding.name}'")
        may = binding.direction != "write" and (not flow.existence or binding.name in flow.existence)
        sides.append(Side(index, binding, connectors[system], may))
    store.protect(PersonalValues(map))
    with borrowed_duck() as con:
        told, entity = progress or (lambda sentence: None), map.entities[flow.entity]
        cycle = Cycle(con, store, map, flow, entity, run, now, sides, told, foreseen=foreseen)
        make_lookups(cycle)
        load_decisions(cycle)
        yield cycle


def _run(cycle: Cycle, limit: Limit, *, dry_run: bool, allow_deletes: bool, whole: bool, listen: bool) -> FlowResult:
    previous = last_finished(cycle)
    begin_notes(cycle, previous)
    note_known(cycle, previous)
    note_places(cycle, previous)
    judge_kept(cycle, previous)
    if not (dry_run or whole or listen) and limit == Limit() and (same := same_as(cycle, previous)) is not None:
        cycle.progress(f"{cycle.flow.name}: no system was written since the last run")
        _finished(cycle, same, {}, cycle.clock(), previous["columns"], previous["seen"], previous.get("shapes"))
        return same
    find_restored(cycle, previous)
    load_waiting(cycle)
    if not dry_run:
        extend_targets(cycle, previous)
    cycle.limited = limit.keys is not None
    start_due(cycle)
    if not (previous or dry_run or whole) and limit == Limit() and (loaded := first_load(cycle)) is not None:
        judge_drift(cycle, previous)
        find_remapped(cycle, previous)
        columns = {s.name: s.known_columns for s in cycle.sides}
        note_reached(cycle)
        _finished(cycle, loaded.result, loaded.state, loaded.captured_at, columns, None, cycle.shapes)
        return loaded.result
    load_pending(cycle)
    ask_targets(cycle, dry_run=dry_run)
    pend_live(cycle)
    mark_unfinished(cycle)
    if not cycle.limited and find_scope(cycle, previous, whole=whole, dry_run=dry_run) and not (cycle.looked or dry_run):
        return _quiet(cycle, previous)
    if not (cycle.partial and read_scope(cycle, previous)):
        load_state(cycle)
        for side in cycle.sides:
            cycle.progress(f"{cycle.flow.name}: reading {side.name}")
            capture(cycle.con, cycle.entity, side, drift="evolve", may_create=not dry_run)
    captured_at = cycle.clock()
    note_since(cycle)
    judge_drift(cycle, previous)
    find_remapped(cycle, previous)
    if not allow_deletes:
        check_elsewhere(cycle)
        check_restored(cycle)
    ask_again(cycle)
    for side in cycle.sides:
        drop_scanned(cycle.con, side)
    resume(cycle)
    identify(cycle)
    initial = {s.name for s in cycle.sides if not (cycle.partial or cycle.rows(s.table("stored_base")))}
    totals = dict.fromkeys((*_EFFECTS, "refused", "stale"), 0)
    shown: dict[str, Side] = {}
    for round_ in range(1, ROUNDS + 1):
        active = _decide(cycle, limit, first=round_ == 1)
        if round_ == 1:
            check_aggregates(cycle)
        if not allow_deletes and active:
            check_deletes(cycle)  # in each round: a system may have been emptied since the one before
            check_emptied(cycle)
        if dry_run:
            cycle.ahead = foresee(cycle) if active else None
            return _planned(cycle, limit)
        if limit.check is not None:
            limit.check(target_plans(cycle) if active else ())
        if not active or not _write(cycle, round_, totals, shown):
            break
        if round_ == ROUNDS or limit.check is not None:
            _give_up(cycle, totals)
            break
        advance(cycle, shown)
        take_read_back(cycle, shown)
    cycle.progress(f"{cycle.flow.name}: moving the base")
    return _finish(cycle, limit, totals, shown, captured_at, previous, initial, active=bool(active))


def _decide(cycle: Cycle, limit: Limit, *, first: bool) -> int:
    """Validate, merge and plan from the present captures; returns how many keys had to be looked at."""
    cycle.progress(f"{cycle.flow.name}: validating and merging")
    references = load_references(cycle)
    cycle.make_empty("kept", KEPT)
    for side in cycle.sides:
        judge_side(cycle, side, references)
    if first:  # what a restored system shows after that was edited since
        bring_up(cycle)
    for side in cycle.sides:
        believe_written(cycle, side)
        if is_partial(side):
            find_hidden(cycle, side)
        overlay_intents(cycle, side)
        if is_partial(side):
            hide_written(cycle, side)
    let_doomed_go(cycle)
    active = find_active(cycle) if limit.keys is None else find_active(cycle) and limit_active(cycle, limit.keys)
    if not active:
        judge_none(cycle)
        return 0
    merge(cycle)
    restore_unmerged(cycle)
    apply_decisions(cycle)
    judge_merged(cycle, references)
    keep_deletes(cycle)
    assign_keys(cycle)
    for side in cycle.sides:
        plan_target(cycle, side)
    record_conflicts(cycle)
    if limit.keys is not None:
        keep_held(cycle)
    note_due(cycle)
    return active


def _write(cycle: Cycle, round_: int, totals: dict[str, int], shown: dict[str, Side]) -> bool:
    """Intend, apply and read back; returns whether some row was stale and should be merged anew."""
    planned = [s for s in cycle.sides if s.writable and cycle.rows(s.table("plan"))]
    writing = [s for s in planned if cycle.count(f"SELECT count(*) FROM {s.table('plan')} WHERE _unfit IS NULL")]
    moved: list[Side] = []
    told: list[Side] = []
    if writing:
        cycle.progress(f"{cycle.flow.name}: noting what will be written")
        moved = find_moving(cycle)
        made = made_keys(cycle, writing)
        told = to_note(cycle, writing, moved, made)
        _intend(cycle, writing, moved, told, round_, made)
    for side in cycle.sides:
        if side in writing:
            cycle.progress(f"{cycle.flow.name}: writing {side.name}")
        batch = f"{cycle.run}:{cycle.flow.name}:{round_}:{side.name}"
        _add(totals, apply_target(cycle, side, batch, note_round=round_ if side in told else 0))
        if side in told:
            note_applied(cycle, side, round_)
        if side in writing:
            cycle.sql(f"DROP TABLE {side.table('plan')}")  # with each value, wanted and read; what became of its rows is in done_<i>
    for side in writing:
        cycle.progress(f"{cycle.flow.name}: reading back {side.name}")
        shown[side.name] = read_back(cycle, side)
        resolve_only(cycle, shown[side.name], like=side.index)
        for effect, count in take_back_unshown(cycle, side, shown[side.name]).items():
            totals[effect] -= count
        if is_partial(side):
            refuse_hidden(cycle, side, shown[side.name])
        drop_scanned(cycle.con, shown[side.name])
    statuses = " UNION ALL ".join(f"SELECT _status FROM {s.table('done')}" for s in cycle.sides)
    totals["refused"] = cycle.count(f"SELECT count(*) FROM ({statuses}) WHERE _status = 'refused'")
    stale = [s for s in writing if cycle.count(f"SELECT count(*) FROM {s.table('done')} WHERE _status = 'stale'")]
    if stale and round_ < ROUNDS:
        keep_told(cycle)
        for side in stale:
            withdraw_stale(cycle, side)
    return bool(stale)


def _add(totals: dict[str, int], result: ApplyResult) -> None:
    for name in _EFFECTS:
        totals[name] += getattr(result, name)


def _intend(cycle: Cycle, writing: list[Side], moved: list[Side], told: list[Side], round_: int, made: Mapping[str, str]) -> None:
    """Put what is about to be written, and what it overwrites, into the log; from here on a crash is the next run's to sort out."""
    record_links(cycle)
    segments, stands = {}, keep_standing(cycle)
    for side in writing:
        query = intent_query(cycle, side)
        sha = segments[side.name] = cycle.store.write_segment_from(cycle.con, query).sha
        fields = names((*cycle.keys, *(f for f in cycle.fields if f not in cycle.keys), "_op", "_set"))
        written = f"read_parquet({literal(str(cycle.store.read_segment(sha)))})"  # cheaper than computing it once more
        cycle.sql(f"INSERT INTO {side.table('pend')} ({fields}) SELECT {fields} FROM {written}")
    losers = ""
    if cycle.count("SELECT count(*) FROM conflicts_new"):
        losers = cycle.store.write_segment_from(cycle.con, "SELECT * FROM conflicts_new ORDER BY ALL").sha
    cycle.intended = True
    more: dict[str, object] = {"round": round_, "asked": [s.name for s in told]} if told else {}
    more |= {"targets": [s.name for s in moved], **agreement(cycle)} if moved else {}
    more |= {"stands": stands} if stands else {}
    more |= {MADE: made} if made else {}
    more |= {RESTORED: restored} if (restored := [s.name for s in cycle.sides if s.restored]) else {}
    append(cycle, "flow.intended", segments=segments, conflicts=losers, **more)


def _give_up(cycle: Cycle, totals: dict[str, int]) -> None:
    for side in cycle.sides:
        count = cycle.count(f"SELECT count(*) FROM {side.table('done')} WHERE _status = 'stale'")
        if count:
            record_stale(cycle, side)
            totals["stale"] += count
            what = f"{count} rows of '{side.name}' kept changing while they were written"
            sentence = f"flow '{cycle.flow.name}': {what}; they are merged again on the next run."
            cycle.findings.append(Finding("stale", f"{side.name}/{side.binding.resource}", sentence, "warning", count))


def _finish(
    cycle: Cycle,
    limit: Limit,
    totals: dict[str, int],
    shown: dict[str, Side],
    captured_at: datetime,
    previous: Mapping[str, object],
    initial: set[str],
    *,
    active: bool,
) -> FlowResult:
    record_links(cycle)
    find_touched(cycle, active=active)
    for side in cycle.sides:  # here and below: all values once more, in the memory that is needed next
        cycle.sql(f"DROP TABLE {side.table('pend')}")
    counts = dict(totals)
    counts["quarantined"] = collect_quarantine(cycle, shown)
    left = "quarantine0 o ANTI JOIN quarantine n ON o.binding = n.binding AND o.key IS NOT DISTINCT FROM n.key"
    counts["released"] = cycle.count(f"SELECT count(*) FROM {left}") if cycle.rows("quarantine0") else 0
    if active:
        before = previous.get("captured_at")
        settle_due(cycle, shown, captured_at, datetime.fromisoformat(str(before)) if before else None, initial)
        for side in cycle.sides:
            next_base(cycle, side, shown.get(side.name))
            settle_versions(cycle, side, shown.get(side.name))
            cycle.sql(f"DROP TABLE {side.table('want')}")
        next_golden(cycle)
    cycle.newest = newest_values(cycle, shown)
    for back in shown.values():
        cycle.sql(f"DROP TABLE {back.table('cap')}")
    note_quarantined(cycle, captured_at)
    state = move_state(cycle, active=active)
    found = cycle.sql("SELECT (SELECT count(*) FROM conflicts_new), count(*), count(*) FILTER (WHERE verified) FROM changes_new")
    counts |= dict(zip(("conflicts", "changes", "verified"), (int(str(n)) for n in found[0]), strict=True))
    cycle.findings += stale_sources(cycle, cycle.newest)
    findings = (*cycle.findings, *contract_findings(cycle, load_references(cycle)), *_refusals(cycle, active=active))
    changed = any(counts.values()) or any(role not in ("failed", "open") and not role.startswith("digest:") for role in state)
    status = "partial" if counts["refused"] or counts["stale"] else "done"
    result = FlowResult(
        cycle.flow.name,
        cycle.run,
        "partial" if status == "partial" else "done",
        counts,
        findings,
        cycle.seconds,
        changed,
        {s.name: s.rows for s in cycle.sides},
        cycle.count("SELECT count(*) FROM waiting") if cycle.rows("quarantine") else 0,
        cycle.count(f"SELECT count(*) FROM (SELECT DISTINCT key, field FROM {'held' if active else 'held0'})"),
    )
    seen = None if shown or limit != Limit() else seen_now(cycle, result)
    columns = {s.name: s.known_columns for s in cycle.sides}
    note_reached(cycle, shown)
    _finished(cycle, result, state, captured_at, columns, seen, cycle.shapes, whole=limit.keys is None)
    return result


def _finished(
    cycle: Cycle,
    result: FlowResult,
    state: Mapping[str, object],
    captured_at: datetime,
    columns: object,
    seen: object,
    shapes: object,
    *,
    whole: bool = True,
) -> None:
    more: dict[str, object] = {ROWS_KEPT: True} | ({} if seen is None else {"seen": seen})
    # A run limited to some keys saw the others and let them be: the next one must not take them for looked at.
    more |= {"captured_at": captured_at.isoformat()} if whole else {"limited": True}
    append(
        cycle,
        "flow.run_finished",
        [*settled_conflicts(cycle, state), *(kept_contract(cycle) if whole else ())],
        status=result.status,
        counts=dict(result.counts),
        seconds=round(cycle.seconds, 3),
        state=dict(state),
        covers=list(cycle.flow.covers),
        columns=columns,
        shapes=shapes or {},
        map=cycle.map.name,
        contract={"entity": cycle.entity.name, "version": cycle.entity.version, "fingerprint": cycle.contract},
        **cycle.notes,
        **more,
    )
    settle_logs(cycle)


def _quiet(cycle: Cycle, previous: Mapping[str, Any]) -> FlowResult:
    """The end of a run in which every side could say that nothing moved, and nothing was left open."""
    cycle.progress(f"{cycle.flow.name}: nothing moved since the last run")
    counts = dict.fromkeys((*_EFFECTS, "refused", "stale", "quarantined", "released", "conflicts", "changes", "verified"), 0)
    rows = {s.name: 0 for s in cycle.sides}
    result = FlowResult(cycle.flow.name, cycle.run, "done", counts, (*cycle.findings, *unsettled(previous)), cycle.seconds, False, rows)
    seen = seen_now(cycle, result)  # its tokens were taken before anything was asked
    _finished(cycle, result, move_digests(cycle), cycle.clock(), previous["columns"], seen, previous.get("shapes"))
    return result


def _planned(cycle: Cycle, limit: Limit) -> FlowResult:
    recognized = {} if limit.keys is None else recognized_rows(cycle, limit.keys)
    plans, totals = target_plans(cycle), dict.fromkeys((*_EFFECTS, "refused"), 0)
    for plan in plans:
        for effect, count in zip(_EFFECTS, (plan.inserts, plan.updates, plan.deletes), strict=False):
            totals[effect] += count
        totals["refused"] += plan.rows.num_rows - plan.inserts - plan.updates - plan.deletes
    totals["quarantined"] = collect_quarantine(cycle, {})
    totals["conflicts"] = cycle.count("SELECT count(*) FROM conflicts_new")
    findings = (*cycle.findings, *foreseen_cascades(cycle), *contract_findings(cycle, load_references(cycle)), *later_rows(cycle))
    rows_read = {s.name: s.rows for s in cycle.sides}
    waiting = cycle.count("SELECT count(*) FROM waiting")
    changed = any(totals.values())
    return FlowResult(
        cycle.flow.name,
        cycle.run,
        "planned",
        totals,
        findings,
        cycle.seconds,
        changed,
        rows_read,
        waiting,
        plan=plans,
        recognized=recognized,
    )


def _refusals(cycle: Cycle, *, active: bool) -> list[Finding]:
    found = []
    for side in cycle.sides if active else ():
        table = side.table("done")
        count = cycle.count(f"SELECT count(*) FROM {table} WHERE _status = 'refused'") if cycle.made.get(table) else 0
        if count:
            reasons = cycle.sql(f"SELECT DISTINCT _reason FROM {table} WHERE _status = 'refused' ORDER BY 1 LIMIT 3")
            subject = f"{side.binding.system or side.name}/{side.binding.resource}"
            sentence = f"flow '{cycle.flow.name}': {subject} refused {count} rows ({reasons[0][0]}). They are tried again on the next run."
            found.append(Finding("refused", subject, sentence, "problem", count, tuple(str(r[0]) for r in reasons)))
    return found
