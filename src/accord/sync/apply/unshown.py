"""Writes that a system says it took and does not show: an API may be read from copies that lag behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from accord.connectors.types import literal, quote
from accord.sync.capture.read import captured_rows
from accord.sync.cycle import Cycle, Side, join_on, names, only_rows
from accord.sync.mapping.outside import is_partial
from accord.sync.state.finish import coarser

_EFFECTS: Final = {"insert": "inserted", "update": "updated", "delete": "deleted"}
_WHY: Final = "it was answered with success, and the system does not show it yet"


def take_back_unshown(cycle: Cycle, side: Side, shown: Side) -> dict[str, int]:
    """Count rows of ``done_<i>`` as refused that the read-back shows just as they were; returns how many, by effect.

    Taken for agreed, the old value would look like an edit in the next run and be spread back, and a new row that is missing like a
    delete. So they are written once more, where the system still shows them so by then, and are found equal where it does not.
    """
    if not side.connector.capabilities.late:
        return {}
    i, keys, done = side.index, cycle.keys, side.table("done")
    there = f"z.{quote(keys[0])} IS NOT NULL"
    written = [c.name for c in side.written(keys) if c.name in side.codes]
    held = {f: f"z.{quote(f)} IS NOT DISTINCT FROM r.{quote(f)}" for f in side.codes if f not in keys}
    less = {f: coarser(cycle.entity, f, f"w.{quote(f)}", f"z.{quote(f)}") for f in written}
    late = {f: f"({held[f]} AND w.{quote(f)} IS DISTINCT FROM z.{quote(f)} AND NOT {less[f]})" for f in written}
    as_it_was = " AND ".join(f"coalesce(NOT list_contains(d._set, {literal(f)}) OR {late[f]}, false)" for f in written) or "false"
    same = " AND ".join(held.values()) or "true"
    # Under keys of the system nobody knows whose the rows are that a condition leaves out, and so which of them are missing.
    missing = "false" if is_partial(side) and side.binding.own_key else "a._shown IS NULL"
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE unshown AS SELECT d._m, d._op
        FROM {done} d JOIN (SELECT rowid AS _row, * FROM merged) m ON m._row = d._m LEFT JOIN {side.table("want")} w ON w._m = d._m
        LEFT JOIN {side.table("cap")} r ON r.rowid = coalesce(m._rid_{i}, m._qrid_{i})
        LEFT JOIN ({only_rows(cycle, shown)}) z ON {join_on(keys, "d", "z")}
        LEFT JOIN (SELECT DISTINCT {names(keys)}, true AS _shown FROM {_there(cycle, shown)}) a ON {join_on(keys, "d", "a")}
        WHERE d._status = 'done' AND CASE d._op WHEN 'insert' THEN {missing}
            WHEN 'update' THEN {there} AND ({as_it_was}) ELSE {there} AND ({same}) END""")
    cycle.sql(f"UPDATE {done} SET _status = 'refused', _reason = {literal(_WHY)} FROM unshown u WHERE {done}._m = u._m")
    return {_EFFECTS[str(op)]: int(str(n)) for op, n in cycle.sql("SELECT _op, count(*) FROM unshown GROUP BY _op")}


def _there(cycle: Cycle, shown: Side) -> str:
    """The rows that were read back, those outside of the binding's condition among them: they were made, and have not come late."""
    if not shown.binding.where:
        return shown.table("cap")
    return f"({captured_rows(cycle.entity, replace(shown, binding=replace(shown.binding, where='')))})"
