"""Projections: tables computed from the log alone, each defined by one file in ``store/projections``.

A file of that folder holds one ``PROJECTION``. Nothing else has to be edited: opening a store finds it, makes its table and fills it
from the log; it does so again whenever the definition changes, so a projection never needs a migration.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from accord.model.errors import UnknownName
from accord.model.event import StoredEvent
from accord.store.database import Database, Transaction, quote

ColumnType = Literal["text", "integer", "real", "time", "json"]
_MOST_TYPES = 4096  # that the wanting is known of; programs may send any
Apply = Callable[[Transaction, Sequence[StoredEvent]], None]

_SQL_TYPES: Mapping[ColumnType, str] = {
    "text": "TEXT",
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "time": "TEXT",
    "json": "TEXT",
}
_ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Projection:
    """One table computed from the log.

    Args:
        name: of the table.
        columns: column and type; ``time`` is ISO 8601 text in UTC, ``json`` is text with sorted keys.
        key: columns that identify a row and order the table.
        apply: puts events, in the order of the log, into the table; how they are cut into batches must not matter. It may refuse an
            event, which then does not enter the log; a new version must take every event an earlier one took.
        types: event types it is given; empty means all.
        indexes: columns to find rows by.
        partial: columns to find some rows by, and the condition on them; a query has to say the same condition.
        narrow: its rows are short. SQLite then keeps them in the index of the key, and a commit writes one page less for each place
            it touches; rows of more than some 1000 bytes would each take a page of their own there.
        views: further tables by name, each a SELECT that returns the same columns.
    """

    name: str
    columns: Mapping[str, ColumnType]
    key: tuple[str, ...]
    apply: Apply
    types: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    partial: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    narrow: bool = False
    views: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """Changes when the table or the code that fills it changes."""
        try:
            code = inspect.getsource(inspect.getmodule(self.apply) or self.apply)
        except (OSError, TypeError):  # installed without sources
            code = ""
        shape = repr((dict(self.columns), self.key, self.types, self.indexes, dict(self.partial), self.narrow, dict(self.views)))
        return hashlib.sha256(f"{shape}\n{code}".encode()).hexdigest()

    def create(self, tx: Transaction, dialect: Literal["sqlite", "postgresql"]) -> None:
        """Make the table, empty, and note from which definition."""
        lines = [f"{quote(column)} {_SQL_TYPES[type_]}{' NOT NULL' * (column in self.key)}" for column, type_ in self.columns.items()]
        layout = " WITHOUT ROWID" if self.narrow and dialect == "sqlite" else ""
        tx.run(f"CREATE TABLE {quote(self.name)} ({', '.join(lines)}, PRIMARY KEY ({_names(self.key)})){layout}")
        for columns, condition in [*((columns, "") for columns in self.indexes), *self.partial.items()]:
            index, among = quote("_".join((self.name, *columns))), f" WHERE {condition}" if condition else ""
            tx.run(f"CREATE INDEX {index} ON {quote(self.name)} ({_names(columns)}){among}")
        tx.run("INSERT INTO projection (name, digest, views) VALUES (?, ?, ?)", self.name, self.digest(), json.dumps(sorted(self.views)))

    def create_views(self, tx: Transaction) -> None:
        """Make its views; every table is there by then."""
        for view, select in self.views.items():
            tx.run(f"CREATE VIEW {quote(view)} AS {select}")


def insert(table: str, columns: Iterable[str]) -> str:
    """SQL that adds one row."""
    names = tuple(columns)
    return f"INSERT INTO {quote(table)} ({_names(names)}) VALUES ({', '.join('?' * len(names))})"


def upsert(table: str, columns: Iterable[str], key: Sequence[str], *, keep: Sequence[str] = ()) -> str:
    """SQL that adds a row, or replaces the values of the one with this key except those in ``keep``."""
    names = tuple(columns)
    moved = [quote(name) for name in names if name not in key and name not in keep]
    action = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in moved) if moved else "NOTHING"
    return f"{insert(table, names)} ON CONFLICT ({_names(key)}) DO {action}"


def discover() -> tuple[Projection, ...]:
    """All projections, by name: the ``PROJECTION`` of each file in ``store/projections``."""
    package = importlib.import_module("accord.store.projections")
    modules = (importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    return tuple(sorted((module.PROJECTION for module in modules), key=lambda projection: str(projection.name)))


def outdated(database: Database, projections: Sequence[Projection]) -> bool:
    """Whether a projection is missing, was built from another definition, or is no longer known."""
    recorded: dict[str, str] = dict(database.rows("SELECT name, digest FROM projection"))
    return recorded != {projection.name: projection.digest() for projection in projections}


def build(
    tx: Transaction,
    projections: Sequence[Projection],
    batches: Iterable[Sequence[StoredEvent]],
    *,
    dialect: Literal["sqlite", "postgresql"],
) -> None:
    """Compute projections anew from the whole log, given in order as batches; those no longer known are removed."""
    there = tx.rows("SELECT name, views FROM projection")
    for view in (view for _, views in there for view in json.loads(views)):
        tx.run(f"DROP VIEW IF EXISTS {quote(view)}")
    for name, _ in there:
        tx.run(f"DROP TABLE IF EXISTS {quote(name)}")
    tx.run("DELETE FROM projection")
    for projection in projections:
        projection.create(tx, dialect)
    for projection in projections:
        projection.create_views(tx)
    projector = Projector(projections)
    for batch in batches:
        projector.apply(tx, batch)


class Projector:
    """Brings projections forward by events that follow what they hold, each by those it is computed from.

    Args:
        projections: in the order in which they are brought forward.
    """

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = tuple(projections)
        self._wanting: dict[str, tuple[int, ...]] = {}  # by event type; most are wanted by few

    def apply(self, tx: Transaction, events: Sequence[StoredEvent]) -> None:
        """Put events, in the order of the log, into every table that wants them."""
        wanted: dict[int, list[StoredEvent]] = {}
        for stored in events:
            for place in self._wanting.get(stored.event.type) or self._remember(stored.event.type):
                wanted.setdefault(place, []).append(stored)
        for place in sorted(wanted):
            self._projections[place].apply(tx, wanted[place])

    def _remember(self, type_: str) -> tuple[int, ...]:
        if len(self._wanting) >= _MOST_TYPES:
            self._wanting.clear()
        places = tuple(place for place, projection in enumerate(self._projections) if not projection.types or type_ in projection.types)
        self._wanting[type_] = places
        return places


def as_table(database: Database, projections: Sequence[Projection], name: str) -> pa.Table:
    """A projection, or one of its views, as Arrow, ordered by its key.

    Raises:
        UnknownName: there is no such projection; the error lists those there are.
    """
    named = {known: projection for projection in projections for known in (projection.name, *projection.views)}
    if name not in named:
        raise UnknownName("projection", name, named)
    projection = named[name]
    rows = database.rows(f"SELECT {_names(projection.columns)} FROM {quote(name)}")
    values = list(zip(*rows, strict=True)) if rows else [()] * len(projection.columns)
    arrays = [_array(column, type_) for column, type_ in zip(values, projection.columns.values(), strict=True)]
    # Sorted here and not in SQL: databases differ in how they order text.
    return pa.table(arrays, names=list(projection.columns)).sort_by([(column, "ascending") for column in projection.key])


def _array(values: Sequence[object], type_: ColumnType) -> pa.Array:
    if type_ == "time":
        return pa.array(values, pa.string()).cast(_ARROW_TYPES["time"])
    return pa.array(values, _ARROW_TYPES[type_])


def _names(columns: Iterable[str]) -> str:
    return ", ".join(quote(column) for column in columns)
