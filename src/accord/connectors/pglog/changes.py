"""The nouns of a decoded log: relations, changes one by one, and changes as one Arrow table per relation."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.pglog.position import Position

Op = Literal["insert", "update", "delete", "truncate"]
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH_MICROSECONDS = 946_684_800_000_000  # from 1970, as Arrow counts, to 2000, as PostgreSQL does


class Unchanged(enum.Enum):
    """The one value ``UNCHANGED``: a large value that the change did not touch and the log therefore does not hold."""

    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = Unchanged.UNCHANGED
Value: TypeAlias = str | None
Values: TypeAlias = Mapping[str, Value]
NewValues: TypeAlias = Mapping[str, Value | Unchanged]


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column as the log describes it. ``type_name`` is set for types that are not built in (``schema.name``)."""

    name: str
    type_oid: int
    type_modifier: int = -1
    identity: bool = False
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it was when a change was made.

    ``identity`` is what the table logs of a row before its change: ``d`` primary key, ``i`` an index, ``f`` the full row, ``n`` nothing.
    ``key`` are the columns by which Accord knows a row, those of the identity unless told otherwise.
    """

    oid: int
    schema: str
    name: str
    identity: Literal["d", "i", "f", "n"]
    columns: tuple[RelationColumn, ...]
    key: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def arrow_schema(self) -> pa.Schema:
        """The columns of the tables in a ``TableChanges`` of this relation; see there."""
        return _arrow_schema(self)


@lru_cache(maxsize=256)
def _arrow_schema(relation: Relation) -> pa.Schema:
    fields = [
        pa.field(c.name, pa.string(), metadata={"type_oid": str(c.type_oid), "type_modifier": str(c.type_modifier)})
        for c in relation.columns
    ]
    kept = [f for f, c in zip(fields, relation.columns, strict=True) if c.identity]
    key = [fields[[c.name for c in relation.columns].index(name)] for name in relation.key]
    return pa.schema(
        [
            pa.field("op", pa.string(), nullable=False),
            pa.field("lsn", pa.uint64(), nullable=False),
            pa.field("index", pa.uint32(), nullable=False),
            pa.field("commit_time", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("xid", pa.uint32(), nullable=False),
            pa.field("origin", pa.string()),
            pa.field("key", pa.struct(key)),
            pa.field("old", pa.struct(kept)),
            pa.field("new", pa.struct(fields)),
            pa.field("unchanged", pa.list_(pa.string())),
        ]
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One change. Values are the server's text; types are in ``relation``.

    Attributes:
        key: the key under which the row was known *before* the change (after it, for inserts; empty for truncate).
        old: the identity columns before the change, where the log holds them: deletes, updates that touch the identity, and every update
            of a table with full identity.
        new: the row after the change; ``None`` for deletes and truncates. ``UNCHANGED`` where the log does not hold the value.
        commit_time: UTC, by the server's clock.
    """

    relation: Relation
    op: Op
    key: Values
    old: Values | None
    new: NewValues | None
    position: Position
    commit_time: datetime


class RowChange(NamedTuple):
    """A row as it stands in ``TableChanges.few``; ``unchanged`` lists the columns of ``new`` whose value the log does not hold."""

    op: Op
    key: Values
    old: Values | None
    new: Values | None
    unchanged: Sequence[str]
    position: Position
    microseconds: int
    xid: int
    origin: str | None


