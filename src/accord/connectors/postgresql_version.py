"""Which rows of a PostgreSQL table were written since they were last seen: by where a row stands and which transaction put it there.

An update makes a new row version beside the old one, so a place in the heap (``ctid``) with the transaction that wrote it (``xmin``)
names one version of a row and never another, until transaction ids come round or the table is rewritten. Both are in the mark under which
versions may be compared, and so is all that could show the same row version as other values. Telling versions costs a third of hashing
values, since no value is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from accord.connectors.postgresql_digest import condition
from accord.connectors.postgresql_keys import mark
from accord.connectors.postgresql_packed import packed
from accord.connectors.postgresql_types import PgColumn
from accord.connectors.types import quote

_SINCE: Final = 140000
_HASHED_SINCE: Final = 180000  # transaction ids have a hash of their own, for half of what a row made of both costs
# Types of users can show a stored value in another way from one day to the next (a label of an enum renamed); regclass and its like name
# what may be renamed. A virtual column is computed when it is read. Only the heap keeps row versions in this way.
_PLAIN: Final = """
    SELECT c.relkind = 'p', c.relkind IN ('r', 'p') AND NOT (c.relkind = 'r' AND c.relhassubclass)
        AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0
            AND (a.attgenerated = 'v' OR a.attname = ANY(%(columns)s) AND (t.oid >= 16384 OR t.typname ~ '^_?reg')))
        AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
            WHERE p.isleaf AND (l.relkind <> 'r' OR l.relam <> 2))
        AND (c.relkind = 'p' OR c.relam = 2)
    FROM pg_class c WHERE c.oid = %(table)s::regclass"""
_FILES: Final = """
    SELECT coalesce((SELECT string_agg(p.relid::oid || '.' || coalesce(pg_relation_filenode(p.relid), 0), ' ' ORDER BY p.relid::oid)
        FROM pg_partition_tree(%(table)s) p), pg_relation_filenode(%(table)s::regclass)::text)"""


def expression(db: psycopg.Connection[Any], table: str, columns: Sequence[str]) -> str:
    """SQL on the server: the version of a row as a signed number; ``""`` where rows of this table have none that can be relied on.

    Args:
        db: an open connection.
        table: quoted name.
        columns: those whose values are read.
    """
    if db.info.server_version < _SINCE:
        return ""
    found = db.execute(_PLAIN, {"table": table, "columns": list(columns)}, prepare=True).fetchone()
    if found is None or not found[1]:
        return ""
    if db.info.server_version >= _HASHED_SINCE:
        return f"hashtidextended(ctid, hashxidextended(xmin, {'tableoid::bigint' if found[0] else '0'}))"
    return f"hash_record_extended(ROW({'tableoid, ' if found[0] else ''}ctid, xmin), 0)"


def version_mark(db: psycopg.Connection[Any], table: str, columns: Sequence[str]) -> str | None:
    """The mark of a table's row versions as of now; ``None`` where they have none.

    A restart ends it, since a server restored from an older copy gives out the same transaction ids again. So do 2^31 transactions.
    """
    if not expression(db, table, columns):
        return None
    row = db.execute(
        f"SELECT md5(concat_ws('/', pg_postmaster_start_time()::text, (SELECT oid FROM pg_database WHERE datname = current_database()), "
        f"floor(pg_snapshot_xmax(pg_current_snapshot())::text::numeric / 2147483648), {mark(table)}, ({_FILES})))".encode(),
        {"table": table},
        prepare=True,
    ).fetchone()
    return str(row[0]) if row else None


def rows_query(db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str], where: str) -> str:
    """SQL on the server: the key columns as ``scan`` reads them, and the version of each row.

    Raises:
        UsageError: the condition cannot be evaluated there.
    """
    return f"SELECT {_picked(db, table, columns, key)} FROM {table} t{condition(columns, where)}"


def packed_query(
    db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str], where: str
) -> tuple[str, list[str]] | None:
    """The same in arrays, as ``packed`` gives it; ``None`` where that cannot be."""
    version = expression(db, table, ())
    return packed(db, table, columns, key, version, condition(columns, where)) if version else None


def sum_of(db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], where: str) -> tuple[int, int]:
    """How many rows there are, and all their versions as one number, which does not depend on their order.

    Raises:
        UsageError: the condition cannot be evaluated there.
    """
    version = expression(db, table, ()) or "NULL::bigint"
    row = db.execute(f"SELECT count(*), coalesce(bit_xor({version}), 0) FROM {table} t{condition(columns, where)}".encode()).fetchone()
    rows, folded = (int(row[0]), int(row[1])) if row else (0, 0)
    # Unsigned, each of them is larger by half of 2^64, which shows once for an odd number of them.
    return rows, (folded % (1 << 64)) ^ ((rows % 2) << 63)


def rows_written(db: psycopg.Connection[Any], table: str) -> int | None:
    """How many rows were written as far as the server has counted, which it does a second late and forgets when it crashes."""
    row = db.execute(
        "SELECT sum(pg_stat_get_tuples_inserted(o) + pg_stat_get_tuples_updated(o) + pg_stat_get_tuples_deleted(o)) FROM ("
        "SELECT %(table)s::regclass::oid AS o UNION SELECT relid::oid FROM pg_partition_tree(%(table)s)) parts",
        {"table": table},
        prepare=True,
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def moment(db: psycopg.Connection[Any]) -> str:
    """A stamp of now: every transaction before it has ended, so that what it wrote is there or never will be."""
    row = db.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric % 4294967296", prepare=True).fetchone()
    return f"<{row[0] if row else 0}"


def untouched(db: psycopg.Connection[Any], table: str, stamp: str, rows: int) -> bool:
    """Whether a table holds exactly so many rows, each in the version it had at ``stamp``: a moment, or the transaction of a fill.

    As many rows as there were, none of them written since: then none was deleted either.
    """
    counted = db.execute(f"SELECT count(*), count(*) FILTER (WHERE {_kept(stamp)}) FROM {table}".encode()).fetchone()
    return counted is not None and tuple(counted) == (rows, rows)


def written_query(
    db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str], stamp: str, where: str
) -> str:
    """SQL on the server: the key columns, as ``scan`` reads them, of the rows written since ``stamp``.

    Raises:
        UsageError: the condition cannot be evaluated there.
    """
    read = ", ".join(f"{columns[name].read} AS {quote(name)}" for name in key)
    limits = condition(columns, where)
    return f"SELECT {read} FROM {table} t{limits}{' AND' if limits else ' WHERE'} NOT ({_kept(stamp)})"


def _kept(stamp: str) -> str:
    """SQL on the server: the row stands as it did. Ages and not the ids themselves, which come round; both are of the last 2^31."""
    if stamp.startswith("<"):
        return f"age(xmin) > age('{int(stamp[1:])}'::xid)"
    return f"xmin = '{int(stamp)}'::xid"


def _picked(db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str]) -> str:
    read = ", ".join(f"{columns[name].read} AS {quote(name)}" for name in key)
    return f"{read}, {expression(db, table, ()) or 'NULL::bigint'} AS _digest"
