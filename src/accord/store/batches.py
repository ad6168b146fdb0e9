"""Rows that come as Arrow batches, written as Parquet from where they are, in a form that costs little to write.

DuckDB gathers rows in memory of its own, tries a dictionary for each column and compresses every page. Here numbers are told as
differences, texts are compressed with snappy, and all else, such as pictures, is left as it is: half of the CPU, for files a third larger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

_GROUP_ROWS: Final = 49_152  # what waits to be written is still in the caches of the machine
_DIFFERENCES: Final = "DELTA_BINARY_PACKED"
_LONG_DIGITS: Final = 18  # decimals of more are no 64-bit number in Parquet


def write_batches(path: Path, batches: pa.RecordBatchReader, told: Collection[str]) -> int:
    """Write all that comes, and say how many rows that were.

    Args:
        path: of the file; made anew.
        batches: read to their end; no dictionaries among their columns.
        told: the columns whose smallest and largest value of each group of rows are noted, for those who look for a few.
    """
    import pyarrow.parquet as pq  # here, because it takes long to load and few writers come this way

    schema, rows = batches.schema, 0
    with (
        pa.OSFile(str(path), "wb") as file,
        pq.ParquetWriter(
            file,
            schema,
            compression={field.name: "snappy" if pa.types.is_string(field.type) else "none" for field in schema},
            column_encoding={field.name: _DIFFERENCES for field in schema if _is_whole(field.type)},
            use_dictionary=False,
            write_statistics=[field.name for field in schema if field.name in told],
            store_decimal_as_integer=True,
            store_schema=False,
        ) as writer,
    ):
        for group in _groups(batches):
            writer.write_table(pa.Table.from_batches(group, schema))
            rows += sum(batch.num_rows for batch in group)
    return rows


def _groups(batches: pa.RecordBatchReader) -> Iterator[list[pa.RecordBatch]]:
    """Batches that make one group of rows."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(held.num_rows for held in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _is_whole(type_: pa.DataType) -> bool:
    """Whether Parquet keeps the values as whole numbers."""
    short = pa.types.is_decimal(type_) and type_.precision <= _LONG_DIGITS
    return bool(short or pa.types.is_integer(type_) or pa.types.is_timestamp(type_) or pa.types.is_date(type_))
