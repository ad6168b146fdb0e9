"""A batch laid over the rows of a file, in DuckDB."""

from __future__ import annotations

import duckdb

from accord.connectors.decide import ROW, Staged, as_text, of, type_of
from accord.connectors.text_values import fits
from accord.connectors.timestamp_style import sniff
from accord.connectors.types import duckdb_type, quote

LINE = "_accord_line"


def match(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Make table ``matches``: the rows of ``current_rows`` that have a key of the batch, values as text."""
    batch = staged.batch
    kinds = _kinds(con)
    on = []
    for name in batch.key:
        stored, given, type_ = f"t.{quote(name)}", f"s.{quote(name)}", staged.types[name]
        stored = as_text(stored, kinds[name]) if name in kinds else "NULL"
        if type_.name not in ("text", "json", "binary"):  # 5 and 05 are one integer
            stored, given = (f"TRY_CAST({side} AS {duckdb_type(type_)})" for side in (stored, given))
        on.append(f"{stored} = {given}")
    values = [f"{_compared(name, staged, kinds)} AS {quote(name)}" for name in batch.columns]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE matches AS
        SELECT {", ".join([f"s.{ROW}", f"t.{LINE}", *values])}
        FROM stage s JOIN current_rows t ON {" AND ".join(on)}""")


def _compared(name: str, staged: Staged, kinds: dict[str, str]) -> str:
    """SQL over ``current_rows t`` for a value as text, in the form that ``stage`` has it."""
    column = f"t.{quote(name)}"
    if name not in kinds:
        return "CAST(NULL AS VARCHAR)"  # without a type it would be a number, with which no text can be compared
    if staged.types[name].name == "binary" and kinds[name] == "VARCHAR":
        return f"coalesce(hex(TRY_CAST({column} AS BLOB)), {column})"
    return as_text(column, kinds[name])


def misfits(con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[int, str]:
    """Rows of the batch with a value that the file's own type of that column cannot hold without losing something."""
    refused: dict[int, str] = {}
    for name in dict.fromkeys((*staged.batch.key, *staged.batch.columns)):
        stored, given, column = _kinds(con).get(name, "VARCHAR"), staged.given[name], quote(name)
        if stored in ("VARCHAR", given):
            continue
        if given == "VARCHAR":
            lost = f"NOT {fits(column, type_of(stored))} OR TRY_CAST({column} AS {stored}) IS NULL"
        else:
            lost = f"TRY_CAST(TRY_CAST({column} AS {stored}) AS {given}) IS DISTINCT FROM {column}"
        query = f"SELECT {ROW}, CAST({column} AS VARCHAR) FROM given WHERE {column} IS NOT NULL AND ({lost})"
        for row, value in con.execute(query).fetchall():
            refused.setdefault(row, f"{name}: '{value}' is no {stored}")
    return refused


def changes_anything(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether any row of ``verdict`` is to be written."""
    return con.execute("SELECT 1 FROM verdict WHERE outcome IN ('insert', 'update', 'delete') LIMIT 1").fetchone() is not None


def merge(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Make table ``merged``: ``current_rows`` after the batch, in the file's order with new rows last.

    The column ``_accord_row`` is the number of the batch's row that changed a line, and null for lines that stay as they are.
    """
    batch = staged.batch
    kinds = _kinds(con)
    names = [n for n in kinds if n != LINE] + [n for n in dict.fromkeys((*batch.key, *batch.columns)) if n not in kinds]
    written = {name: _written(con, staged, name, kinds) for name in dict.fromkeys((*batch.key, *batch.columns))}
    updated, inserted = [], []
    for name in names:
        column = quote(name)
        old = f"t.{column}" if name in kinds else "NULL"
        new = f"CASE WHEN v.{ROW} IS NULL THEN {old} ELSE {written[name]} END" if name in batch.columns else old
        updated.append(f"{new} AS {column}")
        inserted.append(f"{written.get(name, 'NULL')} AS {column}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE merged AS
        SELECT t.{LINE}, v.{ROW}, {", ".join(updated)}
        FROM current_rows t
        LEFT JOIN (
            SELECT {LINE}, min({ROW}) AS {ROW} FROM {of("matches", "update")} GROUP BY ALL
        ) v USING ({LINE})
        LEFT JOIN given g USING ({ROW})
        WHERE t.{LINE} NOT IN (SELECT {LINE} FROM {of("matches", "delete")})
        UNION ALL
        SELECT (SELECT coalesce(max({LINE}), 0) FROM current_rows) + g.{ROW}, g.{ROW}, {", ".join(inserted)}
        FROM {of("given g", "insert")}""")


def _kinds(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute("DESCRIBE current_rows").fetchall()}


def _written(con: duckdb.DuckDBPyConnection, staged: Staged, name: str, kinds: dict[str, str]) -> str:
    """SQL over ``given g`` for a value as the file holds it: its type where it has one, else text in the style found there."""
    column, given, stored = f"g.{quote(name)}", staged.given[name], kinds.get(name, "VARCHAR")
    if stored != "VARCHAR":
        return f"CAST({column} AS {stored})"
    if given.startswith("TIMESTAMP"):
        sample = (
            con.execute(f"SELECT {quote(name)} FROM current_rows WHERE {quote(name)} <> '' LIMIT 1").fetchone() if name in kinds else None
        )
        zoned = given == "TIMESTAMP WITH TIME ZONE"
        moment = f"({column} AT TIME ZONE 'UTC')" if zoned else f"CAST({column} AS TIMESTAMP)"
        return sniff(sample[0] if sample else None, zoned=zoned).sql(moment)
    # Bytes stand in text as DuckDB writes and reads them: \x00\xFF.
    return f"CAST({column} AS VARCHAR)" if given == "BLOB" else as_text(column, given)
