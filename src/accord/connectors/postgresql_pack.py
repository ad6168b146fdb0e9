"""Batches of rows in the binary form of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.postgresql_types import PgColumn, is_exact

# What can be told in that form; numbers beside these where their digits are bounded.
_BASES: Final = frozenset(
    {"int2", "int4", "int8", "float8", "bool", "date", "timestamp", "timestamptz", "uuid", "bytea", "text", "varchar", "json", "jsonb"}
)
_PART_BYTES: Final = 1 << 24
_SHORT: Final = {"int2": pa.int16(), "int4": pa.int32()}  # they are scanned as longer ones
# Time is a whole number: since 1970 in Arrow, since 2000 here. The largest one and its counterpart stand for no end and no beginning.
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000
_TIMES: Final = {"date": (pa.int32(), _DAYS), "timestamp": (pa.int64(), _MICROSECONDS), "timestamptz": (pa.int64(), _MICROSECONDS)}


def can_pack(column: PgColumn) -> bool:
    """Whether the values of a column, as they are scanned, can be told in this form."""
    return not column.is_array and (is_exact(column) or column.base in _BASES)


def packed(batches: pa.RecordBatchReader, columns: Mapping[str, PgColumn]) -> Iterator[bytes]:
    """What is to be sent for one COPY of all rows, in parts of a megabyte or more.

    Args:
        batches: each column in the type it is scanned in.
        columns: of the table, by name; those of ``batches`` can be packed.

    Raises:
        ValueError: a value has no place in its column (``pa.ArrowInvalid`` is one).
    """
    from pgpq import ArrowToPostgresBinaryEncoder  # here, because few runs come this way

    of = [columns[name] for name in batches.schema.names]
    schema = pa.schema([_field(column, field) for column, field in zip(of, batches.schema, strict=True)])
    encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(schema, {c.name: _encoder(c, f) for c, f in zip(of, schema, strict=True)})
    yield encoder.write_header()
    for batch in batches:
        arrays = [_told(column, array, field.type) for column, array, field in zip(of, batch.columns, schema, strict=True)]
        for part in _parts(pa.RecordBatch.from_arrays(arrays, schema=schema)):
            yield encoder.write_batch(part)
    yield encoder.finish()


def _field(column: PgColumn, field: pa.Field) -> pa.Field:
    """The column as it is encoded; its nulls may be anywhere."""
    plain = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    type_ = _TIMES[column.base][0] if column.base in _TIMES else _SHORT.get(column.base, plain)
    return pa.field(column.name, type_)


def _encoder(column: PgColumn, field: pa.Field) -> Any:
    from pgpq import ArrowToPostgresBinaryEncoder
    from pgpq.encoders import StringEncoderBuilder
    from pgpq.schema import Jsonb

    if column.base == "jsonb":
        return StringEncoderBuilder.new_with_output(field, Jsonb())
    return ArrowToPostgresBinaryEncoder.infer_encoder(field)


def _told(column: PgColumn, values: pa.Array, type_: pa.DataType) -> pa.Array:
    if column.base in _TIMES:
        return _since_2000(values.view(type_), _TIMES[column.base][1])
    plain = values.storage if isinstance(values.type, pa.BaseExtensionType) else values
    return plain if plain.type == type_ else plain.cast(type_)


def _since_2000(values: pa.Array, epoch: int) -> pa.Array:
    most = (1 << values.type.bit_width - 1) - 1
    endless = pc.or_(pc.equal(values, most), pc.equal(values, -most))
    if not pc.any(endless).as_py():
        return pc.subtract_checked(values, pa.scalar(epoch, values.type))
    finite = pc.subtract_checked(pc.if_else(endless, pa.scalar(0, values.type), values), pa.scalar(epoch, values.type))
    ends = pc.if_else(pc.greater(values, 0), pa.scalar(most, values.type), pa.scalar(-most - 1, values.type))
    return pc.if_else(endless, ends, finite)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Of a batch with long values a few rows at a time, since the encoder makes one piece of what it is given."""
    rows = max(1, batch.num_rows * _PART_BYTES // max(1, batch.nbytes))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
