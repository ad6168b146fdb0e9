"""Digests of rows that PostgreSQL computes itself, for about the price of its own hash of a row.

Its hash functions serve hash tables, where a collision costs time; here it would hide a difference. So what they leave out is added: the
hash of a bigint or a time stamp folds its two halves into one, that of a numeric leaves out the sign, that of a double of 0 is the one of
no value, and those of citext, intervals and JSON give values that are merely equal the same hash. Each value is therefore hashed in a form
from which it could be read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import pyarrow as pa

from accord.connectors.condition import translated
from accord.connectors.postgresql_packed import packed
from accord.connectors.postgresql_types import PgColumn, is_exact
from accord.connectors.types import quote
from accord.model.errors import DataRefused, UnknownName

_SINCE: Final = 140000
_PLAIN: Final = ("int2", "int4", "date", "float4", "float8", "bool", "uuid", "bytea")
_TEXTS: Final = ("text", "varchar")
_SHIFT: Final = 1 << 63
_SEED: Final = 1_000_003  # without one, a double of 0 has the hash of no value at all


def unsigned(column: str) -> str:
    """An item of a SELECT in DuckDB: PostgreSQL's signed hash in ``column`` as an unsigned number, under the same name."""
    return f"CAST(CAST({column} AS HUGEINT) + {_SHIFT} AS UBIGINT) AS {column}"


def digest_of(
    db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], digested: Sequence[str], aside: str | None = None
) -> str:
    """SQL on the server: the digest of a row of ``t`` as a signed number; ``aside`` as for ``protocol.Digested.digest_rows``.

    Raises:
        UnknownName: a column that the table does not have.
        UsageError: ``aside`` cannot be evaluated there.
    """
    digest = _hash(db, columns, digested, table)
    if aside is None:
        return digest
    apart = [odd for name in digested if (odd := _odd(columns[name], aside))] + ([_judged(columns, aside)] if aside else [])
    return f"CASE WHEN {' OR '.join(apart)} THEN NULL ELSE {digest} END" if apart else digest


def rows_query(table: str, columns: Mapping[str, PgColumn], key: Sequence[str], digest: str, where: str) -> str:
    """SQL on the server: the key columns as ``scan`` reads them, and ``_digest``.

    Raises:
        UnknownName: a column that the table does not have.
        UsageError: the condition cannot be evaluated there.
    """
    picked = ", ".join(f"{_of(columns, name, table).read} AS {quote(name)}" for name in key)
    return f"SELECT {picked}, {digest} AS _digest FROM {table} t{condition(columns, where)}"


def packed_query(
    db: psycopg.Connection[Any], table: str, columns: Mapping[str, PgColumn], key: Sequence[str], digest: str, where: str
) -> tuple[str, list[str]] | None:
    """The same in arrays, as ``packed`` gives it; ``None`` where that cannot be."""
    return None if db.info.server_version < _SINCE else packed(db, table, columns, key, digest, condition(columns, where))


def buckets(
    db: psycopg.Connection[Any],
    table: str,
    columns: Mapping[str, PgColumn],
    key: Sequence[str],
    digested: Sequence[str],
    count: int,
    where: str,
) -> pa.Table:
    """See ``protocol.Digested.digest_buckets``.

    Raises:
        UnknownName: a column that the table does not have.
        UsageError: the condition cannot be evaluated there.
    """
    known = {name: _of(columns, name, table) for name in dict.fromkeys((*key, *digested))}
    rest = [part for name in digested if name not in key for part in _parts(known[name])]
    # The hash of the key goes into the digest of the row: else two rows that exchanged their values would cancel out.
    digest = _record(db, ["_key", *rest])
    inner = f"SELECT *, {_hash(db, columns, key, table)} AS _key FROM {table} t{condition(columns, where)} OFFSET 0"
    query = f"SELECT mod(mod(_key, {int(count)}) + {int(count)}, {int(count)}), count(*), bit_xor({digest}) FROM ({inner}) t GROUP BY 1"
    rows = db.execute(query.encode()).fetchall()
    found = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        {
            "bucket": pa.array(found[0], pa.int64()),
            "n": pa.array(found[1], pa.int64()),
            "digest": pa.array([value + _SHIFT for value in found[2]], pa.uint64()),
        }
    )


def _hash(db: psycopg.Connection[Any], columns: Mapping[str, PgColumn], names: Sequence[str], table: str) -> str:
    return _record(db, [part for name in names for part in _parts(_of(columns, name, table))])


def _record(db: psycopg.Connection[Any], parts: Sequence[str]) -> str:
    if db.info.server_version < _SINCE:
        return f"hashtextextended(ROW({', '.join(parts)})::text, 0)"
    return f"hash_record_extended(ROW({', '.join(parts)}), {_SEED})"


def _parts(column: PgColumn) -> list[str]:
    """SQL of what of a column is hashed."""
    name = f"t.{quote(column.name)}"
    if column.is_array:
        return [f'{column.read} COLLATE "C"']
    if column.base in _PLAIN:
        return [name]
    if column.base == "int8":
        return [name, f"({name} >> 32)::int4"]
    if column.base in ("timestamp", "timestamptz"):
        return [f"{column.base}_send({name})"]  # its 64 bits, which its own hash folds
    if column.base in _TEXTS:
        return [f'{name} COLLATE "C"']  # bytes, also where the column's own collation takes other letters for equal
    return [f'{name}::text COLLATE "C"']


def condition(columns: Mapping[str, PgColumn], where: str) -> str:
    """SQL on the server: the WHERE clause of a condition of the map; empty without one.

    Raises:
        UsageError: the condition cannot be evaluated there.
    """
    return f" WHERE {_judged(columns, where)}" if where else ""


def _judged(columns: Mapping[str, PgColumn], condition: str) -> str:
    def sql(name: str) -> str:
        column = columns[name]
        if column.type.name == "number":
            return f"t.{quote(name)}"
        read = column.read.replace(quote(name), f"t.{quote(name)}", 1)
        return f'({read}) COLLATE "C"' if column.type.name == "text" else read

    return translated(condition, {name: column.type for name, column in columns.items()}, sql)


def _odd(column: PgColumn, judged: str) -> str:
    """SQL on the server: a value that a scan gives in another type, as a text, and with it all others of the column.

    Of a column that is judged also one that a scan changes: whether that breaks the condition, too, is not known here.
    """
    name = f"t.{quote(column.name)}"
    if column.is_array:
        return ""
    if column.type.name == "number":
        wide = "" if is_exact(column) else f" OR abs({name}) >= 1e29 OR trunc({name}, 9) <> {name}"
        return f"{name} = 'NaN'{wide}"
    endless = column.base in ("date", "timestamp", "timestamptz") and quote(column.name).lower() in judged.lower()
    return f"NOT isfinite({name})" if endless else ""


def _of(columns: Mapping[str, PgColumn], name: str, table: str) -> PgColumn:
    if name not in columns:
        raise UnknownName("column", name, columns, holder=f"the digest of {table}")
    if name == "_digest":
        raise DataRefused("a key column is called _digest", table, "another name, or a comparison that reads the rows")
    return columns[name]
