"""Writing a batch into a DuckDB file: judged against the rows that are there and carried out in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import duckdb

from accord.connectors.bisect import apply_in_halves
from accord.connectors.decide import ROW, Staged, as_text, decide, of, result, type_of
from accord.connectors.protocol import ApplyResult
from accord.connectors.text_values import fits
from accord.connectors.types import literal, quote

_REFUSALS = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)


def write(
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    declared: Mapping[str, str],
    read: Mapping[str, str],
    before_commit: Callable[[ApplyResult], None] = lambda result: None,
) -> ApplyResult:
    """Compare and set every row of the batch; the caller sees to it that nobody else writes meanwhile.

    Args:
        con: holds the tables of ``staged``, and the file is attached in it.
        table: quoted name.
        staged: the batch.
        declared: native type of each column of the table.
        read: SQL of each column in its canonical type.
        before_commit: told what is about to be committed, inside the transaction.
    """
    batch = staged.batch
    keys = ", ".join(f"TRY_CAST(given.{quote(k)} AS {declared[k]}) AS {quote(k)}" for k in batch.key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE wanted_keys AS SELECT {ROW}, {keys} FROM given")
    kinds = (
        {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT {_picked(batch.columns, read)} FROM {table}").fetchall()}
        if batch.columns
        else {}
    )
    values = "".join(f", {as_text('t.' + quote(c), kinds[c])} AS {quote(c)}" for c in batch.columns)
    on = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in batch.key)
    shown = [*(quote(k) for k in batch.key), *(f"{read[c]} AS {quote(c)}" for c in batch.columns if c not in batch.key)]
    target = f"(SELECT {', '.join(shown)} FROM {table})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE matches AS SELECT s.{ROW}{values} FROM wanted_keys s JOIN {target} t ON {on}")
    decide(con, staged, "matches")
    written = dict.fromkeys((*batch.key, *batch.columns))
    typed = ", ".join(f"{_value(name, staged.given[name], declared[name])} AS {quote(name)}" for name in written)
    statements = _statements(table, batch.key, batch.columns, typed)
    refusals: dict[int, str] = {}

    def keep() -> None:
        before_commit(result(con, batch, refusals))

    reason = _carried_out(con, statements, "true", keep)
    if reason is not None:
        rows = [row[0] for row in con.execute(f"SELECT {ROW} FROM verdict ORDER BY 1").fetchall()]

        def attempt(part: Sequence[int]) -> str | None:
            return _carried_out(con, statements, f"{ROW} IN ({', '.join(map(str, part))})", None)

        refusals = dict(apply_in_halves(rows, attempt, kept=False))
        left = f"{ROW} NOT IN ({', '.join(map(str, refusals))})" if refusals else "true"
        again = _carried_out(con, statements, left, keep)
        if again is not None:
            # Rows that are only refused together: none of them is written.
            refusals |= {row: again for row in rows if row not in refusals}
    return result(con, batch, refusals)


def _picked(columns: Sequence[str], read: Mapping[str, str]) -> str:
    return ", ".join(f"{read[c]} AS {quote(c)}" for c in columns)


def _value(name: str, kind: str, declared: str) -> str:
    """SQL over ``given`` for what is to be stored; an error where that would not be the value."""
    column = quote(name)
    if kind == declared:
        return column
    type_ = type_of(declared)
    refused = f"error({column}::VARCHAR || {literal(f' does not fit {declared}')})"
    if kind == "VARCHAR" and type_.name not in ("text", "json", "binary"):
        return f"CAST(CASE WHEN {column} IS NOT NULL AND NOT {fits(column, type_)} THEN {refused} ELSE {column} END AS {declared})"
    if type_.name in ("number", "integer") and kind != "VARCHAR":
        lossless = f"CAST(TRY_CAST({column} AS {declared}) AS {kind}) IS NOT DISTINCT FROM {column}"
        return f"CAST(CASE WHEN {lossless} THEN {column}::VARCHAR ELSE {refused} END AS {declared})"
    return f"CAST({column} AS {declared})"


def _statements(table: str, key: Sequence[str], columns: Sequence[str], typed: str) -> tuple[str, ...]:
    on = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in key)

    def chosen(outcome: str) -> str:
        return f"(SELECT {typed} FROM {of('given', outcome)} WHERE {{part}})"

    statements = [f"DELETE FROM {table} t USING {chosen('delete')} s WHERE {on}"]
    if columns:
        assigned = ", ".join(f"{quote(c)} = s.{quote(c)}" for c in columns)
        statements.append(f"UPDATE {table} t SET {assigned} FROM {chosen('update')} s WHERE {on}")
    names = ", ".join(map(quote, dict.fromkeys((*key, *columns))))
    statements.append(f"INSERT INTO {table} ({names}) SELECT {names} FROM {chosen('insert')} s")
    return tuple(statements)


def _carried_out(con: duckdb.DuckDBPyConnection, statements: Sequence[str], part: str, keep: Callable[[], None] | None) -> str | None:
    """Run the statements for some rows in one transaction, kept after ``keep``; the reason when it is refused, with nothing done."""
    con.execute("BEGIN")
    try:
        for statement in statements:
            con.execute(statement.replace("{part}", part))
        if keep is not None:
            keep()
        con.execute("ROLLBACK" if keep is None else "COMMIT")
    except _REFUSALS as error:
        _roll_back(con)
        return str(error).splitlines()[0]
    except BaseException:
        _roll_back(con)
        raise
    return None


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has ended the transaction itself
        con.execute("ROLLBACK")
