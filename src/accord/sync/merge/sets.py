"""Sets under ``merge``: every side's additions and removals against its own base, applied to what was agreed.

A set is a text of items with a separator, kept sorted and each item once, or a JSON array. An item that one side removes and another adds
(their bases differed) stays. The order in which sides are listed does not matter.
"""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side
from accord.sync.merge.unseen import missed


def holds_set(cycle: Cycle, field: str) -> bool:
    """Whether a field's values can be sets: a text with a separator, or JSON (of which only arrays are)."""
    entity_field = cycle.entity.fields[field]
    return bool(entity_field.separator) or entity_field.type == "json"


def set_stages(cycle: Cycle, field: str, sides: list[Side]) -> list[str]:
    """Columns to add one after the other: at last ``kept.<f>``, ``add.<f>`` (what stays, what comes) and ``j.<f>``.

    ``j.<f>`` is 0 where the value is taken as it is (at most one side moved, or something is no array), 1 where edits were joined, 2 where
    sides that show the key for the first time were joined too, because nothing was agreed yet, or it was not shown there. Each list is a
    column of its own, because what stands inside a lambda is computed for every item.
    """
    golden, joined = quote("g." + field), quote("j." + field)
    edits, joins = {}, {}
    for s in sides:
        now, before = quote(f"c{s.index}.{field}"), quote(f"b{s.index}.{field}")
        edits[s.index] = f"(_in_{s.index} AND {s.based(field)} AND {now} IS DISTINCT FROM {before})"
        joins[s.index] = f"({s.new(field)} AND {now} IS NOT NULL AND ({golden} IS NULL OR {missed(s)}))"
    moved = " + ".join(f"CASE WHEN {edits[i]} OR {joins[i]} THEN 1 ELSE 0 END" for i in edits) or "0"
    late = " OR ".join(joins[s.index] for s in sides if s.missed)
    odd = [f"({edits[i]} AND {quote(f'b{i}.{field}')} IS DISTINCT FROM {golden})" for i in edits]
    some = " OR ".join([f"({moved}) >= 2", *odd, *([late] if late else [])])
    values = [golden, *(quote(f"{letter}{i}.{field}") for i in edits for letter in "cb")]
    arrays = " AND ".join(f"coalesce(json_type(TRY_CAST({v} AS JSON)) = 'ARRAY', true)" for v in values)
    whole = "true" if cycle.entity.fields[field].separator else f"({arrays})"
    news = f"{golden} IS NULL{f' OR {late}' if late else ''}"
    first = f"CASE WHEN ({some}) AND {whole} THEN CASE WHEN {news} THEN 2 ELSE 1 END ELSE 0 END AS {joined}"
    there = {
        quote(
            f"i{letter}{i}.{field}"
        ): f"CASE WHEN {joined} > 0 AND {moves} THEN {_items(cycle, field, quote(f'{letter}{i}.{field}'))} ELSE [] END"
        for i in edits
        for letter, moves in (("c", f"({edits[i]} OR {joins[i]})"), ("b", edits[i]))
    }
    there[quote("ig." + field)] = f"CASE WHEN {joined} > 0 THEN {_items(cycle, field, golden)} ELSE [] END"
    second = ", ".join(f"CAST({sql} AS VARCHAR[]) AS {name}" for name, sql in there.items())
    out = ", ".join(_without(quote(f"ib{i}.{field}"), quote(f"ic{i}.{field}")) for i in edits)
    add = ", ".join(_without(quote(f"ic{i}.{field}"), quote(f"ib{i}.{field}")) for i in edits)
    third = f"{_flat(out)} AS {quote('out.' + field)}, {_flat(add)} AS {quote('add.' + field)}"
    fourth = f"{_without(quote('ig.' + field), quote('out.' + field))} AS {quote('kept.' + field)}"
    return [first, second, third, fourth]


def set_value(cycle: Cycle, field: str, otherwise: str) -> str:
    """SQL of the merged set over the columns of ``set_stages``; ``otherwise`` where nothing had to be joined."""
    kept, add = quote("kept." + field), quote("add." + field)
    separator = cycle.entity.fields[field].separator
    if separator:
        text = f"nullif(array_to_string(list_sort(list_distinct(flatten([{kept}, {add}]))), {literal(separator)}), '')"
    else:
        fresh = f"list_sort(list_distinct({_without(add, kept)}))"
        text = f"'[' || array_to_string(flatten([{kept}, {fresh}]), ',') || ']'"
    return f"CASE WHEN {quote('j.' + field)} > 0 THEN {text} ELSE {otherwise} END"


def _without(items: str, others: str) -> str:
    return f"list_filter({items}, lambda x: NOT list_contains({others}, x))"


def _flat(lists: str) -> str:
    return f"flatten(CAST([{lists}] AS VARCHAR[][]))"


def _items(cycle: Cycle, field: str, value: str) -> str:
    separator = cycle.entity.fields[field].separator
    if separator:
        return f"list_filter(coalesce(string_split({value}, {literal(separator)}), []), lambda x: x <> '')"
    return f"coalesce(CAST(json_extract(TRY_CAST({value} AS JSON), '$[*]') AS VARCHAR[]), [])"
