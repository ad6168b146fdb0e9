"""The keys that a caller asks for, taken out of DuckDB as texts or as literals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from accord.connectors.decide import as_text, type_of
from accord.connectors.text_values import fits
from accord.connectors.types import quote
from accord.model.errors import UnknownName
from accord.model.types import CanonicalType


@dataclass(frozen=True, slots=True)
class Keys:
    """Key columns and their values as texts (``decide.as_text``), each key once, without those that can equal no row.

    A null equals nothing, nor does a text that is no value of the column's type. ``few`` has the keys when they are not more than were
    asked for; else it is ``None`` and ``query`` has to be run.
    """

    names: tuple[str, ...]
    query: str
    few: Sequence[tuple[str, ...]] | None


def taken(con: duckdb.DuckDBPyConnection, table: str, types: Mapping[str, CanonicalType], *, few: int, holder: str) -> Keys:
    """Look at a table of keys, and fetch them when they are few.

    Args:
        con: holds ``table``.
        table: its columns are key columns.
        types: of the resource's columns.
        few: most keys to fetch.
        holder: who asks, for the error.

    Raises:
        UnknownName: a key column that the resource does not have.
    """
    kinds = {column[0]: str(column[1]) for column in con.execute(f"SELECT * FROM {table} LIMIT 0").description or ()}
    texts, conditions = [], []
    for name, kind in kinds.items():
        if name not in types:
            raise UnknownName("column", name, types, holder=holder)
        text = as_text(quote(name), kind)
        texts.append(f"{text} AS {quote(name)}")
        conditions.append(f"{quote(name)} IS NOT NULL")
        if types[name].name not in ("text", "json", "binary", type_of(kind).name):
            conditions.append(fits(text, types[name]))
    query = f"SELECT DISTINCT {', '.join(texts)} FROM {table} WHERE {' AND '.join(conditions)}"
    rows = con.execute(f"{query} LIMIT {few + 1}").fetchall()
    return Keys(tuple(kinds), query, rows if len(rows) <= few else None)


def chosen(con: duckdb.DuckDBPyConnection, relation: str, keys: Keys) -> str:
    """The rows of a relation that has been read whole whose key is asked for, as another relation."""
    kinds = {column[0]: str(column[1]) for column in con.execute(f"SELECT * FROM {relation} LIMIT 0").description or ()}
    on = " AND ".join(f"{as_text(f's.{quote(n)}', kinds[n])} = k.{quote(n)}" for n in keys.names)
    con.execute(f"CREATE TEMP VIEW {relation}_keys AS SELECT s.* FROM {relation} s SEMI JOIN ({keys.query}) k ON {on}")
    return f"{relation}_keys"
