"""Carry out a first load: stream, prove, intend, commit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import duckdb
import pyarrow as pa

from accord.connectors.bulk import ODD, Fill, Filled, Sized, Stream, Streamed, Within
from accord.connectors.duck import exporting_duck
from accord.connectors.protocol import Capabilities, Connector, Versioned
from accord.connectors.types import literal, quote
from accord.connectors.unreadable import is_flag
from accord.model.errors import AccordError, DataRefused, StorageFull, UnknownName
from accord.sync.capture.moved import version_mark
from accord.sync.capture.read import capture
from accord.sync.cycle import Cycle, Side, names
from accord.sync.load.eligible import FILLS, pair, simple, understood, untouched
from accord.sync.load.keep import Held, keeper
from accord.sync.load.pour import OutOfOrdinaryError, Taker, Tally, plain, pour
from accord.sync.load.query import Shape, needed_columns, shape_of, stream_query
from accord.sync.load.settle import base_columns, finish, golden_columns, note_loaded, note_refused
from accord.sync.load.within import insert, read_back
from accord.sync.result import FlowResult
from accord.sync.state.record import append

SMALLEST_ROWS = 20_000  # fewer are loaded as fast the ordinary way
_FEW = "there are few rows"
BATCH_ROWS = 12_288  # six vectors of DuckDB: fewer hand-overs between threads, and the rows on their way still fit the caches of a machine


@dataclass(frozen=True, slots=True)
class Loaded:
    """A first load that was carried out: its result, the state to be named by the run's last event, and when the source was read."""

    result: FlowResult
    state: Mapping[str, list[str]]
    captured_at: datetime


@dataclass(slots=True)
class _Plan:
    source: Side
    target: Side
    stream: Stream
    con: duckdb.DuckDBPyConnection
    shas: dict[Held, str]
    shown: tuple[int, int] | None = None  # rows and digest of what the target, still uncommitted, holds


def load_first(cycle: Cycle) -> Loaded | None:
    """Load an empty target from the one system that has rows; ``None`` when that is not the case, or something is out of the ordinary.

    Call it before anything was captured. When it gives ``None``, intents it noted are open and count as those of a run that died.

    Raises:
        StorageFull: no room for the store or in the target.
        SystemUnreachable: the target went away while it committed.
    """
    if not (understood(cycle) and untouched(cycle)):
        return None
    sides = pair(cycle)
    if sides is None or not _is_large(sides[0]):
        return None
    source, target = sides
    try:
        with exporting_duck() as con:
            loaded = _load(cycle, source, target, con)
    except (OutOfOrdinaryError, DataRefused) as reason:
        cycle.progress(f"{cycle.flow.name}: {reason}; every row is looked at by itself")
        loaded = None
    return loaded


def _is_large(source: Side) -> bool:
    if not isinstance(source.connector, Sized):
        return True  # it shows when it is read
    try:
        return source.connector.holds(source.binding.resource, SMALLEST_ROWS)
    except UnknownName:
        return False  # not made yet, or a mistake in the map that the ordinary way names


def _load(cycle: Cycle, source: Side, target: Side, con: duckdb.DuckDBPyConnection) -> Loaded:
    capture(cycle.con, cycle.entity, target, drift="evolve")
    if target.rows:
        raise OutOfOrdinaryError("the target is no longer empty")
    captured_at = cycle.clock()
    with _ordinary():
        stream: Stream = (
            source.connector.stream(con, source.binding.resource) if isinstance(source.connector, Streamed) else Scan(con, source)
        )
    with closing(stream):
        return _stream(cycle, source, target, stream, con, captured_at)


def _stream(cycle: Cycle, source: Side, target: Side, stream: Stream, con: duckdb.DuckDBPyConnection, captured_at: datetime) -> Loaded:
    with _ordinary():
        _describe(cycle, source, stream)
    if not simple(cycle, source, target):
        raise OutOfOrdinaryError("the mapping asks for more")
    plan = _Plan(source, target, stream, con, {})
    marks = {side.name: version_mark(cycle, side) for side in (source, target)}  # before anything of them is read or written
    moment = source.connector.moment() if marks[source.name] and isinstance(source.connector, Versioned) else ""
    columns = tuple(c.column for c in (*(target.codes[k] for k in cycle.keys), *target.written(cycle.keys)))
    assert isinstance(target.connector, Filled)
    with ExitStack() as stack:
        with _ordinary():
            fill = stack.enter_context(target.connector.fill(target.binding.resource, columns))
        if fill is None:
            raise OutOfOrdinaryError("the target cannot be filled as a whole")
        with _ordinary():
            shape = shape_of(cycle, source, target, stream.natives, fill)
            tally = _pour(cycle, plan, fill, shape)
            _check(cycle, plan, shape, tally)
        base = plan.shas[base_columns(cycle, target, shape.shown)]
        cycle.progress(f"{cycle.flow.name}: {tally.accepted} rows are in {target.name}; noting and committing them")
        cycle.intended = True
        written = [c.name for c in target.written(cycle.keys)]
        append(cycle, "flow.intended", segments={target.name: base}, conflicts="", **{FILLS: {target.name: written}})
        fill.commit()
    if not shape.proven:
        _read_back(cycle, target, base)
    result, state = finish(cycle, source, target, plan.shas, shape, tally, captured_at)
    note_loaded(cycle, target, marks, {source.name: (moment, tally.rows), target.name: (fill.stamp, tally.accepted)})
    return Loaded(result, state, captured_at)


