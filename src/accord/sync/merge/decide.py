"""What a person decides about a conflict, noted for the next run: a value for an open one, or one that lost to be agreed again.

Nothing is written to a system here. The run that follows does it as it writes everything: planned, by compare-and-set, read back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from accord.connectors.protocol import Connector
from accord.connectors.types import quote
from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.store.database import Rows
from accord.store.kept_as import kept_as
from accord.sync.cycle import Cycle, key_json, storage_type
from accord.sync.judge.validate import row_checks
from accord.sync.mapping.fields import FieldCode
from accord.sync.merge.again import AGAIN, last_agreed
from accord.sync.merge.conflict_list import LostValue, OpenConflict, lost_values, open_conflicts
from accord.sync.run import open_cycle
from accord.sync.state.base import load_state

Found = TypeVar("Found")


def decide(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    connectors: Mapping[str, Connector],
    store: Store,
    id: str,  # noqa: A002 - what the list calls it
    *,
    take: str = "",
    value: str | None = None,
    by: str,
    run: str,
    now: datetime,
    force: bool = False,
) -> OpenConflict:
    """Decide an open conflict: the value that a binding shows, or another one. The next run of the flow carries it out.

    An edit in one of the systems before that run makes the decision void, and the conflict is open again. The same decision once more is
    harmless.

    Args:
        map: holds the flow.
        connectors: by system name.
        store: where conflicts and decisions live.
        id: of the open conflict, or its first characters.
        take: binding whose value it shall be; empty: ``value`` is it.
        value: canonical value as text; ``None`` and no ``take``: no value.
        by: who decides.
        run: id for the record.
        now: the time, aware.
        force: also when somebody decided otherwise and no run has carried that out yet.

    Raises:
        UsageError: no such conflict is open, somebody decided otherwise, or the value is none of the field's type.
        UnknownName: no binding of that name holds the row.
    """
    _somebody(by)
    kept = kept_as(map, store)
    task = _one([t for t in open_conflicts(store, list(map.flows), kept=kept) if t.id.startswith(id)], id, "open conflict")
    with open_cycle(map, task.flow, connectors, store, run=run, now=now, progress=None) as cycle:
        cycle.flow = _as_kept(cycle.flow, kept)
        before, _ = _shown(cycle, task.key, task.field)
        seen = before | dict(task.values)  # who edited nothing shows what was agreed before
        if take and take not in seen:
            raise UnknownName("binding", take, seen, holder=f"conflict {task.id}")
        value = seen[take] if take else value
        _fits(cycle, task.field, value)
    body = {
        "flow": kept.get(task.flow, task.flow),
        "key": task.key,
        "field": task.field,
        "value": value,
        "take": take,
        "seen": seen,
    }
    _note_decision(store, task, body, by=by, now=now, force=force)
    return task


def _note_decision(store: Store, task: OpenConflict, body: dict[str, Any], *, by: str, now: datetime, force: bool) -> None:
    """Note it, unless somebody was faster: of two people who decide at once, one is told so."""

    def note(rows: Rows) -> tuple[list[Event], None]:
        status, value, who = rows.rows('SELECT status, "value", decided_by FROM conflict WHERE id = ?', task.id)[0]
        if status == "closed":
            raise UsageError(f"conflict {task.id} was settled meanwhile.", expected="Expected an id that 'accord conflicts --open' shows.")
        if status == "decided" and (json.loads(value), who) == (body["value"], by):
            return [], None
        if status == "decided" and not force:
            what = f"conflict {task.id} was decided by {who}; the next run carries that out."
            raise UsageError(what, expected="Use --force to decide otherwise before that.")
        return [_event("conflict.decided", task.id, body, rows.rows("SELECT seq FROM log_head")[0][0] + 1, by=by, now=now)], None

    store.transact(note)


def restore(
    map: IntegrationMap,  # noqa: A002
    connectors: Mapping[str, Connector],
    store: Store,
    id: str,  # noqa: A002
    *,
    by: str,
    run: str,
    now: datetime,
    force: bool = False,
) -> LostValue:
    """Ask for a value that lost to be what all systems agree on; the next run of the flow carries it out.

    One that lost to a delete comes back with its row, as that was last agreed on.

    Args:
        map: holds the flow.
        connectors: by system name.
        store: where conflicts live.
        id: of the recorded value, or its first characters.
        by: who wants it back.
        run: id for the record.
        now: the time, aware.
        force: also when the field was changed since the value lost.

    Raises:
        UsageError: no such record; it is about a whole row; the row is gone and cannot be made again; or the value it lost to is no longer
            what is agreed.
    """
    _somebody(by)
    kept = kept_as(map, store)
    lost = _one(lost_values(store, list(map.flows), id=id, kept=kept), id, "recorded value")
    if not lost.field:
        raise UsageError(
            f"conflict {lost.id} is about a whole row ({lost.rule}).", expected="Make or delete the row in one of its systems."
        )
    with open_cycle(map, lost.flow, connectors, store, run=run, now=now, progress=None) as cycle:
        cycle.flow = _as_kept(cycle.flow, kept)
        if lost.field not in cycle.fields:
            raise UnknownName("field", lost.field, cycle.fields, holder=f"conflict {lost.id}")
        _fits(cycle, lost.field, lost.losing_value)
        seen, agreed = _shown(cycle, lost.key, lost.field)
        again = last_agreed(cycle, lost) if agreed is None else None
    stands = kept.get(lost.flow, lost.flow)
    if again is not None:
        _make_again(store, replace(lost, flow=stands), again, by=by, now=now)
        return lost
    if agreed is None:
        raise UsageError(
            f"the row {lost.key} of flow '{lost.flow}' is gone.",
            expected=f"Make it again in one of its systems, with {lost.field} = {lost.losing_value!r}; the next run spreads it.",
        )
    waiting = {t.id for t in open_conflicts(store, [lost.flow], kept=kept) if (t.key, t.field) == (lost.key, lost.field)}
    if waiting:
        raise UsageError(
            f"the field is in an open conflict ({', '.join(waiting)}).", expected=f"Decide that one: --decide {min(waiting)} --value …"
        )
    if agreed[0] == lost.losing_value:
        raise UsageError(f"{lost.losing_value!r} is what is agreed now.", expected="There is nothing to restore.")
    if agreed[0] != lost.winning_value and not force:
        raise UsageError(
            f"the value moved since: it lost to {lost.winning_value!r}, and {agreed[0]!r} is agreed now.",
            expected="Use --force to restore it all the same.",
        )
    body = {"flow": stands, "key": lost.key, "field": lost.field, "value": lost.losing_value, "seen": seen, "force": force}
    _note(store, "conflict.restored", lost.id, body, by=by, now=now)
    return lost


def _make_again(store: Store, lost: LostValue, row: Mapping[str, str | None], *, by: str, now: datetime) -> None:
    about, number = ObjectRef("flow", lost.flow), store.head().seq + 1
    events = []
    for field, value in row.items():
        id_ = lost.id if field == lost.field else f"{lost.id}.{field}"
        place = {"flow": lost.flow, "key": lost.key, "field": field}
        body: dict[str, object] = {"id": id_, "by": by, **place, "value": value, "seen": {}, AGAIN: True}
        events.append(Event(f"conflict.restored:{id_}:{number}", "conflict.restored", now, by, body, (about, ObjectRef("conflict", id_))))
    store.append(events)


def _as_kept(flow: Flow, kept: Mapping[str, str]) -> Flow:
    return replace(flow, name=kept.get(flow.name, flow.name))


def _somebody(by: str) -> None:
    if not by.strip():
        raise UsageError("nobody is named who decides.", expected="Give --by NAME.")


def _one(found: list[Found], id_: str, what: str) -> Found:
    if len(found) != 1:
        many = f"{len(found)} begin so" if found else "there is none"
        raise UsageError(f"no single {what} '{id_}': {many}.", expected="Expected an id that 'accord conflicts' shows.")
    return found[0]


def _fits(cycle: Cycle, field: str, value: str | None) -> None:
    kind = storage_type(cycle.entity, field)
    if value is not None and cycle.sql(f"SELECT TRY_CAST($value AS {kind}) IS NULL", {"value": value})[0][0]:
        type_ = cycle.entity.fields[field].type
        raise UsageError(f"'{value}' is no {type_}, which field '{field}' holds.", expected=f"Expected a value of type {type_}.")
    codes = {field: FieldCode(field, "", "", "false", "NULL", None, (), readable=True, writable=True)}
    for check in (c for c in row_checks(cycle.entity, codes) if c.field == field):
        row = f"(SELECT TRY_CAST($value AS {kind}) AS {quote(field)})"
        for (reason,) in cycle.sql(f"SELECT {check.reason} FROM {row} WHERE {check.broken}", {"value": value}):
            raise UsageError(
                f"the contract refuses that: {reason}.", expected="Give a value that keeps it, or change the contract in the map."
            )


def _shown(cycle: Cycle, key: str, field: str) -> tuple[dict[str, str | None], tuple[str | None] | None]:
    """What each binding showed when it last agreed, and what is agreed (in a tuple; ``None`` when there is no such row)."""
    load_state(cycle)
    column = f"CAST({quote(field)} AS VARCHAR)"
    seen: dict[str, str | None] = {}
    for side in cycle.sides:
        where = f"WHERE NOT _gone AND {key_json(cycle.keys)} = $key"
        for (value,) in cycle.sql(f"SELECT {column} FROM {side.table('base')} {where}", {"key": key}):
            seen[side.name] = None if value is None else str(value)
    rows = cycle.sql(f"SELECT {column} FROM golden0 WHERE {key_json(cycle.keys)} = $key", {"key": key})
    return seen, (None if rows[0][0] is None else str(rows[0][0]),) if rows else None


def _note(store: Store, type_: str, id_: str, body: dict[str, Any], *, by: str, now: datetime) -> None:
    store.append([_event(type_, id_, body, store.head().seq + 1, by=by, now=now)])


def _event(type_: str, id_: str, body: dict[str, Any], number: int, *, by: str, now: datetime) -> Event:
    about = (ObjectRef("flow", str(body["flow"])), ObjectRef("conflict", id_))
    return Event(f"{type_}:{id_}:{number}", type_, now, by, {"id": id_, "by": by, **body}, about)
