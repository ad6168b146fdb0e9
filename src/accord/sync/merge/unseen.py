"""What was agreed without a system: it refused the row, or somebody edited the row there at each try.

An edit in such a system, or a row made there under the same key, is no answer to what is agreed, which nobody there has seen. It is a
rival of it, as if both had come between the same two runs.
"""

from __future__ import annotations

from accord.connectors.types import quote
from accord.sync.cycle import Cycle, Side, join_on, names


def find_unseen(cycle: Cycle, joined: frozenset[str]) -> None:
    """Say of each side of which fields it does not show what is agreed (``unseen``), and whether it lacked rows (``missed``).

    Table ``unseen_<i>`` then says of which rows. Asked are only rows that the last run left open, or this one has gone on with: without
    one, as in most runs, nothing is asked, and no statement is longer for it.

    Args:
        cycle: ``active`` is filled.
        joined: fields that are agreed on before they are written everywhere.
    """
    for side in cycle.sides:
        side.unseen, side.missed = frozenset(), False
    if not (cycle.rows("open0") or cycle.resumed):
        return
    keys = names(cycle.keys)
    open_ = f"SELECT {keys} FROM open0{f' UNION SELECT {keys} FROM resumed' if cycle.resumed else ''}"
    for side in (s for s in cycle.sides if s.readable and s.writable):
        fields = [c.name for c in side.written(cycle.keys) if c.readable and not c.constant and c.name not in side.fresh]
        tables = {"g": "golden0", "b": side.table("base"), "c": side.table("cur"), "sg": "stored_golden", "sb": side.table("stored_base")}
        joins = " ".join(f"LEFT JOIN {table} {alias} ON {join_on(cycle.keys, 'o', alias)}" for alias, table in tables.items())
        known = {alias: f"{alias}.{quote(cycle.keys[0])} IS NOT NULL" for alias in tables}
        # After a run that died, a base may be ahead of what is agreed: the row was shown then. Where the write that was noted had failed,
        # it is the base of a row that was never made.
        differs = {f: f"b.{quote(f)} IS DISTINCT FROM g.{quote(f)}" for f in fields}
        for f in (f for f in fields if f not in joined):
            lacked = f"NOT {known['sb']} OR sb._gone OR sb.{quote(f)} IS DISTINCT FROM sg.{quote(f)}"
            differs[f] = f"({differs[f]} AND {known['sg']} AND ({lacked}))"
        found = [f"({known['b']} AND NOT b._gone AND NOT b._settled AND {d}) AS {quote(f)}" for f, d in differs.items()]
        # One that was deleted there and made anew amid a run was shown there before.
        found.append(f"({known['sg']} AND {known['c']} AND NOT {known['b']} AND NOT {known['sb']}) AS _miss")
        some = " OR ".join([*map(quote, fields), "_miss"])
        table = side.table("unseen")
        rows = f"SELECT {names(cycle.keys, 'o')}, {', '.join(found)} FROM ({open_}) o {joins} WHERE {known['g']}"
        if not cycle.make(table, f"SELECT * FROM ({rows}) WHERE {some}"):
            continue
        told = cycle.sql(f"SELECT {', '.join(f'bool_or({quote(f)})' for f in (*fields, '_miss'))} FROM {table}")[0]
        *unseen, side.missed = map(bool, told)
        side.unseen = frozenset(f for f, has in zip(fields, unseen, strict=True) if has)


def unseen_columns(side: Side, alias: str) -> list[str]:
    """Columns of what ``missed`` and ``unseen`` ask for, of rows of ``unseen_<i>`` that may lack."""
    found = [f"coalesce({alias}.{quote(f)}, false) AS {quote(f'u{side.index}.{f}')}" for f in sorted(side.unseen)]
    return [*found, f"coalesce({alias}._miss, false) AS _miss_{side.index}"] if side.unseen or side.missed else []


def unseen(side: Side, field: str) -> str:
    """SQL over ``unseen_columns``: the side has the row, and what is agreed of the field never stood in it."""
    return quote(f"u{side.index}.{field}") if field in side.unseen else "false"


def missed(side: Side) -> str:
    """SQL over ``unseen_columns``: the side shows a row of its own under a key that is agreed, and that it was to be given."""
    return f"_miss_{side.index}" if side.missed else "false"
