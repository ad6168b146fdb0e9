"""A row that was deleted, as it was last agreed on, and what it takes to make it again in every system."""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.model.event import ObjectRef
from accord.store.projections.segment import ROWS_KEPT
from accord.sync.cycle import Cycle, key_json, storage_type
from accord.sync.merge.conflict_list import LostValue, lost_row
from accord.sync.state.base import BACKUP, load_segments
from accord.sync.state.record import once_called

AGAIN = "again"
"""The kind of a decision that belongs to a row which is made again; there is one for each of its values."""
# States of an older program; the run that recorded the loss is the one that deleted the row, so the first one will do nearly always.
_LOOKED = 20


def last_agreed(cycle: Cycle, lost: LostValue) -> dict[str, str | None] | None:
    """Values of a row that is gone, as text, with the lost one in its place; ``None`` when they are not known or would not do.

    A row that some system knows under a key of its own is not made again: it would get a new one, and what refers to it would not follow.
    """
    if lost.rule not in ("deleted", BACKUP) or any(s.binding.own_key for s in cycle.sides):
        return None
    kept = lost_row(cycle.store, cycle.flow.name, lost.id)
    if kept is None and lost.rule == BACKUP:
        return None  # the row was deleted later
    row = _found(cycle, lost) if kept is None else {f: kept.get(f) for f in cycle.fields if f not in cycle.keys}
    if row is None:
        return None
    row[lost.field] = lost.losing_value
    needed = [f.name for f in cycle.entity.fields.values() if f.required and f.name not in cycle.keys]
    return None if any(row[name] is None for name in needed) else row


def keys_again(cycle: Cycle) -> str:
    """SQL of the keys of rows that people want made again: no system shows them, and nothing is agreed about them."""
    read = [
        f"TRY_CAST(json_extract_string(key, {literal(f'$.{chr(34)}{k}{chr(34)}')}) AS {storage_type(cycle.entity, k)}) AS {quote(k)}"
        for k in cycle.keys
    ]
    there = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    return f"SELECT * FROM (SELECT {', '.join(read)} FROM decision0 WHERE kind = {literal(AGAIN)}) WHERE {there}"


def make_again(cycle: Cycle) -> None:
    """Let the rows of such decisions exist in ``merged``, still empty, and note them in ``made``; not those somebody made meanwhile."""
    cycle.sql(
        "CREATE OR REPLACE TEMP TABLE made AS SELECT rowid AS _m FROM merged m WHERE NOT _exists "
        f"AND {key_json(cycle.keys, 'm')} IN (SELECT key FROM decision0 WHERE kind = {literal(AGAIN)})"
    )
    if not cycle.count("SELECT count(*) FROM made"):
        return
    sets = ["_exists = true"]
    for f in (f for f in cycle.fields if f not in cycle.keys):
        sets += [f"{quote(f)} = NULL", f"{quote('w.' + f)} = 0", f"{quote('h.' + f)} = false"]
    cycle.sql(f"UPDATE merged SET {', '.join(sets)} WHERE rowid IN (SELECT _m FROM made)")


def _found(cycle: Cycle, lost: LostValue) -> dict[str, str | None] | None:
    """The same of a loss that an older program recorded without the row; the states it left are kept."""
    states: list[list[str]] = []
    runs = ["flow.run_finished", "flow.state_changed"]
    called = [ObjectRef("flow", name) for name in once_called(cycle.store, cycle.flow.name)]
    for stored in (one for about in called for one in cycle.store.read(types=runs, object=about)):
        given = stored.event.attributes
        if given["run"] == lost.run:
            break  # it moved on to a state without the row
        if (golden := (given.get("state") or {}).get("golden")) and ROWS_KEPT not in given:
            states.append(list(golden))
    rest = [f for f in cycle.fields if f not in cycle.keys]
    fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
    for shas in reversed(states[-_LOOKED:]):
        load_segments(cycle, "agreed_before", [cycle.store.read_segment(sha) for sha in shas], fields, key=cycle.keys)
        picked = ", ".join(f"CAST({quote(f)} AS VARCHAR)" for f in rest) or "0"
        for row in cycle.sql(f"SELECT {picked} FROM agreed_before WHERE {key_json(cycle.keys)} = $key", {"key": lost.key}):
            return {f: None if v is None else str(v) for f, v in zip(rest, row, strict=False)}
    return None
