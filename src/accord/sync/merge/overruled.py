"""What was agreed and lost to a value of a side that had never shown it.

An edit that somebody makes over what is agreed replaces it, and that is no loss. A system that shows the row or the field for the first
time, or was never shown what is agreed (``merge.unseen``), overrules it unseen: that value is kept like an edit that lost.
"""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side, join_on, key_json
from accord.sync.merge.merge import authority_of, believed, moment_of, who_of, winner_names
from accord.sync.merge.unseen import unseen, unseen_columns


def overruled(cycle: Cycle) -> list[str]:
    """SQL, with the columns of ``losers``, of agreed values that lost so; none in most runs.

    The value counts as that of the first side that shows it, the authority first.
    """
    came = _newcomers(cycle)
    fields = [f for f in cycle.fields if f not in cycle.keys and any(f in s.codes for s in came)]
    if not fields:
        return []
    sides = [s for s in cycle.sides if s.readable]
    called = winner_names(cycle)
    seen = [f"{key_json(cycle.keys, 'm')} AS key, m._exists, m._deleter"]
    seen += [f"{who_of(s, f'r{s.index}')} AS who_{s.index}, {moment_of(s, f'r{s.index}')} AS at_{s.index}" for s in sides]
    rows = []
    for f in fields:
        x, m, g, w, holder = (quote(p + f) for p in ("x:", "m:", "g:", "w:", "l:"))
        seen.append(f"{_lost(cycle, f, came)} AS {x}, m.{quote(f)} AS {m}, g.{quote(f)} AS {g}, m.{quote('w.' + f)} AS {w}")
        holds = (
            f"WHEN {s.based(f)} AND (_in_{s.index} OR _bad_{s.index}) AND NOT {unseen(s, f)} THEN {s.index + 1}" for s in believed(cycle, f)
        )
        seen.append(f"CASE {' '.join(holds)} ELSE 0 END AS {holder}")
        rule = authority_of(cycle, f)
        rows.append(f"""CASE WHEN {x} THEN {{field: {literal(f)}, holder: {holder},
            winner: CASE WHEN _exists THEN {w} ELSE _deleter END,
            winning_value: CASE WHEN _exists THEN CAST({m} AS VARCHAR) END, losing_value: CAST({g} AS VARCHAR),
            rule: CASE WHEN _exists THEN {literal(rule if rule in ("latest", "merge") else "authority")} ELSE 'deleted' END}} END""")
    joins = [f"JOIN golden0 g ON {join_on(cycle.keys, 'm', 'g')}"]
    for s in sides:
        i = s.index
        joins.append(f"LEFT JOIN {s.table('cap')} r{i} ON r{i}.rowid = coalesce(m._rid_{i}, m._qrid_{i})")
        joins.append(f"LEFT JOIN {s.table('base')} b{i} ON {join_on(cycle.keys, 'm', f'b{i}')}")
    some = " OR ".join(quote("x:" + f) for f in fields)
    found = f"SELECT * FROM (SELECT {', '.join(seen)} FROM ({_merged(cycle)}) m {' '.join(joins)}) WHERE {some}"
    if not cycle.make("overruled", found):
        return []
    told = {
        "loser": f"CASE v.holder {called} ELSE 'agreed' END",
        "by": f"CASE v.holder {' '.join(f'WHEN {s.index + 1} THEN who_{s.index}' for s in sides)} END",
        "at": f"CASE v.holder {' '.join(f'WHEN {s.index + 1} THEN at_{s.index}' for s in sides)} END",
    }
    return [
        f"SELECT key, v.field, CASE v.winner {called} ELSE 'agreed' END, {told['loser']}, v.winning_value, v.losing_value, "
        f"CAST(NULL AS VARCHAR), v.rule, {told['by']}, {told['at']} "
        f"FROM (SELECT *, unnest([{', '.join(rows)}]) AS v FROM overruled) WHERE v IS NOT NULL"
    ]


def _newcomers(cycle: Cycle) -> list[Side]:
    """The sides that show some agreed row, or a field of one, for the first time, or were not shown what is agreed of one."""
    asked = [s for s in cycle.sides if s.readable]
    first = (f"coalesce(bool_or(_g0 AND {f'_in_{s.index}' if s.fresh else f'_new_{s.index}'}), false)" for s in asked)
    told = cycle.sql(f"SELECT {', '.join(first)} FROM merged")[0] if asked else ()
    return [s for s, new in zip(asked, told, strict=True) if new or s.unseen]


def _merged(cycle: Cycle) -> str:
    told, joins = ["m.*"], []
    for s in (s for s in cycle.sides if s.unseen):
        told += unseen_columns(s, f"u{s.index}")
        joins.append(f"LEFT JOIN {s.table('unseen')} u{s.index} ON {join_on(cycle.keys, 'm', f'u{s.index}')}")
    return f"SELECT {', '.join(told)} FROM merged m {' '.join(joins)} WHERE NOT m._held"


def _lost(cycle: Cycle, field: str, came: list[Side]) -> str:
    """SQL: the agreed value gives way, and nobody who saw it has edited or deleted it."""
    q, sides = quote(field), [s for s in believed(cycle, field) if not s.codes[field].constant]
    edited = {s.index: f"(_in_{s.index} AND {s.based(field)} AND r{s.index}.{q} IS DISTINCT FROM b{s.index}.{q})" for s in sides}
    new = [f"({s.new(field)} AND r{s.index}.{q} IS NOT NULL AND g.{q} IS NOT NULL)" for s in sides if s in came]
    blind = [f"({edited[s.index]} AND {unseen(s, field)})" for s in sides if field in s.unseen]
    answered = " OR ".join(f"({edited[s.index]} AND NOT {unseen(s, field)})" for s in sides) or "false"
    gives_way = f"m.{q} IS DISTINCT FROM g.{q}"
    if authority_of(cycle, field) == "merge":
        gives_way += f" AND m.{quote('j.' + field)} = 0"
    deleters = [s for s in cycle.sides if s.may_exist]
    deleted = " OR ".join(f"(_del_{s.index} AND {unseen(s, field)})" for s in deleters if field in s.unseen) or "false"
    knew = " OR ".join(f"(_del_{s.index} AND NOT {unseen(s, field)})" for s in deleters) or "false"
    gone = f"g.{q} IS NOT NULL AND ({deleted}) AND NOT ({knew})"
    overrules = f"({' OR '.join([*new, *blind]) or 'false'}) AND {gives_way}"
    return f"(NOT ({answered}) AND CASE WHEN m._exists THEN {overrules} ELSE {gone} END)"
