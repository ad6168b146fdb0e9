"""Foreign keys of MySQL and MariaDB that act on deletes, and what they would do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from accord.connectors.cascades import ACTING, ForeignKey, Going, carried, carry_out, held
from accord.connectors.decide import ROW
from accord.connectors.mysql_link import rows, run
from accord.connectors.protocol import Carried, ChangeBatch
from accord.connectors.types import quote

if TYPE_CHECKING:
    import pymysql

_KEYS: Final = f"""
    SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, c.DELETE_RULE, k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME
    FROM information_schema.REFERENTIAL_CONSTRAINTS c JOIN information_schema.KEY_COLUMN_USAGE k
        ON k.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND k.TABLE_NAME = c.TABLE_NAME
    WHERE c.UNIQUE_CONSTRAINT_SCHEMA = %s AND c.REFERENCED_TABLE_NAME = %s
        AND c.DELETE_RULE IN ({", ".join(f"'{rule}'" for rule in ACTING)})
    ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"""


def keys_of(db: pymysql.Connection[Any], schema: str, table: str) -> tuple[ForeignKey, ...]:
    """Those that act when rows of a table are deleted; not those of tables on which this user has no right at all."""
    found = []
    for (place, name, _, rule), parts in groupby(rows(db, _KEYS, schema, table), key=lambda row: row[:4]):
        pairs = [(column, to) for *_, column, to in parts]
        shown = name if place == schema else f"{place}.{name}"
        itself = (place, name) == (schema, table)
        child = f"{quote(place)}.{quote(name)}"
        found.append(ForeignKey(child, shown, tuple(c for c, _ in pairs), tuple(to for _, to in pairs), rule, itself))
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
        went = look(db, keys, going)
        return refuse(()), went
    refused: dict[int, str] = {}

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
