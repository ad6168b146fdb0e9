"""A first load into a target of the engine that makes the rows: one INSERT, whose rows are read back once, for the proof and for the base.

Rows that go to the target as Arrow batches are turned into them and back, and the target has to be read anyway. What was sent is told by
the running sum of the rows' digests: a last row, which is none, brings it to its end and is left out itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import BIGINT, BOOLEAN, HUGEINT

from accord.connectors.bulk import DIGEST, WRAP, Within
from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, storage_type
from accord.sync.load.pour import UNFIT, Taker, Tally, plain, pour
from accord.sync.load.query import OFF, REASONS, ROW, Shape

_LAST, _COUNT, _SUM = "_last", "_count", "_sum"
_END, _REFUSE = "end_of_rows", "refuse_rows"
_NO_FINDING: Final = f"NULL::VARCHAR[] AS {REASONS}, false AS {OFF}"  # of rows that were sent


@dataclass(frozen=True, slots=True)
class Sent:
    """What an INSERT sent: the rows that keep the contract and the sum of their digests modulo 2^64; and the refused rows."""

    rows: int
    digest: int
    refused: tuple[pa.RecordBatch, ...]

    @property
    def read(self) -> int:
        """Rows the source had."""
        return self.rows + sum(len(batch) for batch in self.refused)


@dataclass(slots=True)
class _Heard:
    """What the engine says of the rows that go by."""

    rows: int = -1
    digest: int = 0
    refused: list[pa.RecordBatch] = field(default_factory=list)

    def end(self, count: int, digests: int) -> bool:
        """The last row, which is none: counted and added up up to here."""
        self.rows, self.digest = count - 1, digests % WRAP
        return False

    def refuse(self, rows: pa.ChunkedArray) -> pa.Array:
        """Rows that break the contract, as one column of structures."""
        for part in rows.chunks:
            batch = pa.RecordBatch.from_struct_array(part)
            self.refused += plain(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
        return pa.repeat(pa.scalar(value=False), len(rows))


def insert(cycle: Cycle, con: duckdb.DuckDBPyConnection, fill: Within, shape: Shape, query: str) -> Sent:
    """Insert what keeps the contract of ``query``, in one statement.

    Args:
        cycle: the cycle.
        con: of an engine of its own (``exporting_duck``), which gets functions for it.
        fill: a target whose columns hold the canonical values, as ``shape`` says.
        shape: how the columns are filled; the stream has their digest.
        query: see ``stream_query``.

    Raises:
        duckdb.Error: a row needs more than an insert, or the source or the target failed; nothing is committed.
    """
    heard = _Heard()
    kept = {f: storage_type(cycle.entity, f) for f in cycle.entity.fields} | {REASONS: "VARCHAR[]", ROW: "VARCHAR"}
    row = f"STRUCT({', '.join(f'{quote(c)} {kind}' for c, kind in kept.items())})"
    special: dict[str, Any] = {"side_effects": True, "null_handling": FunctionNullHandling.SPECIAL}
    con.create_function(_END, heard.end, [BIGINT, HUGEINT], BOOLEAN, **special)
    con.create_function(_REFUSE, heard.refuse, [con.type(row)], BOOLEAN, type=PythonUDFType.ARROW, **special)

    packed = ", ".join(f"{quote(c)} := {quote(c)}" for c in kept)
    good = f"CASE WHEN {REASONS} IS NOT NULL THEN {_REFUSE}(struct_pack({packed})) WHEN {OFF} THEN error({literal(UNFIT)}) ELSE true END"
    values = ", ".join(f"{quote(name)} AS {quote(column)}" for column, name in shape.native.items())
    nothing = ", ".join("NULL" for _ in shape.native)
    rows = f"SELECT {values}, {DIGEST}, false AS {_LAST} FROM ({query}) WHERE {good} UNION ALL SELECT {nothing}, 0, true"
    sums = f"sum({DIGEST}) OVER (ROWS UNBOUNDED PRECEDING) AS {_SUM}, row_number() OVER () AS {_COUNT}"
    columns = ", ".join(map(quote, shape.native))
    fill.insert(
        con,
        tuple(shape.native),
        f"SELECT {columns} FROM (SELECT *, {sums} FROM ({rows})) WHERE CASE WHEN {_LAST} THEN {_END}({_COUNT}, {_SUM}) ELSE true END",
    )
    return Sent(heard.rows, heard.digest, tuple(heard.refused))


def read_back(
    cycle: Cycle, con: duckdb.DuckDBPyConnection, fill: Within, shape: Shape, take: Callable[[pa.RecordBatchReader], None], rows: int
) -> Tally:
    """Give ``take`` all rows of the target, still uncommitted, by their canonical fields; and say what they were.

    Args:
        cycle: the cycle.
        con: see ``insert``.
        fill: the target, filled.
        shape: see ``insert``.
        take: works through the batches.
        rows: at most so many in a batch.
    """
    fields = {name: column for column, name in shape.native.items()}
    values = ", ".join(f"CAST({fill.read[c]} AS {storage_type(cycle.entity, name)}) AS {quote(name)}" for name, c in fields.items())
    hashed = ", ".join(f"CAST({fill.read[column]} AS {kind})" for column, kind in shape.hashed.items())
    reader = con.execute(f"SELECT {values}, hash({hashed}) AS {DIGEST}, {_NO_FINDING} FROM {fill.table}").to_arrow_reader(rows)
    return pour(plain(reader), cycle.keys, (), Taker(tuple(fields), take))
