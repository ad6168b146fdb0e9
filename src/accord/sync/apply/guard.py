"""Stops before damage: a run that would delete or empty more than the map allows does not begin to write."""

from __future__ import annotations

from fractions import Fraction

from accord.connectors.types import quote
from accord.model.errors import GuardStopped, MapError
from accord.model.flow import Flow
from accord.sync.apply.cascades import carried_on, goes_on
from accord.sync.cycle import Cycle, Side, join_on, storage_type
from accord.sync.state.base import agreed_rows

ALWAYS_ALLOWED_ROWS = 5  # below this a share says nothing: one row of three is 33 %
_LEAST_EMPTIED = Fraction(1, 2)


def check_deletes(cycle: Cycle) -> None:
    """Refuse a mass delete, wherever it would happen.

    Stopped: more than ``delete_guard`` of a target's rows (and more than 5) would be deleted or marked; or a binding that may delete
    shows no rows at all where more than one was agreed, which is what an emptied export or a wrong path looks like. Rows that a system's
    own foreign keys would delete or empty with them (``cascades: allow``) are counted in the same way, of the table they stand in.

    Raises:
        GuardStopped: before anything is written.
    """
    share = share_of(cycle.flow)
    todo = "If this is meant, run again with --allow-deletes; otherwise restore the rows in the system that lost them."
    if cycle.flow.deletes != "ignore":
        for side in cycle.sides:
            agreed = cycle.count(f"SELECT count(*) FROM {side.table('base')} WHERE NOT _gone")
            if side.may_exist and side.rows + _outside(cycle, side) == 0 and agreed > 1:
                raise GuardStopped(
                    "delete guard", f"'{side.name}' shows no rows in '{side.binding.resource}' where {agreed} were agreed", todo
                )
    for side in cycle.sides:
        if side.writable and cycle.rows(side.table("plan")):
            deletes = cycle.count(f"SELECT count(*) FROM {side.table('plan')} WHERE _op = 'delete' AND _unfit IS NULL")
            _check(
                cycle,
                deletes,
                side.rows + _outside(cycle, side),
                share,
                f"delete {{}} of {{}} rows of '{side.binding.resource}' in '{side.name}'",
                todo,
            )
            for carried in carried_on(cycle, side) if goes_on(side) else ():
                sentence = f"by foreign keys delete or empty {{}} of {{}} rows of '{carried.resource}' in '{side.name}'"
                _check(cycle, carried.rows, carried.of, share, sentence, todo)
    if cycle.flow.deletes == "mark":
        marked = cycle.count("SELECT count(*) FROM merged WHERE _deleted AND _exists AND NOT _created AND NOT _held")
        agreed = cycle.sizes.get("golden", 0) if cycle.partial else cycle.count("SELECT count(*) FROM golden0")
        _check(cycle, marked, agreed, share, "mark {} of {} agreed rows as deleted", todo)


def check_emptied(cycle: Cycle) -> None:
    """Refuse to empty a field in mass: more than ``empty_guard`` of its agreed values (and more than 5) would be gone, their rows not.

    That is what a column looks like that was dropped and made again, a broken import, a mapping to the wrong column. A text without a
    character counts as none: it is what such a column is often filled with.

    Raises:
        GuardStopped: before anything is written.
    """
    share = empty_share_of(cycle.flow)
    fields = {f: storage_type(cycle.entity, f) for f in cycle.fields if f not in cycle.keys}
    if not fields or not cycle.count("SELECT count(*) FROM golden0"):
        return
    lost = [f"count(*) FILTER (WHERE {_emptied(f, t)})" for f, t in fields.items()]
    counts = cycle.sql(f"SELECT {', '.join(lost)} FROM {_against_agreed(cycle)} WHERE m._exists AND NOT m._held")[0]
    for (field, type_), count in zip(fields.items(), (int(str(n)) for n in counts), strict=True):
        if count <= ALWAYS_ALLOWED_ROWS:
            continue
        agreed = cycle.count(f"SELECT count(*) FROM {agreed_rows(cycle)} WHERE {filled(quote(field), type_)}")
        if count > share * agreed:
            raise GuardStopped(
                "delete guard",
                f"flow '{cycle.flow.name}' would empty {count} of {agreed} values of '{field}'{_who(cycle, field, type_)}; "
                f"{float(share):.0%} are allowed",
                "A column that was dropped and made again is empty: bring its values back, or map the field elsewhere. "
                "If this is meant, run again with --allow-deletes, or set empty_guard.",
            )


def filled(value: str, type_: str) -> str:
    """SQL: whether a value (SQL) of a DuckDB type is one."""
    return f"(coalesce({value}, '') <> '')" if type_ == "VARCHAR" else f"({value} IS NOT NULL)"


def _emptied(field: str, type_: str) -> str:
    """SQL over ``_against_agreed``: the field had a value and has none now."""
    return f"({filled(f'g.{quote(field)}', type_)} AND NOT {filled(f'm.{quote(field)}', type_)})"


def _against_agreed(cycle: Cycle) -> str:
    return f"merged m JOIN golden0 g ON {join_on(cycle.keys, 'm', 'g')}"


def _who(cycle: Cycle, field: str, type_: str) -> str:
    """The system whose nulls those are, by name; empty where it is not one."""
    rows = f"{_against_agreed(cycle)} WHERE m._exists AND {_emptied(field, type_)}"
    found = cycle.sql(f"SELECT DISTINCT m.{quote('w.' + field)} FROM {rows}")
    winner = int(str(found[0][0])) if len(found) == 1 else 0
    side = next((s for s in cycle.sides if s.index + 1 == winner), None)
    return f", because '{side.name}' shows none in '{side.codes[field].column or field}'" if side and field in side.codes else ""


def _outside(cycle: Cycle, side: Side) -> int:
    """Rows the side shows outside the keys this run looks at: as many as are agreed there."""
    if not cycle.partial:
        return 0
    inside = cycle.count(f"SELECT count(*) FROM {side.table('stored_base')} WHERE NOT _gone")
    return max(0, cycle.sizes.get(f"base:{side.name}", 0) - inside)


def _check(cycle: Cycle, deletes: int, rows: int, share: Fraction, sentence: str, todo: str) -> None:
    if deletes > ALWAYS_ALLOWED_ROWS and deletes > share * rows:
        raise GuardStopped(
            "delete guard", f"flow '{cycle.flow.name}' would {sentence.format(deletes, rows)}; {cycle.flow.delete_guard} are allowed", todo
        )


def share_of(flow: Flow) -> Fraction:
    """What a flow's guard of deletes allows: «20%» as 1/5.

    Raises:
        MapError: it is no percentage.
    """
    return _share(flow, "delete_guard", flow.delete_guard)


def empty_share_of(flow: Flow) -> Fraction:
    """What a flow's guard of emptied fields allows.

    Raises:
        MapError: it is no percentage.
    """
    # Values come and go in ordinary work more than rows do: a tenth of the rows may have one, and most of those be cleared in a night.
    return _share(flow, "empty_guard", flow.empty_guard) if flow.empty_guard else max(share_of(flow), _LEAST_EMPTIED)


def _share(flow: Flow, name: str, text: str) -> Fraction:
    try:
        return Fraction(text.strip().removesuffix("%").strip()) / 100
    except ValueError:
        raise MapError(f"{name} '{text}' is no percentage.", place=flow.place, expected="Expected for example 20%.") from None
