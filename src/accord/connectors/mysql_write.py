"""Writing a batch into MySQL: staged beside the table, its rows locked and judged, then carried out as three statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import duckdb

from accord.connectors import mysql_cascades
from accord.connectors.bisect import apply_in_halves
from accord.connectors.cascades import ForeignKey, Going, in_tree
from accord.connectors.decide import ROW, Staged, decide, result
from accord.connectors.mysql_link import rows as fetched
from accord.connectors.mysql_link import run
from accord.connectors.mysql_read import fetch
from accord.connectors.mysql_types import MyColumn
from accord.connectors.protocol import OP, ApplyResult, Carried, ChangeBatch
from accord.connectors.taken import Taken, fresh, handed_on, pass_on
from accord.connectors.types import quote

if TYPE_CHECKING:
    import pymysql

_PART_BYTES: Final = 2_000_000
_STAGE: Final = "accord_stage"
_VERDICT: Final = "accord_verdict"
_GIVEN: Final = "given"  # an insert in which the server gives the key
_CHOSEN: Final = f"{_STAGE} s JOIN {_VERDICT} v ON v.{ROW} = s.{ROW}"
# What the server says about a row, as opposed to about itself or about us: duplicate, null, out of range, too long, wrong value,
# no default, foreign key, check, no JSON, a trigger's own word.
_REFUSALS = {1048, 1062, 1169, 1216, 1217, 1263, 1264, 1265, 1292, 1364, 1366, 1367, 1369, 1406, 1411, 1416, 1451, 1452, 1526, 1557}
_LARGEST: Final = {"tinyint": 127, "smallint": 2**15 - 1, "mediumint": 2**23 - 1, "int": 2**31 - 1, "bigint": 2**63 - 1}
_TAKEN: Final = (1062, 1169, 1586)
_REFUSALS |= {1586, 1644, 1690, 1748, 3140, 3156, 3157, 3819, 3903, 4025, 4038}


def write(
    db: pymysql.Connection[Any],
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    columns: Mapping[str, MyColumn],
    keys_of: Callable[[], Sequence[ForeignKey]],
    before_commit: Callable[[ApplyResult], None] = lambda result: None,
) -> ApplyResult:
    """Compare and set every row of the batch; none when anything but a refused row goes wrong.

    Args:
        db: open, in autocommit.
        con: holds the tables of ``staged``.
        table: quoted name.
        staged: the batch.
        columns: of the table.
        keys_of: the foreign keys that act when rows of the table are deleted; asked only where some are.
        before_commit: told what is about to be committed, inside the transaction.
    """
    names = tuple(dict.fromkeys((*staged.batch.key, *staged.batch.columns)))
    # Before the transaction, where making a table could end it or be forbidden.
    _make_stage(db, names, columns)
    run(db, f"CREATE TEMPORARY TABLE {_VERDICT} ({ROW} bigint PRIMARY KEY, outcome varchar(10) CHARACTER SET ascii) ENGINE=InnoDB")
    run(db, "START TRANSACTION")
    try:
        refusals = _stage(db, con, staged, columns, names)
        _match(db, con, table, staged, columns)
        decide(con, staged, "matches")
        own, given = staged.batch.gives, dict[int, str]()
        if own:
            lacking = f"SELECT {ROW} FROM given WHERE {quote(own)} IS NULL"
            con.execute(f"UPDATE verdict SET outcome = '{_GIVEN}' WHERE outcome = 'insert' AND {ROW} IN ({lacking})")
        _send_verdict(db, con, refusals)
        on = _on(staged.batch.key, columns)
        statements = _statements(table, staged.batch.key, staged.batch.columns, on)
        kept: dict[int, str] = {}
        carried: tuple[Carried, ...] = ()
        keys: Sequence[ForeignKey] = ()
        for outcome, statement in [*statements, *([(_GIVEN, _giving(table, staged.batch))] if own else [])]:
            if outcome == "delete" and con.execute("SELECT 1 FROM verdict WHERE outcome = 'delete' LIMIT 1").fetchone():
                going = Going(f"{_CHOSEN} STRAIGHT_JOIN {table} t ON {on}", "v.outcome IN ('delete', 'held')", f"s.{ROW}", staged.batch.key)
                keys = keys_of()
                delete = partial(_delete, db, con, statement, staged.batch, keys, going)
                kept, carried = delete(refusals)
                continue
            refused = _carry_out(db, con, statement, outcome, refusals, given if outcome == _GIVEN else None)
            if outcome == "update" and refused and (given_up := _giving_up(db, table, staged.batch, columns, on)):
                pass_on(refused, lambda part, update=statement, free=given_up: _together(db, part, free, update))  # type: ignore[misc]
            refusals |= refused
            if outcome == "update" and kept and in_tree(keys):
                kept, _ = delete(refusals)
        refusals |= kept
        con.execute(f"UPDATE verdict SET outcome = 'insert' WHERE outcome = '{_GIVEN}'")
        written = replace(result(con, staged.batch, refusals, given), carried=carried)
        before_commit(written)
        run(db, "COMMIT")
    except BaseException:
        # Also on Ctrl-C. A statement may still be under way, so the session ends, and the server takes back what was done in it.
        db.close()
        raise
    run(db, f"DROP TEMPORARY TABLE IF EXISTS {_STAGE}, {_VERDICT}")
    return written


def _make_stage(db: pymysql.Connection[Any], names: Sequence[str], columns: Mapping[str, MyColumn]) -> None:
    declared = "".join(f", {quote(n)} {columns[n].staged} NULL" for n in names)
    run(db, f"DROP TEMPORARY TABLE IF EXISTS {_STAGE}, {_VERDICT}")
    run(db, f"CREATE TEMPORARY TABLE {_STAGE} ({ROW} bigint PRIMARY KEY{declared}) ENGINE=InnoDB")


def _stage(
    db: pymysql.Connection[Any], con: duckdb.DuckDBPyConnection, staged: Staged, columns: Mapping[str, MyColumn], names: Sequence[str]
) -> dict[int, str]:
    """Send the batch into the table beside; rows that cannot be held as they are are left out and returned with the reason."""
    packet = int(fetched(db, "SELECT @@max_allowed_packet")[0][0])
    # What is not to be written is only compared, so it need not fit: an expected value never, the values of a delete neither.
    wrong = [f"({columns[n].refused(quote(n))})" if n in staged.batch.key else _written(columns[n], n) for n in names]
    values = [f"coalesce({_nulled(columns[n], n, n in staged.batch.key)}, 'NULL')" for n in names]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE sent AS
        SELECT {ROW}, coalesce({", ".join(wrong)}) AS reason, CASE WHEN coalesce({", ".join(wrong)}) IS NULL
            THEN '(' || concat_ws(',', {ROW}, {", ".join(values)}) || ')' END AS literal
        FROM stage""")
    con.execute(f"""
        UPDATE sent SET reason = 'the row is larger than the server takes (max_allowed_packet)', literal = NULL
        WHERE strlen(literal) > {packet - 1024}""")
    refusals = {row: str(reason) for row, reason in con.execute(f"SELECT {ROW}, reason FROM sent WHERE reason IS NOT NULL").fetchall()}
    parts = con.execute(f"""
        SELECT list({ROW} ORDER BY {ROW}), list(literal ORDER BY {ROW}) FROM (
            SELECT *, sum(strlen(literal)) OVER (ORDER BY {ROW}) // {min(_PART_BYTES, packet // 2)} AS part FROM sent WHERE reason IS NULL)
        GROUP BY part ORDER BY part""").fetchall()
    target = f"INSERT INTO {_STAGE} ({', '.join([ROW, *map(quote, names)])}) VALUES "
    for numbers, literals in parts:
        pairs = list(zip(numbers, literals, strict=True))
        size = 0
        for chunk in _split(pairs, packet - len(target) - 1024):
            size += len(chunk)
            refused = apply_in_halves(chunk, lambda part: _attempt(db, target + ",".join(text for _, text in part)))
            refusals |= {pair[0]: reason for pair, reason in refused}
    return refusals


