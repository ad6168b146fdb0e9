"""Key and digest of every row, many rows in one: a row for each costs the scanner twice what the server pays for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from accord.connectors.postgresql_types import PgColumn
from accord.connectors.types import quote

_KEYS: Final = ("int2", "int4", "int8", "uuid")  # as elements of an array what they are by themselves, and of one size
_STEP: Final = 512  # pages
_PARTS: Final = 256
_PAGES: Final = 4_000_000  # of more pages an array might outgrow a value's most bytes
# Only a table of its own heap is read by ranges of pages, each page in one of them.
_SIZE: Final = """
    SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint FROM pg_class c
    WHERE c.oid = %s::regclass AND c.relkind = 'r' AND c.relam = 2 AND NOT c.relhassubclass"""


def packed(
    db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str], digest: str, condition: str
) -> tuple[str, list[str]] | None:
    """SQL on the server giving arrays, one statement and so one state of the table, and SQL in DuckDB that makes rows of them again.

    Args:
        db: an open connection, to a server that reads by ranges of pages (14 or newer).
        table: quoted name; it may be called ``t`` in ``digest`` and ``condition``.
        columns: of the table.
        key: its key columns.
        digest: SQL on the server, a signed number.
        condition: a WHERE clause, or nothing.

    Returns:
        ``None`` where the table is no plain one, or a key has no array of fixed size.
    """
    if not all(columns[name].base in _KEYS and not columns[name].is_array for name in key):
        return None
    size = db.execute(_SIZE, (table,)).fetchone()
    if size is None or size[0] > _PAGES:
        return None
    step = max(_STEP, -(-int(size[0]) // _PARTS))
    arrays = [f"array_agg({columns[name].read}) AS {quote(name)}" for name in key]
    picked = ", ".join([*arrays, f"array_agg({digest}) AS _digest"])
    parts = []
    for first in range(0, max(int(size[0]), 1), step):
        # The last has no end: the table may have grown since it was asked for its size.
        end = f" AND t.ctid < '({first + step},0)'" if first + step < size[0] else ""
        pages = f"t.ctid >= '({first},0)'{end}" if first or end else "true"
        parts.append(f"SELECT {picked} FROM {table} t {f'{condition} AND' if condition else 'WHERE'} {pages}")
    return " UNION ALL ".join(parts), [f"unnest({quote(name)}) AS {quote(name)}" for name in (*key, "_digest")]
