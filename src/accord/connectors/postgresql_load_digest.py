"""The digest that proves a first load: a number PostgreSQL computes of each row, at the source and at the target.

Each value is hashed with a seed of its column, and the hashes are folded by exclusive or. That costs a third less than hashing a record
made of them; and it is no sum, so that two rows which exchanged a value do not cancel out when the digests of all rows are added up.

The server's hash functions leave out what hash tables can do without. The halves of a bigint and the sign of a number are put back for
next to nothing. What costs more (time stamps, numbers inside JSON) is put back where something of the table's own could change a value
between the bytes sent and the row stored: triggers do, and nothing else in a plain table whose types are those of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from accord.connectors.postgresql_types import PgColumn
from accord.connectors.types import quote

_SINCE: Final = 140000
_BY_VALUE_SINCE: Final = 180000  # dates and binaries have a hash function that can be called
_SEED: Final = 1_000_003  # of a record's hash: without one, a double of 0 has the hash of no value at all
# As they are called; an argument that has another type is cast.
_HASH: Final = {
    "int2": "hashint2extended({0}, {1})",
    "int4": "hashint4extended({0}, {1})",
    "int8": "hashint8extended({0}, {0} # {1})",  # alone it folds the two halves into one
    "numeric": "hash_numeric_extended({0}, CASE WHEN {0} < 0 THEN -{1} ELSE {1} END)",  # alone it leaves out the sign
    "float8": "hashfloat8extended({0}, {1})",
    "bool": "hashint4extended({0}::int4, {1})",
    "date": "hashdateextended({0}, {1})",
    "timestamp": "timestamp_hash_extended({0}, {1})",
    "timestamptz": "timestamptz_hash_extended({0}, {1})",
    "uuid": "uuid_hash_extended({0}, {1})",
    "bytea": "hashbyteaextended({0}, {1})",
    "text": 'hashtextextended({0} COLLATE "C", {1})',
    "varchar": 'hashtextextended({0} COLLATE "C", {1})',
    "jsonb": "jsonb_hash_extended({0}, {1})",
}
_WARY: Final = {
    "timestamp": "(timestamp_hash_extended({0}, {1}) # hashfloat8extended(date_part('epoch', {0}), {1}))",
    "timestamptz": "(timestamptz_hash_extended({0}, {1}) # hashfloat8extended(date_part('epoch', {0}), {1}))",
    "jsonb": 'hashtextextended({0}::text COLLATE "C", {1})',
}
# Of a record: what is hashed besides, or instead.
_BESIDES: Final = {"int8": "({0} >> 32)::int4", "numeric": "({0} < 0)"}
_BESIDES_WARY: Final = {"timestamp": "date_part('epoch', {0})", "timestamptz": "date_part('epoch', {0})", "jsonb": '{0}::text COLLATE "C"'}
_CHANGES: Final = """
    WITH tables AS (SELECT %(table)s::regclass::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(%(table)s))
    SELECT EXISTS (SELECT FROM pg_trigger t JOIN tables ON tables.oid = t.tgrelid WHERE NOT t.tgisinternal)
        OR EXISTS (SELECT FROM pg_class c JOIN tables USING (oid) WHERE c.relkind <> 'p' AND c.relam <> 2)"""


def natives(version: int, columns: Sequence[PgColumn]) -> dict[str, str]:
    """The type of each column that has a digest, as it must be declared on both sides for digests to be compared.

    Args:
        version: of the server; what digests are made of depends on it.
        columns: of a table or view.
    """
    form = "" if version >= _BY_VALUE_SINCE else " in a record"
    return {c.name: c.native + form for c in columns if version >= _SINCE and not c.is_array and c.base in _HASH}


def row_digest(version: int, columns: Mapping[str, PgColumn], names: Sequence[str], *, wary: bool) -> str:
    """SQL on the server: the digest of a row, over these columns in this order, as a signed number.

    Args:
        version: of the server.
        columns: each with a type that has a digest.
        names: at least one of them.
        wary: leave out nothing by which two values of a type differ.
    """
    if version < _BY_VALUE_SINCE:
        parts = [part for name in names for part in _parts(columns[name], wary=wary)]
        # Sums of records' hashes do not show that two rows exchanged a value; with their halves folded they do.
        return f"(SELECT h # (h >> 32) FROM (SELECT hash_record_extended(ROW({', '.join(parts)}), {_SEED}) AS h OFFSET 0) r)"
    return " # ".join(_hash(columns[name], 1_000_003 * place, wary=wary) for place, name in enumerate(names, 1))


def _hash(column: PgColumn, seed: int, *, wary: bool) -> str:
    value = ({**_HASH, **_WARY} if wary else _HASH)[column.base].format(quote(column.name), seed)
    # Not the seed itself, which is what the server's functions give for some values.
    return f"coalesce({value}, {seed << 32})" if column.nullable else value


def _parts(column: PgColumn, *, wary: bool) -> list[str]:
    name = quote(column.name)
    plain = f'{name} COLLATE "C"' if column.base in ("text", "varchar") else name
    besides = {**_BESIDES, **_BESIDES_WARY} if wary else _BESIDES
    return [plain, *([besides[column.base].format(name)] if column.base in besides else [])]


def changes_values(db: psycopg.Connection[Any], table: str) -> bool:
    """Whether something of a table's own could store another value than it was sent.

    Args:
        db: in a transaction that has locked the table, so that nobody adds a trigger meanwhile.
        table: quoted name.
    """
    found = db.execute(_CHANGES, {"table": table}).fetchone()
    return found is None or bool(found[0])
