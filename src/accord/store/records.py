"""The records bulk segments hold that one part writes and another reads: their columns and types, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from accord.store.database import quote
from accord.store.folding import columns_in, parquet

# One row per change of a source and target it has to reach, role ``changes`` of a flow: written by sync, read by measuring (F5).
CHANGES: Final[Mapping[str, str]] = {
    "flow": "VARCHAR",
    "run": "VARCHAR",
    "key": "VARCHAR",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "op": "VARCHAR",
    "due": "BOOLEAN",
    "verified": "BOOLEAN",
    "quarantined": "BOOLEAN",
    "source_broken": "BOOLEAN",
    "source_changed_at": "TIMESTAMPTZ",
    "captured_at": "TIMESTAMPTZ",
    "verified_at": "TIMESTAMPTZ",
    "freshness_seconds": "DOUBLE",
}
KEY: Final = "_key"
"""Column of a segment of changes that all arrived at first contact, in place of what follows from that: the key as a struct of its fields.

A first load leaves one record for each row of a system; in this form they cost a quarter of what they do with every column.
"""
_ARRIVED: Final[Mapping[str, str]] = {
    "due": "true",
    "verified": "true",
    "quarantined": "false",
    "source_broken": "false",
    "source_changed_at": "NULL",
    "freshness_seconds": "greatest(0, epoch(verified_at) - epoch(captured_at))",
}


def change_records(paths: Sequence[Path]) -> str:
    """A relation of DuckDB, in brackets, with ``CHANGES`` and ``filename``: the records of segments of role ``changes``.

    Args:
        paths: at least one segment.
    """
    arrived = {path: _key(path) for path in paths if KEY in columns_in(path)}
    parts = [_select({**_ARRIVED, "key": key}, [path]) for path, key in arrived.items()]
    told = [path for path in paths if path not in arrived]
    return f"({' UNION ALL '.join([*parts, *([_select({}, told)] if told else [])])})"


@lru_cache(maxsize=4096)  # a segment never changes
def _key(path: Path) -> str:
    """SQL of the key as records have it: JSON, each field as a text."""
    import pyarrow.parquet as pq  # here, because it takes long to load and a short command reads no segment

    names = [field.name for field in pq.read_schema(path).field(KEY).type]
    return f"to_json(struct_pack({', '.join(f'{quote(n)} := CAST({KEY}.{quote(n)} AS VARCHAR)' for n in names)}))"


def _select(form: Mapping[str, str], paths: Sequence[Path]) -> str:
    held = frozenset().union(*map(columns_in, paths))
    picked = (f"CAST({form.get(c) or (quote(c) if c in held else 'NULL')} AS {kind}) AS {quote(c)}" for c, kind in CHANGES.items())
    return f"SELECT {', '.join(picked)}, filename FROM {parquet(paths, told=True)}"
