"""Writing a batch into PostgreSQL: copied beside the table, judged there, carried out there."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from psycopg import errors
from pyarrow import csv

from accord.connectors import decide, postgresql_cascades
from accord.connectors.bisect import apply_in_halves
from accord.connectors.cascades import added, in_tree
from accord.connectors.decide import ROW, Staged, result
from accord.connectors.postgresql_many import write_many
from accord.connectors.postgresql_types import PgColumn
from accord.connectors.protocol import OLD, OP, ApplyResult, Carried, ChangeBatch
from accord.connectors.taken import Taken, fresh, handed_on, pass_on
from accord.connectors.types import quote

_CHUNK_ROWS = 50_000
_JUDGED = 4  # that many statements say what is to become of rows; the others do it
_UNIQUE = """
    SELECT i.indexrelid::text, a.attname FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = %(table)s::regclass AND i.indisunique AND k.place <= i.indnkeyatts ORDER BY i.indexrelid, k.place"""
_SOME_DELETE = f"SELECT 1 FROM given WHERE {OP} = 'delete' LIMIT 1"
_LARGEST = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}
_DEFAULT = """
    SELECT CASE WHEN a.attidentity <> '' THEN format('nextval(%%L::regclass)', pg_get_serial_sequence(%(table)s, %(column)s))
        ELSE pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
    WHERE a.attrelid = %(table)s::regclass AND a.attname = %(column)s AND NOT a.attisdropped"""
# What the server says about a row, as opposed to about itself or about us.
_REFUSALS = (psycopg.IntegrityError, psycopg.DataError, errors.RaiseException, errors.WithCheckOptionViolation)


def write(
    db: psycopg.Connection[Any], con: duckdb.DuckDBPyConnection, table: str, staged: Staged, columns: Mapping[str, PgColumn]
) -> ApplyResult:
    """Compare and set every row of the batch inside the caller's transaction.

    Args:
        db: in a transaction.
        con: holds the tables of ``staged``.
        table: quoted name in PostgreSQL.
        staged: the batch.
        columns: the table's columns.
    """
    batch = staged.batch
    # Numbered names, since «_old_» before a name of 63 bytes would be cut.
    texts = {f"k{i}": name for i, name in enumerate(batch.key)} | {f"c{i}": name for i, name in enumerate(batch.columns)}
    texts |= {f"o{i}": OLD + name for i, name in enumerate(batch.columns)}
    unstorable = _stage(db, con, texts, staged)
    of = {short: columns[name.removeprefix(OLD) if short[0] == "o" else name] for short, name in texts.items()}
    typed = "".join(f", {of[short].from_text(short, to_write=short[0] != 'o')} AS {short}" for short in texts)
    _run(db, f"CREATE TEMP TABLE accord_typed ON COMMIT DROP AS SELECT row, op{typed} FROM accord_stage LIMIT 0")
    _run(db, "CREATE TEMP TABLE accord_verdict (row bigint, outcome text) ON COMMIT DROP")

    default = key_default(db, table, batch.gives) if batch.gives else ""
    keys = postgresql_cascades.keys_of(db, table) if con.execute(_SOME_DELETE).fetchone() else ()
    kept: dict[int, str] = {}
    went: tuple[Carried, ...] = ()

    def attempt(rows: Sequence[int]) -> str | None:
        nonlocal went
        part = f"s.row BETWEEN {rows[0]} AND {rows[-1]}"
        kept_here: dict[int, str] = {}
        went_here: tuple[Carried, ...] = ()
        try:
            with db.transaction():
                statements = _statements(table, staged, of, typed, part, default)
                delete = partial(_delete, db, statements[_JUDGED])
                for number, statement in enumerate(statements):
                    if keys and number == _JUDGED:
                        kept_here, went_here = postgresql_cascades.delete(db, table, batch, part, keys, delete)
                    else:
                        _run(db, statement)
                if kept_here and in_tree(keys):
                    kept_here, _ = postgresql_cascades.delete(db, table, batch, part, keys, delete)
        except _REFUSALS as error:
            return (Taken if isinstance(error, errors.UniqueViolation) else str)(error.diag.message_primary or error)
        kept.update(kept_here)
        went = added(went, went_here)
        return None

    def together(rows: Sequence[int]) -> Sequence[int]:
        still: list[int] = []
        try:
            with db.transaction() as all_of_them:
                part = f"s.row IN ({', '.join(map(str, rows))})"
                statements = _statements(table, staged, of, typed, part, default)
                for statement in (*statements[:_JUDGED], f"{given_up} AND {part}"):
                    _run(db, statement)
                for row in rows:
                    try:
                        with db.transaction():
                            for statement in _statements(table, staged, of, typed, f"s.row = {row}", default)[_JUDGED:]:
                                _run(db, statement)
                    except _REFUSALS:
                        still.append(row)
                if still:
                    raise psycopg.Rollback(all_of_them)
        except _REFUSALS:
            return rows
        return still

    easily = not (unstorable or batch.gives or keys) and write_many(db, table, batch, of, typed)
    if not easily:  # its statements are about parts of the batch, down to a single row
        _run(
            db,
            "ALTER TABLE accord_verdict ADD PRIMARY KEY (row); ALTER TABLE accord_stage ADD PRIMARY KEY (row); ANALYZE accord_stage (row)",
        )
    refusals = {} if easily else dict(apply_in_halves(range(1, batch.rows.num_rows + 1), attempt))
    if refusals and not batch.gives and (given_up := _giving_up(db, table, staged, columns)):
        pass_on(refusals, together)
    given = _given(db, batch) if batch.gives else None
    verdicts = db.execute("SELECT row, outcome FROM accord_verdict").fetchall()
    con.execute(f"CREATE OR REPLACE TEMP TABLE verdict ({ROW} BIGINT, outcome VARCHAR)")
    if verdicts:
        rows, outcomes = zip(*verdicts, strict=True)
        con.register("arrow_verdict", pa.table({ROW: pa.array(rows, pa.int64()), "outcome": pa.array(outcomes, pa.string())}))
        con.execute("INSERT INTO verdict SELECT * FROM arrow_verdict")
        con.unregister("arrow_verdict")
    return replace(result(con, batch, refusals | kept | unstorable, given), carried=went)


def look(
    db: psycopg.Connection[Any], con: duckdb.DuckDBPyConnection, table: str, staged: Staged, columns: Mapping[str, PgColumn]
) -> tuple[Carried, ...]:
    """What deletes would go on to; in a transaction that is taken back."""
    keys = postgresql_cascades.keys_of(db, table)
    if not keys:
        return ()
    batch = staged.batch
    texts = {f"k{i}": name for i, name in enumerate(batch.key)}
    _stage(db, con, texts, staged)
    typed = "".join(f", {columns[name].from_text(short, to_write=False)} AS {short}" for short, name in texts.items())
    _run(db, f"CREATE TEMP TABLE accord_typed ON COMMIT DROP AS SELECT row{typed} FROM accord_stage")
    return postgresql_cascades.look(db, table, batch, keys)


def _delete(db: psycopg.Connection[Any], statement: str, condition: str) -> None:
    _run(db, f"{statement} AND {condition}")


def key_default(db: psycopg.Connection[Any], table: str, column: str) -> str:
    """SQL by which the server gives a column its value, a sequence or a default; empty where there is none."""
    found = db.execute(_DEFAULT, {"table": table, "column": column}).fetchone()
    return str(found[0]) if found and found[0] else ""


def _given(db: psycopg.Connection[Any], batch: ChangeBatch) -> dict[int, str]:
    short = f"k{batch.key.index(batch.gives)}"
    query = f"""
        SELECT s.row, s.{short}::text FROM accord_typed s JOIN accord_verdict v ON v.row = s.row AND v.outcome = 'insert'
        JOIN accord_stage g ON g.row = s.row AND g.{short} IS NULL ORDER BY s.row"""
    return {int(row): str(key) for row, key in db.execute(query.encode()).fetchall()}


def _stage(db: psycopg.Connection[Any], con: duckdb.DuckDBPyConnection, texts: Mapping[str, str], staged: Staged) -> dict[int, str]:
    """Copy the batch into ``accord_stage``; rows that PostgreSQL cannot hold at all are left out and returned with the reason."""
    _run(db, f"CREATE TEMP TABLE accord_stage (row bigint, op text{''.join(f', {short} text' for short in texts)}) ON COMMIT DROP")
    present = {short: quote(name) if name in staged.given else "NULL::VARCHAR" for short, name in texts.items()}
    spoken = [quote(name) for name, kind in staged.given.items() if name not in (OP, ROW) and decide.type_of(kind).name in ("text", "json")]
    held = " OR ".join(f"coalesce(contains({value}, chr(0)), false)" for value in spoken) or "false"
    found = con.execute(f"SELECT {ROW} FROM stage WHERE {held}").fetchall() if spoken else []
    unstorable = {row[0]: "a text holds the character NUL, which PostgreSQL cannot store" for row in found}
    selected = "".join(f", {value} AS {short}" for short, value in present.items())
    skipped = f" WHERE NOT ({held})" if found else ""
    reader = con.execute(f"SELECT {ROW}, {OP}{selected} FROM stage{skipped}").to_arrow_reader(_CHUNK_ROWS)
    # Quoted is text, unquoted nothing is null: the one form in which both survive COPY.
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    with db.cursor() as cursor, cursor.copy("COPY accord_stage FROM STDIN (FORMAT csv)") as copy:
        for part in reader:
            sink = io.BytesIO()
            csv.write_csv(part, sink, options)
            copy.write(sink.getvalue())
    return unstorable


def _statements(table: str, staged: Staged, of: Mapping[str, PgColumn], typed: str, part: str, default: str) -> tuple[str, ...]:
    batch = staged.batch
    keys = [(f"k{i}", quote(name)) for i, name in enumerate(batch.key)]
    values = [(f"c{i}", f"o{i}", quote(name)) for i, name in enumerate(batch.columns)]
    on = " AND ".join(f"t.{name} = s.{short}" for short, name in keys)
    wanted = " AND ".join(of[new].same(f"t.{name}", f"s.{new}") for new, _, name in values) or "true"
    expected = " AND ".join(of[old].same(f"t.{name}", f"s.{old}") for _, old, name in values) or "true"
    chosen = "accord_typed s JOIN accord_verdict v ON v.row = s.row AND v.outcome"
    inserted = dict([(name, short) for short, name in keys] + [(name, new) for new, _, name in values])
    statements = [
        f"INSERT INTO accord_typed SELECT row, op{typed} FROM accord_stage s WHERE {part}",
        "ANALYZE accord_typed",
        # From here to the commit nobody else changes these rows, so what is judged is what is changed.
        f"SELECT count(*) FROM (SELECT 1 FROM {table} t JOIN accord_typed s ON {on} WHERE {part} FOR UPDATE OF t) locked",
        f"""INSERT INTO accord_verdict
            SELECT s.row, CASE
                WHEN NOT bool_or(t.{keys[0][1]} IS NOT NULL)
                    THEN CASE s.op WHEN 'insert' THEN 'insert' WHEN 'delete' THEN 'unchanged' ELSE 'stale' END
                {"WHEN s.op = 'insert' THEN 'stale'" if batch.free else ""}
                WHEN s.op = 'delete' THEN CASE WHEN bool_and({expected}) THEN 'delete' ELSE 'stale' END
                WHEN bool_and({wanted}) THEN 'unchanged'
                WHEN s.op = 'update' AND bool_and(({wanted}) OR ({expected})) THEN 'update'
                ELSE 'stale' END
            FROM accord_typed s LEFT JOIN {table} t ON {on} WHERE {part} GROUP BY s.row, s.op""",
        f"DELETE FROM {table} t USING {chosen} = 'delete' WHERE {on} AND {part}",
    ]
    if values:
        assigned = ", ".join(f"{name} = s.{new}" for new, _, name in values)
        statements.append(f"UPDATE {table} t SET {assigned} FROM {chosen} = 'update' WHERE {on} AND {part}")
    if default:
        # Taken before the row is there, so that which row has which is known without a guess.
        short = f"k{batch.key.index(batch.gives)}"
        statements.append(
            f"UPDATE accord_typed s SET {short} = {default} FROM accord_verdict v "
            f"WHERE v.row = s.row AND v.outcome = 'insert' AND s.{short} IS NULL AND {part}"
        )
    statements.append(
        f"INSERT INTO {table} ({', '.join(inserted)}) OVERRIDING SYSTEM VALUE "
        f"SELECT {', '.join(f's.{short}' for short in inserted.values())} FROM {chosen} = 'insert' WHERE {part} ORDER BY s.row"
    )
    return tuple(statements)


def _giving_up(db: psycopg.Connection[Any], table: str, staged: Staged, columns: Mapping[str, PgColumn]) -> str:
    """SQL that sets each column of the batch which is unique, of the rows judged last, to a value nobody has; empty where there is none."""
    batch, text = staged.batch, f"md5('{fresh()}' || s.row)"
    found = [(str(index), str(name)) for index, name in db.execute(_UNIQUE, {"table": table}).fetchall()]
    given_up = []
    for name in handed_on(found, batch):
        column = columns[name]
        if column.is_array:
            continue
        if column.base in ("text", "varchar", "bpchar"):
            given_up.append(f"{quote(name)} = left({text}, {column.typmod - 4 if column.typmod > 4 else 32})")
        elif column.base == "uuid":
            given_up.append(f"{quote(name)} = {text}::uuid")
        elif column.base in _LARGEST:
            given_up.append(f"{quote(name)} = {_LARGEST[column.base]} - s.row")
        elif column.base == "numeric":
            given_up.append(f"{quote(name)} = -s.row")
    if not given_up:
        return ""
    on = " AND ".join(f"t.{quote(name)} = s.k{i}" for i, name in enumerate(batch.key))
    chosen = "accord_typed s JOIN accord_verdict v ON v.row = s.row AND v.outcome = 'update'"
    return f"UPDATE {table} t SET {', '.join(given_up)} FROM {chosen} WHERE {on}"


def _run(db: psycopg.Connection[Any], statement: str) -> None:
    db.execute(statement.encode())
