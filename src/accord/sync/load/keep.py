"""What a first load keeps of each row in the store: the base of a side, made of the stream's batches without copying their values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import pyarrow as pa

from accord.model.types import CanonicalType
from accord.sync.cycle import Cycle, storage_type
from accord.sync.state.base import MARKS


class Place(NamedTuple):
    """Where the value of a field is: in a column of the stream, or else one SQL constant for all rows."""

    field: str
    column: str | None
    constant: str = "NULL"


Held = tuple[Place, ...]

_MARKS: Final = {"_gone": False, "_settled": True}
_UUID_BYTES: Final = 16
_PLAIN: Final = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "uuid": pa.uuid(),
    "binary": pa.binary(),
}


def keeper(cycle: Cycle, held: Held) -> Callable[[pa.RecordBatchReader], pa.RecordBatchReader]:
    """What makes the rows of a base out of the stream's, in the types that DuckDB reads back as ``storage_type``.

    The stream has canonical values, and those the target will show.

    Args:
        cycle: asked for the constants now, since whoever keeps rows does so in a thread of its own.
        held: where the values are.
    """
    types = {place.field: _arrow_type(CanonicalType.parse(cycle.entity.fields[place.field].type)) for place in held}
    schema = pa.schema([*types.items(), *((mark, pa.bool_()) for mark in MARKS)])
    always = {place.field: _constant(cycle, place, types[place.field]) for place in held if not place.column}

    @functools.cache  # nearly all batches have the same number of rows
    def constant(count: int) -> dict[str, pa.Array]:
        return {name: pa.repeat(value, count) for name, value in {**always, **_MARKS}.items()}

    def rows(batch: pa.RecordBatch) -> pa.RecordBatch:
        same = constant(batch.num_rows)
        columns = [_typed(batch.column(p.column), types[p.field]) if p.column else same[p.field] for p in held]
        return pa.RecordBatch.from_arrays([*columns, *(same[mark] for mark in MARKS)], schema=schema)

    return lambda batches: pa.RecordBatchReader.from_batches(schema, map(rows, batches))


def _constant(cycle: Cycle, place: Place, type_: pa.DataType) -> pa.Scalar:
    value = f"CAST({place.constant} AS {storage_type(cycle.entity, place.field)})"
    travelling = f"CAST({value} AS BLOB)" if isinstance(type_, pa.UuidType) else value
    column = cycle.con.execute(f"SELECT {travelling} AS value").to_arrow_table().column("value").combine_chunks()
    return _typed(column, type_)[0]


def _arrow_type(type_: CanonicalType) -> pa.DataType:
    return pa.decimal128(type_.precision, type_.scale) if type_.name == "number" else _PLAIN[type_.name]


def _typed(values: pa.Array, type_: pa.DataType) -> pa.Array:
    if values.type == type_:
        return values
    if isinstance(type_, pa.UuidType):
        return pa.ExtensionArray.from_storage(type_, values.cast(pa.binary(_UUID_BYTES)))
    return values.cast(type_)