class TableChanges:
    """Inserts, updates and deletes of one relation with one schema, in the order of their positions.

    ``rows`` has the columns ``op``, ``lsn`` and ``index`` (the position), ``commit_time`` (UTC), ``xid``, ``origin`` (the name of the
    replication origin when the transaction was applied from elsewhere), and the structs ``key``, ``old`` and ``new`` as in ``Change``; all
    values are text with ``type_oid`` and ``type_modifier`` as metadata. ``unchanged`` lists the columns of ``new`` whose value the log
    does not hold; they are null there.

    A handful of changes comes as ``few`` as well, and is made into a table only if somebody asks for it.
    """

    __slots__ = ("_rows", "few", "relation")

    def __init__(self, relation: Relation, rows: pa.Table | None = None, *, few: Sequence[RowChange] | None = None) -> None:
        assert rows is not None or few
        self.relation, self._rows, self.few = relation, rows, few

    @property
    def rows(self) -> pa.Table:
        """All of them as one table."""
        if self._rows is None:
            assert self.few is not None
            self._rows = _as_table(self.relation, self.few)
        return self._rows

    @property
    def position(self) -> Position:
        """Of the first change."""
        if self.few is not None:
            return self.few[0].position
        return Position(self.rows["lsn"][0].as_py(), self.rows["index"][0].as_py())

    @property
    def transactions(self) -> frozenset[int]:
        """Ids of the transactions the changes are from."""
        if self.few is not None:
            return frozenset(row.xid for row in self.few)
        return frozenset(int(x) for x in pc.unique(self.rows["xid"]).to_pylist())

    def changes(self) -> Iterator[Change]:
        """The rows as objects: for tests, messages and small numbers."""
        if self.few is not None:
            for few in self.few:
                shown: NewValues | None = few.new
                if few.new is not None and few.unchanged:
                    shown = {**few.new, **dict.fromkeys(few.unchanged, UNCHANGED)}
                moment = EPOCH + timedelta(microseconds=few.microseconds)
                yield Change(self.relation, few.op, few.key, few.old, shown, few.position, moment)
            return
        for row in self.rows.to_pylist():
            new = row["new"]
            if new is not None:
                new.update(dict.fromkeys(row["unchanged"] or (), UNCHANGED))
            position = Position(row["lsn"], row["index"])
            yield Change(self.relation, row["op"], row["key"], row["old"], new, position, row["commit_time"])


def _as_table(relation: Relation, few: Sequence[RowChange]) -> pa.Table:
    schema = relation.arrow_schema()
    ops, keys, olds, news, unchanged, positions, moments, xids, origins = zip(*few, strict=True)
    arrays = [
        pa.array(ops, pa.string()),
        pa.array([place.lsn for place in positions], pa.uint64()),
        pa.array([place.index for place in positions], pa.uint32()),
        pa.array([EPOCH_MICROSECONDS + moment for moment in moments], pa.int64()).cast(pa.timestamp("us", "UTC")),
        pa.array(xids, pa.uint32()),
        pa.array(origins, pa.string()),
        pa.array(keys, schema.field("key").type),
        pa.array(olds, schema.field("old").type),
        pa.array(news, schema.field("new").type),
        pa.array([names or None for names in unchanged], pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True, slots=True)
class Truncated:
    """All rows of these relations went at once. Changes of them with a smaller position came before."""

    relations: tuple[Relation, ...]
    position: Position
    commit_time: datetime
    cascade: bool = False
    restart_identity: bool = False

    def changes(self) -> Iterator[Change]:
        """One change per relation."""
        for relation in self.relations:
            yield Change(relation, "truncate", {}, None, None, self.position, self.commit_time)


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """From ``position`` on, changes of this relation have another shape. Seen when the first of them arrives."""

    before: Relation
    after: Relation
    position: Position

    @property
    def added(self) -> tuple[str, ...]:
        """Columns that are new."""
        known = {c.name for c in self.before.columns}
        return tuple(c.name for c in self.after.columns if c.name not in known)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Columns that are gone (a renamed one is dropped and added)."""
        known = {c.name for c in self.after.columns}
        return tuple(c.name for c in self.before.columns if c.name not in known)

    @property
    def retyped(self) -> tuple[str, ...]:
        """Columns of the same name with another type or length."""
        known = {c.name: (c.type_oid, c.type_modifier) for c in self.before.columns}
        return tuple(c.name for c in self.after.columns if c.name in known and known[c.name] != (c.type_oid, c.type_modifier))


@dataclass(frozen=True, slots=True)
class LogMessage:
    """What an application wrote into the log with ``pg_logical_emit_message``."""

    prefix: str
    content: bytes
    position: Position
    transactional: bool


Part: TypeAlias = TableChanges | Truncated | SchemaChanged | LogMessage


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What was read at once: ``parts`` ordered by their first position, and where the reader stands after all of them.

    Attributes:
        end: store it with the effect of the parts, in one transaction; then acknowledge it. Also moves when nothing of interest happened.
        transactions: how many ended in this batch.
        whole: whether the batch ends with a transaction; a large one is spread over several batches.
        last_commit: of the youngest change in it.
    """

    parts: tuple[Part, ...]
    end: Position
    rows: int = 0
    transactions: int = 0
    whole: bool = True
    last_commit: datetime | None = field(default=None)

    def tables(self) -> Iterator[TableChanges]:
        """The parts that are rows."""
        return (part for part in self.parts if isinstance(part, TableChanges))

    def changes(self) -> Iterator[Change]:
        """Every change of every relation in the order of positions."""
        streams = [part.changes() for part in self.parts if isinstance(part, (TableChanges, Truncated))]
        return heapq.merge(*streams, key=lambda change: change.position)
