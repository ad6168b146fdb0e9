"""Canonical text of JSON that comes from a ``jsonb`` column, where most documents are as simple as the first ones.

The server has parsed and ordered what it sends: no key stands twice, the same keys always come in the same order, numbers have no
exponent, and after each colon and comma there is one space. So a flat document whose keys are known to come in our order needs only its
spaces taken out, and that it is such a one can be told by looking for a few pieces of text; ``canonical_json``, which has to expect
anything, takes almost three times as long.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from accord.connectors.postgresql_types import PgColumn
from accord.connectors.types import literal, quote

Keys = tuple[str, ...]
_SAMPLE_ROWS: Final = 100
_MOST_SHAPES: Final = 3
_LONGEST: Final = 2_000  # bytes; of a long document the searches cost more than they save
_SIMPLE_KEY: Final = re.compile(r"[ !#-\[\]-~]*")  # printable ASCII without quotes and escapes
_NOT_SIMPLE: Final = (literal("."), "chr(92)", "chr(127)")  # a fraction, an escape, a character that is written as an escape
_STORED: Final = "SELECT relkind IN ('r', 'p', 'm') FROM pg_class WHERE oid = %s::regclass"


def shapes(db: psycopg.Connection[Any], table: str, columns: Sequence[PgColumn]) -> dict[str, tuple[Keys, ...]]:
    """By column of type ``jsonb`` the keys of its simple documents; without the columns where that does not help.

    Args:
        db: an open connection.
        table: quoted name; of a view nothing is looked at, since its first rows may cost as much as all.
        columns: of the table.
    """
    names = [c.name for c in columns if c.base == "jsonb" and not c.is_array]
    stored = db.execute(_STORED, (table,)).fetchone() if names else None
    if not stored or not stored[0]:
        return {}
    picked = ", ".join(map(quote, names))
    texts = ", ".join(f"{quote(n)}::text" for n in names)
    rows = db.execute(f"SELECT {texts} FROM (SELECT {picked} FROM {table} LIMIT {_SAMPLE_ROWS}) AS sample".encode()).fetchall()
    found = {name: _shapes([str(row[place]) for row in rows if row[place] is not None]) for place, name in enumerate(names)}
    return {name: kinds for name, kinds in found.items() if kinds}


def _shapes(documents: Sequence[str]) -> tuple[Keys, ...]:
    met = Counter(filter(None, map(_keys, documents))).most_common(_MOST_SHAPES)
    return tuple(keys for keys, _ in met) if 2 * sum(count for _, count in met) > len(documents) else ()


def _keys(document: str) -> Keys:
    """The keys of an object in which they come in our order; empty for any other document."""
    found = json.loads(document)
    keys = tuple(found) if isinstance(found, dict) else ()
    return keys if list(keys) == sorted(keys) and all(map(_SIMPLE_KEY.fullmatch, keys)) else ()


def canonical(rows: str, kinds: Mapping[str, tuple[Keys, ...]], names: Mapping[str, str]) -> str:
    """A relation of DuckDB: ``rows`` with the canonical text of some columns.

    Args:
        rows: a relation in brackets, read once.
        kinds: as ``shapes`` gives it.
        names: by column of ``kinds`` how the further column is to be called.
    """
    if not names:
        return rows
    short = {column: quote(f"{name}:short") for column, name in names.items()}
    made = ", ".join(f"CASE WHEN strlen({quote(c)}) < {_LONGEST} THEN CAST(json({quote(c)}) AS VARCHAR) END AS {short[c]}" for c in names)
    texts = ", ".join(
        # What is looked at twice is made in a SELECT of its own: else it is made twice.
        f"CASE WHEN {_is_simple(quote(c), short[c], kinds[c])} THEN {short[c]} ELSE canonical_json({quote(c)}) END AS {quote(name)}"
        for c, name in names.items()
    )
    return f"(SELECT * EXCLUDE ({', '.join(short.values())}), {texts} FROM (SELECT *, {made} FROM {rows}))"


def _is_simple(document: str, short: str, kinds: Sequence[Keys]) -> str:
    """SQL: whether a document is flat, of one of these sets of keys, and holds nothing that is written in another way.

    A quote that is not escaped begins or ends a text, so ``,"key":`` is a key and no part of a text. Nothing but spaces was taken out, one
    after each colon and each comma, so their number tells how many members and commas of lists there are: if no more than keys, there is
    no other key. Nor does one of them stand in an inner object, which begins with a key that has no comma before it.
    """
    spaces = f"strlen({document}) - strlen({short})"
    tests = [f"length({short}) = strlen({short})", *(f"NOT contains({short}, {part})" for part in _NOT_SIMPLE)]
    return f"(({' OR '.join(_has_keys(short, spaces, keys) for keys in kinds)}) AND {' AND '.join(tests)})"


def _has_keys(short: str, spaces: str, keys: Keys) -> str:
    first, *others = keys
    start = literal(f'{{"{first}":')
    parts = [f"starts_with({short}, {start})", *(f"contains({short}, {literal(f',{chr(34)}{key}{chr(34)}:')})" for key in others)]
    return f"({spaces} = {2 * len(keys) - 1} AND {' AND '.join(parts)})"
