"""A state kept as one full segment and, behind it, segments with only the rows that changed.

A segment of changes has the columns of the full one and ``_removed``. Of several rows with a key the one in the later segment holds; a
removed one takes the key out. Whoever reads a state of the store reads it through ``folded``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from accord.store.database import quote

REMOVED = "_removed"


def folded(paths: Sequence[Path], key: Sequence[str], *, among: str = "", full: str = "") -> str:
    """SQL (a SELECT) of the rows a state holds; columns are matched by name.

    Args:
        paths: the segments of one role, in the order in which the store names them; at least one.
        key: columns that identify a row.
        among: only the rows whose key stands in this table or view, which has the key's columns.
        full: table that holds the wanted rows of the full segments, where they were read before.
    """
    keys = ", ".join(quote(k) for k in key)
    semi = f" SEMI JOIN {among} USING ({keys})" if among else ""
    changes = [path for path in paths if is_change(path)]
    whole = [path for path in paths if not is_change(path)]
    rows = f"SELECT * FROM {full}" if full else f"SELECT * FROM {parquet(whole)}{semi}" if whole else ""
    if not changes:
        return rows
    newer = " UNION ALL BY NAME ".join(f"SELECT *, {place} AS _place FROM {parquet([path])}{semi}" for place, path in enumerate(changes))
    last = f"SELECT * FROM ({newer}) QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _place DESC) = 1"
    held = f"SELECT * EXCLUDE ({REMOVED}, _place) FROM ({last}) WHERE NOT {REMOVED}"
    if not rows:
        return held
    gone = " UNION ALL ".join(f"SELECT {keys} FROM {parquet([path])}" for path in changes)
    return f"{rows} ANTI JOIN ({gone}) USING ({keys}) UNION ALL BY NAME {held}"


def is_change(path: Path) -> bool:
    """Whether a segment holds changes to the state before it."""
    return REMOVED in columns_in(path)


def rows_in(path: Path) -> int:
    """Rows of a segment, as its footer says."""
    import pyarrow.parquet as pq  # here, because it takes long to load and a short command reads no segment

    return int(pq.read_metadata(path).num_rows)


@lru_cache(maxsize=4096)  # a segment is named by what it holds and never changes
def columns_in(path: Path) -> frozenset[str]:
    """Names of a segment's columns, as its footer says."""
    import pyarrow.parquet as pq  # as above

    return _once(frozenset(pq.read_schema(path).names))


@lru_cache(maxsize=256)
def _once(columns: frozenset[str]) -> frozenset[str]:
    """The same for all that are equal: the segments of a flow differ in little else than their rows."""
    return columns


def parquet(paths: Sequence[Path], *, told: bool = False) -> str:
    """A relation of DuckDB: the rows of segments, columns matched by name; with ``filename``, where it is to be told which holds a row."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], union_by_name = true{', filename = true' if told else ''})"
