"""One stream of rows, read by several takers at once: batches are shared, not copied, and no taker runs far ahead of another.

Whoever takes, takes by itself: each waiting batch is one of ``AHEAD``, and nothing between here and a taker reads ahead on its own account.
So what is in memory does not grow with the table, and no core is kept from the slowest taker, which is the one that everything waits for.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.bulk import DIGEST, WRAP
from accord.sync.load.query import OFF, REASONS

UNFIT = "a value does not fit, or would come back changed"
AHEAD = 2  # batches a taker may lag behind before the source has to wait


def plain(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Batches as they leave ``exporting_duck``, with their booleans as Arrow's own."""
    flags = [place for place, field in enumerate(batches.schema) if isinstance(field.type, pa.Bool8Type)]
    schema = functools.reduce(lambda known, place: known.set(place, known.field(place).with_type(pa.bool_())), flags, batches.schema)

    def told(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = batch.columns
        for place in flags:
            columns[place] = columns[place].storage.cast(pa.bool_())
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, map(told, batches))


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes the rows of a stream that keep the contract.

    Args:
        columns: of the stream, those it asks for.
        take: works through a reader of its own; should it return before the end, the stream breaks off.
    """

    columns: tuple[str, ...]
    take: Callable[[pa.RecordBatchReader], None]


class OutOfOrdinaryError(Exception):
    """What was found while loading needs the ordinary way; nothing was committed."""


@dataclass(slots=True)
class Tally:
    """What the stream held: rows, those that keep the contract, the sum of their digests, and the refused ones themselves.

    ``rising`` is true while each key is above the one before, so that none stands twice.
    """

    rows: int = 0
    accepted: int = 0
    digest: int = 0
    rising: bool = True
    last: object = None
    refused: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch, key: Sequence[str]) -> pa.RecordBatch:
        """Count a batch, and give its rows that keep the contract.

        Raises:
            OutOfOrdinaryError: a row of it needs more than an insert.
        """
        bad = pc.is_valid(batch.column(REASONS))
        count = pc.sum(bad).as_py() or 0
        self.rows += batch.num_rows
        self.accepted += batch.num_rows - count
        good = batch
        if count:
            self.refused.append(batch.filter(bad))
            good = batch.filter(pc.invert(bad))
        if pc.any(good.column(OFF)).as_py():
            raise OutOfOrdinaryError(UNFIT)
        if DIGEST in batch.schema.names:
            digests = good.column(DIGEST).drop_null().to_numpy(zero_copy_only=False)
            self.digest = (self.digest + int(digests.view(np.uint64).sum(dtype=np.uint64))) % WRAP  # which wraps around by itself
        if len(key) > 1:
            self.rising = False
        self._watch(batch.column(key[0]))
        return good

    def _watch(self, column: pa.Array) -> None:
        """Look at the next values of a key that is one column."""
        if not self.rising or not len(column):
            return
        if not pa.types.is_integer(column.type) or column.null_count:
            self.rising = False
            return
        steps = pc.all(pc.greater(column.slice(1), column.slice(0, len(column) - 1))).as_py()
        first = column[0].as_py()
        self.rising = steps is not False and (self.last is None or first > self.last)
        self.last = column[len(column) - 1].as_py()


def pour(reader: pa.RecordBatchReader, key: Sequence[str], takers: Sequence[Taker], sender: Taker) -> Tally:
    """Give every batch of ``reader`` to ``sender``, which works in the calling thread, and to each taker.

    Args:
        reader: read to its end, in a thread of its own.
        key: key fields.
        takers: each works in a thread of its own.
        sender: the one that is bound to this thread.

    Raises:
        OutOfOrdinaryError: see ``Tally.add``.
        Exception: the first that the source or a taker raised; every other taker has ended by then.
    """
    tally = Tally()
    ends = [_End(reader.schema, taker) for taker in (sender, *takers)]
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for batch in reader:
                good = tally.add(batch, key)
                for end in ends:
                    end.offer(good)
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failures.append(error)
        finally:
            for end in ends:
                end.finish(failed=bool(failures))

    def take(end: _End) -> None:
        try:
            end.taker.take(end.reader())
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failures.append(error)
        finally:
            end.leave()

    threads = [threading.Thread(target=read, name="accord-read")]
    threads += [threading.Thread(target=take, args=(end,), name="accord-take") for end in ends[1:]]
    for thread in threads:
        thread.start()
    try:
        take(ends[0])
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return tally


class _End:
    """One taker's end of the stream."""

    def __init__(self, schema: pa.Schema, taker: Taker) -> None:
        self.taker = taker
        self._schema = pa.schema([schema.field(name) for name in taker.columns])
        self._waiting: queue.Queue[pa.RecordBatch | None] = queue.Queue(AHEAD)
        self._left = threading.Event()
        self._failed = False

    def offer(self, batch: pa.RecordBatch) -> None:
        """Put what of a batch the taker asks for."""
        self.put(batch.select(list(self.taker.columns)))

    def put(self, batch: pa.RecordBatch | None) -> None:
        """Wait for room; raises when the taker has gone before its time."""
        while True:
            if self._left.is_set():
                if batch is not None:
                    raise OutOfOrdinaryError("a taker of the stream ended early")
                return
            try:
                self._waiting.put(batch, timeout=0.5)
            except queue.Full:
                continue
            return

    def finish(self, *, failed: bool) -> None:
        """Nothing more comes; of a stream that failed, what came is not all."""
        self._failed = failed
        self.put(None)

    def leave(self) -> None:
        """The taker takes no more."""
        self._left.set()

    def reader(self) -> pa.RecordBatchReader:
        """The batches as they come; an error in the end when the stream failed, so that a taker does not mistake a part for all."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = self._waiting.get(timeout=0.5)
            except queue.Empty:
                # Whoever reads for the taker in a thread of its own would wait here without end, and the process with it when it ends.
                if self._left.is_set():
                    return
                continue
            if batch is None:
                break
            yield batch
        if self._failed:
            raise OutOfOrdinaryError("the stream broke off")
