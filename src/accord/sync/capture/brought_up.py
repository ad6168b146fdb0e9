"""Systems that a person says were restored from a backup: brought up to what was agreed, as for one run nothing there counts as an edit.

Before the first merge what is agreed with such a side becomes what it shows, so that nothing has moved there: what was agreed, and what
others edited meanwhile, is written to it as to any target that lags behind. A row it lacks was never made there; one that was agreed once
and is no more is deleted there. A row under a key of which nothing is known is new. The intent of the run names the side: a run that dies
leaves that to the next one, for which what is not yet brought up would be edits again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from accord.connectors.types import quote
from accord.model.errors import GuardStopped, UnknownName, UsageError
from accord.model.figure import Finding
from accord.model.flow import Flow
from accord.store.records import change_records
from accord.sync.cycle import Cycle, Side, join_on, key_json, names
from accord.sync.merge.merge import moment_of
from accord.sync.state.base import MARKS

RESTORED: Final = "restored"  # attribute of ``flow.intended``: names of the bindings that the run brings up
_SHOWN_KEYS: Final = 3


def restored_in(flow: Flow, systems: Iterable[str]) -> list[str]:
    """Those of the systems that the flow binds.

    Raises:
        UsageError: one of them may only be read.
    """
    bound = {b.holder: b for b in flow.bindings.values() if b.direction != "read"}
    for binding in flow.bindings.values():
        if binding.holder in systems and binding.holder not in bound:
            raise UsageError(
                f"flow '{flow.name}': '{binding.holder}' cannot be brought up to what was agreed, because its binding '{binding.name}' "
                "has direction: read, and nothing is written there.",
                place=binding.place,
                expected="Give it direction: both for that run. If what it shows now is meant, run accord sync --allow-deletes instead.",
            )
    return [system for system in systems if system in bound]


def check_systems(flows: Collection[Flow], systems: Iterable[str]) -> None:
    """Refuse systems that none of the flows binds, or that one of them may only read.

    Raises:
        UnknownName: no flow binds a system of that name.
        UsageError: as ``restored_in``.
    """
    bound = {b.holder for flow in flows for b in flow.bindings.values()}
    for system in systems:
        if system not in bound:
            raise UnknownName("system", system, bound, holder=f"--restored, for flow {', '.join(f.name for f in flows)},")
    for flow in flows:
        restored_in(flow, systems)


def mark_restored(cycle: Cycle, systems: Collection[str]) -> bool:
    """Mark the sides whose system is named; returns whether there are any."""
    check_systems([cycle.flow], systems)
    for side in cycle.sides:
        side.restored = side.binding.holder in systems
    return bool(systems)


def mark_unfinished(cycle: Cycle) -> None:
    """Mark the sides that runs which died were bringing up.

    Raises:
        GuardStopped: this run is limited to some keys, while the others would stay what they are there.
    """
    left = {name for stored in cycle.intents for name in stored.event.attributes.get(RESTORED, ())}
    for side in cycle.sides:
        side.restored = side.restored or side.name in left
    limited = [side.name for side in cycle.sides if side.restored]
    if cycle.limited and limited:
        what = f"flow '{cycle.flow.name}': '{limited[0]}' is being brought up to what was agreed, and this run is about some keys only"
        raise GuardStopped("restored system", what, "Run accord sync first, which ends that.")


def bring_up(cycle: Cycle) -> None:
    """Agree with the marked sides on what they show; once their rows are judged and before anything is merged."""
    for side in cycle.sides:
        if side.restored:
            _bring_up(cycle, side)


def _bring_up(cycle: Cycle, side: Side) -> None:
    base, cap, keys = side.table("base"), side.table("cap"), names(cycle.keys)
    rest = [f for f in side.fields if f not in cycle.keys]
    side.own_base(cycle)
    there = " AND ".join(f"c.{quote(k)} IS NOT NULL" for k in cycle.keys)
    # Of rows that have one key any will do: they wait until a person leaves one of them.
    one = f"QUALIFY row_number() OVER (PARTITION BY {names(cycle.keys, 'c')} ORDER BY c.rowid) = 1"
    cycle.make("shown", f"SELECT c.*, {moment_of(side, 'c')} AS _moment FROM {cap} c WHERE {there} {one}")
    _find_gone(cycle)
    other = " OR ".join(["b._gone IS NULL", "b._gone", *(f"c.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in rest)])
    taken = [f"{'c' if f in side.codes else 'b'}.{quote(f)}" for f in cycle.fields]
    # Not those that only a run which died has agreed on: there a new row of this side may still have to win.
    agreed = f"(SELECT {keys} FROM stored_golden UNION SELECT {keys} FROM gone_since)"
    cycle.make(
        "taken",
        f"SELECT {', '.join(taken)} FROM (SELECT * FROM shown SEMI JOIN {agreed} a {cycle.using()}) c "
        f"LEFT JOIN {base} b ON {join_on(cycle.keys, 'c', 'b')} WHERE {other}",
    )
    lacking = f"NOT _gone AND ({keys}) NOT IN (SELECT ({keys}) FROM shown UNION SELECT ({keys}) FROM {side.table('qkey')})"
    missing = cycle.count(f"SELECT count(*) FROM {base} SEMI JOIN golden0 {cycle.using()} WHERE {lacking}")
    cycle.sql(f"DELETE FROM {base} WHERE {lacking}")
    cycle.sql(f"DELETE FROM {base} WHERE ({keys}) IN (SELECT ({keys}) FROM taken)")
    columns = names((*cycle.fields, *MARKS))
    cycle.sql(f"INSERT INTO {base} ({columns}) SELECT {names(cycle.fields)}, false, false FROM taken")
    _tell(cycle, side, missing)


def _find_gone(cycle: Cycle) -> None:
    """Fill ``gone_since`` with keys of ``shown`` that were agreed once and are no more; where deletes go to all systems.

    The records of changes name every key that was once brought from one system to another, for as long as the flow lives. A row that was
    agreed when a run died, or that stands where it may not be deleted, is known without them. One that its system changed after all of
    that was made anew under the same key.
    """
    keys = names(cycle.keys)
    new = f"SELECT {keys}, {key_json(cycle.keys)} AS _key, _moment FROM shown ANTI JOIN golden0 {cycle.using()}"
    if not cycle.make("unagreed", new) or cycle.flow.deletes != "propagate":
        cycle.make("gone_since", f"SELECT {keys} FROM unagreed WHERE false")
        return
    known = ["stored_golden", *(f"(SELECT * FROM {side.table('base')} WHERE NOT _gone)" for side in cycle.sides)]
    told = [f"SELECT {keys}, false AS _anew FROM unagreed SEMI JOIN {rows} k {cycle.using()}" for rows in known]
    if shas := cycle.store.flow_records(cycle.flow.name, "changes").values():
        records = change_records([cycle.store.read_segment(sha) for sha in shas])
        last = f"SELECT key AS _key, max(captured_at) AS _at FROM {records} WHERE verified GROUP BY key"
        told.append(f"SELECT {keys}, coalesce(_moment > _at, false) FROM unagreed JOIN ({last}) r USING (_key)")
    cycle.make("gone_since", f"SELECT {keys} FROM ({' UNION ALL '.join(told)}) GROUP BY ALL HAVING NOT bool_or(_anew)")


def _tell(cycle: Cycle, side: Side, missing: int) -> None:
    """Say what was found there, and which rows are taken for new, because nobody can tell all of those from rows that were deleted."""
    subject = f"{side.binding.holder}/{side.binding.resource}"
    gone, other = cycle.rows("gone_since"), cycle.count(f"SELECT count(*) FROM taken ANTI JOIN gone_since {cycle.using()}")
    what = f"{other} rows there show something else than agreed, {missing} are missing, and {gone} were deleted since"
    sentence = f"flow '{cycle.flow.name}': {subject} is brought up to what was agreed: {what}."
    cycle.findings.append(Finding("restored", subject, sentence, "info", other + missing + gone))
    new = f"unagreed ANTI JOIN gone_since {cycle.using()} ANTI JOIN {side.table('base')} b {cycle.using()}"
    if count := cycle.count(f"SELECT count(*) FROM {new}"):
        first = tuple(str(row[0]) for row in cycle.sql(f"SELECT _key FROM {new} ORDER BY 1 LIMIT {_SHOWN_KEYS}"))
        what = f"{count} rows of {subject} are neither agreed nor known to have been deleted since"
        sentence = f"flow '{cycle.flow.name}': {what}; they are taken for new ones."
        cycle.findings.append(Finding("restored", subject, sentence, "warning", count, first))
    kept = [f for f in side.fields if f not in cycle.keys and f not in {c.name for c in side.written(cycle.keys)}]
    for field in (f for f in kept if side.codes[f].readable and not side.codes[f].constant):
        differs = f"t.{quote(field)} IS DISTINCT FROM g.{quote(field)}"
        if count := cycle.count(f"SELECT count(*) FROM taken t JOIN golden0 g ON {join_on(cycle.keys, 't', 'g')} WHERE {differs}"):
            what = f"{count} values of '{field}' in {subject} are other than agreed, and Accord may not write that field there"
            sentence = f"flow '{cycle.flow.name}': {what}: they stay as they are until somebody edits them."
            cycle.findings.append(Finding("restored", subject, sentence, "warning", count))
