"""Texts made of pieces: sets of items, one part of a column's text, several columns that are one text; each with its inverse.

Where writing would not read back as the same value (an item that holds the separator, a first name with a space), the write is null, and
the row is refused with the reason instead of being written wrongly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from accord.connectors.types import literal
from accord.model.flow import Lookup


def items_of(text: str, separator: str) -> str:
    """SQL: the items of a set as a sorted list, each once, without spaces around them."""
    trimmed = f"list_transform(string_split({text}, {literal(separator)}), lambda x: trim(x))"
    return f"list_sort(list_distinct(list_filter({trimmed}, lambda x: x <> '')))"


def set_text(text: str, separator: str, other: str) -> str:
    """SQL: a set held with ``separator`` as a text with the separator ``other``; null for the empty set and where an item holds that."""
    joined = f"nullif(array_to_string({items_of(text, separator)}, {literal(other)}), '')"
    if other.strip() == separator.strip():
        return joined
    return f"CASE WHEN NOT contains({text}, {literal(other)}) THEN {joined} END"


def set_array(text: str, separator: str) -> str:
    """SQL: a set held as a text as a JSON array of texts."""
    return f"CAST(to_json({items_of(text, separator)}) AS VARCHAR)"


def array_text(array: str, separator: str) -> str:
    """SQL: a JSON array of texts as a text of items; null for what is no such array, or where an item holds the separator."""
    items = f"json_extract_string(TRY_CAST({array} AS JSON), '$[*]')"
    types = f"list_bool_and(list_transform(json_extract(TRY_CAST({array} AS JSON), '$[*]'), lambda x: json_type(x) = 'VARCHAR'))"
    free = f"list_bool_and(list_transform({items}, lambda x: NOT contains(x, {literal(separator)}) AND trim(x) = x AND x <> ''))"
    text = f"array_to_string(list_sort(list_distinct({items})), {literal(separator)})"
    return (
        f"CASE WHEN json_type(TRY_CAST({array} AS JSON)) = 'ARRAY' AND coalesce({types}, true) AND coalesce({free}, true) THEN {text} END"
    )


def part_of(text: str, part: int, separator: str, *, last: bool) -> str:
    """SQL: the part with this number, counted from 1; the last one is everything from there on. An empty part is null."""
    mark = literal(separator)
    if not last:
        return f"nullif(split_part({text}, {mark}, {part}), '')"
    pieces = f"string_split({text}, {mark})"
    return f"nullif(array_to_string(({pieces})[{part}:], {mark}), '')"


def parts_text(parts: Sequence[str], separator: str) -> str:
    """SQL: parts as one text, such that ``part_of`` gives each of them back, an empty one as null; null where that cannot be."""
    mark = literal(separator)
    unfit = " OR ".join(f"contains({p}, {mark})" for p in parts[:-1]) or "false"
    text = f"concat({f', {mark}, '.join(f'coalesce({p}, {chr(39)}{chr(39)})' for p in parts)})"
    # Separators behind the last part that is there say nothing; one that belongs to the last part itself is kept.
    cases: list[str] = []
    for count in range(len(parts) - 1, 0, -1):
        rest = " AND ".join(f"coalesce({p}, '') = ''" for p in parts[count:])
        some = f"concat({f', {mark}, '.join(f'coalesce({p}, {chr(39)}{chr(39)})' for p in parts[:count])})"
        cases.insert(0, f"WHEN {rest} THEN {some}")
    cases.insert(0, f"WHEN coalesce({', '.join(parts)}) IS NULL THEN NULL")
    return f"CASE WHEN coalesce({unfit}, false) THEN NULL {' '.join(cases)} ELSE {text} END"


def joined_text(columns: Sequence[str], separator: str) -> str:
    """SQL: several columns as one text; empty ones leave no separator behind, and nothing at all is null."""
    return f"nullif(concat_ws({literal(separator)}, {', '.join(f'nullif(CAST({c} AS VARCHAR), {chr(39)}{chr(39)})' for c in columns)}), '')"


def joined_parts(text: str, count: int, separator: str) -> list[str]:
    """SQL per column: its part of the text; null in all of them where they would not read back as the text.

    An empty text is one in the first column.
    """
    parts = [part_of(text, number, separator, last=number == count) for number in range(1, count + 1)]
    fits = f"{joined_text(parts, separator)} = {text}"
    empty = ["''", *(["NULL"] * (count - 1))]
    return [f"CASE WHEN {text} = '' THEN {e} WHEN {fits} THEN {part} END" for part, e in zip(parts, empty, strict=True)]


def lookup_value(lookup: Lookup, code: str) -> str:
    """SQL: what a code means, as text."""
    return f"(SELECT l.accord_value FROM {lookup_table(lookup)}_read l WHERE l.accord_code = {code})"


def lookup_code(lookup: Lookup, value: str) -> str:
    """SQL: the code that means a value, as text."""
    return f"(SELECT l.accord_code FROM {lookup_table(lookup)}_write l WHERE l.accord_value = {value})"


def lookup_table(lookup: Lookup) -> str:
    """The name of the tables a lookup is looked up in, without what they are for."""
    parts = repr((lookup.entity, lookup.file, lookup.code, lookup.value, lookup.own_key))
    return "lookup_" + hashlib.sha256(parts.encode()).hexdigest()[:16]
