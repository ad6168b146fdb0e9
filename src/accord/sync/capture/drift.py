"""Schema drift: columns that came, went, were renamed, retyped or narrowed since the last run, seen before anything is written.

``flow.run_finished`` keeps the columns of each side with the types the system declares (``shapes``), and a fingerprint of the binding and
the contract they were accepted for. A column whose type changed is judged against that record: ``stop`` refuses the run, ``quarantine``
lets the run go on without the field, so that every system keeps its agreed value, ``evolve`` goes on. A narrower type is another type: what
the system cut off to make its values fit is nobody's edit. Editing the binding or the
contract accepts the columns as they are now, and so does one run with ``drift: evolve``. Values that cannot be read as the field's type
are quarantined by the contract under every policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from accord.connectors.files import absent
from accord.connectors.protocol import Shaped
from accord.connectors.types import quote
from accord.model.errors import GuardStopped, UnknownName, alternatives
from accord.model.figure import Finding
from accord.model.stated import stated_print
from accord.sync.capture.read import lost_column, present, unmapped_columns
from accord.sync.capture.renamed import other_columns, renamed_away
from accord.sync.capture.retyped import changed_types
from accord.sync.cycle import Cycle, Side, join_on
from accord.sync.identity.own_key import agreed_with
from accord.sync.mapping.fields import mapped_columns
from accord.sync.result import kept_finding, told_again

_EARLIER_DIGITS: Final = 16
UNSETTLED: Final = "unsettled"  # note of a run: the findings of ``unsettled``


def shapes_of(cycle: Cycle) -> dict[str, Any]:
    """Side → the columns it shows with their declared types («» where the system declares none), and what they were accepted for."""
    found: dict[str, Any] = {}
    for side in cycle.sides:
        declared = side.declared = declared_types(side)
        found[side.name] = {
            "accepted": fingerprint(cycle, side),
            "columns": {c: declared.get(c, "") for c in sorted(side.columns)},
            # Of a table; files are written anew, with their columns in any order.
            "order": list(side.columns) if side.connector.capabilities.transactions else [],
        }
    return found


def declared_types(side: Side) -> Mapping[str, str]:
    """The types the side's system declares; empty when it declares none."""
    if not isinstance(side.connector, Shaped) or (side.binding.create and absent(side.connector)):
        return {}
    try:
        return side.connector.declared_types(side.binding.resource)
    except UnknownName:
        if side.binding.create:
            return {}  # a dry run looks at what is not made yet
        raise


def fingerprint(cycle: Cycle, side: Side) -> str:
    """Of all in the map that says how this side's columns are read; the same under a newer program that knows a key more."""
    return stated_print(side.binding, cycle.entity.fields, cycle.entity.key)


def is_edited(cycle: Cycle, side: Side, last: Mapping[str, Any]) -> bool:
    """Whether the binding or the contract is another than the columns were accepted for, by what the last run noted about the side."""
    noted = last.get("accepted") or ""
    if len(noted) == _EARLIER_DIGITS:  # of a program that took the keys at their default with it
        earlier = repr((side.binding, cycle.entity.fields, cycle.entity.key))
        return bool(noted != hashlib.sha256(earlier.encode()).hexdigest()[:_EARLIER_DIGITS])
    return bool(noted != fingerprint(cycle, side))


