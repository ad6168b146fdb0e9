"""Writing a few rows into PostgreSQL in one statement and one round trip: compared, set and committed where it runs.

Only where each row can be judged by itself: the key is unique by an index, stands in the batch once, and nothing is refused. Everything
else goes the way of large batches, which also finds out which row the server refuses and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import psycopg
import pyarrow as pa

from accord.connectors.postgresql_keys import Shape, mark
from accord.connectors.protocol import OLD, OP, ApplyResult, ChangeBatch
from accord.connectors.types import quote

FEW: Final = 100
Columns = tuple[str, ...]
_PLAIN: Final[Mapping[type, Callable[[Any], str]]] = {
    str: str,
    int: str,
    float: repr,
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: f"{value:f}",
    date: date.isoformat,
    datetime: datetime.isoformat,
    bytes: bytes.hex,
    UUID: str,
}


def write_few(db: psycopg.Connection[Any], batch: ChangeBatch, shape: Shape) -> ApplyResult | None:
    """Compare and set the rows of a small batch; ``None``, with nothing done, when it has to go the long way.

    Args:
        db: in autocommit, with ``synchronous_commit`` on.
        batch: what is to be done.
        shape: of the table as it was last seen; if it has changed nothing is done.

    Raises:
        psycopg.OperationalError: the connection broke, or the server is in trouble.
    """
    texts = _texts(batch)
    if texts is None:
        return None
    key = list(zip(*(texts[name] for name in batch.key), strict=True))
    if len(set(key)) < len(key) or any(value is None for values in key for value in values):
        return None
    parameters = [list(texts[OP]), *(list(texts[name]) for name in _names(batch.key, batch.columns)), shape.mark]
    statement = _statement(batch.key, batch.columns, shape)
    try:
        found = db.execute(statement.encode(), parameters, prepare=True).fetchone()
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        return None  # refused, or not to be done in one statement: nothing of it was done
    if found is None or found[0] != shape.mark:
        return None
    done, inserted, unchanged = set(found[1] or ()) | set(found[2] or ()), int(found[3]), 0
    stale: list[int] = []
    if len(done) + inserted < len(key):
        ours = found[4]
        looked = db.execute(_look(batch.key, batch.columns, shape).encode(), [*parameters, ours]).fetchall()
        for row, op, present, wanted, made in looked:
            if row in done or (op == "insert" and made):
                continue
            if (wanted and op != "delete" and not (op == "insert" and batch.free)) or (op == "delete" and not present):
                unchanged += 1
            else:
                stale.append(row - 1)
    return ApplyResult(
        inserted=inserted,
        updated=len(found[2] or ()),
        deleted=len(found[1] or ()),
        unchanged=unchanged,
        stale=batch.rows.select(list(batch.key)).take(stale) if stale else None,
    )


def _names(key: Columns, columns: Columns) -> list[str]:
    return [*key, *columns, *(OLD + name for name in columns)]


def _texts(batch: ChangeBatch) -> dict[str, list[str | None]] | None:
    """Every column as texts that the server reads as the same values; ``None`` when a value has no such text here."""
    rows = batch.rows
    found: dict[str, list[str | None]] = {}
    for name in (OP, *_names(batch.key, batch.columns)):
        if name not in rows.column_names:
            found[name] = [None] * rows.num_rows
            continue
        try:
            values = rows.column(name).to_pylist()
        except (ValueError, OverflowError, pa.ArrowException):  # a date beyond Python's
            return None
        texts: list[str | None] = []
        for value in values:
            make = _PLAIN.get(type(value))
            if value is not None and make is None:
                return None
            texts.append(make(value) if make is not None else None)
        if any(text is not None and "\0" in text for text in texts):
            return None
        found[name] = texts
    return found


def _staged(key: Columns, columns: Columns, shape: Shape) -> str:
    of = {column.name: column for column in shape.columns}
    shorts = [f"k{i}" for i in range(len(key))] + [f"c{i}" for i in range(len(columns))]
    shorts += [f"o{i}" for i in range(len(columns))]
    typed = ", ".join(
        f"{of[name.removeprefix(OLD) if short[0] == 'o' else name].from_text(short, to_write=short[0] != 'o')} AS {short}"
        for short, name in zip(shorts, _names(key, columns), strict=True)
    )
    given = ", ".join(["%s::text[]"] * (1 + len(shorts)))
    rest = f"AS g(op, {', '.join(shorts)}, row) WHERE {mark(shape.table)} = ".replace("%", "%%")
    return f"WITH s AS MATERIALIZED (SELECT row, op, {typed.replace('%', '%%')} FROM unnest({given}) WITH ORDINALITY {rest}%s) "


def _conditions(key: Columns, columns: Columns, shape: Shape) -> tuple[str, str, str]:
    of = {column.name: column for column in shape.columns}
    on = " AND ".join(f"t.{quote(name)} = s.k{i}" for i, name in enumerate(key))
    wanted = " AND ".join(of[name].same(f"t.{quote(name)}", f"s.c{i}") for i, name in enumerate(columns)) or "true"
    expected = " AND ".join(of[name].same(f"t.{quote(name)}", f"s.o{i}") for i, name in enumerate(columns)) or "true"
    return on, wanted, expected


@lru_cache(maxsize=256)
def _statement(key: Columns, columns: Columns, shape: Shape) -> str:
    on, wanted, expected = _conditions(key, columns, shape)
    table = shape.table
    inserted = {name: f"k{i}" for i, name in enumerate(key)} | {name: f"c{i}" for i, name in enumerate(columns)}
    assigned = ", ".join(f"{quote(name)} = s.c{i}" for i, name in enumerate(columns))
    # The conditions stand in the statements that change: where another session was faster they are judged again on its row.
    update = f"UPDATE {table} t SET {assigned} FROM s WHERE {on} AND s.op = 'update' AND NOT ({wanted}) AND ({expected}) RETURNING s.row"
    parts = [
        f"d AS (DELETE FROM {table} t USING s WHERE {on} AND s.op = 'delete' AND ({expected}) RETURNING s.row)",
        f"u AS ({update})" if assigned else "u AS (SELECT 0::bigint AS row WHERE false)",
        # Stands here for every batch: without a unique index of the key the server refuses, and rows are not judged one by one.
        f"i AS (INSERT INTO {table} ({', '.join(map(quote, inserted))}) OVERRIDING SYSTEM VALUE SELECT {', '.join(inserted.values())} "
        f"FROM s WHERE op = 'insert' ORDER BY row ON CONFLICT ({', '.join(map(quote, key))}) DO NOTHING RETURNING 1)",
    ]
    chosen = (
        f"SELECT {mark(table)}, (SELECT array_agg(row) FROM d), (SELECT array_agg(row) FROM u), (SELECT count(*) FROM i), "
        "pg_current_xact_id_if_assigned()::xid::text"
    )
    return _staged(key, columns, shape) + f", {', '.join(parts)} {chosen}".replace("%", "%%")


@lru_cache(maxsize=256)
def _look(key: Columns, columns: Columns, shape: Shape) -> str:
    on, wanted, _ = _conditions(key, columns, shape)
    picked = "s.row, s.op, t.ctid IS NOT NULL, t.ctid IS NOT NULL AND"
    first = f" SELECT {picked} ({wanted}), t.xmin::text IS NOT DISTINCT FROM ".replace("%", "%%")
    rest = f" FROM s LEFT JOIN {shape.table} t ON {on} ORDER BY s.row".replace("%", "%%")
    return f"{_staged(key, columns, shape)}{first}%s{rest}"
