"""Foreign keys of MySQL and MariaDB that act on deletes, and what they would do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from accord.connectors.cascades import ACTING, ForeignKey, Going, carried, carry_out, gone, held
from accord.connectors.decide import ROW
from accord.connectors.mysql_link import rows, run
from accord.connectors.protocol import Carried, ChangeBatch
from accord.connectors.types import quote

if TYPE_CHECKING:
    import pymysql

_SCHEMAS: Final = """
    SELECT SCHEMA_NAME FROM information_schema.SCHEMATA
    WHERE SCHEMA_NAME NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY SCHEMA_NAME"""
_KEYS: Final = f"""
    SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS
    WHERE CONSTRAINT_SCHEMA = %s AND UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
        AND DELETE_RULE IN ({", ".join(f"'{rule}'" for rule in ACTING)}) ORDER BY TABLE_NAME, CONSTRAINT_NAME"""
_COLUMNS: Final = """
    SELECT COLUMN_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_NAME = %s ORDER BY ORDINAL_POSITION"""


def keys_of(db: pymysql.Connection[Any], schema: str, table: str) -> tuple[ForeignKey, ...]:
    """Those that act when rows of a table are deleted; not those of tables on which this user has no right at all."""
    found = []
    for (place,) in rows(db, _SCHEMAS):  # one by one: MariaDB opens each table of all that are not named
        for name, constraint, rule in rows(db, _KEYS, place, schema, table):
            columns, referenced = zip(*rows(db, _COLUMNS, place, name, constraint), strict=True)
            shown = name if place == schema else f"{place}.{name}"
            itself = (place, name) == (schema, table)
            found.append(ForeignKey(f"{quote(place)}.{quote(name)}", shown, columns, referenced, rule, itself))
    return tuple(found)


def delete(
    db: pymysql.Connection[Any],
    batch: ChangeBatch,
    keys: Sequence[ForeignKey],
    going: Going,
    verdict: str,
    refuse: Callable[[Collection[int]], dict[int, str]],
) -> tuple[dict[int, str], tuple[Carried, ...]]:
    """Carry out the deletes of a batch; which rows are refused and why, and what others went along.

    Args:
        db: in a transaction that has locked the rows, so that nobody can point at them any more.
        batch: says whether deletes may go on to other rows.
        keys: those that act and point at the table.
        going: the rows to be deleted.
        verdict: table with what is to become of each row, ``held`` of one that stays.
        refuse: deletes all rows but some; returns those that the server refuses.
    """
    if batch.cascades:
        before = look(db, keys, going)
        refused = refuse(())
        return refused, gone(before, look(db, keys, going) if refused else ())
    refused = {}

    def others(besides: Collection[int]) -> None:
        stay = f"{ROW} IN ({', '.join(map(str, besides)) or 'NULL'})"
        run(db, f"UPDATE {verdict} SET outcome = IF({stay}, 'held', 'delete') WHERE outcome IN ('delete', 'held')")
        refused.clear()
        refused.update(refuse(besides))

    # Nothing of this transaction read what stood there before the rows were locked, so this sees all that was committed by then.
    kept = carry_out(keys, lambda: held(keys, going, lambda query: rows(db, query)), others)
    return refused | kept, ()


def look(db: pymysql.Connection[Any], keys: Sequence[ForeignKey], going: Going) -> tuple[Carried, ...]:
    """What the delete of rows would go on to."""

    def further(table: str) -> tuple[ForeignKey, ...]:
        schema, _, name = table[1:-1].partition('"."')
        return keys_of(db, schema.replace('""', '"'), name.replace('""', '"'))

    return carried(keys, further, going, lambda query: rows(db, query))
