"""Whether no value stands twice, told for a fraction of what grouping the rows by it costs.

Nearly every table is right about that. So it is proven first, and only a table for which it cannot be proven is grouped.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from accord.connectors.types import quote

_SMALLEST_ROWS = 50_000  # fewer are grouped as fast
_MOST_ROWS = 50_000_000  # of more rows the hashes take too much memory, which grouping does not
_SPREAD = 32  # bits in the set for each row
_MOST_BITS = 1 << 30
_INTEGERS = ("INTEGER", "BIGINT")


def proven_once(con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], rows: int) -> bool:
    """True when it is certain that no two rows have equal values in ``columns``; rows with a null in one of them are no part of it.

    False says nothing: two values may only look alike from here, or asking is not worth it.

    Args:
        con: holds the relation.
        relation: a table.
        columns: of it.
        rows: how many it has.
    """
    if not _SMALLEST_ROWS <= rows <= _MOST_ROWS:
        return False
    if len(columns) == 1 and (told := _as_bits(con, relation, columns[0])) is not None:
        return told
    held = " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns)
    hashes = con.execute(f"SELECT hash({', '.join(map(quote, columns))}) AS h FROM {relation} WHERE {held}").fetchnumpy()["h"]
    hashes.sort()
    return not bool((hashes[1:] == hashes[:-1]).any())


def _as_bits(con: duckdb.DuckDBPyConnection, relation: str, column: str) -> bool | None:
    """The same for whole numbers that lie close together: as many bits are set as there are rows; ``None`` for any others."""
    name = quote(column)
    kind = con.execute(f"SELECT typeof({name}) FROM {relation} LIMIT 1").fetchone()
    if kind is None or kind[0] not in _INTEGERS:
        return None
    found = con.execute(f"SELECT count({name}), min({name}), max({name}) FROM {relation}").fetchone()
    count, lowest, highest = (int(v or 0) for v in found or (0, 0, 0))
    if highest - lowest >= min(_SPREAD * count, _MOST_BITS):
        return None
    bits = con.execute(f"SELECT bit_count(bitstring_agg({name}, {lowest}, {highest})) FROM {relation}").fetchone()
    return bits is not None and int(bits[0] or 0) == count
