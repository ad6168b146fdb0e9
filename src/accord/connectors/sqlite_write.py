"""Writing a batch into SQLite: judged and carried out inside one transaction of the caller's connection."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors import sqlite_cascades
from accord.connectors.bisect import apply_in_halves
from accord.connectors.cascades import ForeignKey, in_tree
from accord.connectors.decide import ROW, Staged, decide, of, result
from accord.connectors.protocol import OLD, ApplyResult, Carried, ChangeBatch
from accord.connectors.sqlite_text import as_marked
from accord.connectors.sqlite_types import as_text
from accord.connectors.taken import Taken, fresh, handed_on, pass_on
from accord.connectors.timestamp_style import sniff
from accord.connectors.types import quote

_CHUNK_ROWS = 20_000
NO_NAN = "SQLite has no NaN"
_DEFERRED = re.compile(r"\bDEFERRABLE\s+INITIALLY\s+DEFERRED\b", re.IGNORECASE)
_KEY_FAILED = "FOREIGN KEY constraint failed"  # as SQLite says it
_TAKEN = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")

_SAME = "_accord_same_"


def write(
    db: sqlite3.Connection,
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    declared: Mapping[str, str],
    before_commit: Callable[[ApplyResult], None] = lambda result: None,
) -> ApplyResult:
    """Compare and set every row of the batch; none when anything but a refused row goes wrong.

    Args:
        db: opened for writing, in autocommit.
        con: holds the tables of ``staged``.
        table: name in SQLite.
        staged: the batch.
        declared: declared type of each column of the table.
        before_commit: told what is about to be committed, inside the transaction.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        encode(db, con, table, staged)
        _match(db, con, table, staged, declared)
        decide(con, staged, "matches")
        refusals = _without_place(con, staged)
        pointing = _judged_late(db, table)
        own = staged.batch.gives
        if own:
            _number(db, con, table, own)
        keys = _going_on(db, con, table)
        kept, carried = _delete(db, con, table, staged, pointing, keys, refusals)
        refusals |= _carry_out(db, con, table, staged, "update", pointing, besides=refusals)
        if kept and in_tree(keys):
            kept, _ = _delete(db, con, table, staged, pointing, keys, refusals)
        refusals |= kept
        refusals |= _carry_out(db, con, table, staged, "insert", pointing, besides=refusals)
        written = replace(result(con, staged.batch, refusals, _given(con, refusals) if own else None), carried=carried)
        before_commit(written)
        db.execute("COMMIT")
    except BaseException:
        # Also on Ctrl-C: the target goes back to what it was.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return written


def encode(db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, staged: Staged) -> None:
    """Make the table ``encoded`` of ``con``: the batch as SQLite is to store it."""
    encoded = ", ".join(f"{encoded_value(db, table, name, staged.given[name])} AS {quote(name)}" for name in staged.types)
    same = "".join(f", coalesce({quote(c)} = {quote(OLD + c)}, false) AS {quote(_SAME + c)}" for c in _doubles(staged))
    con.execute(f"CREATE OR REPLACE TEMP TABLE encoded AS SELECT {ROW}, {encoded}{same} FROM given")


def _going_on(db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str) -> tuple[ForeignKey, ...]:
    """The foreign keys that act on deletes, if there are some to be carried out."""
    some = con.execute("SELECT 1 FROM verdict WHERE outcome = 'delete' LIMIT 1").fetchone()
    return sqlite_cascades.keys_of(db, table) if some else ()


def _delete(
    db: sqlite3.Connection,
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    pointing: Mapping[str, int],
    keys: Sequence[ForeignKey],
    refusals: Collection[int],
) -> tuple[dict[int, str], tuple[Carried, ...]]:
    """Carry out the deletes; which rows are refused and why, and what others went along."""

    def carry_out(besides: Collection[int]) -> dict[int, str]:
        return _carry_out(db, con, table, staged, "delete", pointing, besides={*refusals, *besides})

    return sqlite_cascades.delete(db, con, table, staged.batch, keys, carry_out) if keys else (carry_out(()), ())


def _doubles(staged: Staged) -> list[str]:
    """Columns whose values stay as they stand where they do not change.

    SQLite shows some of the largest and smallest doubles with another last digit; written back as shown, they would lose one each time.
    """
    return [c for c in staged.batch.columns if staged.given[c] == "DOUBLE" and staged.given.get(OLD + c) == "DOUBLE"]


