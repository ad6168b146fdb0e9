"""Writing a staged batch into PostgreSQL by statements that compare and change in one step, each row looked at once.

Only where each row can be judged by itself: a unique index of the key, no key twice in the batch, nothing refused. For all else the caller
has the long way, which locks, judges and changes in three looks, and finds out which rows the server refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from accord.connectors.postgresql_types import PgColumn
from accord.connectors.protocol import ChangeBatch
from accord.connectors.types import quote


def write_many(db: psycopg.Connection[Any], table: str, batch: ChangeBatch, of: Mapping[str, PgColumn], typed: str) -> bool:
    """Fill ``accord_verdict`` and carry it out; false, with nothing done, where the batch has to go the long way.

    Args:
        db: in a transaction that holds ``accord_stage``, ``accord_typed`` and ``accord_verdict``.
        table: quoted name.
        batch: what is to be done.
        of: column by its short name in the staged tables: key ``k0``…, wanted ``c0``…, expected ``o0``….
        typed: SQL of the columns of ``accord_typed`` over ``accord_stage``, each after a comma.
    """
    try:
        with db.transaction():
            for statement in _prepared(table, batch, typed):
                db.execute(statement.encode())
            if db.execute(_doubled(len(batch.key)).encode()).fetchone() is not None:
                raise _Unfit
            done = 0
            for statement in _statements(table, batch, of):
                done += max(db.execute(statement.encode()).rowcount, 0)
            if done < batch.rows.num_rows:
                db.execute(_look(table, batch, of).encode())
    except psycopg.OperationalError:
        raise
    except (psycopg.Error, _Unfit):
        return False
    return True


class _Unfit(Exception):
    """The batch has to go the long way."""


def _prepared(table: str, batch: ChangeBatch, typed: str) -> tuple[str, ...]:
    key = ", ".join(map(quote, batch.key))
    shorts = ", ".join(f"k{i}" for i in range(len(batch.key)))
    return (
        # Planned and not done: without a unique index of the key the server refuses here, before it has written anything.
        f"EXPLAIN INSERT INTO {table} ({key}) OVERRIDING SYSTEM VALUE SELECT {shorts} FROM accord_typed ON CONFLICT ({key}) DO NOTHING",
        f"INSERT INTO accord_typed SELECT row, op{typed} FROM accord_stage",
        f"ANALYZE accord_typed (row, op, {shorts})",
    )


def _doubled(keys: int) -> str:
    shorts = ", ".join(f"k{i}" for i in range(keys))
    return f"SELECT 1 FROM accord_typed GROUP BY {shorts} HAVING count(*) > 1 LIMIT 1"


def _conditions(batch: ChangeBatch, of: Mapping[str, PgColumn]) -> tuple[str, str, str]:
    on = " AND ".join(f"t.{quote(name)} = s.k{i}" for i, name in enumerate(batch.key))
    wanted = " AND ".join(of[f"c{i}"].same(f"t.{quote(name)}", f"s.c{i}") for i, name in enumerate(batch.columns)) or "true"
    expected = " AND ".join(of[f"o{i}"].same(f"t.{quote(name)}", f"s.o{i}") for i, name in enumerate(batch.columns)) or "true"
    return on, wanted, expected


def _statements(table: str, batch: ChangeBatch, of: Mapping[str, PgColumn]) -> tuple[str, ...]:
    """Update, delete, insert, in this order; each notes the rows it has done.

    A delete may set off changes of other rows, which must not look like somebody's edit of them. Where a value has to become free first
    the server refuses, and the long way deletes before it updates. The conditions stand in the statements that change: where another
    session was faster they are judged again on its row.
    """
    on, wanted, expected = _conditions(batch, of)
    key = ", ".join(map(quote, batch.key))
    inserted = {name: f"k{i}" for i, name in enumerate(batch.key)} | {name: f"c{i}" for i, name in enumerate(batch.columns)}
    assigned = ", ".join(f"{quote(name)} = s.c{i}" for i, name in enumerate(batch.columns))
    back = " AND ".join(f"i.{quote(name)} = s.k{i}" for i, name in enumerate(batch.key))
    update = f"UPDATE {table} t SET {assigned} FROM accord_typed s WHERE {on} AND s.op = 'update' AND NOT ({wanted}) AND ({expected})"
    statements = [
        f"WITH u AS ({update} RETURNING s.row) INSERT INTO accord_verdict SELECT row, 'update' FROM u" if assigned else "",
        f"WITH d AS (DELETE FROM {table} t USING accord_typed s WHERE {on} AND s.op = 'delete' AND ({expected}) RETURNING s.row) "
        "INSERT INTO accord_verdict SELECT row, 'delete' FROM d",
        f"WITH i AS (INSERT INTO {table} ({', '.join(map(quote, inserted))}) OVERRIDING SYSTEM VALUE "
        f"SELECT {', '.join(inserted.values())} FROM accord_typed "
        f"WHERE op = 'insert' ORDER BY row ON CONFLICT ({key}) DO NOTHING RETURNING {key}) "
        f"INSERT INTO accord_verdict SELECT s.row, 'insert' FROM i JOIN accord_typed s ON {back} WHERE s.op = 'insert'",
    ]
    return tuple(statement for statement in statements if statement)


def _look(table: str, batch: ChangeBatch, of: Mapping[str, PgColumn]) -> str:
    """What became of the rows that no statement has done."""
    on, wanted, _ = _conditions(batch, of)
    return f"""
        INSERT INTO accord_verdict
        SELECT s.row, CASE WHEN t.{quote(batch.key[0])} IS NULL THEN CASE s.op WHEN 'delete' THEN 'unchanged' ELSE 'stale' END
            WHEN s.op NOT IN ('delete'{", 'insert'" if batch.free else ""}) AND ({wanted}) THEN 'unchanged' ELSE 'stale' END
        FROM (SELECT * FROM accord_typed a WHERE NOT EXISTS (SELECT FROM accord_verdict v WHERE v.row = a.row)) s
        LEFT JOIN {table} t ON {on}"""
