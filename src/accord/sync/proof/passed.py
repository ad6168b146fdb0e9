"""Reconcile in one pass over the rows: judged and digested as they pass, and only what may differ is looked at again.

What passes is what a capture would hold, judged by the same checks; but nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from accord.connectors.bulk import DIGEST
from accord.connectors.types import quote
from accord.sync.capture.read import capture, captured_rows
from accord.sync.cycle import Cycle, Side, names, storage_type
from accord.sync.judge.validate import read_as_is, row_checks
from accord.sync.proof.compared import compared_fields
from accord.sync.proof.suspects import Alike, find_suspects


def judged_by_row(cycle: Cycle) -> bool:
    """Whether every row answers by itself what the contract asks of it, and its key is its system's own word for it."""
    entity = cycle.entity
    for name, field in entity.fields.items():
        others = field.references or ((field.unique or field.at_most) and (name,) != entity.key)
        if others and field.severity == "quarantine":
            return False
    return len(cycle.sides) > 1 and entity.identity is None and not any(side.binding.own_key for side in cycle.sides)


def read_passing(cycle: Cycle, relations: Sequence[str]) -> Alike | None:
    """Keep of each side only what may differ from another side or break the contract, in ``cap_<i>``.

    Args:
        cycle: of a flow for which ``judged_by_row`` holds.
        relations: what ``open_side`` gave of each side.

    Returns:
        What was not kept; ``None`` where all rows have to be.

    Raises:
        GuardStopped: a mapped column is gone.
    """
    keys = ", ".join(f"{quote(k)} {storage_type(cycle.entity, k)}" for k in cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TABLE suspects ({keys})")
    _capture(cycle, relations)
    if any(k not in side.codes for side in cycle.sides for k in cycle.keys):
        return None
    try:
        for side in cycle.sides:
            cycle.sql(f"CREATE OR REPLACE TABLE {side.table('digests')} AS {_digests(cycle, side)}")
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        return None  # a row that breaks the contract has no form to be shown in: all are judged before any is shown
    alike = find_suspects(cycle, [side.table("digests") for side in cycle.sides], "portable")
    for side in cycle.sides:
        cycle.sql(f"DROP TABLE {side.table('digests')}")
    if alike is not None:
        _capture(cycle, relations)
        for side in cycle.sides:
            side.rows = alike.rows[side.name]
    return alike


def _capture(cycle: Cycle, relations: Sequence[str]) -> None:
    for side, relation in zip(cycle.sides, relations, strict=True):
        capture(cycle.con, cycle.entity, side, drift=cycle.flow.drift, may_create=False, among="suspects", relation=relation)


def _digests(cycle: Cycle, side: Side) -> str:
    """SQL of key and digest of each row; of one that breaks the contract there is none."""
    entity = cycle.entity
    types = {str(row[0]): str(row[1]) for row in cycle.sql(f"DESCRIBE {side.table('cap')}")}
    broken = " OR ".join(c.broken for c in row_checks(entity, read_as_is(types, side.codes))) or "false"
    kept = [f for f in entity.fields if any(f in compared_fields(cycle, side, other) for other in cycle.sides if other is not side)]
    rows = f"(SELECT {names((*cycle.keys, *kept))}, ({broken}) AS _broken FROM ({captured_rows(entity, side)}))"
    # Each pair shows values in its own way; what is equal as it is, is so in every way.
    digest = f"hash({names(kept)})" if kept else "CAST(0 AS UBIGINT)"
    return f"SELECT {names(cycle.keys)}, CASE WHEN _broken THEN NULL ELSE {digest} END AS {DIGEST} FROM {rows}"
