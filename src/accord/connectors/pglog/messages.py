"""The messages of pgoutput that describe tables."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Literal, cast

from accord.connectors.pglog.changes import Relation, RelationColumn
from accord.model.errors import DataRefused

_COLUMN = struct.Struct(">Ii")


def read_text(message: bytes, at: int) -> tuple[str, int]:
    """A text that ends with a zero byte, and where the next field starts.

    Raises:
        IndexError: there is no zero byte.
    """
    end = message.find(0, at)
    if end < 0:
        raise IndexError("no end of text")
    return message[at:end].decode(), end + 1


def read_relation(message: bytes, types: Mapping[int, str], keys: Mapping[tuple[str, str], tuple[str, ...]], where: str) -> Relation:
    """A relation message without transaction id.

    Args:
        message: starts with ``R``.
        types: names of the types that are not built in, by oid.
        keys: columns by which rows are known, per (schema, table).
        where: names the system in errors.

    Raises:
        DataRefused: no column is logged before a change, so a delete could not be matched.
    """
    oid = int.from_bytes(message[1:5])
    schema, at = read_text(message, 5)
    name, at = read_text(message, at)
    identity, count = chr(message[at]), int.from_bytes(message[at + 1 : at + 3])
    at += 3
    columns = []
    for _ in range(count):
        flags = message[at]
        column, at = read_text(message, at + 1)
        type_oid, modifier = _COLUMN.unpack_from(message, at)
        at += _COLUMN.size
        columns.append(RelationColumn(column, type_oid, modifier, bool(flags & 1), types.get(type_oid, "")))
    logged = tuple(c.name for c in columns if c.identity)
    schema = schema or "pg_catalog"
    key = keys.get((schema, name), logged)
    if not set(key) <= set(logged):
        if not logged:
            raise DataRefused(
                f"key column {', '.join(key)} is not part of the replica identity, so deletes could not be matched",
                f"{where}, table {schema}.{name}",
                "a primary key, or ALTER TABLE … REPLICA IDENTITY FULL",
            )
        key = logged  # the log tells of the table as it was then: its key had another name, or was another
    return Relation(oid, schema, name, cast('Literal["d", "i", "f", "n"]', identity), tuple(columns), key)
