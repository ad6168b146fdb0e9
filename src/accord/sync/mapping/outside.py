"""Rows that the condition of a binding (``where``) leaves out: agreed rows that its system would not show, were they written to it.

A row that leaves the condition by our own write is no row that was deleted there, and one that never met it is not to be made there.
"""

from __future__ import annotations

from collections.abc import Collection

from accord.connectors.types import quote
from accord.sync.cycle import Cycle, Side, join_on, names
from accord.sync.mapping.fields import column_writes, expression_columns, raw_name


def is_partial(side: Side) -> bool:
    """Whether rows written to this side may be ones that it does not show."""
    return bool(side.binding.where) and side.writable


def outside_rows(cycle: Cycle, side: Side, rows: str, provided: Collection[str], *, native: bool = False) -> str:
    """SQL of the keys of those canonical rows that the side would not show.

    A column of the condition that no field is written to, or that takes a field the rows do not have, may hold anything: then only rows
    count that the condition refuses whatever stands there.

    Args:
        cycle: of the side.
        side: with a condition.
        rows: SQL that can stand after FROM, with all fields of the entity.
        provided: the fields of which the rows have a value, or known to have none.
        native: give the values of the columns as they would be written, too, as ``raw.<column>``.
    """
    codes = [*(side.codes[k] for k in cycle.keys if k in side.codes), *side.written(cycle.keys)]
    writes = {column.lower(): (column, sql, of) for column, (sql, of) in column_writes(codes).items()}
    kinds = {c.lower(): t for c, t in side.columns.items()}
    asked = {c.lower(): c for c in expression_columns(side.binding.where)}
    certain = all(c in writes and set(writes[c][2]) <= set(provided) for c in asked)
    held = [f"CAST({sql} AS {kinds[c]}) AS {quote(column)}" for c, (column, sql, _) in writes.items()]
    held += [f"CAST(NULL AS {kinds.get(c, 'VARCHAR')}) AS {quote(column)}" for c, column in asked.items() if c not in writes]
    same = ", ".join(f"{quote(k)} AS {quote('same.' + k)}" for k in cycle.keys)
    told = ", ".join(f"{quote('same.' + k)} AS {quote(k)}" for k in cycle.keys)
    if native:
        told += "".join(f", {quote(column)} AS {quote(raw_name(column))}" for column, _, _ in writes.values())
    refused = f"NOT coalesce({side.binding.where}, false)" if certain else f"coalesce(NOT ({side.binding.where}), false)"
    return f"SELECT {told} FROM (SELECT {same}, {', '.join(held)} FROM {rows}) WHERE {refused}"


def find_hidden(cycle: Cycle, side: Side) -> None:
    """Fill ``hidden_<i>`` with the keys of rows that the side is known to hold, or to lack, outside of its condition; what one that came
    back by itself holds is judged against what was last agreed with it."""
    base, rest = side.table("base"), [c.name for c in side.written(cycle.keys)]
    some = " OR ".join(f"b.{quote(f)} IS NOT NULL" for f in rest) or "false"
    found = outside_rows(cycle, side, f"(SELECT * FROM {base} WHERE _gone)", side.fields, native=True)
    cycle.make(
        side.table("hidden"), f"SELECT o.*, ({some}) AS _held FROM ({found}) o JOIN {base} b USING ({names(cycle.keys)}) WHERE b._gone"
    )
    keys = names(cycle.keys)
    back = f"SELECT {keys} FROM {side.table('hidden')} SEMI JOIN {side.table('cur')} {cycle.using()} WHERE _held"
    if cycle.count(f"SELECT count(*) FROM ({back})"):
        side.own_base(cycle)
        cycle.sql(f"UPDATE {base} SET _gone = false, _settled = false WHERE ({keys}) IN ({back})")


def refuse_hidden(cycle: Cycle, side: Side, shown: Side) -> None:
    """Count rows as refused that could not be written because others, which the side does not show, have their keys."""
    keys, done = names(cycle.keys), side.table("done")
    why = f"a row with this key stands outside of the condition (where: {side.binding.where}): let it meet that, or delete it there"
    cycle.sql(
        f"UPDATE {done} SET _status = 'refused', _reason = $why WHERE _status = 'stale' "
        f"AND (_op = 'insert' OR ({keys}) IN (SELECT {keys} FROM {side.table('hidden')})) "
        f"AND ({keys}) NOT IN (SELECT {keys} FROM {shown.table('cap')})",
        {"why": why},
    )


def hide_written(cycle: Cycle, side: Side) -> None:
    """Count rows that an unfinished run wrote so that they left the condition as left out, and not as deleted there."""
    pend, base, keys = side.table("pend"), side.table("base"), names(cycle.keys)
    left = outside_rows(cycle, side, f"(SELECT * FROM {pend} WHERE _op <> 'delete')", side.fields)
    away = f"SELECT {keys} FROM ({left}) ANTI JOIN {side.table('cur')} {cycle.using()} ANTI JOIN {side.table('qkey')} {cycle.using()}"
    if not cycle.count(f"SELECT count(*) FROM ({away})"):
        return
    side.own_base(cycle)
    sets = ", ".join(["_gone = true", *(f"{quote(c.name)} = p.{quote(c.name)}" for c in side.written(cycle.keys))])
    on, written = join_on(cycle.keys, "b", "p"), f"SELECT * FROM {pend} WHERE _op <> 'delete' AND ({keys}) IN ({away})"
    cycle.sql(f"UPDATE {base} b SET {sets} FROM ({written}) p WHERE {on} AND NOT b._gone")
