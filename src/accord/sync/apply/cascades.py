"""Rows that go because a row they point at is deleted: what the systems' own foreign keys do beside what a run does."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from accord.connectors.protocol import OP, Carried, Cascading, ChangeBatch
from accord.connectors.types import literal, quote
from accord.model.figure import Finding
from accord.sync.cycle import Cycle, Side, names

_KIND = "cascade"


def goes_on(side: Side) -> bool:
    """Whether deletes there may go on to rows that the system deletes or empties by itself."""
    return side.binding.cascades == "allow"


def carried_on(cycle: Cycle, side: Side) -> tuple[Carried, ...]:
    """What the deletes of ``plan_<i>`` would go on to; asked only where there are some."""
    doomed = f"{side.table('plan')} p WHERE _op = 'delete' AND _unfit IS NULL"
    if not isinstance(side.connector, Cascading) or not cycle.count(f"SELECT count(*) FROM {doomed}"):
        return ()
    key = tuple(side.codes[k].column for k in cycle.keys)
    picked = ", ".join(f"{quote('k:' + c)} AS {quote(c)}" for c in key)
    rows: pa.Table = cycle.con.execute(
        f"SELECT {literal('delete')} AS {quote(OP)}, {picked} FROM {doomed} ORDER BY {names(cycle.keys, 'p')}"
    ).to_arrow_table()
    return side.connector.carried_on(ChangeBatch(side.binding.resource, key, (), rows, cycle.run))


def foreseen_cascades(cycle: Cycle) -> list[Finding]:
    """What a plan has to say about its deletes: which would be refused, or go on to which rows."""
    found = []
    for side in cycle.sides:
        if side.writable and cycle.made.get(side.table("plan")):
            for c in carried_on(cycle, side):
                if goes_on(side):
                    found.append(_finding(cycle, side, c, f"deletes there go on to {_rows(c)}", c.rows))
                elif c.held:
                    many = f"{c.held} row{'' if c.held == 1 else 's'} to be deleted there"
                    stay = f"{many} stay{'s' if c.held == 1 else ''} for as long as {_rows(c)} {'points' if c.rows == 1 else 'point'} there"
                    found.append(_finding(cycle, side, c, stay, c.held))
    return found


def tell_carried(cycle: Cycle, side: Side, carried: Iterable[Carried]) -> None:
    """Tell which rows went, or were emptied, with those that were deleted; the log keeps how many."""
    for c in carried:
        told = {"binding": side.name, "resource": c.resource, "column": c.column, "rule": c.rule, "rows": c.rows}
        cycle.notes["carried"] = [*cycle.notes.get("carried", ()), told]
        known = f"with the rows deleted there the system itself {_did(c) if c.rows else 'may have deleted or emptied'} {_rows(c)}"
        cycle.findings.append(_finding(cycle, side, c, f"{known}; nothing is kept of what they held", c.rows))


def _finding(cycle: Cycle, side: Side, c: Carried, what: str, count: int) -> Finding:
    subject = f"{side.binding.holder}/{side.binding.resource}"
    return Finding(_KIND, subject, f"flow '{cycle.flow.name}': {subject}: {what}.", "warning", count, (c.resource,))


def _did(c: Carried) -> str:
    return "deleted" if c.rule == "CASCADE" else f"set {c.column} of"


def _rows(c: Carried) -> str:
    if not c.rows:
        return f"rows of '{c.resource}' that cannot be looked at"
    return f"{c.rows} row{'' if c.rows == 1 else 's'} of '{c.resource}' (ON DELETE {c.rule} of {c.column})"