def judge_drift(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Compare every side with its columns at the last run; findings, or the end of the run, before anything is written.

    Fills ``cycle.shapes``, and ``UNSETTLED`` of ``cycle.notes``, which the run's last event keeps.

    Raises:
        GuardStopped: a mapped column is gone, or its type is another or narrower one, or a binding seems to be renamed, and the flow says
            stop.
    """
    before = previous.get("shapes")
    known = before if isinstance(before, Mapping) else {}
    now, told = shapes_of(cycle), len(cycle.findings)
    for side in cycle.sides:
        subject = f"{side.binding.holder}/{side.binding.resource}"
        last = known.get(side.name) or {}
        old: Mapping[str, str] = last.get("columns") or {}
        accepted = not old or is_edited(cycle, side, last)
        noted = {} if accepted else last.get("renamed") or {}
        now[side.name]["renamed"] = {}
        if side.lacking:
            now[side.name]["renamed"] |= _gone(cycle, side, subject, old, noted)
        if not accepted:
            now[side.name]["renamed"] |= _taken(cycle, side, subject, last, noted)
        shown: dict[str, str] = now[side.name]["columns"]
        for column, was, is_, kind in changed_types(old, shown):
            fields = fields_of_column(side, column)
            if column in side.taken:
                shown[column] = was
                continue
            if kind != "widened" and fields and not accepted:
                _changed(cycle, side, subject, column, (was, is_), kind, fields)
                if cycle.flow.drift == "quarantine":
                    shown[column] = was  # what was agreed stays what the next run is held against
            elif fields:
                sentence = f"{subject}: column '{column}' was {was} and is {is_}; '{', '.join(fields)}' is read from it."
                cycle.findings.append(Finding("widened_column" if kind == "widened" else "retyped_column", subject, sentence, "info"))
        names = previous.get("columns")
        listed = old or (names.get(side.name) if isinstance(names, Mapping) else None)
        new = tuple(c for c in unmapped_columns(side) if listed is not None and c not in listed)
        if new:
            what = ", ".join(f"'{c}'" for c in new)
            sentence = f"{subject} has new columns {what}, which no field is mapped to. Map them, or leave them."
            cycle.findings.append(Finding("new_column", subject, sentence, "info", len(new), new))
        _author_known(cycle, side, subject)
    cycle.shapes = now
    cycle.notes[UNSETTLED] = [kept_finding(f) for f in cycle.findings[told:] if f.severity == "problem"]
    _judge_names(cycle, previous.get("columns"))


def unsettled(last: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What a run found about columns that are left out until somebody settles it; a later run that reads nothing has to say it, too.

    Args:
        last: attributes of the flow's last finished run.
    """
    return tuple(told_again(found) for found in last.get(UNSETTLED, ()))


def _author_known(cycle: Cycle, side: Side, subject: str) -> None:
    """Whether the column that names who changed a row is there; where columns show with their first value, it may still come."""
    column = side.binding.changed_by
    if not column or side.connector.capabilities.sparse or present(column, side.columns):
        return
    sentence = f"{subject} has no column '{column}', which changed_by names: who changed a row is told as '{side.name}'."
    near = alternatives(column, side.columns)
    cycle.findings.append(Finding("missing_column", subject, f"{sentence} {near}".strip(), "warning", 1, (column,)))


def _judge_names(cycle: Cycle, before: object) -> None:
    """A binding that seems to have another name than at the last run: what was agreed with it is kept under that one."""
    if not isinstance(before, Mapping):
        return
    kept = cycle.store.flow_state(cycle.flow.name)
    gone = {name: columns for name, columns in before.items() if cycle.side(name) is None and f"base:{name}" in kept}
    for side in cycle.sides:
        old = next((name for name, columns in gone.items() if columns == sorted(side.columns)), None)
        if old is None or side.name in before or f"base:{side.name}" in kept:
            continue
        what = f"binding '{side.name}' of flow '{cycle.flow.name}' is new, and '{old}', with the same columns, is gone"
        why = "as a first contact, what was edited or deleted there since the last run would not count as such"
        if cycle.flow.drift == "stop":
            todo = f"If only its name changed, call it '{old}' and say system: {side.binding.holder}; if it is another, let one run go on"
            raise GuardStopped("renamed binding", f"{what}; {why}", f"{todo} with drift: evolve.")
        sentence = f"{what}; it is met for the first time."
        cycle.findings.append(Finding("renamed_binding", f"{cycle.flow.name}:{side.name}", sentence, "warning"))


def _gone(cycle: Cycle, side: Side, subject: str, old: Mapping[str, str], noted: Mapping[str, str]) -> dict[str, str]:
    """Mapped columns that are gone: the run ends, or goes on without their fields; returns what those are called now that were renamed."""
    what = ", ".join(f"'{c}'" for c in side.lacking)
    renamed = list(renamed_away(cycle, side, old, noted))
    hints = [r.hint for r in renamed]
    if cycle.flow.drift == "stop":
        column = side.lacking[0]
        field = next(m for m in side.binding.fields.values() if column in mapped_columns(m))
        state = "is gone" if not old or column in old else "was never there"
        made = state != "is gone" and side.binding.create
        todo = "set drift: evolve to have the column made" if made else "set drift: evolve to go on without the field"
        if side.unmet and side.binding.create:
            hints.append("Correct the map, or set drift: evolve to have the column made.")
        raise lost_column(side, column, field, todo, state=state, hint=" ".join(hints))
    if side.unmet:
        near = alternatives(side.lacking[0], side.columns)
        sentence = f"{subject} has no {what}, which the map names ({side.binding.place}); its fields are left out. {near}"
    else:
        sentence = f"{subject} no longer has {what}; its fields keep their agreed values. "
        sentence += " ".join(hints) or "Correct the map or bring the column back."
    cycle.findings.append(Finding("missing_column", subject, sentence, "problem", len(side.lacking), side.lacking))
    return {r.column: r.now for r in renamed}


def _taken(cycle: Cycle, side: Side, subject: str, last: Mapping[str, Any], noted: Mapping[str, str]) -> dict[str, str]:
    """Mapped columns that are others than at the last run: the run ends, or goes on without their fields; returns where the values are."""
    renamed = other_columns(cycle, side, list(last["columns"]), last.get("order") or (), noted)
    for r in renamed:
        what = f"column '{r.column}' of {subject} is another one than at the last run"
        todo = f"{r.hint} If the values in '{r.column}' are meant, {_any_edit(cycle)} takes the column as it is."
        if cycle.flow.drift == "stop" or r.field in cycle.keys:
            place = side.binding.fields[r.field].place
            raise GuardStopped("schema drift", f"{what}; field '{r.field}' is mapped to it{f' ({place})' if place else ''}", todo)
        sentence = f"flow '{cycle.flow.name}': {what}; nothing is read from it or written to it until that is settled. {todo}"
        examples = (f"{r.column} → {r.now}",) if r.now else ()
        cycle.findings.append(Finding("renamed_column", f"{subject}:{r.column}", sentence, "problem", 1, examples))
    taken = {r.column: r.now for r in renamed}
    _leave_out(cycle, side, tuple(f for c in taken for f in fields_of_column(side, c)))
    side.taken = tuple(taken)
    return taken


def _changed(cycle: Cycle, side: Side, subject: str, column: str, types: tuple[str, str], kind: str, fields: tuple[str, ...]) -> None:
    was, is_ = types
    read = ", ".join(f"'{f}'" for f in fields)
    what = f"column '{column}' of {subject} was {was} and is now {is_}; {read} is mapped to it"
    todo = f"Look at the mapping: {_any_edit(cycle)} accepts the column as it is, and so does a run with drift: evolve."
    held = [f for f in fields if f in cycle.keys]
    if cycle.flow.drift == "stop" or (cycle.flow.drift == "quarantine" and held):
        raise GuardStopped("schema drift", what, todo)
    severity: Literal["problem", "warning"] = "warning"
    if cycle.flow.drift == "quarantine":
        severity = "problem"
        _leave_out(cycle, side, fields)
        said = f"nothing is read from it or written to it until that is settled. {todo}"
    else:
        said = f"it goes on being read, as drift: evolve says. {_others(cycle, side, fields)}".strip()
    sentence = f"flow '{cycle.flow.name}': {what}; {said}"
    cycle.findings.append(Finding(f"{kind}_column", f"{subject}:{column}", sentence, severity, 1, (f"{was} → {is_}",)))


def _any_edit(cycle: Cycle) -> str:
    """What takes columns for those that are meant; who tightens an approved contract by it is asked for its version next."""
    if cycle.map.status == "draft":
        return "any edit of the binding or the contract"
    version = f"one that breaks the contract with a higher version than {cycle.entity.version}, as the map is approved"
    return f"any edit of the binding or the contract of entity '{cycle.entity.name}' ({version})"


def _others(cycle: Cycle, side: Side, fields: tuple[str, ...]) -> str:
    """How many agreed values of some fields are others in the capture, as a sentence; empty where none is."""
    differ = " OR ".join(f"c.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in fields)
    rows = f"{agreed_with(cycle, side)} b JOIN {side.table('cap')} c ON {join_on(cycle.keys, 'b', 'c')}"
    count = cycle.count(f"SELECT count(*) FROM {rows} WHERE NOT b._gone AND ({differ})")
    return f"In {count} rows it holds another value than was agreed, which counts as an edit." if count else ""


def _leave_out(cycle: Cycle, side: Side, fields: tuple[str, ...]) -> None:
    """Treat fields as not provided by a side, as if it did not map them."""
    side.withheld += fields
    for name in fields:
        side.codes.pop(name, None)
        cycle.sql(f"UPDATE {side.table('cap')} SET {quote(name)} = NULL WHERE {quote(name)} IS NOT NULL")


def fields_of_column(side: Side, column: str) -> tuple[str, ...]:
    """The canonical fields a column of the side holds, or holds a part of."""
    return tuple(
        n for n, m in side.binding.fields.items() if column.lower() in {c.lower() for c in (*mapped_columns(m), m.column or m.name)}
    )
