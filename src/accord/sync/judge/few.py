"""Checks of columns with few values, asked once of each value instead of once of each row.

Owners, categories, countries, currencies, channels: most columns of texts that a contract gives a pattern or a long list of values hold a
few of them again and again. To find which ones there are costs less than any pattern asked of every row, and a tenth of an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import duckdb

from accord.connectors.types import quote

_MOST_VALUES = 8_192  # that many stay in the cache of a core
_ROWS_PER_VALUE = 16
_TOLD = re.compile(r"\[Approx Unique: (\d+)\]")


def few_values(con: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[str], rows: int) -> set[str]:
    """The columns that hold few values, by the statistics the engine keeps; a wrong guess costs time and nothing else.

    Args:
        con: holds the relation.
        relation: a table.
        columns: of it.
        rows: how many it has.
    """
    asked = list(columns)
    if not asked:
        return set()
    told = con.execute(f"SELECT {', '.join(f'stats({quote(c)})' for c in asked)} FROM {relation} LIMIT 1").fetchone() or ()
    counts = {c: int(found[1]) for c, text in zip(asked, told, strict=bool(told)) if (found := _TOLD.search(str(text)))}
    return {c for c, count in counts.items() if count <= min(_MOST_VALUES, rows // _ROWS_PER_VALUE)}


def asked_by_value(con: duckdb.DuckDBPyConnection, relation: str, column: str, broken: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Conditions over one column that no row meets left out, the others as whether the row has one of the values that meet them.

    Args:
        con: holds the relation.
        relation: a table.
        column: what all conditions look at, and nothing else.
        broken: by name, SQL that is true for a bad value and never for null.
        prefix: of the temporary tables made here.

    Returns:
        SQL by name, true for the same rows.
    """
    each = f"{prefix}values"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {each} AS SELECT DISTINCT {quote(column)} FROM {relation}")
    found = {}
    for number, (name, condition) in enumerate(broken.items()):
        table = f"{prefix}{number}"
        made = con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {quote(column)} AS v FROM {each} WHERE {condition}").fetchone()
        if made and made[0]:
            found[name] = f"({quote(column)} IN (SELECT v FROM {table}))"
    return found
