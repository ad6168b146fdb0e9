"""A first load by one statement: where the target is written by the very engine that makes the rows, they need not leave it.

The rows go from the source through mapping and contract into the target, uncommitted. What the target then shows becomes the base, so
that it is read back by being kept; and the digests of what it shows are held against those of the rows on their way in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import BOOLEAN, HUGEINT, VARCHAR

from accord.connectors.bulk import DIGEST, WRAP, Fill, Inner, Stream
from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side, names
from accord.sync.load.pour import OutOfOrdinaryError, Tally
from accord.sync.load.query import OFF, REASONS, ROW, Shape, needed_columns, stream_query, target_codes
from accord.sync.load.settle import base_list, golden_list

_END: Final = "_end"
_SUM: Final = "_sum"
_BATCH_ROWS: Final = 20_480
_numbers = itertools.count(1)


def fits(cycle: Cycle, source: Side, target: Side, stream: Stream, fill: Fill, shape: Shape) -> bool:
    """Whether the rows can go this way: the target shows all that is kept of either side.

    It does not show the versions of the source's rows, and to read them apart costs the server what is won here.
    """
    lists = {base_list(cycle, source, None), golden_list(cycle, source), base_list(cycle, target, shape.shown)}
    return isinstance(fill, Inner) and bool(shape.hashed) and len(lists) == 1 and not stream.versioned


def fill_within(
    cycle: Cycle, source: Side, target: Side, stream: Stream, con: duckdb.DuckDBPyConnection, fill: Inner, shape: Shape
) -> tuple[Tally, str]:
    """Insert the rows of the stream, and keep what the target then shows.

    Args:
        cycle: the cycle.
        source: compiled.
        target: compiled.
        stream: of the source.
        con: where it is read; the target's transaction is this connection's.
        fill: of the target.
        shape: of the stream, as ``fits`` found it.

    Returns:
        What the stream held, and the segment of what the target shows.

    Raises:
        OutOfOrdinaryError: a row needs more than an insert.
        duckdb.Error: likewise.
    """
    seen = _Seen()
    with seen.told_by(con) as (ended, refused):
        relation = stream.read(needed_columns(source), shape.digest)
        query = stream_query(cycle, source, target, relation, shape)
        inserted = fill.take(con, _accepted(cycle, query, shape, ended, refused), tuple(shape.native))
    if len(seen.sums) != 1:
        raise OutOfOrdinaryError("the end of the stream was not seen once")
    tally = Tally(inserted + len(seen.refused), inserted, (seen.sums[0] or 0) % WRAP)
    shown = fill.shown()
    columns = {code.name: code.column for code in target_codes(cycle, target)}
    tally.rising = _rising(cycle, con, shown, columns, seen)
    if seen.refused:
        tally.refused.append(_batch(cycle, seen))
    kept = f"SELECT {base_list(cycle, target, columns)} FROM {shown}"
    source.rows = tally.rows
    return tally, cycle.store.write_segment_from(con, kept).sha


@dataclass(slots=True)
class _Seen:
    """What is told of the rows while they pass: the digests of all that were accepted, once the last one came, and the refused ones."""

    sums: list[int | None] = field(default_factory=list)
    refused: list[tuple[list[str | None], list[str], str]] = field(default_factory=list)

    @contextmanager
    def told_by(self, con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
        """Two functions of SQL that tell it and are never true: of the sum, and of a row's fields, reasons and own columns."""
        number, texts = next(_numbers), duckdb.list_type(VARCHAR)
        ended, refused = f"load_ended_{number}", f"load_refused_{number}"

        def end(digests: int | None) -> bool:
            self.sums.append(digests)
            return False

        def refuse(fields: list[str | None], reasons: list[str], row: str) -> bool:
            self.refused.append((fields, reasons, row))
            return False

        made: list[tuple[str, Callable[..., bool], list[Any]]] = [(ended, end, [HUGEINT]), (refused, refuse, [texts, texts, VARCHAR])]
        own = con.cursor()  # of its own, since the transaction of the load may have failed by the time they are to go
        for name, function, takes in made:
            own.create_function(name, function, takes, BOOLEAN, null_handling=FunctionNullHandling.SPECIAL, side_effects=True)
        try:
            yield ended, refused
        finally:
            for name, *_ in made:
                own.remove_function(name)
            own.close()


def _accepted(cycle: Cycle, query: str, shape: Shape, ended: str, refused: str) -> str:
    """SQL of the columns to insert of each row that keeps the contract; it fails at the first one that needs more than an insert.

    A row of its own at the end has the sum of all digests, which runs along with the rows and so costs no second pass over them.
    """
    kept = dict.fromkeys([*shape.native.values(), *cycle.fields])
    off = literal("a value does not fit, or would come back changed")
    digest = f"CASE WHEN {REASONS} IS NOT NULL THEN NULL WHEN {OFF} THEN error({off}) ELSE {DIGEST} END AS {DIGEST}"
    rows = f"SELECT {names(kept)}, {REASONS}, {ROW}, {digest}, false AS {_END} FROM ({query})"
    last = f"SELECT {', '.join(['NULL'] * (len(kept) + 3))}, true"
    summed = f"SELECT *, sum({DIGEST}) OVER (ROWS UNBOUNDED PRECEDING) AS {_SUM} FROM ({rows} UNION ALL {last})"
    texts = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in cycle.fields)
    told = f"WHEN {_END} THEN {ended}({_SUM}) WHEN {REASONS} IS NOT NULL THEN {refused}([{texts}], {REASONS}, {ROW})"
    picked = ", ".join(f"{quote(n)} AS {quote(column)}" for column, n in shape.native.items())
    return f"SELECT {picked} FROM ({summed}) WHERE CASE {told} ELSE true END"


def _rising(cycle: Cycle, con: duckdb.DuckDBPyConnection, shown: str, columns: Mapping[str, str], seen: _Seen) -> bool:
    """Whether it is certain, without grouping, that no key stands twice among the rows."""
    if len(cycle.keys) > 1:
        return False
    key = cycle.keys[0]
    watching = Tally()
    for batch in con.execute(f"SELECT {quote(columns[key])} FROM {shown}").to_arrow_reader(_BATCH_ROWS):
        watching.watch(batch.column(0))
        if not watching.rising:
            return False
    place = list(cycle.fields).index(key)
    others = [int(fields[place] or "") if fields[place] else None for fields, _, _ in seen.refused]
    if None in others or len(set(others)) < len(others):
        return False
    if others:
        con.register("refused_keys", pa.table({"k": pa.array(others, pa.int64())}))
        met = con.execute(f"SELECT count(*) FROM refused_keys r SEMI JOIN {shown} t ON r.k = t.{quote(columns[key])}").fetchone()
        con.unregister("refused_keys")
        return met == (0,)
    return True


def _batch(cycle: Cycle, seen: _Seen) -> pa.RecordBatch:
    """The refused rows, each value as a text that reads as the value it was."""
    fields = list(zip(*(fields for fields, _, _ in seen.refused), strict=True))
    columns = {name: pa.array(values, pa.string()) for name, values in zip(cycle.fields, fields, strict=True)}
    columns[REASONS] = pa.array([reasons for _, reasons, _ in seen.refused], pa.list_(pa.string()))
    columns[ROW] = pa.array([row for *_, row in seen.refused], pa.string())
    return pa.RecordBatch.from_pydict(columns)