@contextmanager
def _ordinary() -> Iterator[None]:
    """Leave trouble before anything is committed to the ordinary way, which says what it is; a full disk stays one."""
    try:
        yield
    except StorageFull:
        raise
    except (AccordError, duckdb.Error) as error:
        raise OutOfOrdinaryError(str(error).splitlines()[0]) from error


class Scan:
    """The stream of a connector that has none: the resource as it is scanned."""

    def __init__(self, con: duckdb.DuckDBPyConnection, side: Side) -> None:
        self._relation = side.connector.scan(con, side.binding.resource)
        self._con = con
        self.columns: Mapping[str, str] = {r[0]: r[1] for r in con.execute(f"DESCRIBE SELECT * FROM {self._relation}").fetchall()}
        if any(map(is_flag, self.columns)):
            raise OutOfOrdinaryError("some texts or lines cannot be read")
        self.natives: Mapping[str, str] = {}
        self.canonical: Mapping[str, str] = {}

    def read(self, columns: Sequence[str], digest: Sequence[str], *, wary: bool = False) -> str:
        """The scanned relation; a scan reads every value exactly."""
        return f"(SELECT *, false AS {ODD} FROM {self._relation})"

    def close(self) -> None:
        """Nothing is held open."""


class _Columns:
    """A connector that shows the columns of a stream and no row, so that they are compiled in the one place that does it."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.capabilities, self._columns = Capabilities(), columns

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """An empty table."""
        con.execute(f"CREATE OR REPLACE TEMP TABLE streamed ({', '.join(f'{quote(c)} {t}' for c, t in self._columns.items())})")
        return "streamed"

    def create(self, *arguments: Any) -> None:
        """It is there."""


def _describe(cycle: Cycle, source: Side, stream: Stream) -> None:
    shown = replace(source, connector=cast(Connector, _Columns(stream.columns)))  # capture asks it for nothing else
    capture(cycle.con, cycle.entity, shown, drift="evolve", may_create=True)
    source.codes, source.columns, source.lacking = shown.codes, shown.columns, shown.lacking
    source.relation, source.binding = shown.relation, shown.binding
    for name, code in source.codes.items():
        if code.column in stream.canonical and code.read == f"canonical_json({quote(code.column)})":
            source.codes[name] = replace(code, read=quote(stream.canonical[code.column]))


def _pour(cycle: Cycle, plan: _Plan, fill: Fill, shape: Shape) -> Tally:
    source, target = plan.source, plan.target
    relation = plan.stream.read(needed_columns(source), shape.digest, wary=fill.wary)
    query = stream_query(cycle, source, target, relation, shape)
    lists = dict.fromkeys((base_columns(cycle, source, None), golden_columns(cycle, source), base_columns(cycle, target, shape.shown)))
    cycle.progress(f"{cycle.flow.name}: loading {target.name} from {source.name}")
    if isinstance(fill, Within) and shape.hashed and len(lists) == 1:  # the target shows what is to be kept
        tally = _pour_within(cycle, plan, fill, shape, query, *lists)
    else:
        tally = _pour_out(cycle, plan, fill, shape, query, tuple(lists))
    source.rows = tally.rows
    return tally


def _pour_within(cycle: Cycle, plan: _Plan, fill: Within, shape: Shape, query: str, held: Held) -> Tally:
    sent = insert(cycle, plan.con, fill, shape, query)
    if sent.read < SMALLEST_ROWS:
        raise OutOfOrdinaryError(_FEW)
    cycle.progress(f"{cycle.flow.name}: comparing {plan.target.name} with what is read")
    shown = read_back(cycle, plan.con, fill, shape, _keep(cycle, plan, held), BATCH_ROWS)
    plan.shown = shown.accepted, shown.digest
    rising = shown.rising and not sent.refused  # one that was refused may have the key of another
    return Tally(sent.read, sent.rows, sent.digest, rising=rising, refused=list(sent.refused))


def _pour_out(cycle: Cycle, plan: _Plan, fill: Fill, shape: Shape, query: str, lists: Sequence[Held]) -> Tally:
    reader = plain(plan.con.execute(query).to_arrow_reader(BATCH_ROWS))
    first = list(itertools.islice(reader, -(-SMALLEST_ROWS // BATCH_ROWS)))
    if sum(batch.num_rows for batch in first) < SMALLEST_ROWS:
        raise OutOfOrdinaryError(_FEW)
    whole = pa.RecordBatchReader.from_batches(reader.schema, itertools.chain(first, reader))
    takers = [Taker(tuple(dict.fromkeys(place.column for place in held if place.column)), _keep(cycle, plan, held)) for held in lists]

    def send(batches: pa.RecordBatchReader) -> None:
        fill.write(plan.con.cursor(), _renamed(batches, shape.native))
        if shape.proven:  # here, while whoever keeps the rows waits for its disk
            cycle.progress(f"{cycle.flow.name}: comparing {plan.target.name} with what is read")
            plan.shown = fill.digest(shape.proven)

    return pour(whole, cycle.keys, takers, Taker(tuple(dict.fromkeys(shape.native.values())), send))


def _keep(cycle: Cycle, plan: _Plan, held: Held) -> Callable[[pa.RecordBatchReader], None]:
    kept = keeper(cycle, held)

    def take(batches: pa.RecordBatchReader) -> None:
        plan.shas[held] = cycle.store.write_segment_batches(kept(batches), cycle.keys).sha

    return take


def _renamed(batches: pa.RecordBatchReader, names_of: Mapping[str, str]) -> pa.RecordBatchReader:
    """By new name the columns of a stream."""
    schema = pa.schema([batches.schema.field(name).with_name(new) for new, name in names_of.items()])
    return pa.RecordBatchReader.from_batches(
        schema, (pa.RecordBatch.from_arrays([batch.column(name) for name in names_of.values()], schema=schema) for batch in batches)
    )


def _check(cycle: Cycle, plan: _Plan, shape: Shape, tally: Tally) -> None:
    """Whether the target, still uncommitted, holds what was sent, and no check over several rows was broken.

    Raises:
        OutOfOrdinaryError: else.
    """
    note_refused(cycle, plan.source, plan.target, tally)
    rows = _segment(cycle, plan.shas[base_columns(cycle, plan.source, None)])
    if not tally.rising:
        keys = names(cycle.keys)
        twice = cycle.count(
            f"SELECT count(*) - count(DISTINCT ({keys})) FROM (SELECT {keys} FROM {rows} UNION ALL SELECT {keys} FROM refused)"
        )
        if twice:
            raise OutOfOrdinaryError("a key stands twice")
    for name, field in cycle.entity.fields.items():
        most = 1 if field.unique else field.at_most
        if most and name in plan.source.codes and (name,) != cycle.keys:
            column = quote(name)
            held = f"(SELECT {column} FROM {rows} UNION ALL SELECT {column} FROM refused)"
            if cycle.count(f"SELECT max(n) FROM (SELECT count(*) AS n FROM {held} WHERE {column} IS NOT NULL GROUP BY {column})") > most:
                raise OutOfOrdinaryError(f"a value of {name} stands too often")
    if shape.proven and plan.shown != (tally.accepted, tally.digest):
        raise OutOfOrdinaryError("the target shows other values than were sent")


def _segment(cycle: Cycle, sha: str) -> str:
    return f"read_parquet({literal(str(cycle.store.read_segment(sha)))})"


def _read_back(cycle: Cycle, target: Side, base: str) -> None:
    """Read what the target shows now; anything else than was sent is for the ordinary way, as after a crash.

    Raises:
        OutOfOrdinaryError: it shows other rows or values.
    """
    cycle.progress(f"{cycle.flow.name}: reading back {target.name}")
    shown = replace(target, codes={}, columns={})
    capture(cycle.con, cycle.entity, shown, drift="evolve", may_create=False)
    row = f"hash({names((*cycle.keys, *(c.name for c in target.written(cycle.keys))))})"
    digest = f"SELECT count(*), sum({row}), bit_xor({row}) FROM"
    if cycle.sql(f"{digest} {target.table('cap')}") != cycle.sql(f"{digest} {_segment(cycle, base)}"):
        raise OutOfOrdinaryError("the target shows other values than were sent")
