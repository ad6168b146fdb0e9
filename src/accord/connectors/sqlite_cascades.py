"""Foreign keys of SQLite that act on deletes, and what they would do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Final

import duckdb

from accord.connectors.cascades import ACTING, ForeignKey, Going, carried, carry_out, gone, held
from accord.connectors.decide import ROW, of
from accord.connectors.protocol import Carried, ChangeBatch
from accord.connectors.types import quote

_STAGE: Final = "temp.accord_going"
_KEYS: Final = f"""
    SELECT m.name, f.id, f."from", f."to", f.on_delete, f.seq FROM main.sqlite_schema m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND lower(f."table") = lower(?) AND f.on_delete IN ({", ".join(f"'{rule}'" for rule in ACTING)})
    ORDER BY m.name, f.id, f.seq"""


def keys_of(db: sqlite3.Connection, table: str) -> tuple[ForeignKey, ...]:
    """Those that act when rows of a table are deleted."""
    found = []
    for (name, _), parts in groupby(db.execute(_KEYS, (table,)).fetchall(), key=lambda row: row[:2]):
        rows = list(parts)
        to: Sequence[str | None] = [row[3] for row in rows]
        if None in to:  # the primary key, as long as nothing else is said
            to = [pk for (pk,) in db.execute("SELECT name FROM pragma_table_info(?, 'main') WHERE pk > 0 ORDER BY pk", (table,)).fetchall()]
        itself = str(name).lower() == table.lower()
        if len(to) == len(rows):  # else no row can be deleted or point there: SQLite itself calls it a mismatch
            columns = tuple(str(row[2]) for row in rows)
            found.append(ForeignKey(f"main.{quote(name)}", name, columns, tuple(map(str, to)), rows[0][4], itself))
    return tuple(found)


def delete(
    db: sqlite3.Connection,
    con: duckdb.DuckDBPyConnection,
    table: str,
    batch: ChangeBatch,
    keys: Sequence[ForeignKey],
    refuse: Callable[[Collection[int]], dict[int, str]],
) -> tuple[dict[int, str], tuple[Carried, ...]]:
    """Carry out the deletes of a batch; which rows are refused and why, and what others went along.

    Args:
        db: in a transaction in which nobody else writes.
        con: holds ``encoded`` and ``verdict``.
        table: to delete from.
        batch: says whether deletes may go on to other rows.
        keys: those that act and point at the table.
        refuse: deletes all rows but some; returns those that SQLite refuses.
    """
    declared = dict(db.execute("SELECT name, type FROM pragma_table_info(?, 'main')", (table,)).fetchall())
    going = _staged(db, con, f"SELECT {{picked}} FROM {of('encoded', 'delete')}", table, batch.key, declared)
    try:
        if batch.cascades:
            before = _carried(db, keys, going)
            refused = refuse(())
            return refused, gone(before, _carried(db, keys, going) if refused else ())
        refused = {}

        def others(besides: Collection[int]) -> None:
            refused.clear()
            refused.update(refuse(besides))

        kept = carry_out(keys, lambda: held(keys, going, lambda query: db.execute(query).fetchall()), others)
        return refused | kept, ()
    finally:
        if db.in_transaction:  # else the error ended it, and the table went with it
            db.execute(f"DROP TABLE IF EXISTS {_STAGE}")


def look(
    db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, batch: ChangeBatch, keys: Sequence[ForeignKey]
) -> tuple[Carried, ...]:
    """What the deletes in the table ``encoded`` of ``con`` would go on to."""
    declared = dict(db.execute("SELECT name, type FROM pragma_table_info(?, 'main')", (table,)).fetchall())
    going = _staged(db, con, "SELECT {picked} FROM encoded", table, batch.key, declared)
    return _carried(db, keys, going)


def _carried(db: sqlite3.Connection, keys: Sequence[ForeignKey], going: Going) -> tuple[Carried, ...]:
    return carried(keys, lambda other: keys_of(db, _plain(other)), going, lambda query: db.execute(query).fetchall())


def _staged(
    db: sqlite3.Connection, con: duckdb.DuckDBPyConnection, query: str, table: str, key: Sequence[str], declared: dict[str, str]
) -> Going:
    # The same declared types give the same affinities, so a key compares as the column itself would store it.
    columns = ", ".join(f"{quote(k)} {declared[k]}" for k in key)
    db.execute(f"CREATE TEMP TABLE accord_going ({ROW} INTEGER, {columns})")
    rows = con.execute(query.format(picked=", ".join([ROW, *map(quote, key)]))).fetchall()
    db.executemany(f"INSERT INTO {_STAGE} VALUES ({', '.join('?' * (1 + len(key)))})", rows)
    on = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in key)
    return Going(f"{_STAGE} s CROSS JOIN main.{quote(table)} t ON {on}", "true", f"s.{ROW}", tuple(key))


def _plain(table: str) -> str:
    return table.removeprefix('main."').removesuffix('"').replace('""', '"')
