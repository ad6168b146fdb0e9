"""Reading a table at the snapshot of a capture, in the very texts that the stream has for the same values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv

from accord.connectors.pglog.publication import Table
from accord.connectors.types import quote
from accord.model.errors import DataRefused

PART_BYTES = 32 << 20
_GENERATED_SINCE = 180000
_COLUMNS = """
    SELECT a.attname FROM pg_attribute a
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND (a.attgenerated = '' OR a.attgenerated = %s)
    ORDER BY a.attnum"""


def read_table(snapshot: psycopg.Connection[Any], table: Table, *, size_bytes: int = PART_BYTES) -> Iterator[pa.Table]:
    """The rows of a table in parts, every column as text, columns as in ``new`` of its changes; at least one part.

    Args:
        snapshot: the connection of ``Begun``, or one that shares its view and text settings.
        table: one of the capture.
        size_bytes: of text per part, about.

    Raises:
        psycopg.Error: the connection broke, or the table may not be read.
        DataRefused: a text is no UTF-8.
    """
    # Virtual generated columns are never in the log, stored ones only where the publication can say so.
    stored = "s" if snapshot.info.server_version >= _GENERATED_SINCE else ""
    names = [str(row[0]) for row in snapshot.execute(_COLUMNS, (table.quoted, stored)).fetchall()]
    query = f"COPY (SELECT {', '.join(map(quote, names))} FROM {table.quoted}) TO STDOUT (FORMAT csv)"
    rows: list[bytes | bytearray | memoryview] = []
    size, parts = 0, 0
    with snapshot.cursor() as cursor, cursor.copy(query.encode()) as copy:
        for row in copy:
            rows.append(row)
            size += len(row)
            if size >= size_bytes:
                yield _parsed(rows, names, table)
                rows, size, parts = [], 0, parts + 1
    if rows or not parts:
        yield _parsed(rows, names, table)


def _parsed(rows: list[bytes | bytearray | memoryview], names: list[str], table: Table) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in names])
    if not rows or not names:
        return schema.empty_table()
    try:
        # An empty field without quotes is null, with quotes the empty text: that is how COPY tells them apart.
        return pyarrow.csv.read_csv(
            io.BytesIO(b"".join(rows)),
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=1 << 30),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataRefused(f"its rows are no text ({error})", f"table {table}", "a database whose encoding can be read as UTF-8") from None