def encoded_value(db: sqlite3.Connection, table: str, name: str, kind: str) -> str:
    """SQL for what SQLite is to store of a column of the DuckDB type ``kind``; text where its affinity makes the right number of it."""
    column = quote(name)
    if kind in ("DOUBLE", "BLOB", "BIGINT", "INTEGER"):
        return column
    if kind == "BOOLEAN":
        return f"CAST({column} AS BIGINT)"
    if kind.startswith("TIMESTAMP"):
        sample = db.execute(f"SELECT {column} FROM main.{quote(table)} WHERE typeof({column}) = 'text' LIMIT 1").fetchone()
        zoned = kind == "TIMESTAMP WITH TIME ZONE"
        moment = f"({column} AT TIME ZONE 'UTC')" if zoned else f"CAST({column} AS TIMESTAMP)"
        return sniff(sample[0] if sample else None, zoned=zoned).sql(moment)
    return f"CAST({column} AS VARCHAR)"


def _match(db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, staged: Staged, declared: Mapping[str, str]) -> None:
    """Read the rows of the target that have a key of the batch into the DuckDB table ``matches``, values as text."""
    batch = staged.batch
    schema = pa.schema([(ROW, pa.int64()), *((name, pa.string()) for name in batch.columns)])
    rows: list[tuple[Any, ...]] = []
    if db.execute(f"SELECT 1 FROM main.{quote(table)} LIMIT 1").fetchone():
        # The same declared types give the same affinities, so a key compares as the column itself would store it.
        keys = ", ".join(f"{quote(k)} {declared[k]}" for k in batch.key)
        db.execute(f"CREATE TEMP TABLE accord_stage ({ROW} INTEGER, {keys})")
        marks = ", ".join("?" * (1 + len(batch.key)))
        for chunk in _chunks(con, f"SELECT {', '.join([ROW, *map(quote, batch.key)])} FROM encoded"):
            db.executemany(f"INSERT INTO temp.accord_stage VALUES ({marks})", chunk)
        values = "".join(f", {as_text('t.' + quote(c), declared[c])}" for c in batch.columns)
        on = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in batch.key)
        db.text_factory = as_marked
        rows = db.execute(f"SELECT s.{ROW}{values} FROM temp.accord_stage s CROSS JOIN main.{quote(table)} t ON {on}").fetchall()
        db.execute("DROP TABLE temp.accord_stage")
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    con.register(
        "arrow_matches", pa.table([pa.array(_texts(c) if i else c, schema.types[i]) for i, c in enumerate(columns)], schema=schema)
    )
    con.execute("CREATE OR REPLACE TEMP TABLE matches AS SELECT * FROM arrow_matches")
    con.unregister("arrow_matches")


