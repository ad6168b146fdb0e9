"""One stream, several takers: what each of them gets, and that none makes the others gather rows for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from accord.connectors.bulk import DIGEST, WRAP, arrived
from accord.sync.load.pour import AHEAD, OutOfOrdinaryError, Taker, pour
from accord.sync.load.query import OFF, REASONS

BATCHES, ROWS = 100, 100
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), (REASONS, pa.list_(pa.string())), (OFF, pa.bool_()), (DIGEST, pa.int64())])


class Source:
    """Batches of rows as large as a pipe's usual room; ``pulled`` says how many were asked for."""

    def __init__(self, *, bad_id: int | None = None, digest: int = 0) -> None:
        self.pulled, self._bad_id, self._digest = 0, bad_id, digest

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(SCHEMA, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(BATCHES):
            self.pulled += 1
            ids = list(range(number * ROWS, number * ROWS + ROWS))
            reasons = [["bad"] if i == self._bad_id else None for i in ids]
            columns = [ids, ["x" * 1_000] * ROWS, reasons, [False] * ROWS, [self._digest] * ROWS]
            yield pa.record_batch([pa.array(c, t) for c, t in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def _drain(reader: pa.RecordBatchReader) -> None:
    for _ in reader:
        pass


@pytest.mark.parametrize("late", ["taker", "sender"])
def test_the_source_waits_for_whoever_is_last(late: str) -> None:
    """Memory would grow with the table if a fast reader could leave a slow taker behind."""
    source, ahead = Source(), []

    def watch(reader: pa.RecordBatchReader) -> None:
        for taken, _ in enumerate(reader, 1):
            ahead.append(source.pulled - taken)

    watching, draining = Taker(("id",), watch), Taker(("id",), _drain)
    pour(source.reader(), ["id"], [watching if late == "taker" else draining], watching if late == "sender" else draining)

    assert len(ahead) == BATCHES
    assert max(ahead) <= AHEAD + 2  # those that wait, one to be put, one being taken


def test_a_copy_that_nobody_reads_from_draws_nothing() -> None:
    """Between the stream and the query of a taker nothing may read ahead: Arrow's scanner took the whole table into memory there."""
    source, ahead = Source(), []
    receive, send = os.pipe()

    def copy(reader: pa.RecordBatchReader) -> None:
        try:
            with duckdb.connect(":memory:", config={"threads": 1}) as con:
                con.execute(f"COPY (SELECT text FROM {arrived(con, reader)}) TO '/dev/fd/{send}' (FORMAT csv, HEADER false)")
        finally:
            os.close(send)

    pouring = threading.Thread(target=pour, args=(source.reader(), ["id"], [], Taker(("text",), copy)))
    pouring.start()
    read = 0
    with os.fdopen(receive, "rb", buffering=0) as pipe:
        while chunk := pipe.read(1_001 * ROWS):
            read += len(chunk)
            ahead.append(source.pulled - read / (1_001 * ROWS))
    pouring.join()

    assert read == 1_001 * ROWS * BATCHES
    assert max(ahead) < AHEAD + 8  # besides: what a writer of DuckDB and the pipe hold


def test_rows_that_break_the_contract_reach_no_taker() -> None:
    """The target and the bases hold accepted rows; the others are told of with their reasons."""
    got: dict[str, int] = {}

    def count(name: str) -> Taker:
        def take(reader: pa.RecordBatchReader) -> None:
            got[name] = sum(batch.num_rows for batch in reader)

        return Taker(("id",), take)

    tally = pour(Source(bad_id=150).reader(), ["id"], [count("kept")], count("sent"))

    assert got == {"kept": BATCHES * ROWS - 1, "sent": BATCHES * ROWS - 1}
    assert (tally.rows, tally.accepted, tally.rising) == (BATCHES * ROWS, BATCHES * ROWS - 1, True)
    assert [batch.column("id").to_pylist() for batch in tally.refused] == [[150]]


@pytest.mark.parametrize("digest", [-1, 1 << 62, -(1 << 63)])
def test_digests_are_added_up_modulo_2_to_the_64(digest: int) -> None:
    """The target's are summed by its server as exact numbers, and the two must agree however large they become."""
    tally = pour(Source(digest=digest).reader(), ["id"], [], Taker(("id",), _drain))

    assert tally.digest == digest * BATCHES * ROWS % WRAP


def test_a_taker_that_leaves_early_ends_the_stream() -> None:
    """What it did not take it does not have, so nothing may be committed."""
    with pytest.raises(OutOfOrdinaryError, match="ended early"):
        pour(Source().reader(), ["id"], [Taker(("id",), lambda reader: None)], Taker(("id",), _drain))