def _split(pairs: Sequence[tuple[int, str]], most: int) -> list[Sequence[tuple[int, str]]]:
    """One part, or each row alone where together they are larger than the server takes."""
    if sum(len(text.encode()) + 1 for _, text in pairs) <= most:
        return [pairs]
    return [[pair] for pair in pairs]


def _written(column: MyColumn, name: str) -> str:
    return f"(CASE WHEN {OP} <> 'delete' THEN {column.refused(quote(name))} END)"


def _nulled(column: MyColumn, name: str, is_key: bool) -> str:
    value = column.given(quote(name))
    return value if is_key else f"CASE WHEN {OP} <> 'delete' THEN {value} END"


def _match(
    db: pymysql.Connection[Any], con: duckdb.DuckDBPyConnection, table: str, staged: Staged, columns: Mapping[str, MyColumn]
) -> None:
    """Lock the rows of the target that have a key of the batch and read them into the DuckDB table ``matches``, values as text."""
    batch = staged.batch
    picked = "".join(f", {columns[c].read('t.')} AS {quote(c)}" for c in batch.columns)
    # From here to the commit nobody else changes these rows, so what is judged is what is changed.
    query = f"SELECT s.{ROW}{picked} FROM {_STAGE} s STRAIGHT_JOIN {table} t ON {_on(batch.key, columns)} FOR UPDATE"
    raw = fetch(con, db, [query], [ROW, *batch.columns])
    shown = "".join(f", {columns[c].shown(quote(c))} AS {quote(c)}" for c in batch.columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE matches AS SELECT CAST({ROW} AS BIGINT) AS {ROW}{shown} FROM {raw}")
    con.execute(f"DROP TABLE {raw}")


def _on(key: Sequence[str], columns: Mapping[str, MyColumn]) -> str:
    """The key as the server's own index sees it, and then exactly: «a» is not «A», whatever the collation says."""
    equal = [f"t.{quote(k)} = s.{quote(k)}" for k in key]
    return " AND ".join(equal + [f"BINARY t.{quote(k)} = BINARY s.{quote(k)}" for k in key if columns[k].charset])


def _giving(table: str, batch: ChangeBatch) -> str:
    """Inserts in which the server gives the key."""
    names = [n for n in dict.fromkeys((*batch.key, *batch.columns)) if n != batch.gives]
    chosen = f"{_STAGE} s JOIN {_VERDICT} v ON v.{ROW} = s.{ROW} WHERE v.outcome = '{_GIVEN}'"
    listed = f"({', '.join(map(quote, names))})" if names else f"({quote(batch.gives)})"
    picked = ", ".join(f"s.{quote(n)}" for n in names) or "NULL"
    return f"INSERT INTO {table} {listed} SELECT {picked} FROM {chosen}"


def _send_verdict(db: pymysql.Connection[Any], con: duckdb.DuckDBPyConnection, refusals: Mapping[int, str]) -> None:
    left = f"AND {ROW} NOT IN ({', '.join(map(str, refusals))})" if refusals else ""
    found = con.execute(f"""
        SELECT string_agg('(' || {ROW} || ',' || chr(39) || outcome || chr(39) || ')', ',') FROM (
            SELECT *, row_number() OVER (ORDER BY {ROW}) // 20000 AS part FROM verdict
            WHERE outcome IN ('insert', 'update', 'delete', '{_GIVEN}') {left}) GROUP BY part""").fetchall()
    for (literals,) in found:
        run(db, f"INSERT INTO {_VERDICT} VALUES {literals}")


def _statements(table: str, key: Sequence[str], columns: Sequence[str], on: str) -> list[tuple[str, str]]:
    chosen = _CHOSEN
    statements = [("delete", f"DELETE t FROM {chosen} STRAIGHT_JOIN {table} t ON {on} WHERE v.outcome = 'delete'")]
    if columns:
        assigned = ", ".join(f"t.{quote(c)} = s.{quote(c)}" for c in columns)
        statements.append(("update", f"UPDATE {chosen} STRAIGHT_JOIN {table} t ON {on} SET {assigned} WHERE v.outcome = 'update'"))
    names = tuple(dict.fromkeys((*key, *columns)))
    picked = ", ".join(f"s.{quote(n)}" for n in names)
    inserted = f"INSERT INTO {table} ({', '.join(map(quote, names))}) SELECT {picked} FROM {chosen} WHERE v.outcome = 'insert'"
    statements.append(("insert", inserted))
    return statements


def look(
    db: pymysql.Connection[Any],
    con: duckdb.DuckDBPyConnection,
    table: str,
    staged: Staged,
    columns: Mapping[str, MyColumn],
    keys: Sequence[ForeignKey],
) -> tuple[Carried, ...]:
    """What deletes would go on to; ``write`` says what the arguments are."""
    _make_stage(db, staged.batch.key, columns)
    run(db, "START TRANSACTION")
    _stage(db, con, staged, columns, staged.batch.key)
    rows = f"{_STAGE} s STRAIGHT_JOIN {table} t ON {_on(staged.batch.key, columns)}"
    found = mysql_cascades.look(db, keys, Going(rows, "true", f"s.{ROW}", staged.batch.key))
    run(db, "ROLLBACK", f"DROP TEMPORARY TABLE IF EXISTS {_STAGE}")
    return found


def _delete(
    db: pymysql.Connection[Any],
    con: duckdb.DuckDBPyConnection,
    statement: str,
    batch: ChangeBatch,
    keys: Sequence[ForeignKey],
    going: Going,
    refusals: Collection[int],
) -> tuple[dict[int, str], tuple[Carried, ...]]:
    def carry_out(besides: Collection[int]) -> dict[int, str]:
        return _carry_out(db, con, statement, "delete", {*refusals, *besides}, None)

    return mysql_cascades.delete(db, batch, keys, going, _VERDICT, carry_out) if keys else (carry_out(()), ())


def _carry_out(
    db: pymysql.Connection[Any],
    con: duckdb.DuckDBPyConnection,
    statement: str,
    outcome: str,
    refusals: Collection[int],
    given: dict[int, str] | None,
) -> dict[int, str]:
    found = con.execute(f"SELECT {ROW} FROM verdict WHERE outcome = '{outcome}' ORDER BY {ROW}").fetchall()
    numbers = [row for (row,) in found if row not in refusals]
    # In this mode keys of one statement need not follow one another when others insert at the same time.
    mode, step = fetched(db, "SELECT @@innodb_autoinc_lock_mode, @@auto_increment_increment")[0] if given is not None else ("", "1")

    def attempt(part: Sequence[int]) -> str | None:
        some = "" if len(part) == len(numbers) else f" AND s.{ROW} BETWEEN {part[0]} AND {part[-1]}"
        order = "" if given is None else f" ORDER BY s.{ROW}"
        reason = _attempt(db, statement + some + order)
        if given is not None and reason is None:
            first = int(fetched(db, "SELECT LAST_INSERT_ID()")[0][0])
            given.update((row, str(first + n * int(step))) for n, row in enumerate(part))
        return reason

    if mode == "2":
        return {row: reason for row in numbers for _, reason in apply_in_halves([row], attempt)}
    return dict(apply_in_halves(numbers, attempt))


def _giving_up(db: pymysql.Connection[Any], table: str, batch: ChangeBatch, columns: Mapping[str, MyColumn], on: str) -> str:
    """SQL that sets each column of the batch which is unique to a value nobody has; empty where there is none."""
    found = [(str(row[2]), str(row[4])) for row in fetched(db, f"SHOW INDEX FROM {table} WHERE Non_unique = 0")]
    text, given_up = f"MD5(CONCAT('{fresh()}', s.{ROW}))", []
    for column in (columns[name] for name in handed_on(found, batch)):
        if column.charset:
            length = re.search(r"\((\d+)\)", column.native)
            given_up.append(f"t.{quote(column.name)} = LEFT({text}, {length[1] if length else 32})")
        elif column.base in _LARGEST:
            given_up.append(f"t.{quote(column.name)} = {_LARGEST[column.base]} - s.{ROW}")
    chosen = f"{_STAGE} s JOIN {_VERDICT} v ON v.{ROW} = s.{ROW} STRAIGHT_JOIN {table} t ON {on}"
    return f"UPDATE {chosen} SET {', '.join(given_up)} WHERE v.outcome = 'update'" if given_up else ""


def _together(db: pymysql.Connection[Any], rows: Sequence[int], given_up: str, update: str) -> Sequence[int]:
    run(db, "SAVEPOINT accord_together")
    if _attempt(db, f"{given_up} AND s.{ROW} IN ({', '.join(map(str, rows))})") is not None:
        return rows
    still = [row for row in rows if _attempt(db, f"{update} AND s.{ROW} = {row}") is not None]
    if still:
        run(db, "ROLLBACK TO SAVEPOINT accord_together")
    return still


def _attempt(db: pymysql.Connection[Any], statement: str) -> str | None:
    """Run a statement that changes rows; the reason when the server refuses one of them, with none of them changed."""
    import pymysql

    run(db, "SAVEPOINT accord_part")
    try:
        run(db, statement)
    except pymysql.err.Error as error:
        if not error.args or error.args[0] not in _REFUSALS:
            raise
        run(db, "ROLLBACK TO SAVEPOINT accord_part")
        # The server may name our table, and the row by its place in our statement.
        reason = re.sub(rf"(`[^`]*`\.)?`{_STAGE}`\.", "", re.sub(r" at row \d+$", "", str(error.args[1])))
        return (Taken if error.args[0] in _TAKEN else str)(reason)
    run(db, "RELEASE SAVEPOINT accord_part")
    return None