def _number(db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    """Give rows to insert that have no key the numbers SQLite would give them; nobody else can take one until this transaction ends."""
    counted = db.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").fetchone()
    used = db.execute("SELECT seq FROM main.sqlite_sequence WHERE name = ?", (table,)).fetchone() if counted else None
    most = db.execute(f"SELECT max({quote(column)}) FROM main.{quote(table)}").fetchone()[0]
    last = max(int(used[0] or 0) if used else 0, int(most or 0), 0)
    lacking = f"{quote(column)} IS NULL"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE numbered AS SELECT {ROW}, {last} + row_number() OVER (ORDER BY {ROW}) AS key
        FROM {of("encoded", "insert")} WHERE {lacking}""")
    con.execute(f"UPDATE encoded SET {quote(column)} = n.key FROM numbered n WHERE encoded.{ROW} = n.{ROW}")


def _given(con: duckdb.DuckDBPyConnection, refusals: Mapping[int, str]) -> dict[int, str]:
    found = con.execute(f"SELECT {ROW}, CAST(key AS VARCHAR) FROM numbered ORDER BY {ROW}").fetchall()
    return {row: key for row, key in found if row not in refusals}


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [value if value is None or isinstance(value, str) else str(value) for value in values]


def not_held(column: str, kind: str) -> str:
    """SQL that is true for a value of the DuckDB type ``kind`` that SQLite would make null of; empty where there is none."""
    return f"coalesce(isnan({column}), false)" if kind in ("DOUBLE", "FLOAT") else ""


def _without_place(con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[int, str]:
    """Rows to insert or update with a value that SQLite has no place for, and the reason."""
    found: dict[int, str] = {}
    for name in staged.batch.columns:
        if wrong := not_held(quote(name), staged.given[name]):
            query = f"SELECT {ROW} FROM {of('given', 'insert', 'update')} WHERE {wrong}"
            found |= {row: f"{NO_NAN} (column '{name}')" for (row,) in con.execute(query).fetchall()}
    return found


def _judged_late(db: sqlite3.Connection, table: str) -> dict[str, int]:
    """Tables whose foreign keys, of this table or to it, SQLite judges only when a transaction ends, with the rows that break them now."""
    found = {}
    for name, sql in db.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        if _DEFERRED.search(sql or ""):
            others = db.execute('SELECT "table" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
            if table.casefold() in (name.casefold(), *(str(other).casefold() for (other,) in others)):
                found[name] = _breaking(db, name)
    return found


def _breaking(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute("SELECT count(*) FROM pragma_foreign_key_check(?)", (table,)).fetchone()[0])


def _carry_out(
    db: sqlite3.Connection,
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    outcome: str,
    pointing: Mapping[str, int],
    *,
    besides: Collection[int],
) -> dict[int, str]:
    batch = staged.batch
    target, keyed = f"main.{quote(table)}", " AND ".join(f"{quote(k)} = ?" for k in batch.key)
    if outcome == "delete":
        names, statement = batch.key, f"DELETE FROM {target} WHERE {keyed}"
    elif outcome == "update":
        doubles = _doubles(staged)
        names = (*batch.columns, *batch.key, *(_SAME + c for c in doubles))
        number = {name: f"?{n}" for n, name in enumerate(names, 1)}
        value = {
            c: f"CASE WHEN {number[_SAME + c]} THEN {quote(c)} ELSE {number[c]} END" if c in doubles else number[c] for c in batch.columns
        }
        where = " AND ".join(f"{quote(k)} = ?{n}" for n, k in enumerate(batch.key, len(batch.columns) + 1))
        statement = f"UPDATE {target} SET {', '.join(f'{quote(c)} = {sql}' for c, sql in value.items())} WHERE {where}"
    else:
        names = tuple(dict.fromkeys((*batch.key, *batch.columns)))
        statement = f"INSERT INTO {target} ({', '.join(map(quote, names))}) VALUES ({', '.join('?' * len(names))})"

    def attempt(rows: Sequence[tuple[Any, ...]]) -> str | None:
        db.execute("SAVEPOINT part")
        try:
            db.executemany(statement, (row[:-1] for row in rows))
            if any(_breaking(db, name) > before for name, before in pointing.items()):
                db.execute("ROLLBACK TO part")  # the commit would be refused, and with it all other rows
                return _KEY_FAILED
        except sqlite3.IntegrityError as error:
            db.execute("ROLLBACK TO part")
            return (Taken if error.sqlite_errorname in _TAKEN else str)(error)
        finally:
            if db.in_transaction:
                db.execute("RELEASE part")
        return None

    refusals: dict[int, str] = {}
    refused: dict[int, tuple[Any, ...]] = {}
    selected = ", ".join([*map(quote, names), ROW])
    for chunk in _chunks(con, f"SELECT {selected} FROM {of('encoded', outcome)} ORDER BY {ROW}"):
        wanted = [row for row in chunk if row[-1] not in besides] if besides else chunk
        for row, reason in apply_in_halves(wanted, attempt):
            refusals[row[-1]], refused[row[-1]] = reason, row
    if outcome == "update" and refusals and (unique := _unique(db, table, batch)):
        given_up = f"UPDATE {target} SET {', '.join(f'{quote(name)} = ?' for name in unique)} WHERE {keyed}"

        def together(rows: Sequence[int]) -> Sequence[int]:
            free = ([fresh(number=number) for number in unique.values()] for _ in rows)
            db.execute("SAVEPOINT together")
            try:
                db.executemany(
                    given_up,
                    ((*values, *refused[row][len(batch.columns) :][: len(batch.key)]) for row, values in zip(rows, free, strict=True)),
                )
                still = [row for row in rows if attempt([refused[row]]) is not None]
            except sqlite3.IntegrityError:
                still = list(rows)
            if still:
                db.execute("ROLLBACK TO together")
            db.execute("RELEASE together")
            return still

        pass_on(refusals, together)
    return refusals


def _unique(db: sqlite3.Connection, table: str, batch: ChangeBatch) -> dict[str, bool]:
    """The columns to hand on unique values by, and whether those are numbers."""
    found = db.execute(
        "SELECT l.name, c.name, upper(c.type) FROM pragma_index_list(?, 'main') l, pragma_index_info(l.name, 'main') i, "
        "pragma_table_info(?, 'main') c ON c.name = i.name WHERE l.\"unique\" ORDER BY l.name, i.seqno",
        (table, table),
    ).fetchall()
    numbers = {name: "INT" in declared for _, name, declared in found}
    return {name: numbers[name] for name in handed_on(((index, name) for index, name, _ in found), batch)}


def _chunks(con: duckdb.DuckDBPyConnection, query: str) -> list[list[tuple[Any, ...]]]:
    cursor = con.execute(query)
    chunks = []
    while chunk := cursor.fetchmany(_CHUNK_ROWS):
        chunks.append(chunk)
    return chunks
